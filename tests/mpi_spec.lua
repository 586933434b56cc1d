-- Training in parts: shares and noise of parts in this process, several ranks under mpirun.
local command = require "tests.command"
local mg = require "mapgrad"
local support = require "tests.support"
local distribution, estimator, mpi = mg.distribution, mg.estimator, mg.mpi
local nn, noise, optim, random, solver, tensor = mg.nn, mg.noise, mg.optim, mg.random, mg.solver, mg.tensor
local assert_fails, assert_near = support.assert_fails, support.assert_near

local shards = require "mapgrad.mpi.shards"

-- Why several ranks cannot be tried here; nil if they can.
local function missing()
  if os.getenv "MAPGRAD_SANITIZER" then return "Open MPI is not made for sanitizers" end
  if not mpi.version() then return "mapgrad was built without Open MPI" end
  local pipe = io.popen "command -v mpirun"
  local path = pipe:read "*l"
  pipe:close()
  return not path and "mpirun is not there" or nil
end

-- The words that start so many ranks; a run that hangs fails.
local function ranks(n)
  return "OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1 "
    .. "timeout 60 mpirun --allow-run-as-root --oversubscribe -n " .. n .. " env"
end

describe("shares", function()
  it("are consecutive, cover all rows once, and differ by one at most", function()
    for count = 0, 13 do
      for parts = 1, 6 do
        local next_row, smallest, largest = 1, count, 0
        for i = 1, parts do
          local first, last = shards.share(count, parts, i)
          assert.equal(next_row, first)
          next_row = last + 1
          smallest, largest = math.min(smallest, last - first + 1), math.max(largest, last - first + 1)
        end
        assert.equal(count + 1, next_row)
        assert.is_true(largest - smallest <= 1)
      end
    end
  end)

  it("are rows of sets, tensors, tables and numbers; of one rank all of them", function()
    local x = tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.same({ { 3, 4 }, { 5, 6 } }, shards.rows(x, 2, 3):to_table())
    assert.same({ { 3, 4 } }, shards.rows({ x = x }, 2, 2).x:to_table())
    assert.same({ { 5, 6 } }, shards.rows(mg.data.set { x = x }, 3, 3).x:to_table())
    local part, rows = mpi.shard(x)
    assert.same({ x:to_table(), 3 }, { part:to_table(), rows })
    assert.same({ 1, 7 }, { mpi.shard(7) })
  end)

  it("say what is no batch", function()
    assert_fails("MG-TYPE", "mpi.shard: expected a data set, a tensor, a table of tensors or a number of rows, got a",
      mpi.shard, "x")
    assert_fails("MG-SHAPE", "the tensors of the batch have", mpi.shard, { a = tensor.zeros(2), b = tensor.zeros(3) })
    assert_fails("MG-SHAPE", "mpi.shard: the batch has no rows", mpi.shard, tensor.zeros(0, 2))
  end)
end)

-- f(first, last) for rows 1..5 and 6..7, joined along an axis.
local function in_parts(f, axis)
  local state, parts = random.state(), {}
  for i, borders in ipairs { { 1, 5 }, { 6, 7 } } do
    random.restore(state)
    random.part(borders[1] - 1, borders[2] - borders[1] + 1)
    parts[i] = f(borders[1], borders[2])
  end
  random.part(nil)
  random.restore(state)
  return tensor.concat(parts, axis)
end

