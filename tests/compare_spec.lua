-- `mapgrad compare`: groups, tests, notes and formats. Runs are made by hand; golden files of the formats in
-- tests/golden/compare were read by eye, their numbers are tested against statistics (which has SciPy's) here.
local command = dofile "tests/command.lua"
local compare = require "mapgrad.experiment.compare"
local output = require "mapgrad.experiment.compare.output"
local json = require "dkjson"
local mg = require "mapgrad"
local statistics = mg.statistics
local where = require "mapgrad.experiment.where"

-- A finished run: rows of regrets, one an epoch of 10 seconds and 100 solver calls.
local function run(variant, seed, regrets, options, more)
  local r = { title = "paths", variant = variant, seed = seed, state = "finished", options = options or { rate = 0.1 },
    config = { metric = "regret", sense = "min" }, meta = {}, rows = {}, seconds = {} }
  for i, regret in ipairs(regrets) do
    r.rows[i], r.seconds[i] = { epoch = i, regret = regret, accuracy = 1 - regret, solves = 100 * i }, 10 * i
  end
  for key, value in pairs(more or {}) do r[key] = value end
  return r
end

-- Six seeds of a variant whose last regrets are base + 0.01 * offsets.
local OFFSETS = { 3, -1, 4, 1, -5, 2 }
local function six(list, variant, base, options, scale)
  for seed, offset in ipairs(OFFSETS) do
    list[#list + 1] = run(variant, seed, { 2 * base, base + 0.01 * (scale or 1) * offset + 0.001 * seed }, options)
  end
  return list
end

local function two_groups() return six(six({}, "imle", 0.2), "identity", 0.3, nil, 2) end

local function group(result, name)
  for _, g in ipairs(result.groups) do
    if g.name == name then return g end
  end
  error("no group " .. name)
end

local function has_note(result, text)
  for _, note in ipairs(result.notes) do
    if note:find(text, 1, true) then return true end
  end
  return false
end

local function assert_note(result, text)
  assert(has_note(result, text), ("no note '%s' in: %s"):format(text, table.concat(result.notes, "; ")))
end

describe("comparing runs", function()
  it("makes groups of what is the same but for the seed, the best mean first", function()
    local runs = two_groups()
    six(runs, "imle", 0.1, { rate = 0.5 })
    local result = assert(compare.runs(runs))
    assert.same({ "variant", "rate" }, result.columns)
    assert.same({ "imle rate=0.5", "imle rate=0.1", "identity rate=0.1" },
      { result.groups[1].name, result.groups[2].name, result.groups[3].name })
    assert.equal("imle rate=0.5", result.best)
    for _, name in ipairs { "state", "title", "code" } do -- options of these names make groups as others do
      local two = six(six({}, "imle", 0.2, { [name] = "x" }), "imle", 0.3, { [name] = "y" })
      assert.same({ name }, assert(compare.runs(two)).columns)
    end
    assert.equal(18, result.runs)
    assert.same({ 1, 2, 3, 4, 5, 6 }, result.groups[1].seeds)
  end)

  it("answers what statistics answers about each group", function()
    local result = assert(compare.runs(two_groups()))
    local g, values = group(result, "imle"), {}
    for seed, offset in ipairs(OFFSETS) do values[seed] = 0.2 + 0.01 * offset + 0.001 * seed end
    assert.same(values, g.values)
    local s = statistics.summary(values)
    assert.same({ s.mean, s.std, s.median, s.iqm, s.least }, { g.mean, g.std, g.median, g.iqm, g.best })
    assert.same({ statistics.t_interval(values) }, g.interval.t)
    assert.same(statistics.bootstrap(values).bca, g.interval.bca)
    assert.same(statistics.bootstrap(values).percentile, g.interval.percentile)
  end)

  it("tests pairs of equal seeds whatever the order of the runs", function()
    local runs = two_groups()
    local turned = {}
    for i = #runs, 1, -1 do turned[#turned + 1] = runs[i] end
    for _, list in ipairs { runs, turned } do
      local result = assert(compare.runs(list))
      local g = group(result, "identity")
      assert.equal("imle", result.baseline)
      assert.is_nil(group(result, "imle").against)
      assert.is_true(g.against.paired)
      assert.equal("sign_flip", g.against.test)
      assert.equal(6, g.against.n)
      -- differences 0.1 + 0.01 offset, all positive: 2 of 64 signs
      assert.equal(2 / 64, g.against.p)
      assert.equal(2 / 64, g.against.p_holm)
      assert.is_true(g.against.significant)
      local d = {}
      for i, offset in ipairs(OFFSETS) do d[i] = 0.1 + 0.01 * offset end
      assert.is_true(math.abs(statistics.mean(d) - g.against.difference) < 1e-12)
      assert.is_true(math.abs(statistics.paired_d(d) - g.against.effect) < 1e-9)
      -- of the 36 pairs of values, 0.205 of identity is below 0.231, 0.243, 0.214 and 0.226 of imle
      assert.is_true(math.abs(4 / 36 - g.against.improvement) < 1e-15)
    end
  end)

  it("corrects over the table by Holm", function()
    local runs = two_groups()
    six(runs, "blackbox", 0.4, nil, 3)
    local result = assert(compare.runs(runs))
    assert.equal(4 / 64, group(result, "identity").against.p_holm)
    assert.is_false(group(result, "identity").against.significant)
    assert_note(result, "with 6 pairs and 2 tests no p can fall below 0.0625")
  end)

  it("compares unpaired where seeds differ, and says so", function()
    local runs = six({}, "imle", 0.2)
    for _, r in ipairs(six({}, "identity", 0.3, nil, 2)) do
      r.seed = r.seed + 100
      runs[#runs + 1] = r
    end
    local result = assert(compare.runs(runs))
    local test = group(result, "identity").against
    assert.is_false(test.paired)
    assert.equal("welch", test.test)
    local x, y = group(result, "identity").values, group(result, "imle").values
    assert.equal(statistics.welch(x, y).p, test.p)
    assert.equal((statistics.mann_whitney(x, y)), test.mann_whitney)
    assert_note(result, "seeds differ from those of imle")
    assert.is_false(has_note(assert(compare.runs(runs, { unpaired = true })), "seeds differ"))
  end)

  it("does not say that seeds differ where one seed is all there is, or one is there twice", function()
    local one = { run("imle", 1, { 0.2 }), run("identity", 1, { 0.3 }) }
    local twice = two_groups()
    twice[#twice + 1] = run("imle", 1, { 0.25 })
    for _, runs in ipairs { one, twice } do
      local result = assert(compare.runs(runs))
      assert.is_false(group(result, "identity").against.paired)
      assert.is_false(has_note(result, "seeds differ"))
    end
    assert_note(assert(compare.runs(twice)), "a seed is there more than once")
  end)

  it("writes a test that there is not as a dash", function()
    local text = output.text(assert(compare.runs { run("imle", 1, { 0.2 }), run("identity", 1, { 0.3 }) }))
    assert.matches("identity +0.1000 +%- +%- +%- +0.00", text)
  end)

  it("pairs the seeds that both have where most are shared, and says so", function()
    local runs = two_groups()
    table.remove(runs, 3) -- imle, seed 3
    local result = assert(compare.runs(runs))
    local test = group(result, "identity").against
    assert.is_true(test.paired)
    assert.equal(5, test.n)
    assert_note(result, "seeds are unequal")
    assert_note(result, "with 5 pairs and 1 test no p can fall below 0.0625")
  end)

  it("does not pair when a seed is there twice", function()
    local runs = two_groups()
    runs[#runs + 1] = run("imle", 1, { 0.3 })
    local result = assert(compare.runs(runs))
    assert.is_false(group(result, "identity").against.paired)
    assert_note(result, "imle: a seed is there more than once")
  end)

  it("takes a baseline by its name or by its words", function()
    local runs = two_groups()
    six(runs, "imle", 0.1, { rate = 0.5 })
    for _, name in ipairs { "imle rate=0.1", "rate=0.1 imle", "imle 0.1" } do
      local result = assert(compare.runs(runs, { baseline = name }))
      assert.equal("imle rate=0.1", result.baseline)
      assert.is_true(group(result, "imle rate=0.5").against.difference < 0)
      assert.is_true(result.baseline_is_given)
    end
    local none, message = compare.runs(runs, { baseline = "imle" })
    assert.is_nil(none)
    assert.equal("baseline: 'imle' fits 2 groups, name one: imle rate=0.1 and imle rate=0.5", message)
    none, message = compare.runs(two_groups(), { baseline = "identiy" })
    assert.is_nil(none)
    assert.is_truthy(message:find("did you mean 'identity'", 1, true))
  end)

  it("writes numbers short where that tells groups apart", function()
    local function names(rates)
      local runs, list = {}, {}
      for i, rate in ipairs(rates) do six(runs, "imle", 0.1 * i, { rate = rate }) end
      for i, g in ipairs(assert(compare.runs(runs)).groups) do list[i] = g.name end
      return list
    end
    assert.same({ "rate=0.333333", "rate=0.25" }, names { 1 / 3, 1 / 4 })
    assert.same({ "rate=0.3333333333333333", "rate=0.3333333" }, names { 1 / 3, 0.3333333 })
  end)

  it("knows higher from lower", function()
    local result = assert(compare.runs(two_groups(), { metric = "accuracy", sense = "max" }))
    assert.equal("imle", result.best)
    assert.equal("imle", result.groups[1].name)
    assert.is_true(math.abs(group(result, "imle").best - (1 - (0.2 - 0.05 + 0.005))) < 1e-12)
    assert.is_true(math.abs(4 / 36 - group(result, "identity").against.improvement) < 1e-15)
    result = assert(compare.runs(two_groups(), { metric = "accuracy" }))
    assert.equal("identity", result.best)
    assert_note(result, "lower accuracy is taken as better")
  end)

  it("guesses a metric where none is declared, and says which", function()
    local runs = two_groups()
    for _, r in ipairs(runs) do r.config = {} end
    local result = assert(compare.runs(runs))
    assert.equal("regret", result.metric)
    assert_note(result, "this is regret; --metric chooses among accuracy, regret")
  end)

  it("looks at the row asked for", function()
    local runs = { run("a", 1, { 5, 1, 3 }), run("a", 2, { 6, 4, 2 }) }
    local function values(at) return assert(compare.runs(runs, { at = at })).groups[1].values end
    assert.same({ 3, 2 }, values "last")
    assert.same({ 1, 2 }, values "best")
    assert.same({ 1, 4 }, values "epoch=2")
    assert.same({ 5, 6 }, values "seconds=19.5")
    assert.same({ 1, 4 }, values "solves=200")
    assert_note(assert(compare.runs(runs, { at = "best" })), "chosen by regret itself")
    local none, message = compare.runs(runs, { at = "first" })
    assert.is_nil(none)
    assert.is_truthy(message:find("epoch=10, got 'first'", 1, true))
  end)

  it("passes over rows without the metric", function()
    local r = run("a", 1, { 5, 1 })
    r.rows[3] = { epoch = 3, loss = 2 }
    assert.equal(1, (compare.value(r, "regret", "min")))
    assert.is_nil((compare.value(r, "nothing", "min")))
  end)

  it("measures the way to a target", function()
    local runs = { run("a", 1, { 5, 1, 3 }), run("a", 2, { 6, 4, 2 }), run("b", 1, { 9, 9, 9 }),
      run("b", 2, { 9, 9, 8 }) }
    local result = assert(compare.runs(runs, { target = 4 }))
    local a, b = group(result, "a"), group(result, "b")
    assert.same({ 1, 20, 200 }, { a.reached, a.seconds, a.solves })
    assert.equal(0, b.reached)
    assert.is_true(b.seconds ~= b.seconds)
    assert_note(result, "not all of b do")
    local none, message = compare.runs(runs, { axis = "seconds" })
    assert.is_nil(none)
    assert.equal("axis: seconds to what? --target gives the value", message)
  end)

  it("pools over problems, each resampled by itself", function()
    local runs = {}
    for i, name in ipairs { "easy", "hard" } do
      six(runs, "imle", 0.2 * i, { problem = name })
      six(runs, "identity", 0.3 * i, { problem = name })
    end
    local result = assert(compare.runs(runs, { problem = "problem", resamples = 200, aggregate_resamples = 500 }))
    assert.same({ "variant" }, result.columns)
    local g = group(result, "imle")
    assert.equal(12, g.n)
    assert.same({ "easy", "hard" }, g.problems)
    assert.equal(statistics.iqm(g.values), g.aggregate.iqm)
    local test = group(result, "identity").against
    assert.is_true(test.paired)
    assert.equal(12, test.n)
    assert.is_true(g.aggregate.interval[1] < g.aggregate.iqm and g.aggregate.iqm < g.aggregate.interval[2])
    for i = 2, 9 do assert.is_true(g.aggregate.profile[i] >= g.aggregate.profile[i - 1]) end
    assert.is_truthy(output.text(result):find("over the values of problem", 1, true))
  end)

  it("groups by the options asked for only; the others make pairs", function()
    local runs = six(six({}, "imle", 0.2, { rate = 0.1 }), "imle", 0.25, { rate = 0.2 })
    six(six(runs, "identity", 0.3, { rate = 0.1 }), "identity", 0.35, { rate = 0.2 })
    local result = assert(compare.runs(runs, { by = { "variant" } }))
    assert.equal(2, #result.groups)
    assert.equal(12, result.groups[1].n)
    assert.is_true(result.groups[2].against.paired)
    local none, message = compare.runs(runs, { by = { "varient" } })
    assert.is_nil(none)
    assert.is_truthy(message:find("did you mean 'variant'", 1, true))
  end)

  it("keeps runs of other budgets, limits and precisions apart", function()
    local runs = six({}, "imle", 0.2)
    for _, r in ipairs(six({}, "imle", 0.3)) do
      r.config.budget = { solver_calls = 500 }
      runs[#runs + 1] = r
    end
    local result = assert(compare.runs(runs))
    assert.same({ "budget" }, result.columns)
    assert.equal("budget=500", result.groups[2].name)
  end)

  it("sorts by a column", function()
    local runs = six(two_groups(), "blackbox", 0.25)
    local function order(column)
      local names = {}
      for i, g in ipairs(assert(compare.runs(runs, { sort = column })).groups) do names[i] = g.name end
      return table.concat(names, " ")
    end
    assert.equal("imle blackbox identity", order())
    assert.equal("identity blackbox imle", order "-mean")
    assert.equal("blackbox identity imle", order "variant")
    assert.equal("imle identity blackbox", order "-name")
    local none, message = compare.runs(runs, { sort = "meen" })
    assert.is_nil(none)
    assert.is_truthy(message:find("did you mean 'mean'", 1, true))
  end)
end)

describe("what a reader should know:", function()
  it("few seeds; and then nothing is significant", function()
    local runs = {}
    for seed = 1, 4 do
      runs[#runs + 1] = run("imle", seed, { 0.1 + seed / 1e6 })
      runs[#runs + 1] = run("identity", seed + 10, { 0.9 + seed / 1e6 })
    end
    local result = assert(compare.runs(runs))
    local test = group(result, "identity").against
    assert.is_true(test.p_holm < 1e-6)
    assert.is_false(test.significant)
    assert.is_nil(output.text(result):find("*", 1, true))
    assert_note(result, "fewer than 5 seeds (imle: 4, identity: 4)")
    assert.equal("t", result.interval)
  end)

  it("few seeds, over however many problems", function()
    local runs = {}
    for seed = 1, 4 do
      for problem = 1, 6 do
        runs[#runs + 1] = run("imle", seed, { 0.1 + seed / 1e3 + problem / 1e4 }, { size = problem })
        runs[#runs + 1] = run("identity", seed, { 0.9 - seed / 1e3 + problem / 1e5 }, { size = problem })
      end
    end
    local result = assert(compare.runs(runs, { problem = "size", aggregate_resamples = 100 }))
    local test = group(result, "identity").against
    assert.equal(24, test.n)
    assert.equal(4, test.seeds)
    assert.is_true(test.p < 1e-6)
    assert.is_false(test.significant)
    assert_note(result, "fewer than 5 seeds (imle: 4, identity: 4)")
  end)

  it("runs left out", function()
    local runs = two_groups()
    runs[#runs + 1] = run("imle", 7, { 0.1 }, nil, { state = "failed" })
    runs[#runs + 1] = run("imle", 8, { 0.1 }, nil, { state = "cut" })
    runs[#runs + 1] = run("imle", 9, {}, nil)
    local result = assert(compare.runs(runs))
    assert.equal(6, group(result, "imle").n)
    assert_note(result, "2 runs left out as not finished: 1 failed, 1 cut")
    assert_note(result, "1 run left out: no row with regret")
    assert.equal(8, group(assert(compare.runs(runs, { unfinished = true })), "imle").n)
  end)

  it("numbers that are not finite", function()
    local runs = two_groups()
    runs[1].rows[2].regret = 0 / 0
    runs[2].rows[2].regret = math.huge
    local result = assert(compare.runs(runs))
    assert.equal(4, group(result, "imle").n)
    assert.equal(2, group(result, "imle").not_finite)
    assert_note(result, "imle: 2 runs of 6 with a regret that is not a finite number, left out; its mean is of")
    for i = 3, 6 do runs[i].rows[2].regret = 0 / 0 end
    result = assert(compare.runs(runs))
    assert_note(result, "imle: 6 runs of 6 with a regret that is not a finite number, left out")
    assert.is_false(has_note(result, "its mean is of the others"))
  end)

  it("intervals that overlap", function()
    local result = assert(compare.runs(six(six({}, "imle", 0.2), "identity", 0.21)))
    assert_note(result, "the interval of imle, the best mean, overlaps with that of identity")
    assert.is_false(has_note(assert(compare.runs(two_groups())), "overlap"))
  end)

  it("different code", function()
    local runs = two_groups()
    for i, r in ipairs(runs) do r.meta.code = i <= 6 and "a" or "b" end
    local result = assert(compare.runs(runs))
    assert_note(result, "the runs come from 2 versions of the experiment's code")
    for i = 7, 12 do runs[i].title = "another" end
    assert.is_false(has_note(assert(compare.runs(runs)), "versions of"))
    for i = 7, 12 do runs[i].title = runs[1].title end
    for i, r in ipairs(two_groups()) do
      r.meta.code = "older"
      r.rows[2].regret = 10 + i
      runs[#runs + 1] = r
    end
    for i = 1, 12 do runs[i].meta.code = "newer" end
    result = assert(compare.runs(runs)) -- numbers of different code are not one sample
    assert.same({ "imle code=newer", "identity code=newer", "imle code=older", "identity code=older" },
      { result.groups[1].name, result.groups[2].name, result.groups[3].name, result.groups[4].name })
    assert.is_true(result.groups[3].against.paired)
    assert.equal(2, #assert(compare.runs(runs, { where = { "code=older" } })).groups)
  end)

  it("a single group", function()
    local result = assert(compare.runs(six({}, "imle", 0.2)))
    assert_note(result, "one group only")
    assert.is_truthy(output.text(result):find("all runs", 1, true))
  end)

  it("nothing to compare", function()
    for _, case in ipairs {
      { {}, nil, "there are no runs" },
      { two_groups(), { where = { "rate>5" } }, "none of 12 runs meets the conditions" },
      { { run("a", 1, { 1 }, nil, { state = "failed" }) }, nil, "none of 1 run has finished: 1 failed" },
      { two_groups(), { metric = "regert" }, "no run has recorded 'regert', did you mean 'regret'?" },
      { two_groups(), { at = "epoch=9" }, "none of 12 runs has a finite number as its regret (--at epoch=9)" },
      { { run("a", 1, { 0 / 0 }) }, nil, "none of 1 run has a finite number as its regret (--at last)" },
      { { run("a", 1, { 1 }, nil, { config = { metric = "regert" } }) }, nil,
        "no run has recorded 'regert', which the experiment declares, did you mean 'regret'?" },
    } do
      local none, message = compare.runs(case[1], case[2])
      assert.is_nil(none)
      assert.is_truthy(message:find(case[3], 1, true), message)
    end
  end)
end)

describe("conditions", function()
  local runs = { run("imle", 1, { 1 }, { rate = 0.1, kind = "a" }), run("imle", 2, { 1 }, { rate = 0.5, kind = "b" }),
    run("identity", 3, { 1 }, { rate = 1, kind = "a", flag = true, ["layer.k"] = 4 }) }

  for _, case in ipairs {
    { "rate<0.5", "1" }, { "rate<=0.5", "1 2" }, { "rate > 0.1", "2 3" }, { "rate>=1", "3" }, { "rate=0.10", "1" },
    { "rate!=0.5", "1 3" }, { "variant=imle", "1 2" }, { "variant!=imle", "3" }, { "kind==a", "1 3" },
    { "seed=2", "2" },
    { "flag=true", "3" }, { "layer.k>3", "3" }, { "flag=-", "1 2" }, { "state=finished", "1 2 3" },
  } do
    it(("choose: %s"):format(case[1]), function()
      local seeds = {}
      for i, r in ipairs(assert(where.filter(runs, { case[1] }))) do seeds[i] = r.seed end
      assert.equal(case[2], table.concat(seeds, " "))
    end)
  end

  for _, case in ipairs {
    { "rate", "expected a condition such as rate<0.1" }, { "rate<", "expected a condition" },
    { "rate=<1", "expected a condition" }, { "raet<1", "did you mean 'rate'" },
    { "rate<x", "compares numbers, got 'x'" },
  } do
    it(("are refused: %s"):format(case[1]), function()
      local none, message = where.filter(runs, { case[1] })
      assert.is_nil(none)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end
end)

-- ------------------------------------------------------------------ formats

-- Two groups with everything that formats must escape.
local function awkward()
  local runs = {}
  six(runs, "a|b_c", 0.2, { note = 'x<y & "z", 100%', rate = 0.1 })
  six(runs, "{d}\\#$~^", 0.3, { note = "line\nbreak\27[31m", rate = 0.01 }, 2)
  six(runs, "*e* `f`", 12.25, { note = "", rate = 1e-5 }, 100)
  runs[#runs + 1] = run("a|b_c", 7, { 0.1 }, { note = 'x<y & "z", 100%', rate = 0.1 }, { state = "failed" })
  for _, r in ipairs(runs) do r.title = "paths & <maps>_1" end
  return runs
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

describe("the table as", function()
  for _, format in ipairs { "text", "json", "csv", "md", "tex" } do
    it(format .. " is the golden one", function()
      local text = output[format](assert(compare.runs(awkward(), { target = 0.25 }))) .. "\n"
      local path = ("tests/golden/compare/table.%s"):format(format == "text" and "txt" or format)
      assert.equal(read(path), text)
    end)
  end

  it("text has lines of at most 80 columns and no control characters", function()
    for _, options in ipairs { { target = 0.25 }, { by = { "note" } }, { problem = "rate", resamples = 50 } } do
      options.aggregate_resamples = 50
      for line in (output.text(assert(compare.runs(awkward(), options))) .. "\n"):gmatch "([^\n]*)\n" do
        assert.is_nil(line:find "%c")
        assert(#line:gsub("[\128-\191]", "") <= 80, line)
      end
    end
  end)

  it("text numbers groups whose names are long", function()
    local runs = {}
    for i, name in ipairs { "first", "second" } do
      six(runs, "an_estimator_with_a_long_name_" .. name, 0.1 * i, { solver = "another_long_name_" .. name })
    end
    local text = output.text(assert(compare.runs(runs)))
    assert.is_truthy(text:find("\n#1 an_estimator_with_a_long_name_first", 1, true), text)
    assert.is_truthy(text:find("\n  #2 ", 1, true), text)
  end)

  it("JSON reads back with the same numbers, null where there is none", function()
    local runs = { run("a", 1, { 1 }), run("b", 1, { 2 }) }
    local result = assert(compare.runs(runs))
    local document = assert(json.decode(output.json(result), 1, json.null))
    assert.equal(1, document.version)
    assert.equal(json.null, document.groups[1].std)
    assert.equal(1, document.groups[1].mean)
    result = assert(compare.runs(two_groups()))
    document = assert(json.decode(output.json(result), 1, json.null))
    for i, g in ipairs(result.groups) do
      assert.equal(g.mean, document.groups[i].mean)
      assert.equal(g.interval.bca[2], document.groups[i].interval.bca[2])
    end
  end)
end)

-- ------------------------------------------------------------------ the command

local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "compared", seeds = 3, metric = "regret", sense = "min",
  options = { { name = "shift", form = "real", default = 0, help = "added" } },
  variants = { near = function() return 1 end, far = function() return 2 end },
  run = function(variant, record, o)
    for epoch = 1, 2 do record { epoch = epoch, regret = variant + o.shift + o.seed / 8 + 1 / epoch } end
  end,
}
]]

describe("mapgrad compare", function()
  local folder, results
  local mapgrad = command.mapgrad

  setup(function()
    folder = command.folder()
    results = folder .. "/runs"
    local made = mapgrad { "run", command.write(folder .. "/exp.lua", EXPERIMENT), "--out", results, "-q" }
    assert(made.code == 0, made.err)
  end)
  teardown(function() command.remove(folder) end)

  it("prints the table of a store", function()
    local result = mapgrad { "compare", results }
    assert.equal(0, result.code, result.err)
    assert.equal("", result.err)
    assert.is_truthy(result.out:find("compared: regret, lower is better, last row of each run; 6 runs in 2", 1, true))
    assert.is_truthy(result.out:find("near     3  1.75 ± 0.1", 1, true), result.out) -- 1 + 1/2 + 2/8
    assert.is_truthy(result.out:find("far      3  2.75 ± 0.1", 1, true), result.out)
    assert.is_truthy(result.out:find("note: fewer than 5 seeds", 1, true))
  end)

  it("writes JSON, CSV, Markdown and LaTeX to stdout, notes of CSV to stderr", function()
    local document = assert(json.decode(mapgrad({ "compare", results, "--json", "--where", "variant=far" }).out))
    assert.equal(2.75, document.groups[1].mean)
    local csv = mapgrad { "compare", results, "--csv" }
    assert.is_truthy(csv.out:find("^variant,n,mean,std"))
    assert.is_truthy(csv.err:find("note: fewer than 5", 1, true))
    assert.is_truthy(mapgrad({ "compare", results, "--md" }).out:find("| near | 3 |", 1, true))
    assert.is_truthy(mapgrad({ "compare", results, "--tex" }).out:find("\\toprule", 1, true))
  end)

  it("ends with 2 after wrong usage and 66 without runs", function()
    for _, words in ipairs { { "--metric", "regert" }, { "--where", "shift" }, { "--baseline", "nothing" },
      { "--level", "95" }, { "--at", "x" }, { "--json", "--csv" }, { "--axis", "seconds" }, { "--sense", "up" } } do
      local result = mapgrad { "compare", results, (table.unpack or unpack)(words) }
      assert.equal(2, result.code, table.concat(words, " "))
      assert.equal("", result.out)
      assert.is_truthy(result.err:find("^error: "))
    end
    local missing = mapgrad { "compare", folder .. "/nothing" }
    assert.equal(66, missing.code)
    assert.is_truthy(missing.err:find("nothing", 1, true))
  end)

  it("--help shows examples first, in 80 columns", function()
    local result = mapgrad { "compare", "--help" }
    assert.equal(0, result.code)
    assert.is_true(result.out:find("Examples:") < result.out:find("Usage:"))
    for line in result.out:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
  end)
end)
