-- Memory: the collector hears of native bytes, scopes free, failing allocations leave no damage.
local core = require "mapgrad.real"
local mg = require "mapgrad"

local nn, optim, random, tensor = mg.nn, mg.optim, mg.random, mg.tensor
local MIB = 2 ^ 20

local function collect()
  collectgarbage()
  collectgarbage()
end

-- Live bytes after a full collection.
local function live()
  collect()
  return core.memory().live
end

-- Peak of live bytes above the start while `work` runs, in a fresh process: what other specs keep would
-- count as memory in use, which garbage may pass by half.
local function peak_of(work)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(([[
    local core, tensor = require "mapgrad.real", require("mapgrad").tensor
    local KB, kept = 1024 / core.info().real_bytes, {}
    local start = core.memory().live
    local function kept_so_far() start = core.memory().live; core.memory_reset_peak() end
    %s
    print(core.memory().peak - start, #kept, kept_so_far)
  ]]):format(work))
  file:close()
  local lua = os.getenv "MAPGRAD_LUA" or (rawget(_G, "jit") and "luajit" or "lua5.4")
  local pipe = assert(io.popen(("%s '%s' 2>&1"):format(lua, script)))
  local printed = pipe:read "*a"
  pipe:close()
  os.remove(script)
  return assert(tonumber(printed:match "^%-?%d+"), printed)
end

describe("dropped tensors", function()
  teardown(function() core.memory_trim() end)

  it("of 1 MiB peak under 32 MiB", function()
    assert.is_true(peak_of "for _ = 1, 2000 do tensor.new(1024 * KB) end" < 32 * MIB)
  end)

  it("of 4 MB peak under 100 MB", function()
    assert.is_true(peak_of "for _ = 1, 3000 do tensor.new(4000 * KB) end" < 100e6)
  end)

  it("peak within 1.5 times of what is kept", function()
    local peak = peak_of [[
      for i = 1, 60 do kept[i] = tensor.new(1024 * KB) end
      collectgarbage() collectgarbage()
      kept_so_far()
      for _ = 1, 1000 do tensor.new(1024 * KB) end
    ]]
    -- blocks of 1 MiB and a line take the next size class, 1.125 MiB
    assert.is_true(peak < 1.125 * (30 + 1) * MIB + MIB, peak)
  end)

  it("of all kinds leave nothing behind", function()
    local before, tensors = live(), core.memory().tensors
    local function work()
      local t = tensor.ones(100, 100):watch()
      local view = t:detach():reshape(10, 1000):rows(2, 3);
      (t * t + 1):sum():backward()
      local s = mg.solver.grid_path { rows = 4, cols = 4 }
      s(tensor.ones(5, 4, 4))
      mg.noise.gumbel():sample({ 2, 3, 4 })
      t:free()
      assert.same({ 2, 1000 }, view:shape())
    end
    work()
    assert.equal(before, live())
    assert.equal(tensors, core.memory().tensors)
  end)

  it("are not needed by views, whichever goes first", function()
    local before, tensors = live(), core.memory().tensors
    for order = 1, 6 do
      local t = tensor.ones(50)
      local list = { t, t:detach():reshape(5, 10), t:detach():rows(3, 40) }
      for _, i in ipairs(({ { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } })[order]) do
        assert.equal(list[i]:count(), #list[i]:to_list())
        list[i]:free()
        list[i]:free()
      end
    end
    assert.equal(before, live())
    assert.equal(tensors, core.memory().tensors)
  end)
end)

describe("a finalizer that frees an argument", function()
  -- A value whose collection calls f: tables have no finalizer on LuaJIT, proxies none on Lua 5.4.
  local function finalized(f)
    local new_proxy = rawget(_G, "newproxy")
    if not new_proxy then return setmetatable({}, { __gc = f }) end
    local proxy = new_proxy(true)
    getmetatable(proxy).__gc = f
    return proxy
  end

  it("makes the operation an error or lets it through, never more", function()
    local size = 4 * MIB / core.info().real_bytes
    for _ = 1, 60 do
      local x = tensor.ones(size)
      finalized(function() x:free() end)
      local ok, message = pcall(function()
        local once = x:exp()
        return once, x:exp() -- collections fall into any of three allocations
      end)
      if not ok then assert.matches("MG-FREED", message, 1, true) end
    end
  end)
end)

describe("a scope", function()
  local function freed(t)
    return not core.is_alive(t.handle)
  end

  it("frees what was made inside but what it returns", function()
    local inside
    local result, number, list = tensor.scope(function(a)
      inside = a + 1
      local part = inside * 2
      return part, 7, { deep = { inside + 5 } }
    end, tensor { 1, 2 })
    assert.is_true(freed(inside))
    assert.same({ 4, 6 }, result:to_list())
    assert.equal(7, number)
    assert.same({ 7, 8 }, list.deep[1]:to_list())
    assert.equal("tensor (freed)", tostring(inside))
  end)

  it("leaves what was made before alone", function()
    local before = tensor { 1 }
    tensor.scope(function() before:add_(tensor { 1 }) end)
    assert.equal(2, before[1])
  end)

  it("leaves the gradients of leaves, which the leaves outside of it keep", function()
    local w = tensor({ 1, 2 }):watch()
    for _ = 1, 2 do
      tensor.scope(function() (w * w):sum():backward() end)
    end
    assert.same({ 4, 8 }, w.grad:to_list())
  end)

  it("frees on an error too, and passes it on", function()
    local inside
    local problem = {}
    local ok, caught = pcall(tensor.scope, function()
      inside = tensor { 1 }
      error(problem, 0)
    end)
    assert.is_false(ok)
    assert.equal(problem, caught)
    assert.is_true(freed(inside))
  end)

  it("may stand in a scope", function()
    local a, b, c
    tensor.scope(function()
      a = tensor { 1 }
      c = tensor.scope(function()
        b = tensor { 2 }
        return a + b
      end)
      assert.is_true(freed(b))
      assert.is_false(freed(a))
      assert.equal(3, c[1])
    end)
    assert.is_true(freed(a) and freed(c))
  end)

  it("spares what is kept", function()
    local kept
    tensor.scope(function() kept = tensor.keep(tensor { 5 }) end)
    assert.equal(5, kept[1])
  end)

  it("returns nils and no value as they are", function()
    assert.equal(3, select("#", tensor.scope(function() return nil, nil, nil end)))
    assert.equal(0, select("#", tensor.scope(function() end)))
  end)

  it("of 10,000 tensors holds no memory", function()
    local before = live()
    for _ = 1, 100 do
      tensor.scope(function()
        local t = tensor.ones(10)
        for _ = 1, 100 do t = t + 1 end
      end)
      assert.equal(before, core.memory().live)
    end
  end)
end)

-- ---------------------------------------------------------------- failing allocations

local folder

local function image()
  return tensor.full({ 6, 5, 3 }, 77)
end

local function small_net()
  random.seed(4)
  return nn.sequential { nn.linear(3, 4), nn.tanh(), nn.linear(4, 1) }
end

-- name -> function () -> a number that must be the same each time. Each makes all it needs.
local scenarios = {
  { "elementwise and reductions", function()
    local a = tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    local b = ((a + 1) * a:exp():log() / (a - 0.5) - a:maximum(tensor { 1, 9, 2 })):abs()
    return (b:sum(1) + b:mean(1)):max():item() + a:lt(3):sum():item()
  end },
  { "shapes and indices", function()
    local a = tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    local b = tensor.concat({ a:transpose(), a:reshape(3, 2) }, 2)
    local c = tensor.stack { b:take { 3, 1 }, b:slice(1, 2), b:rows(1, 2) }
    c[1] = 2
    return c[1]:sum():item() + c:permute(3, 1, 2):get(2, 3, 1)
  end },
  { "backward", function()
    random.seed(1)
    local a, b = tensor.normal(4, 3):watch(), tensor.normal(3, 2):watch()
    local y = a:matmul(b):sigmoid();
    (y * y + y:mean(1)):sum():backward()
    return a.grad:sum():item() + b.grad:square():sum():item()
  end },
  { "convolution, pooling, normalisation", function()
    random.seed(1)
    local x, w, bias = tensor.normal(2, 2, 6, 6):watch(), tensor.normal(3, 2, 3, 3):watch(), tensor.zeros(3):watch()
    local mean, variance = tensor.zeros(3), tensor.ones(3)
    local y = x:conv2d(w, bias, 1, 1):batch_norm(tensor.ones(3), tensor.zeros(3), mean, variance, 1e-5)
    y:max_pool2d(2):adaptive_pool2d("mean", 2, 2):square():sum():backward()
    return x.grad:sum():item() + w.grad:abs():sum():item() + bias.grad:sum():item()
  end },
  { "a solver and a batch", function()
    random.seed(1)
    local paths, top = mg.solver.grid_path { rows = 5, cols = 4 }, mg.solver.top_k { n = 20, k = 3 }
    local x = tensor.uniform(7, 5, 4)
    return paths(x):sum():item() + top(x:reshape(7, 20)):sum():item()
  end },
  { "ranks and trees", function()
    random.seed(1)
    local rank, sort = mg.solver.ranking { n = 4 }, mg.solver.sorting { n = 4, values = { 2, 3, 5, 7 } }
    local graph = { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 1 }, { 1, 3 } } }
    local tree, rooted = mg.solver.spanning_tree(graph), mg.solver.arborescence(graph)
    local x, y = tensor.uniform(3, 4), tensor.uniform(3, 5)
    local sum = mg.solver.permutation(rank(x)):get(1, 2, 3) + sort(x):get(2, 1)
    sum = sum + tree(y):get(1, 2) + rooted(y):get(3, 2)
    for i, s in ipairs { rank, sort, tree, rooted } do
      local all = s:enumerate()
      sum = sum + all:size(1) * 100 ^ i + (s:is_feasible(all[1]) and 0.5 or 0)
    end
    return sum
  end },
  { "a solver in Lua", function()
    local s = mg.solver.define { name = "first", n = 3, solve = function(_, z) z[1] = 1 end }
    return s(tensor.ones(4, 3)):sum():item()
  end },
  { "noise", function()
    random.seed(1)
    local sum = 0
    for _, name in ipairs { "gumbel", "normal" } do
      sum = sum + mg.noise[name]():sample({ 2, 3, 4 }):sum():item()
    end
    return sum + mg.noise.sum_of_gamma({ k = 3 }):sample({ 1, 2, 3 }):sum():item()
  end },
  { "a layer and its gradient", function()
    random.seed(1)
    local layer = mg.estimator.imle {
      solver = mg.solver.top_k { n = 5, k = 2 }, noise = mg.noise.gumbel(), samples = 3,
      target = mg.target.fixed { lambda = 1 },
    }
    local x = tensor.normal(4, 5):watch();
    (layer(x) * tensor { 1, 2, 3, 4, 5 }):sum():backward()
    return x.grad:square():sum():item()
  end },
  { "a layer over paths", function()
    random.seed(1)
    local layer = mg.estimator.blackbox { solver = mg.solver.grid_path { rows = 3, cols = 4 }, lambda = 5 }
    local x = tensor.uniform(2, 3, 4):watch()
    layer(x):sum():backward()
    return layer:map(x):sum():item() + x.grad:abs():sum():item()
  end },
  { "npy files", function()
    local path = folder .. "/a.npy"
    assert(mg.data.npy_write(path, tensor { { 1, 2 }, { 3, 4 } }, { type = "f8" }))
    return assert(mg.data.npy_read(path)):sum():item()
  end },
  { "png files", function()
    local path = folder .. "/a.png"
    assert(mg.data.png_write(path, image()))
    return assert(mg.data.png_read(path)):sum():item()
  end },
  { "safetensors and JSON files", function()
    local path = folder .. "/a.safetensors"
    assert(mg.data.safetensors_write(path, { a = tensor { 1, 2 }, b = tensor { 3 } }, { checksum = true }))
    local tensors = assert(mg.data.safetensors_read(path, { verify = true }))
    assert(mg.data.json_write(folder .. "/a.json", { 1, { x = 2 } }))
    return tensors.a:sum():item() + assert(mg.data.json_read(folder .. "/a.json"))[2].x
  end },
  { "a checkpoint", function()
    local path, net = folder .. "/a.checkpoint", small_net()
    local parts = { model = net, optimizer = optim.adam(net:parameters(), { rate = 0.1 }) }
    assert(mg.checkpoint.save(path, parts))
    assert(mg.checkpoint.resume(path, parts))
    return #net:parameters()
  end },
  { "plain and gzip files", function()
    return #assert(mg.data.file_read(folder .. "/text")) + #assert(mg.data.file_read(folder .. "/text.gz"))
  end },
  { "a training step", function()
    local net = small_net()
    local adam = optim.adam(net:parameters(), { rate = 0.1 })
    local x = tensor.ones(5, 3)
    adam:step(function() return net(x):square():sum() end)
    return adam:step(function() return net(x):square():sum() end)
  end },
  { "exact laws", function()
    local distribution = mg.distribution
    local tree = distribution.spanning_tree { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } }
    local path = distribution.dag_path { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } }
    local all = distribution.enumerated { solver = mg.solver.one_hot { n = 3 } }
    local sum = 0
    for _, law in ipairs { tree, path, all } do
      local x = tensor.ones(2, 3):watch()
      law:marginals(x):backward(tensor.ones(2, 3))
      sum = sum + law:sample(x:detach(), 2, { seed = 1, stream = "noise", index = 0 }):sum():item()
    end
    return sum
  end },
  { "a scope", function()
    return tensor.scope(function()
      local t = tensor.ones(3)
      return t + tensor.scope(function() return t * 2 end)
    end):sum():item()
  end },
}