describe("a batch in parts has of the whole", function()
  local theta = tensor.normal(7, 6)
  local two = tensor.normal(7, 3, 6) -- three instances a row
  local laws = { top_k = distribution.top_k { n = 6, k = 2 },
    factored = distribution.factored { law = distribution.one_hot { n = 6 }, blocks = 3 } }

  local cases = {
    { "noise", 2, function(first, last) return noise.gumbel():sample({ 3, last - first + 1, 6 }) end },
    { "antithetic noise of three instances a row", 2, function(first, last)
      return noise.normal { antithetic = true }:sample({ 2, 3 * (last - first + 1), 6 })
    end },
    { "solutions", 2, function(first, last)
      local s = solver.top_k { n = 6, k = 2 }
      local layer = estimator.imle { solver = s, noise = noise.gumbel(), target = mg.target.fixed { lambda = 1 },
        samples = 4 }
      return layer(theta:rows(first, last))
    end },
    { "a margin", 2, function(first, last)
      return estimator.blackbox { solver = solver.ranking { n = 6 }, lambda = 1, margin = 2, margin_kind = "noise" }(
        theta:rows(first, last))
    end },
    { "samples of a law", 2, function(first, last) return laws.top_k:sample(theta:rows(first, last), 5) end },
    { "samples of blocks", 2, function(first, last) return laws.factored:sample(two:rows(first, last), 5) end },
    { "relaxed samples", 2, function(first, last)
      return estimator.gumbel_softmax { samples = 3 }(theta:rows(first, last))
    end },
    { "dropout", 1, function(first, last) return two:rows(first, last):dropout(0.5) end },
    { "dropout of many", 1, function(first, last) return tensor.ones(last - first + 1, 1001):dropout(0.3) end },
  }

  for _, case in ipairs(cases) do
    it(case[1], function()
      random.seed(5)
      local parts = in_parts(case[3], case[2])
      local whole = case[3](1, 7)
      assert.same(whole:to_table(), parts:to_table())
      assert.is_true(whole:var():item() > 0)
    end)
  end

  it("the gradient of dropout", function()
    local x = tensor.ones(7, 6):watch()
    local state = random.state()
    x:dropout(0.5):sum():backward()
    random.restore(state)
    local gradient = in_parts(function(first, last)
      local part = tensor.ones(last - first + 1, 6):watch()
      part:dropout(0.5):sum():backward()
      return part.grad
    end, 1)
    assert.same(x.grad:to_table(), gradient:to_table())
  end)

  it("numbers that are no rows' are those of the whole", function()
    random.part(4, 3)
    local draw = random.draw "noise"
    random.part(nil)
    assert.equal(0, random.first(draw, 7))
    assert.equal(8, random.first(draw, 6))
    assert.equal(0, random.first(random.draw "noise", 6))
  end)
end)

