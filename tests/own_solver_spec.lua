-- Solvers of one's own: in Lua, in shared objects, programs; and solvers made of solvers.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local command = dofile "tests/command.lua"
local support = require "tests.support"
local assert_fails = support.assert_fails
local solver, tensor, random = mg.solver, mg.tensor, mg.random
local is_luajit = rawget(_G, "jit") ~= nil

local folder
setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

describe("solver.define", function()
  local function largest(options)
    local fields = { name = "largest", n = 3, solve = function(theta, z, n)
      local first = 1
      for i = 2, n do if theta[i] > theta[first] then first = i end end
      z[first] = 1
    end }
    for key, value in pairs(options or {}) do fields[key] = value end
    return solver.define(fields)
  end

  it("solves rows of a batch", function()
    local s = largest()
    assert.same({ { 0, 1, 0 }, { 0, 0, 1 } }, s(tensor { { 1, 3, 2 }, { 0, 0, 1 } }):to_table())
    assert.equal(2, s.solves)
    assert.equal(solver.verify(s, function(z) return z[1] + z[2] + z[3] == 1 end), 200)
  end)

  it("gives a min solver costs", function()
    local s = solver.define { name = "least", n = 2, sense = "min", solve = function(costs, z)
      z[costs[1] <= costs[2] and 1 or 2] = 1
    end }
    assert.same({ 0, 1 }, s(tensor { 5, 2 }):to_table())
    assert.same({ 0, 1 }, s:argmax(tensor { -5, -2 }):to_table())
    assert.equal(200, solver.verify(s, function(z) return z[1] + z[2] == 1 end))
  end)

  it("gives pointers on LuaJIT and says so elsewhere", function()
    local function make()
      return solver.define { name = "pointed", n = 3, pointers = true, solve = function(theta, z, n)
        local first = 0
        for i = 1, n - 1 do if theta[i] > theta[first] then first = i end end
        z[first] = 1
      end }
    end
    if not is_luajit then
      assert.has_error_matching(make, "needs LuaJIT")
    else
      assert.same({ { 0, 1, 0 }, { 0, 0, 1 } }, make()(tensor { { 1, 3, 2 }, { 0, 0, 1 } }):to_table())
      assert.has_error_matching(function() make()(tensor { { 1, 3, 2 }, { 0, 0 / 0, 1 } }) end,
        "pointed: instance 2: entry 2 is NaN")
      local function bad(f)
        return solver.define { name = "bad", n = 2, pointers = true, solve = f }
      end
      assert.has_error_matching(function() bad(function(_, z) z[1] = 0 / 0 end)(tensor { 1, 2 }) end,
        "bad: instance 1: z%[1%] is NaN")
      assert.has_error_matching(function() bad(function() error "seven" end)(tensor { 1, 2 }) end,
        "bad: instance 1: .*solver_spec.lua:%d+: seven")
      assert.has_error_matching(function() bad(function(_, z) z[0] = {} end)(tensor { 1, 2 }) end,
        "bad: instance 1: .*cannot convert")
    end
  end)

  it("takes a shape", function()
    local s = solver.define { name = "corner", shape = { 2, 3 }, solve = function(theta, z, n)
      assert(#theta == 6 and n == 6)
      z[6] = 1
    end }
    assert.same({ { { 0, 0, 0 }, { 0, 0, 1 } } }, s(tensor.ones(1, 2, 3)):to_table())
    for _, wrong in ipairs { "ab", {}, { 0 }, { 2, 1.5 }, { "x" }, tensor { 2, 3 } } do
      assert.has_error_matching(function()
        solver.define { name = "wrong", shape = wrong, solve = function() end }
      end, "solver_spec.*shape.*: expected a")
    end
    assert.has_error_matching(function() solver.define { name = "none", solve = function() end } end,
      "expected one of n and shape")
  end)

  it("names the instance and the line of an error inside", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local s = solver.define { name = "broken", n = 2, solve = function(theta, z)
      if theta[1] == 7 then error "seven" end
      z[1] = 1
    end }
    local x = tensor { { 1, 1 }, { 1, 1 }, { 7, 1 } }
    local expected = ("broken: instance 3: .*solver_spec.lua:%d: seven"):format(line)
    assert.has_error_matching(function() s(x) end, expected)
  end)

  it("counts instances, not samples, in the errors of a layer", function()
    local calls = 0
    local s = solver.define { name = "broken", n = 2, solve = function(_, z)
      calls = calls + 1
      z[1] = calls == 8 and {} or 1
      if calls == 17 then error "seventeen" end
    end }
    local layer = mg.estimator.straight_through { solver = s, samples = 4 }
    assert.has_error_matching(function() layer(tensor.ones(3, 2)) end, "instance 2: z%[1%] is a table")
    assert.has_error_matching(function() layer(tensor.ones(3, 2)) end, "instance 3: .*seventeen")
  end)

  local junk = {
    "text", "", "1", true, false, {}, { 1 }, { z = 1 }, setmetatable({}, { __tostring = error }), print,
    function() return 1 end, tensor { 1 }, tensor.zeros(2, 2), mg.noise.gumbel(), io.stdout,
    coroutine.create(function() end), coroutine.wrap(function() end), 0 / 0, math.huge, -math.huge,
  }
  it("refuses junk in an answer", function()
    assert.equal(20, #junk)
    for _, value in ipairs(junk) do
      local s = solver.define { name = "junk", n = 2, solve = function(_, z) z[2] = value end }
      assert.has_error_matching(function() s(tensor { 1, 2 }) end, "solver_spec.*junk: instance 1: z%[2%] is")
    end
  end)

  it("takes what solve returns for nothing", function()
    for _, value in ipairs(junk) do
      local s = solver.define { name = "returns", n = 2, solve = function(_, z)
        z[1] = 1
        return value
      end }
      assert.same({ 1, 0 }, s(tensor { 1, 2 }):to_table())
    end
  end)

  it("refuses answers of another length", function()
    local long = solver.define { name = "long", n = 2, solve = function(_, z) z[3] = 1 end }
    assert.has_error_matching(function() long(tensor { 1, 2 }) end, "z has 3 entries, expected 2")
    local short = solver.define { name = "short", n = 2, solve = function(_, z) z[2] = nil end }
    assert.has_error_matching(function() short(tensor { 1, 2 }) end, "z%[2%] is a nil")
  end)

  it("refuses NaN in theta", function()
    assert.has_error_matching(function() largest()(tensor { 1, 0 / 0, 2 }) end, "instance 1: entry 2 is NaN")
  end)

  it("gives each instance its context", function()
    local s = solver.define { name = "allowed", n = 2, solve = function(_, z, _, context)
      z[context.take] = 1
      assert(#context.pair == 2 and context.word == "yes")
    end }
    local z = s(tensor.zeros(3, 2), { take = tensor { 1, 2, 1 }, pair = tensor.ones(3, 2), word = "yes" })
    assert.same({ { 1, 0 }, { 0, 1 }, { 1, 0 } }, z:to_table())
  end)

  it("says which context is none of one row an instance", function()
    local s = solver.define { name = "fussy", n = 2, solve = function(_, z) z[1] = 1 end }
    assert.has_error_matching(function() s(tensor.zeros(3, 2), { w = tensor { 1, 2 } }) end,
      "context w has shape 2, expected a row for each of 3 instances")
  end)

  it("cannot be left by a yield", function()
    local s = solver.define { name = "yields", n = 2, solve = function() coroutine.yield() end }
    local ok, message = coroutine.resume(coroutine.create(function() return s(tensor { 1, 2 }) end))
    assert.is_false(ok)
    assert.matches("yields: instance 1: .*yield", message)
  end)

  it("refuses infinite answers and shapes that are none", function()
    local s = solver.define { name = "far", n = 2, solve = function(_, z) z[1] = math.huge end }
    assert.has_error_matching(function() s(tensor { 1, 2 }) end, "z%[1%] is infinite")
    assert.has_error_matching(function()
      solver.define { name = "odd", shape = { 2, -3 }, solve = function() end }
    end, "shape%[2%]: expected an integer from 1")
  end)

  it("may call a solver inside, itself included", function()
    local inner = largest()
    local s = solver.define { name = "outer", n = 3, solve = function(theta, z)
      local answer = inner(tensor(theta)):to_list()
      for i = 1, 3 do z[i] = answer[i] end
    end }
    assert.same({ 0, 0, 1 }, s(tensor { 1, 2, 3 }):to_table())
  end)

  it("is caught by verify when wrong", function()
    local s = solver.define { name = "lazy", n = 3, solve = function(_, z) z[1] = 1 end }
    assert.has_error_matching(function()
      solver.verify(s, function(z) return z[1] + z[2] + z[3] == 1 end)
    end, "lazy: trial %d+: the answer {1, 0, 0} has objective")
    local infeasible = solver.define { name = "greedy", n = 3, solve = function(_, z) z[1], z[2] = 1, 1 end }
    assert.has_error_matching(function()
      solver.verify(infeasible, function(z) return z[1] + z[2] + z[3] == 1 end)
    end, "greedy: trial %d+: the answer {1, 1, 0} is not feasible")
  end)

  it("does not grow when its function fails again and again", function()
    local s = solver.define { name = "fails", n = 4, solve = function() error "no" end }
    local x = tensor.ones(2, 4)
    collectgarbage() collectgarbage()
    local before = core.memory().tensors
    for _ = 1, 2000 do pcall(s, x) end
    collectgarbage() collectgarbage()
    assert(core.memory().tensors - before < 65536)
  end)
end)

describe("solver.verify", function()
  it("accepts the kinds of the core", function()
    assert.equal(50, solver.verify(solver.top_k { n = 5, k = 2 }, function(z)
      return z[1] + z[2] + z[3] + z[4] + z[5] == 2
    end, { trials = 50 }))
    local path = solver.grid_path { rows = 2, cols = 2 }
    assert.equal(50, solver.verify(path, function(z) return z[1] == 1 and z[4] == 1 end, { trials = 50 }))
  end)

  it("refuses more than 20 entries", function()
    assert.has_error_matching(function()
      solver.verify(solver.one_hot { n = 21 }, function() return true end)
    end, "enumeration goes to 20")
  end)
end)

describe("what a defined solver may answer", function()
  local function one_of_three(options)
    options.name, options.n = "one_of_three", 3
    options.solve = options.solve or function(theta, z, n)
      local best = 1
      for i = 2, n do
        if theta[i] > theta[best] then best = i end
      end
      z[best] = 1
    end
    return solver.define(options)
  end

  it("is told by its predicate", function()
    local s = one_of_three { is_feasible = function(z) return z[1] + z[2] + z[3] == 1 end }
    assert.same({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, s:enumerate():to_table())
    assert.is_true(s:is_feasible(tensor { 0, 1, 0 }))
    assert.same({ false, true }, s:is_feasible(tensor { { 1, 1, 0 }, { 1, 0, 0 } }))
    assert.equal(200, s:verify())
  end)

  it("sees its context", function()
    local s = one_of_three { is_feasible = function(z, context) return z[context.free] == 0 end }
    assert.same({ true, false },
      s:is_feasible(tensor { { 1, 0, 1 }, { 1, 0, 1 } }, { free = tensor { 2, 3 } }))
    assert.equal(4, s:enumerate { free = 1 }:size(1))
  end)

  it("is asked for when it is not given", function()
    assert_fails("MG-ARGUMENT", "give solver.define the option is_feasible", function()
      return one_of_three {}:is_feasible(tensor { 1, 0, 0 })
    end)
    assert_fails("MG-ARGUMENT", "more than 2 solutions", function()
      return one_of_three { is_feasible = function() return true end }:enumerate(nil, 2)
    end)
  end)
end)

describe("solver.factored", function()
  it("answers each block as the inner solver does, in batches and with contexts", function()
    random.seed(3)
    local inner = solver.top_k { n = 5, k = 2 }
    local s = solver.factored { solver = inner, blocks = 3 }
    local x = tensor.normal(40, 3, 5)
    assert.is_true(s(x):equals(inner(x)))
    assert.is_true(s(x[1]):equals(inner(x[1])))
    local k = (tensor.uniform(40, 3) * 6):floor()
    assert.is_true(s(x, { k = k }):equals(inner(x:reshape(120, 5), { k = k:reshape(120) }):reshape(40, 3, 5)))
    local answers, parts = s:solve(x), inner:solve(x)
    for i = 1, 40 do
      local sum = 0
      for b = 1, 3 do sum = sum + parts.objective[3 * i - 3 + b] end
      support.assert_near(sum, answers.objective[i])
      assert.is_true(answers.proved[i])
    end
  end)

  it("enumerates all combinations", function()
    local s = solver.factored { solver = solver.one_hot { n = 3 }, blocks = 2 }
    assert.equal(9, s:enumerate():size(1))
    assert.same({ 3, 3, 3, 3, 3, 3 }, s:enumerate():sum(1):reshape(6):to_list())
    assert.equal(200, s:verify())
    assert.is_true(s:is_feasible(tensor { { 0, 1, 0 }, { 1, 0, 0 } }))
    assert.is_false(s:is_feasible(tensor { { 0, 1, 0 }, { 1, 1, 0 } }))
  end)

  it("names instance and block", function()
    local s = solver.factored { solver = solver.top_k { n = 3, k = 1 }, blocks = 4 }
    local x = tensor.zeros(2, 4, 3)
    x:set(2, 3, 1, 0 / 0)
    assert_fails("MG-ARGUMENT", "instance 2", s, x)
    local k = tensor.ones(2, 4)
    k:set(2, 3, 9)
    assert_fails("MG-ARGUMENT", "instance 2, block 3: k = 9", s, tensor.zeros(2, 4, 3), { k = k })
    assert_fails("MG-NO-SOLUTION", "instance 1: no solution", s, tensor.zeros(2, 4, 3),
      { mask = tensor.zeros(2, 4, 3) })
  end)

  it("has the same bits in a layer as its blocks of one solver", function()
    local one = mg.estimator.imle { solver = solver.factored { solver = solver.one_hot { n = 4 }, blocks = 5 },
      noise = mg.noise.gumbel(), target = mg.target.fixed { lambda = 1 } }
    random.seed(4)
    local z = one(tensor.normal(6, 5, 4))
    assert.same({ 1, 6, 5, 4 }, z:shape())
    assert.is_true(z:sum(4):equals(tensor.ones(1, 6, 5)))
  end)
end)

describe("solver.cached", function()
  it("answers as the solver does and solves nothing twice", function()
    random.seed(5)
    local inner = solver.grid_path { rows = 4, cols = 5 }
    local s = solver.cached { solver = inner }
    local x, y = tensor.uniform(20, 4, 5), tensor.uniform(20, 4, 5)
    assert.is_true(s(x):equals(inner(x)))
    assert.same({ 20, 0 }, { s.solves, s.hits })
    assert.is_true(s(tensor.concat({ y:rows(1, 10), x:rows(11, 20) }, 1)):equals(
      inner(tensor.concat({ y:rows(1, 10), x:rows(11, 20) }, 1))))
    assert.same({ 30, 10 }, { s.solves, s.hits })
  end)

  it("keeps answers of other contexts apart", function()
    local inner = solver.top_k { n = 4, k = 2 }
    local s, x = solver.cached { solver = inner }, tensor { { 4, 3, 2, 1 }, { 4, 3, 2, 1 } }
    local mask = tensor { { 1, 0, 1, 1 }, { 0, 1, 1, 1 } }
    for _, context in ipairs { { k = tensor { 1, 3 } }, { k = 2 }, { mask = mask } } do
      for _ = 1, 2 do assert.is_true(s(x, context):equals(inner(x, context))) end
    end
    assert.same({ 6, 6 }, { s.solves, s.hits })
  end)

  it("forgets the oldest answers when it is full", function()
    random.seed(6)
    local inner = solver.one_hot { n = 6 }
    local s = solver.cached { solver = inner, most = 7 }
    for _ = 1, 300 do
      local x = (tensor.uniform(3, 6) * 2):floor()
      assert.is_true(s(x):equals(inner(x)))
    end
    assert(s.hits > 10 and s.solves > 100)
  end)

  it("answers from what is known with a ratio below 1", function()
    random.seed(7)
    local s = solver.cached { solver = solver.top_k { n = 6, k = 2 }, ratio = 0.2 }
    assert.is_false(s.exact)
    for _ = 1, 200 do
      local z = s(tensor.normal(5, 6))
      for i = 1, 5 do assert.is_true(s.inner:is_feasible(z[i])) end
    end
    -- 5 solves a call with probability 0.2: 200 calls give 200 +- 28; 6 deviations, false alarm 2e-9
    assert(math.abs(s.solves - 200) < 170, s.solves)
    assert_fails("MG-ARGUMENT", "no context can be given", s, tensor.normal(5, 6), { k = 1 })
    assert_fails("MG-OPTION", "ratio = 2", solver.cached, { solver = s.inner, ratio = 2 })
  end)

  it("has the gradients of the solver in layers", function()
    local inner = solver.grid_path { rows = 4, cols = 4 }
    local gradients = {}
    for i, s in ipairs { inner, solver.cached { solver = inner } } do
      random.seed(8)
      local x = tensor.uniform(6, 4, 4):watch()
      local layer = mg.estimator.imle { solver = s, noise = mg.noise.gumbel(), samples = 3,
        target = mg.target.fixed { lambda = 2 } };
      (layer(x) * tensor.normal(3, 6, 4, 4)):sum():backward()
      gradients[i] = x.grad
    end
    assert.is_true(gradients[1]:equals(gradients[2]))
  end)
end)

describe("solver.load", function()
  local source = [[
#include <stdio.h>
#include "mapgrad.h"
const int mg_solver_reals = sizeof(mg_real);
int nearest(const mg_instance *x, mg_real *z, void *state) {
  int64_t best = 0;
  (void)state;
  if (x->contexts[0] && x->contexts[0][0] > 1) {
    snprintf(x->message, 256, "k is %g", (double)x->contexts[0][0]);
    return MG_NO_SOLUTION;
  }
  if (x->theta[0] == 100) z[0] = 1e30f * 1e30f;
  if (x->theta[0] == 50) return 7;
  for (int64_t i = 1; i < x->n; i++)
    if (x->theta[i] < x->theta[best]) best = i;
  z[best] = 1;
  return MG_OK;
}
]]
  local path

  setup(function()
    path = folder .. "/nearest.so"
    command.write(folder .. "/nearest.c", source)
    local define = support.is_double and "-DMG_DOUBLE" or ""
    os.execute(("gcc -std=c11 -O2 -fPIC -shared -Icore %s -o %s %s/nearest.c"):format(define, path, folder))
  end)

  local function load(options)
    options = options or {}
    options.path, options.n, options.sense = options.path or path, 3, "min"
    options.name, options.contexts = options.name or "nearest", { k = 1 }
    return solver.load(options)
  end

  it("calls the function on all threads", function()
    random.seed(9)
    local s, x = load(), tensor.uniform(1000, 3)
    local expected = solver.one_hot { n = 3 }(-x)
    local before = core.threads()
    for _, threads in ipairs { 1, 2, 4 } do
      core.threads_set(threads)
      assert.is_true(expected:equals(s(x)))
    end
    core.threads_set(before)
    assert.equal(3000, s.solves)
    local answers = s:solve(x)
    support.assert_near((expected * x):sum(2):to_list(), answers.objective)
  end)

  it("names instances without a solution, junk and failures", function()
    local s = load()
    assert_fails("MG-NO-SOLUTION", "nearest: instance 2: no solution: k is 2", s, tensor.ones(2, 3),
      { k = tensor { 1, 2 } })
    assert.same({ true, false }, s:solve(tensor.ones(2, 3), { k = tensor { 1, 2 } }).solved)
    assert_fails("MG-ARGUMENT", "instance 2: the answer's entry 1 is infinite", s,
      tensor { { 1, 2, 3 }, { 100, 1, 1 } })
    assert_fails("MG-ARGUMENT", "instance 2: the function returned 7", s, tensor { { 1, 2, 3 }, { 50, 1, 1 } })
    assert_fails("MG-ARGUMENT", "NaN", s, tensor { 1, 0 / 0, 3 })
  end)

  it("says what a shared object lacks", function()
    assert_fails("MG-FILE", "has no function nearst", load, { name = "nearst" })
    assert_fails("MG-FILE", "cannot open shared object", load, { path = folder .. "/nothing.so" })
    local other = folder .. "/other.so"
    local define = support.is_double and "" or "-DMG_DOUBLE"
    os.execute(("gcc -std=c11 -fPIC -shared -Icore %s -o %s %s/nearest.c"):format(define, other, folder))
    assert_fails("MG-FILE", "is built for reals of", load, { path = other })
  end)

  it("works in layers", function()
    local layer = mg.estimator.blackbox { solver = load(), lambda = 1 }
    local x = tensor({ 1, 2, 3 }):watch();
    (layer(x) * tensor { 5, 0, 0 }):sum():backward()
    assert.same({ -1, 1, 0 }, x.grad:to_list()) -- costs 6, 2, 3 choose the second: (z' - z) / lambda
  end)
end)

describe("solver.command", function()
  -- A program that answers with the smallest cost; it is Lua, on whatever interpreter runs the specs.
  local program = [[
local mg = require "mapgrad"
local x = assert(mg.data.npy_read(arg[1]))
if x:size(1) == 3 then print "three are too many" os.exit(4) end
local z = mg.solver.one_hot { n = x:size(2) }(-x)
if x:get(1, 1) == 77 then z:set(2, 1, 0 / 0) end
if x:get(1, 1) == 78 then z = z:rows(1, 1) end
assert(mg.data.npy_write(arg[2], z))
]]
  local s

  setup(function()
    local file = command.write(folder .. "/smallest.lua", program)
    s = solver.command { name = "smallest", n = 4, sense = "min", command = { command.interpreter, file } }
  end)

  it("gets the batch and gives its answers", function()
    random.seed(10)
    local x = tensor.uniform(5, 4)
    assert.is_true(solver.one_hot { n = 4 }(-x):equals(s(x)))
    assert.equal(5, s.solves)
  end)

  it("names junk, and shows what a failing program said", function()
    assert_fails("MG-SOLVER", "exited with 4; it ended with: three are too many", s, tensor.ones(3, 4))
    assert_fails("MG-SOLVER", "instance 2: z[1] is NaN", s, tensor.full({ 2, 4 }, 77))
    assert_fails("MG-SOLVER", "have shape 1x4, expected 2x4", s, tensor.full({ 2, 4 }, 78))
    assert_fails("MG-SOLVER", "instance 1: entry 2 is NaN", s, tensor { 1, 0 / 0, 3, 4 })
    local missing = solver.command { name = "missing", n = 4, command = { "/nonexistent/program" } }
    assert_fails("MG-FILE", "cannot be started: No such file", missing, tensor.ones(4))
  end)

  it("is ended by a time limit", function()
    local sleeper = solver.command { name = "sleeper", n = 4, command = { "sh", "-c", "sleep 100" } }
    support.assert_interrupted(0.2, 2, sleeper, tensor.ones(4))
  end)
end)
