-- Checkpoints: a training that is cut and resumed in a new process ends with the bits of one that was
-- not; damaged files are refused; a killed writer leaves a whole file.
local core = require "mapgrad.real"
local mg = require "mapgrad"
local lfs = require "lfs"
local command = dofile "tests/command.lua"
local support = require "tests.support"

local checkpoint, data, nn, optim, random, tensor = mg.checkpoint, mg.data, mg.nn, mg.optim, mg.random, mg.tensor
local assert_fails, read_bytes, refused = support.assert_fails, support.read_bytes, support.assert_refused

local folder

setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

local function path(name) return folder .. "/" .. name end

-- A part of one's own, which keeps what it is given.
local function new_part(state)
  local part = { kept = state }
  function part:state() return self.kept end
  function part:restore(given) self.kept = given end
  return part
end

local function small_training(seed)
  random.seed(seed)
  local net = nn.sequential { nn.linear(3, 4), nn.batch_norm(4), nn.linear(4, 1) }
  local adam = optim.adam(net:parameters(), { rate = 0.1 })
  local function step()
    return adam:step(function() return net(tensor.normal(6, 3)):square():mean() end)
  end
  return { model = net, optimizer = adam }, step
end

local function assert_same_state(expected, got)
  for name, value in pairs(expected) do
    if tensor.is(value) then assert.same(value:to_list(), got[name]:to_list(), name)
    else assert.same(value, got[name], name) end
  end
end