-- A training that has all that may go wrong: noise, dropout, a law, a parameter without a gradient in the first part,
-- a batch that does not divide, a last batch of one row. make(optimizer, net, target) answers a function (batch, f);
-- is_adaptive: with a target that moves. The text is run here and under mpirun.
local TRAINING = [[
local mg = require "mapgrad"
local data, distribution, estimator, loss, mpi = mg.data, mg.distribution, mg.estimator, mg.loss, mg.mpi
local nn, noise, optim, random, solver, tensor = mg.nn, mg.noise, mg.optim, mg.random, mg.solver, mg.tensor
local function train(make, is_adaptive)
  random.seed(11)
  local top, target = solver.top_k { n = 6, k = 2 }, mg.target.adaptive { norms = "instance", step = 0.01 }
  local set = data.set { x = tensor.normal(22, 4), y = top(tensor.normal(22, 6)) }
  local net = nn.sequential { nn.linear(4, 8), nn.tanh(), nn.dropout(0.2), nn.linear(8, 6) }
  local unused = tensor.ones(3):watch()
  local layer = estimator.imle { solver = top, noise = noise.gumbel(), target = mg.target.fixed { lambda = 3 },
    samples = 2, margin = 0.1, margin_kind = "noise" }
  local law = distribution.top_k { n = 6, k = 2 }
  local list = net:parameters()
  list[#list + 1] = unused
  local aimle = is_adaptive and estimator.aimle { solver = top, noise = noise.gumbel(), target = target }
  local adam = optim.adam(list, { rate = 0.05, decay = 0.01 })
  local step, values = make(adam, net, target), {}
  for _ = 1, 2 do
    for batch in set:batches { size = 7, shuffle = true } do
      values[#values + 1] = step(batch, function(part)
        local theta = net(part.x)
        return loss.hamming((aimle or layer)(theta), part.y) + (law:log_prob(theta, part.y) * -0.1):mean()
      end)
    end
  end
  for _, t in ipairs(list) do
    for _, v in ipairs(t:to_list()) do values[#values + 1] = v end
  end
  return values
end
]]

local run_here = require("mapgrad.compat").load(TRAINING .. "return train", "=training")

describe("training in parts, one rank", function()
  local function alone(adam)
    return function(batch, f) return (adam:step(function() return f(batch) end)) end
  end

  local function with(options)
    return function(adam)
      local trainer = mpi.trainer(adam, options)
      return function(batch, f) return trainer:step(batch, f) end
    end
  end

  local train = run_here()
  local expected = train(alone)

  it("has the bits of the optimizer's own steps", function()
    assert.same(expected, train(with {}))
  end)

  it("in shards has them up to rounding", function()
    for _, count in ipairs { 1, 2, 4, 9 } do
      assert_near(expected, train(with { shards = count }), support.TOLERANCE)
    end
  end)

  it("of a loss that is a sum", function()
    local results = {}
    for i, options in ipairs { { loss = "sum" }, { loss = "sum", shards = 3 } } do
      local w = tensor { 1, -2 }:watch()
      local trainer = mpi.trainer(optim.sgd({ w }, { rate = 0.01 }), options)
      local x = tensor { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 9 } }
      assert_near(9 + 25 + 49 + 121, trainer:step(x, function(part) return (part * w):sum(2):square():sum() end))
      results[i] = w:to_table()
    end
    assert_near(results[1], results[2])
  end)

  it("gives rows as numbers", function()
    local seen, w = {}, tensor { 1 }:watch()
    mpi.trainer(optim.sgd({ w }, { rate = 0.1 }), { shards = 2 }):step(5, function(first, last)
      seen[#seen + 1] = first .. "-" .. last
      return (w * 1):sum()
    end)
    assert.same({ "1-2", "3-5" }, seen)
  end)

  it("moves running statistics to the mean over the parts", function()
    local net = nn.batch_norm(1, { momentum = 0.5 })
    local trainer = mpi.trainer(optim.sgd(net:parameters(), { rate = 0.1 }), { model = net, shards = 2 })
    trainer:step(tensor { { 1 }, { 3 }, { 4 }, { 10 } }, function(part) return net(part):square():sum() end)
    assert_near(0.5 * (2 + 7) / 2, net.mean:item())
    assert_near(0.5 + 0.5 * (2 + 18) / 2, net.variance:item())
  end)

  it("moves numbers to the mean over the parts", function()
    local moving = { total = 1, other = -1 }
    function moving.state(self) return { total = self.total, other = self.other } end
    function moving.load_state(self, state) self.total, self.other = state.total, state.other end
    local w = tensor { 1 }:watch()
    local trainer = mpi.trainer(optim.sgd({ w }, { rate = 0.1 }), { moving = { moving }, shards = 2 })
    trainer:step(4, function(first)
      assert.equal(1, moving.total)
      moving.total, moving.other = moving.total + first, 2 * moving.other
      return (w * 1):sum()
    end)
    assert_near({ 1 + (1 + 3) / 2, -2 }, { moving.total, moving.other })
    assert_fails("MG-TYPE", "mpi.trainer: moving: 1: expected an object with the methods state and load_state, got a",
      mpi.trainer, optim.sgd({ w }, { rate = 0.1 }), { moving = { 3 } })
  end)

  it("leaves parameters without a gradient as they are", function()
    local a, b = tensor { 1 }:watch(), tensor { 2 }:watch()
    local trainer = mpi.trainer(optim.adam({ a, b }, { rate = 0.1 }), { shards = 2 })
    trainer:step(4, function() return (a * a):sum() end)
    assert.equal(2, b:item())
    assert.is_true(a:item() < 1)
    trainer:step(4, function(first) return first == 1 and (a * a):sum() or (b * b):sum() end)
    assert.is_true(b:item() < 2)
  end)

  it("raises what is wrong, and the parameters stay", function()
    local w = tensor { 1 }:watch()
    local trainer = mpi.trainer(optim.sgd({ w }, { rate = 0.1 }), { shards = 2 })
    assert_fails("MG-TYPE", "mpi.trainer: step: expected the loss, a tensor of one entry, got a number", trainer.step,
      trainer, 4, function() return 1 end)
    assert_fails("MG-NUMBER", "the loss of step 1 is nan; weights are as before it", trainer.step, trainer, 4,
      function() return (w * (0 / 0)):sum() end)
    assert.equal(1, w:item())
    assert_fails("MG-ARGUMENT", "shards", mpi.trainer, optim.sgd({ w }, { rate = 0.1 }), { shards = 0 })
  end)
end)

describe("several ranks", function()
  local reason = missing()
  if reason then
    pending(reason)
    return
  end

  -- Prints the training's numbers on rank 0, and whether the others have the same.
  local PROGRAM = TRAINING .. [[
local function with(options)
  return function(adam, net, target)
    options.model, options.moving = net, { target }
    local trainer = mpi.trainer(adam, options)
    return function(batch, f) return trainer:step(batch, f) end
  end
end
local function show(name, values)
  local texts = {}
  for i, v in ipairs(values) do texts[i] = ("%.17g"):format(v) end
  local text = table.concat(texts, " ")
  if mpi.broadcast(text) ~= text then error("rank " .. mpi.rank() .. " has other numbers: " .. name) end
  if mpi.rank() == 0 then print(name, text) end
end
show("plain", train(with {}))
show("ordered", train(with { shards = 4 }))
show("adaptive", train(with { shards = 4 }, true))

local normal = nn.batch_norm(1)
local two = mpi.trainer(optim.sgd(normal:parameters(), { rate = 0.1 }), { model = normal, shards = 2 })
for _ = 1, 2 do two:step(tensor { { 1 }, { 3 }, { 4 }, { 10 } }, function(p) return normal(p):square():sum() end) end
show("normal", { normal.mean:item(), normal.variance:item(), normal.gain:item(), normal.bias:item() })

local rank, size = mpi.rank(), mpi.size()
local t = tensor { rank + 1, 10 * (rank + 1) }
mpi.all_reduce({ t, { "named", tensor { 1, 2, 3 } } }, { op = "mean" })
local w = tensor { rank, rank }:watch()
local net = nn.batch_norm(2)
net.mean:fill_(rank)
local part, rows = mpi.shard(tensor { 1, 2, 3, 4, 5 })
local mine = 0
for _, v in ipairs(part and part:to_list() or {}) do mine = mine + v end
assert(mpi.broadcast { w } and mpi.broadcast(net) == net)
show("calls", { size, t:get(1), t:get(2), mpi.all_reduce(rank), mpi.all_reduce(rank + 1, { op = "mean" }),
  w:get(1), net.mean:get(2), mpi.broadcast(7 - rank), mpi.broadcast(rank == 0) and 1 or 0, mpi.all_reduce(mine),
  mpi.all_reduce(rows) })
local nan = mpi.broadcast(rank == 0 and 0 / 0 or 1)
assert(nan ~= nan and mpi.broadcast(rank == 0 and -1 / 0 or 1) == -1 / 0)
assert(mpi.broadcast(rank == 0 and 1 / 0 or 1) == 1 / 0)
mpi.barrier()

local name = os.tmpname()
os.remove(name)
assert(mg.checkpoint.save(name, { model = net }))
local file = io.open(name)
mpi.barrier()
assert((file ~= nil) == (rank == 0))
if file then file:close() os.remove(name) end
local bar = mg.progress.new { total = 1, label = "bar of rank " .. rank }
bar:tick()
bar:finish()
]]

  local function read(result)
    local rows = {}
    for line in result.out:gmatch "[^\n]+" do
      local name, text = line:match "^(%a+)\t(.*)$"
      rows[name] = {}
      for word in text:gmatch "%S+" do rows[name][#rows[name] + 1] = tonumber(word) end
    end
    return rows
  end

  it("train as one does: up to rounding, in shards with the same bits", function()
    local results = command.lua_all(PROGRAM, support.is_double and { "", ranks(2), ranks(3), ranks(4) }
      or { "", ranks(2) })
    local one
    for n, result in ipairs(results) do
      assert.equal(0, result.code, result.out .. result.err)
      local rows = read(result)
      one = one or rows
      assert_near(one.plain, rows.plain, support.TOLERANCE)
      assert.same(one.ordered, rows.ordered)
      assert.same(one.adaptive, rows.adaptive)
      assert.same(one.normal, rows.normal)
      local mean = (n + 1) / 2
      assert_near({ n, mean, 10 * mean, n * (n - 1) / 2, mean, 0, 0, 7, 1, 15, 5 }, rows.calls)
      assert.truthy(result.err:find("bar of rank 0", 1, true))
      assert.is_nil(result.err:find("bar of rank [1-9]"))
    end
    assert_near(run_here()(function(adam)
      return function(batch, f) return (adam:step(function() return f(batch) end)) end
    end), one.ordered, support.TOLERANCE)
  end)

  it("end together when one fails, with its message", function()
    if not support.is_double then return pending "done in double" end -- the number type matters to none of it
    local text = [[
local mg = require "mapgrad"
local mpi, tensor = mg.mpi, mg.tensor
local rank, how = mpi.rank(), os.getenv "HOW"
local w = tensor { 1, 2 }:watch()
if how == "outside" and rank == 1 then error "boom outside" end
if how == "exit" and rank == 1 then os.exit(7) end
if how == "seed" then mg.random.seed(rank) end
local trainer = mpi.trainer(mg.optim.sgd({ w }, { rate = 0.1 }))
for i = 1, 3 do
  pcall(trainer.step, trainer, 4, function()
    if rank == 1 and i == 2 then return (w + tensor.zeros(3)):sum() end
    return (w * w):sum()
  end)
end
print "not to be reached"
mpi.barrier()
]]
    local environments = {}
    local expected = {
      { "inside", 1, { "rank 1 of 2: error[MG-SHAPE]: ", "at ", "mapgrad.mpi: all ranks end" } },
      { "outside", 1, { "boom outside", "mapgrad.mpi: rank 1 of 2 failed with exit code 1; all ranks end" } },
      { "exit", 7, { "mapgrad.mpi: rank 1 of 2 failed with exit code 7; all ranks end" } },
      { "seed", 1, { "rank 1 is not like rank 0", "rank 0: optim.sgd of 1 parameters", "seed 0, random streams" } },
    }
    for i, row in ipairs(expected) do environments[i] = "HOW=" .. row[1] .. " " .. ranks(2) end
    for i, result in ipairs(command.lua_all(text, environments)) do
      local row = expected[i]
      assert.equal(row[2], result.code, row[1] .. ": " .. result.err)
      for _, part in ipairs(row[3]) do
        assert.truthy(result.err:find(part, 1, true), row[1] .. " lacks '" .. part .. "': " .. result.err)
      end
      assert.is_nil(result.out:find("not to be reached", 1, true))
    end
  end)
end)

describe("mapgrad run on several ranks", function()
  local reason = missing() or support.is_double and "done in float"
  if reason then
    pending(reason)
    return
  end

  local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "several ranks", mpi = true, seeds = SEEDS,
  options = { { name = "fail", default = -1 } },
  run = function(_, record, o)
    local grid = mg.solver.grid_path { rows = 4, cols = 4 }
    local costs = mg.tensor.uniform(24, 4, 4)
    local set = mg.data.set { x = costs:reshape(24, 16), path = grid(costs) }
    local net = mg.nn.sequential { mg.nn.linear(16, 16), mg.nn.softplus(), mg.nn.reshape(4, 4) }
    local target = mg.target.fixed { lambda = 20 }
    local layer = mg.estimator.imle { solver = grid, noise = mg.noise.gumbel(), target = target }
    local adam = mg.optim.adam(net:parameters(), { rate = 1e-2 })
    local trainer = mg.mpi.trainer(adam, { model = net, shards = 4 })
    for epoch in record:epochs(4, { model = net, optimizer = adam }) do
      local value
      for batch in set:batches { size = 10, shuffle = true } do
        value = trainer:step(batch, function(part)
          if epoch == 2 and mg.mpi.rank() == o.fail then error "boom" end
          return mg.loss.hamming(layer(net(part.x)), part.path)
        end)
        if record:step(value) then break end
      end
      record { epoch = epoch, loss = value }
      print("epoch", epoch)
    end
  end,
}
]]

  local store = require "mapgrad.experiment.store"
  local folder, results
  setup(function()
    folder = command.folder()
    local file = command.write(folder .. "/several.lua", (EXPERIMENT:gsub("SEEDS", "1")))
    local two = command.write(folder .. "/two.lua", (EXPERIMENT:gsub("SEEDS", "2")))
    local function words(out, ...) return { "run", file, "--seed", "3", "--out", folder .. "/" .. out, ... } end
    results = command.mapgrad_all {
      { "", words "alone" }, { ranks(2), words "several" }, { ranks(2), words("first", "--set", "fail=0") },
      { ranks(2), words("second", "--set", "fail=1") }, { ranks(2), { "run", two, "--out", folder .. "/two" } },
    }
  end)
  teardown(function() command.remove(folder) end)

  local function read(path)
    local handle = assert(io.open(path))
    local text = handle:read "*a"
    handle:close()
    return text
  end

  local function run_of(out)
    return assert(store.runs(folder .. "/" .. out))[1]
  end

  it("gives the numbers of one, once", function()
    for i = 1, 2 do assert.equal(0, results[i].code, results[i].err) end
    local one, several = run_of "alone", run_of "several"
    assert.equal(results[1].out, results[2].out)
    assert.equal("epoch\t1\nepoch\t2\nepoch\t3\nepoch\t4\n", read(several.folder .. "/log.txt"))
    assert.equal(read(one.folder .. "/metrics.jsonl"), read(several.folder .. "/metrics.jsonl"))
    assert.equal(4 * 24 * 2, several.rows[4].solves)
    assert.same({ "finished", 2 }, { several.state, several.meta.ranks })
  end)

  it("ends all when one fails", function()
    assert.equal(1, results[3].code)
    assert.truthy(results[3].err:find("error: boom", 1, true), results[3].err)
    assert.equal("failed", run_of("first").state)
    assert.equal(1, results[4].code)
    assert.truthy(results[4].err:find("rank 1 of 2: error: boom", 1, true), results[4].err)
    local core = require "mapgrad.real"
    local deadline = core.clock() + 20
    while run_of("second").state == "running" and core.clock() < deadline do core.pause(0.05) end -- until it is buried
    assert.equal("cut", run_of("second").state)
  end)

  it("is one run at a time", function()
    assert.equal(2, results[5].code)
    assert.truthy(results[5].err:find("several ranks do one run: choose a seed and a variant", 1, true), results[5].err)
  end)
end)