describe("a failing allocation", function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(require("lfs").mkdir(folder))
    local file = assert(io.open(folder .. "/text", "wb"))
    file:write(("some text "):rep(100))
    file:close()
    assert(os.execute(("gzip -k '%s/text'"):format(folder)))
    core.memory_fail(-1, 0)
  end)

  teardown(function()
    core.memory_fail(-1, 0)
    for name in require("lfs").dir(folder) do os.remove(folder .. "/" .. name) end
    os.remove(folder)
  end)

  after_each(function() core.memory_fail(-1, 0) end)

  for _, scenario in ipairs(scenarios) do
    local name, f = scenario[1], scenario[2]

    -- Runs with the allocations from n on failing; true if the scenario came through.
    local function run(n, times, expected)
      core.memory_fail(n, times)
      local ok, result = pcall(f)
      core.memory_fail(-1, 0)
      if ok then
        assert.equal(expected, result)
      else
        local is_clean = type(result) == "string" and result:find("[MG-MEMORY]", 1, true)
        assert.truthy(is_clean, ("allocation %d of %s: %s"):format(n, name, tostring(result)))
        assert.truthy(result:match "^[^:]*memory_spec%.lua:%d+: ", result)
      end
      return ok
    end

    it("is an error and does no harm in " .. name, function()
      f()
      local expected, before = f(), live()
      local started = core.memory().allocations
      assert.equal(expected, f())
      local count = core.memory().allocations - started
      assert.is_true(count > 0 and count < 400, count)
      for n = 0, count do run(n, 1, expected) end
      local failures = 0
      for n = 0, count do failures = failures + (run(n, -1, expected) and 0 or 1) end
      assert.is_true(failures > 0)
      assert.is_true(run(count + 50, -1, expected))
      assert.equal(expected, f())
      assert.is_true(live() <= before) -- less: garbage of other specs went in the meantime
      for entry in require("lfs").dir(folder) do
        assert.falsy(entry:find("tmp", 1, true), "left behind: " .. entry)
      end
    end)
  end

  it("leaves the weights of a training step as they were", function()
    local net = small_net()
    local adam = optim.adam(net:parameters(), { rate = 0.1 })
    local weight = net:parameters()[1]
    local before = weight:clone()
    core.memory_fail(3, -1)
    local ok = pcall(adam.step, adam, function() return net(tensor.ones(5, 3)):square():sum() end)
    core.memory_fail(-1, 0)
    assert.is_false(ok)
    assert.is_true(weight:equals(before))
    adam:step(function() return net(tensor.ones(5, 3)):square():sum() end)
    assert.is_false(weight:equals(before))
  end)
end)

describe("training", function()
  it("of 2,000 steps runs in constant memory", function()
    random.seed(9)
    local net = small_net()
    local adam = optim.adam(net:parameters(), { rate = 1e-3 })
    local x, y = tensor.normal(8, 3), tensor.normal(8, 1)
    collect()
    local after_ten, peak_after_ten
    for step = 1, 2000 do
      adam:step(function() return (net(x) - y):square():mean() end)
      if step == 10 then
        after_ten = core.memory().live
        core.memory_reset_peak()
      elseif step == 20 then
        peak_after_ten = core.memory().peak
      elseif step > 20 then
        assert.equal(after_ten, core.memory().live)
      end
    end
    assert.equal(peak_after_ten, core.memory().peak)
  end)

  it("by hand, without scopes, grows no live bytes", function()
    random.seed(9)
    local x, w = tensor.normal(8, 3), tensor.normal(3, 1):watch()
    local before = live()
    for _ = 1, 300 do
      w.grad = nil
      x:matmul(w):square():sum():backward()
      w:add_(w.grad, -1e-3)
    end
    w.grad = nil
    assert.equal(before, live())
  end)
end)
