-- Time limits, Ctrl-C under the stock interpreters, debug hooks.
local command = require "tests.command"
local core = require "mapgrad.real"
local mg = require "mapgrad"

local random, tensor = mg.random, mg.tensor

-- What a script prints in a process of its own, which may be interrupted.
local function run(script, is_interrupted) return command.printed(script, { interrupt = is_interrupted }) end

-- ---------------------------------------------------------------- time limits

local paths = mg.solver.grid_path { rows = 60, cols = 60 }
local gumbel = mg.noise.gumbel()

local long = {
  { "a batch of solves", function()
    local x = tensor.ones(50, 60, 60)
    for _ = 1, 10000 do paths(x) end
  end },
  { "perturb and solve", function()
    local x, o = tensor.ones(60, 60), { noise = gumbel, temperature = 1, samples = 2000 }
    for _ = 1, 10000 do
      o.draw = random.draw "noise"
      tensor.scope(paths.perturbed_argmax, paths, x, nil, o)
    end
  end },
  { "noise", function()
    for _ = 1, 10000 do tensor.scope(gumbel.sample, gumbel, { 10, 100, 1000 }) end
  end },
  { "elementwise operations", function()
    local t = tensor.ones(1000, 1000)
    for _ = 1, 100000 do tensor.scope(function() return (t * 2 + t):exp():sum():item() end) end
  end },
  { "in-place operations", function()
    local t = tensor.ones(1000, 1000)
    for _ = 1, 1000000 do t:add_(t, 1e-9):fill_(1) end
  end },
  { "matrix products", function()
    local t = tensor.ones(500, 500)
    for _ = 1, 10000 do tensor.scope(t.matmul, t, t) end
  end },
  { "convolutions", function()
    local x, w = tensor.ones(8, 16, 40, 40), tensor.ones(16, 16, 3, 3)
    for _ = 1, 10000 do tensor.scope(x.conv2d, x, w, nil, 1, 1) end
  end },
  { "training", function()
    local w, x = tensor.normal(200, 200):watch(), tensor.ones(100, 200)
    local adam = mg.optim.adam({ w }, { rate = 1e-3 })
    for _ = 1, 100000 do adam:step(function() return x:matmul(w):square():mean() end) end
  end },
}