describe("a checkpoint", function()
  it("gives back states, values and random streams", function()
    local parts, step = small_training(1)
    for _ = 1, 3 do step() end
    parts.own = new_part { count = 3, place = { 5, 2 } }
    parts.values = {
      epoch = 3, best = math.huge, worst = -math.huge, none = 0 / 0, name = "a\n\195\164", done = false,
      list = { 1, { 2 } }, t = tensor { 1.5, 2 }, rate = 0.1, ["a/b~c"] = { tensor { 3 } }, third = 1 / 3, empty = {},
    }
    assert.is_true(checkpoint.save(path "a", parts))
    local expected = { step(), step(), random.uniform(), random.uniform "noise" }
    local fresh, again = small_training(2)
    fresh.own, fresh.values = new_part {}, { epoch = 0, other = 1 }
    local values = assert(checkpoint.resume(path "a", fresh))
    assert.same(expected, { again(), again(), random.uniform(), random.uniform "noise" })
    assert.equal(fresh.values, values)
    assert.same({ count = 3, place = { 5, 2 } }, fresh.own.kept)
    assert.is_true(values.none ~= values.none)
    assert.same({ 1.5, 2 }, values.t:to_list())
    assert.same({ 3 }, values["a/b~c"][1]:to_list())
    for _, t in ipairs { values, parts.values } do t.none, t.t, t["a/b~c"] = nil, nil, nil end
    assert.same(parts.values, values)
  end)

  it("keeps whole floats and integers apart, where Lua does", function()
    local values = { float = 2 ^ 40 + 0.0, integer = 7, list = { 1.0, 2, 3.5 } }
    assert(checkpoint.save(path "types", { values = values }))
    local got = {}
    assert(checkpoint.resume(path "types", { values = got }))
    assert.same(values, got)
    if math.type then
      assert.same({ "float", "integer", "float", "integer" },
        { math.type(got.float), math.type(got.integer), math.type(got.list[1]), math.type(got.list[2]) })
    end
  end)

  it("is a safetensors file with readable names and JSON", function()
    local parts = small_training(1)
    parts.values = { list = { tensor { 7 } } }
    assert(checkpoint.save(path "b", parts))
    local tensors, metadata = data.safetensors_read(path "b")
    assert.same({ 4, 3 }, tensors["model/1.weight"]:shape())
    assert.same({ 7 }, tensors["values/list/1"]:to_list())
    assert.equal("1", metadata.checkpoint)
    local state = assert(data.json.decode(metadata.state))
    assert.equal(data.json.null, state.tree.model["1.weight"])
    assert.equal(1, state.tree.random.seed)
  end)

  it("can be loaded without changing anything", function()
    local parts, step = small_training(1)
    step()
    assert(checkpoint.save(path "c", parts))
    local before = random.state()
    local tree = assert(checkpoint.load(path "c"))
    assert.same(before, random.state())
    assert.same(before, tree.random)
    assert.is_nil(tree.values)
    assert_same_state(parts.model:state(), tree.model)
    local other = small_training(2)
    other.model:load_state(tree.model)
    assert_same_state(parts.model:state(), other.model:state())
  end)

  it("of the same state has the same bytes", function()
    local parts = small_training(1)
    assert(checkpoint.save(path "d1", parts))
    local other = small_training(5)
    assert(checkpoint.resume(path "d1", other))
    assert(checkpoint.save(path "d2", other))
    assert.equal(read_bytes(path "d1"), read_bytes(path "d2"))
  end)

  it("of the other real type is converted", function()
    local program = [[
      local mg = require "mapgrad"
      local part = { state = function() return { t = mg.tensor { 0.5, 0.1 }, rate = 0.1 } end, load_state = print }
      mg.random.seed(77)
      assert(mg.checkpoint.save(%q, { part = part }))
    ]]
    local result = command.lua(program:format(path "e"), "MAPGRAD_REAL=" .. (support.is_double and "float" or "double"))
    assert.equal(0, result.code, result.err)
    local tree = assert(checkpoint.load(path "e"))
    assert.equal(0.1, tree.part.rate)
    assert.equal(77, tree.random.seed)
    assert.equal(0.5, tree.part.t:get(1))
    assert.equal(tonumber("0.1000000014901161"), tonumber(("%.16g"):format(tree.part.t:get(2))))
  end)

  it("says when there is none", function()
    local parts = small_training(1)
    local value, message, reason = checkpoint.resume(path "nowhere", parts)
    refused({ path "nowhere" }, value, message)
    assert.equal("missing", reason)
    value, message, reason = checkpoint.load(folder)
    refused({ "not a regular file" }, value, message)
    assert.is_nil(reason)
    refused({ path "no/a" }, checkpoint.save(path "no/a", parts))
  end)

  it("is refused when any byte is changed or missing", function()
    assert(checkpoint.save(path "f", { part = new_part { t = tensor { 1, 2, 3 }, n = 1 } }))
    local whole = read_bytes(path "f")
    for at = 1, #whole do
      local changed = whole:sub(1, at - 1) .. string.char((whole:byte(at) + 1) % 256) .. whole:sub(at + 1)
      refused({ "damaged" }, checkpoint.load(command.write(path "damaged", changed)))
      refused({ "damaged" }, checkpoint.load(command.write(path "damaged", whole:sub(1, at - 1))))
    end
    refused({ "damaged" }, checkpoint.load(command.write(path "damaged", whole .. "\0")))
  end)

  -- A file with a right checksum and this metadata.
  local function forged(metadata, tensors)
    assert(data.safetensors_write(path "forged", tensors or {}, { metadata = metadata, checksum = true }))
    return checkpoint.load(path "forged")
  end

  it("is refused when its content is no checkpoint of this version", function()
    local random_state = '"random":{"seed":1,"position":{"init":3}}'
    local good = ('{"tree":{%s,"part":{"t":null,"n":null}},"numbers":{"part/n":"inf"}}'):format(random_state)
    local function state(text) return { checkpoint = "1", state = text } end
    assert.equal(math.huge, assert(forged(state(good), { ["part/t"] = tensor { 1 } })).part.n)
    refused({ path "forged", "version 2", "newer" }, forged { checkpoint = "2", state = good })
    refused({ "no", "checkpoint" }, forged {})
    refused({ "no", "checkpoint" }, forged { checkpoint = "x", state = good })
    refused({ path "forged", "line 1" }, forged(state '{"tree":'))
    refused({ "no tree" }, forged(state "[]"))
    refused({ "no tree" }, forged(state '{"tree":{}}'))
    refused({ "'part/t' is missing" }, forged(state(good)))
    refused({ "1 tensors belong to no state" },
      forged(state(good), { ["part/t"] = tensor { 1 }, ["part/u"] = tensor { 1 } }))
    for _, bad in ipairs {
      '"x":1', '"random":{}', '"random":{"seed":-1,"position":{}}', '"random":{"seed":1,"position":3}',
      '"random":{"seed":1.5,"position":{}}', '"random":{"seed":1,"position":{"init":"x"}}',
    } do
      refused({ "random streams" }, forged(state(('{"tree":{%s},"numbers":{}}'):format(bad))))
    end
  end)

  it("that does not fit raises and changes nothing", function()
    local parts, step = small_training(1)
    parts.a = new_part { 1 }
    step()
    assert(checkpoint.save(path "g", parts))
    random.seed(2)
    local other = { model = nn.linear(3, 4), optimizer = parts.optimizer, a = new_part { 2 } }
    step()
    local model, optimizer, streams = other.model:state(), other.optimizer:state(), random.state()
    assert_fails("MG-NAME", "load_state", checkpoint.resume, path "g", other)
    assert_same_state(model, other.model:state())
    assert.equal(optimizer.steps, other.optimizer:state().steps)
    assert.same({ 2 }, other.a.kept) -- it comes before the model and had been given its state
    assert.same(streams, random.state())
  end)

  it("wants the same parts", function()
    local parts = small_training(1)
    assert(checkpoint.save(path "i", parts))
    assert_fails("MG-NAME", "'optimizer'", checkpoint.resume, path "i", { model = parts.model })
    parts.schedule = new_part {}
    assert_fails("MG-NAME", "no part 'schedule'", checkpoint.resume, path "i", parts)
  end)

  it("refuses parts and values that have no state", function()
    local function fails(code, text, parts) assert_fails(code, text, checkpoint.save, path "j", parts) end
    fails("MG-TYPE", "expected a table of parts", nil)
    fails("MG-TYPE", "model: expected an object", { model = {} })
    fails("MG-TYPE", "model: expected an object", { model = 3 })
    fails("MG-NAME", "'random'", { random = new_part {} })
    fails("MG-NAME", "'1'", { new_part {} })
    fails("MG-TYPE", "values: expected a table", { values = 3 })
    fails("MG-TYPE", "values.f is a function", { values = { f = print } })
    fails("MG-TYPE", "values/x is null", { values = { x = data.json.null } })
    fails("MG-TYPE", "values/net is a mapgrad.module", { values = { net = nn.linear(1, 1) } })
    fails("MG-TYPE", "values.l is a table whose keys", { values = { l = { 1, nil, 3, x = 1 } } })
    fails("MG-ARGUMENT", "UTF-8", { values = { s = "\255" } })
    local loop = {}
    loop.loop = loop
    fails("MG-ARGUMENT", "holds itself", { values = loop })
    assert_fails("MG-ARGUMENT", "checkpoint.save: path", checkpoint.save, 3, {})
    assert.is_nil(lfs.attributes(path "j"))
  end)

  it("leaves no memory behind", function()
    local parts = small_training(1)
    local function work()
      assert(checkpoint.save(path "k", parts))
      assert(checkpoint.resume(path "k", parts))
    end
    work()
    collectgarbage()
    collectgarbage()
    local before = core.memory().live
    for _ = 1, 5 do work() end
    collectgarbage()
    collectgarbage()
    assert.equal(before, core.memory().live)
  end)
end)

