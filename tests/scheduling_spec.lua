-- Interval scheduling on large instances with a certificate, and its messages.
local mg = require "mapgrad"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

describe("solver.scheduling", function()
  it("is optimal on large instances: weights on moments certify it", function()
    random.seed(1)
    for _, n in ipairs { 50, 1000 } do
      local starts, ends, values = {}, {}, tensor.normal({ n }, "spec"):to_list()
      for i = 1, n do
        starts[i] = math.floor(random.uniform "spec" * n)
        ends[i] = starts[i] + 1 + math.floor(random.uniform "spec" * 30)
      end
      local s = solver.scheduling { starts = starts, ends = ends }
      local answers = s:solve(tensor(values))
      assert.is_true(s:is_feasible(answers.z))
      -- Prices y[t] >= 0 of moments whose sum over each interval is at least its value: no schedule is worth
      -- more than their sum. d[t], the best worth of what ends by t, rises by them.
      local d, ending = { [-1] = 0 }, {}
      for i = 1, n do
        ending[ends[i]] = ending[ends[i]] or {}
        table.insert(ending[ends[i]], i)
      end
      local last = n + 31
      for t = 0, last do
        d[t] = d[t - 1]
        for _, i in ipairs(ending[t] or {}) do d[t] = math.max(d[t], d[starts[i]] + values[i]) end
      end
      for i = 1, n do assert(d[ends[i]] - d[starts[i]] >= values[i] - 1e-9) end
      support.assert_near(d[last], answers.objective[1], 1e-12)
    end
  end)

  it("adds the largest numbers, and never takes what is worth nothing", function()
    local top = support.is_double and 1.7e308 or 3.4e38
    local s = solver.scheduling { starts = { 1, 2, 3, 1 }, ends = { 2, 3, 4, 4 } }
    assert.same({ 1, 1, 1, 0 }, s(tensor { top, top, top, top }):to_list())
    assert.same({ 0, 0, 0, 1 }, s(tensor { -top, 0, 1, 2 }):to_list())
    assert.same({ 0, 0, 0, 0 }, s(tensor { 0, -1, -math.huge, 0 }):to_list())
  end)

  it("names what is wrong", function()
    for _, case in ipairs {
      { { 1, 2 }, { 2 }, "2 starts and 1 ends" }, { {}, {}, "0 starts" },
      { { 1, 3 }, { 2, 3 }, "interval 2 goes from 3 to 3, expected an end after the start" },
    } do
      assert.has_error_matching(function() solver.scheduling { starts = case[1], ends = case[2] } end, case[3])
    end
  end)
end)