describe("a launcher without Open MPI in the build", function()
  it("is named", function()
    local result = command.lua([[
package.preload["mapgrad.mpi_module"] = function() error "not there" end
print(pcall(require("mapgrad").mpi.rank))]], "PMI_RANK=0")
    assert.truthy(result.out:find("mpi: a launcher started this process, but mapgrad was built without Open MPI", 1,
      true), result.out .. result.err)
  end)
end)

describe("a launcher of another MPI", function()
  it("is named", function()
    local result = command.lua([[
package.preload["mapgrad.mpi_module"] = function()
  return { start = function() return 0, 1, 1, 1 end, version = function() return "Open MPI v4" end }
end
print(pcall(require("mapgrad").mpi.rank))]], "PMI_RANK=0 PMI_SIZE=3")
    assert.truthy(result.out:find("mpi: a launcher started 3 processes, which Open MPI v4 does not join; use its", 1,
      true), result.out .. result.err)
  end)
end)

describe("without a launcher", function()
  it("nothing of MPI is loaded", function()
    local result = command.lua [[
local mpi = require("mapgrad").mpi
print(mpi.rank(), mpi.size(), mpi.broadcast(3), mpi.all_reduce(4), package.loaded["mapgrad.mpi_module"])]]
    assert.equal("0\t1\t3\t4\tnil\n", result.out)
  end)
end)