describe("a training that is cut and resumed", function()
  -- Arguments of the text: folder, step to stop at (0: none). Batches come shuffled and an epoch is 5
  -- steps, so most cuts fall into its middle; the schedule looks at the losses; the net draws random
  -- numbers; the order of a new epoch comes from the stream "shuffle".
  local PROGRAM = [[
    local mg = require "mapgrad"
    local folder, stop, STEPS = %q, %d, 23
    local nn, random, schedule, tensor = mg.nn, mg.random, mg.optim.schedule, mg.tensor
    random.seed(5)
    local set = mg.data.set { x = tensor.normal(20, 6), y = tensor.normal(20, 1) }
    local net
    net = nn.sequential {
      nn.linear(6, 8), nn.batch_norm(8), nn.relu(),
      nn.lambda(function(h) return h * (tensor.uniform(1, 8):gt(tensor.full({ 1 }, 0.5)) * 2) end),
      nn.linear(8, 1),
    }
    local rest, first = {}, #net[1]:parameters()
    for i, parameter in ipairs(net:parameters()) do rest[i - first] = parameter end
    local adam = mg.optim.adam({
      { parameters = net[1]:parameters(), decay = 1e-3 }, { parameters = rest, rate = 0.02 },
    }, { rate = 0.05, clip_norm = 1 })
    local plan = schedule.warm_up(adam, { count = 4, after = schedule.plateau(adam, { patience = 2, factor = 0.7 }) })
    local loader = set:loader { size = 4, shuffle = true }
    local progress = { step = 0, best = math.huge, losses = {} }
    local parts = { model = net, optimizer = adam, schedule = plan, loader = loader, values = progress }
    local ok, message, reason = mg.checkpoint.resume(folder .. "/cut", parts)
    assert(ok or reason == "missing", message)

    local function train_on(batch)
      plan:at(progress.step + 1)
      local loss = adam:step(function() return (net(batch.x) - batch.y):square():mean() end)
      plan:observe(loss)
      progress.step, progress.best = progress.step + 1, math.min(progress.best, loss)
      progress.losses[progress.step] = loss
    end

    while true do
      for batch in loader:batches() do
        train_on(batch)
        if progress.step == stop or progress.step == STEPS then
          assert(mg.checkpoint.save(folder .. (stop > 0 and "/cut" or "/done"), parts))
          return
        end
      end
    end
  ]]

  local function train(stop)
    local result = command.lua(PROGRAM:format(folder, stop))
    assert.equal(0, result.code, result.err)
  end

  it("ends with the same bytes, wherever it was cut", function()
    os.remove(path "cut")
    train(0)
    local uncut = read_bytes(path "done")
    os.remove(path "done")
    random.seed(os.time())
    local cuts, last = {}, 0
    for i, step in ipairs(random.order(22)) do
      if i <= 10 then cuts[i] = step end
    end
    table.sort(cuts)
    for _, step in ipairs(cuts) do -- each run resumes the one before
      train(step)
      assert.is_true(step > last)
      last = step
    end
    train(0)
    assert.is_true(uncut == read_bytes(path "done"), "cut at " .. table.concat(cuts, ", "))
    -- and cut once only
    os.remove(path "cut")
    train(cuts[5])
    train(0)
    assert.is_true(uncut == read_bytes(path "done"))
  end)
end)