-- One long solve of a kind, or many: what the limit is to end from within.
local function edges_of(nodes, step)
  local edges = {}
  for i = 1, nodes do
    for j = i + 1, nodes, step do edges[#edges + 1] = { i, j } end
  end
  return edges
end

local function solves_of(s, batch)
  return function()
    local shape = { batch or 1 }
    for _, extent in ipairs(s.shape) do shape[#shape + 1] = extent end
    local x = (tensor.uniform(shape) * 1000):floor()
    for _ = 1, 10000 do s(x):free() end
  end
end

for name, make in pairs {
  assignment = function() return mg.solver.assignment { rows = 1000, cols = 1000 } end,
  tour = function() return mg.solver.tour { cities = 150 } end,
  quadratic_assignment = function()
    return mg.solver.quadratic_assignment { nodes_a = 20, nodes_b = 20, nodes = 1e9,
      flow = tensor.uniform(20, 20), distance = tensor.uniform(20, 20) }
  end,
  knapsack = function()
    return mg.solver.knapsack { weights = tensor.uniform(2000) + 0.1, capacity = 500.5 }
  end,
  graph_path = function() return mg.solver.graph_path { nodes = 400, edges = edges_of(400, 1), start = 1 } end,
  min_cost_flow = function()
    local supplies = tensor.zeros(200)
    supplies:set(1, 20)
    supplies:set(200, -20)
    local edges = edges_of(200, 1)
    return mg.solver.min_cost_flow { nodes = 200, edges = edges, capacities = tensor.full({ #edges }, 3),
      supplies = supplies }
  end,
  spanning_tree = function() return mg.solver.spanning_tree { nodes = 500, edges = edges_of(500, 1) } end,
  arborescence = function() return mg.solver.arborescence { nodes = 500, edges = edges_of(500, 1) } end,
  perfect_matching = function() return mg.solver.perfect_matching { nodes = 300 } end,
  grid_path = function() return mg.solver.grid_path { rows = 1500, cols = 1500 } end,
  chain = function() return mg.solver.chain { length = 2000, states = 100 } end,
  ranking = function() return mg.solver.ranking { n = 1000000 } end,
  top_k = function() return mg.solver.top_k { n = 1000000, k = 1000 } end,
} do
  long[#long + 1] = { "solves of " .. name, function() solves_of(make())() end }
end

describe("a time limit", function()
  setup(function() random.seed(1) end)
  teardown(function() core.time_limit(0) end)

  for _, row in ipairs(long) do
    it("ends " .. row[1], function()
      core.time_limit(0.05)
      local ok, message = pcall(row[2])
      assert.is_false(ok)
      assert.truthy(message:find("time limit reached [MG-INTERRUPTED]", 1, true), message)
      assert.truthy(message:match "^[^:]*interrupt_spec%.lua:%d+: ", message)
      -- lifted, and all is usable
      assert.equal(60, paths(tensor.ones(1, 60, 60)):sum():item())
      assert.equal(1e6, tensor.ones(1000, 1000):fill_(1):sum():item())
    end)
  end

  it("of zero is none", function()
    core.time_limit(1e-9)
    core.time_limit(0)
    assert.equal(1e6, tensor.ones(1000, 1000):sum():item())
  end)

  it("keeps the debug hook of the user", function()
    local function hook() end
    debug.sethook(hook, "", 100000000)
    core.time_limit(0.02)
    local ok = pcall(long[1][2])
    local found = debug.gethook()
    debug.sethook()
    assert.is_false(ok)
    assert.equal(hook, found)
  end)
end)

describe("a debug hook", function()
  it("that comes or goes between calls interrupts nothing", function()
    local t = tensor.ones(300000)
    local moment = tensor.zeros(300000)
    local function hook() end
    for _, use in ipairs {
      function() t:fill_(2) end, function() t:copy_(t) end, function() t:add_(t) end, function() t:scale_(0.5) end,
      function()
        core.adam(t.handle, t.handle, moment.handle, moment:clone().handle, 0, 0.9, 0.99, 1e-8, 0, false, 1)
      end,
      function() tensor.normal(300000) end, function() return random.order(1000) end,
      function() return gumbel:sample { 1, 300, 1000 } end, function() return paths(tensor.ones(30, 60, 60)) end,
    } do
      debug.sethook(hook, "", 100000000)
      local with, message = pcall(use)
      debug.sethook()
      local without, second = pcall(use)
      assert.is_true(with, message)
      assert.is_true(without, second)
    end
  end)
end)

-- ---------------------------------------------------------------- Ctrl-C

local prelude = [[
local mg = require "mapgrad"
local tensor = mg.tensor
mg.random.seed(1)
local paths = mg.solver.grid_path { rows = 100, cols = 100 }
local x = tensor.ones(300, 100, 100)
io.write "ready " io.flush()
]]
local ending = [[
print(ok, tostring(message))
print(paths(tensor.ones(1, 100, 100)):sum():item() == 100 and "usable")
]]

local loops = {
  { "solves", "while true do paths(x) end" },
  { "noise", [[local g = mg.noise.gumbel() while true do g:sample { 10, 300, 1000 } end]] },
  { "perturb and solve", [[
    local layer = mg.estimator.imle { solver = paths, noise = mg.noise.gumbel(), samples = 4,
      target = mg.target.fixed { lambda = 1 } }
    while true do layer(x:rows(1, 100)) end]] },
  { "in-place operations", "local t = tensor.ones(2000, 2000) while true do t:add_(t, 1e-9) end" },
}

describe("Ctrl-C under the stock interpreter", function()
  for _, row in ipairs(loops) do
    it("ends " .. row[1], function()
      local text = run(prelude .. ("local ok, message = pcall(function() %s end)\n"):format(row[2]) .. ending, true)
      assert.truthy(text:find("false.*interrupted"), text)
      assert.truthy(text:find("usable", 1, true), text)
    end)
  end

  it("ends a coroutine's solves", function()
    local text = run(prelude .. [[
      local co = coroutine.create(function() while true do paths(x) end end)
      local ok, message = coroutine.resume(co)
    ]] .. ending, true)
    assert.truthy(text:find("false.*interrupted"), text)
    assert.truthy(text:find("usable", 1, true), text)
  end)

  it("ends a coroutine also when it comes between two calls", function()
    local text = run(prelude .. [[
      local t = tensor.ones(100000)
      local co = coroutine.create(function()
        while true do
          for _ = 1, 50000 do end
          t:fill_(1)
        end
      end)
      local ok, message = coroutine.resume(co)
    ]] .. ending, true)
    assert.truthy(text:find("false.*interrupted"), text)
    assert.truthy(text:find("usable", 1, true), text)
  end)

  it("ends a script that catches nothing", function()
    local text = run(prelude .. "while true do paths(x) end print 'still here'", true)
    assert.truthy(text:find("interrupted", 1, true), text)
    assert.falsy(text:find("still here", 1, true), text)
  end)
end)

describe("the module's state", function()
  it("outlives the coroutine that required it", function()
    local text = run [[
      coroutine.wrap(function() require "mapgrad" end)()
      for i = 1, 5 do
        collectgarbage()
        local junk = {}
        for j = 1, 1000 do junk[j] = coroutine.create(function() end) end
      end
      local mg = require "mapgrad"
      local s = mg.solver.grid_path { rows = 9, cols = 9 }
      for i = 1, 200 do s(mg.tensor.ones(50, 9, 9)) end
      mg.tensor.ones(1000, 1000):fill_(3)
      print "fine"
    ]]
    assert.equal("fine\n", text)
  end)
end)