describe("a killed writer", function()
  local KILLS = tonumber(os.getenv "MAPGRAD_KILLS" or "25")

  -- Saves number after number; prints a line for each that is on the disk.
  local PROGRAM = [[
    local mg = require "mapgrad"
    local n = 0
    local part = { load_state = function() end }
    function part:state() return { n = n, t = mg.tensor.full({ 20000 }, n) } end
    for i = 1, 1e9 do
      n = i
      assert(mg.checkpoint.save(%q, { part = part }))
      io.write(i, "\n")
      io.flush()
    end
  ]]

  it("leaves a whole file, the old or the new one", function()
    local program = command.write(path "killed.lua", PROGRAM:format(path "target"))
    local lua = os.getenv "MAPGRAD_LUA" or (rawget(_G, "jit") and "luajit" or "lua5.4")
    random.seed(os.time())
    -- the shell waits for the first file, then for the delay, which falls into any moment of a save
    local script = command.write(path "kill.sh", [[
      : >"$2.out"
      LUA_PATH="$5" LUA_CPATH="$6" "$1" "$3" >"$2.out" & pid=$!
      while kill -0 $pid 2>/dev/null && ! [ -s "$2.out" ]; do sleep 0.003; done
      sleep "$4"; kill -9 $pid; wait $pid 2>/dev/null; exit 0
    ]])
    local seen = {}
    for _ = 1, KILLS do
      os.remove(path "target")
      local words = { "sh", script, lua, path "target", program, ("%.6f"):format(random.uniform() * 0.03),
        "'" .. package.path .. "'", "'" .. package.cpath .. "'" }
      os.execute(table.concat(words, " ") .. " 2>/dev/null")
      local printed = 0
      for line in read_bytes(path "target.out"):gmatch "(%d+)\n" do printed = tonumber(line) end
      local tree = assert(checkpoint.load(path "target"))
      local n = tree.part.n
      -- what was printed is on the disk; at most one more was written without its line
      assert.is_true(n == printed or n == printed + 1, ("%d, printed %d"):format(n, printed))
      assert.equal(n, tree.part.t:get(20000))
      assert.equal(n * 20000, tree.part.t:sum():item())
      seen[n] = true
    end
    local different = 0
    for _ in pairs(seen) do different = different + 1 end
    assert.is_true(different > 1)
  end)
end)

describe("checkpoint.save", function()
  it("takes a path and parts, nothing more", function()
    assert.has_error_matching(function() mg.checkpoint.save("x", { values = {} }, { step = 5 }) end,
      "checkpoint_spec.*numbers go to parts.values")
  end)
end)
