local command = dofile "tests/command.lua"
local compare = require "mapgrad.experiment.compare"
local curve = require "mapgrad.experiment.curve"
local figure = require "mapgrad.experiment.figure"
local html = require "mapgrad.experiment.report.html"
local report = require "mapgrad.experiment.report"
local svg = require "mapgrad.experiment.report.svg"
local read = require("tests.support").read_bytes

local has_gnuplot = os.execute "command -v gnuplot >/dev/null 2>&1"
has_gnuplot = has_gnuplot == true or has_gnuplot == 0
local with_gnuplot = has_gnuplot and it or pending

local bait = "a <script>alert(1)</script> & \"b\" 'c' \255"

-- A made run: regret falls to 1 / place, solver calls grow by place an epoch.
local function run_of(variant, place, seed, options, epochs)
  local rows, seconds = {}, {}
  for epoch = 1, epochs or 5 do
    rows[epoch] = { epoch = epoch, regret = 1 / place + seed / 100 + 1 / epoch, solves = 100 * place * epoch }
    seconds[epoch] = epoch * (1 + seed / 10)
  end
  local name = ("%s-s%d-%s"):format(variant or "run", seed, tostring(options.rate))
  return {
    name = name, folder = "build/results/five/" .. name, title = "Title " .. bait, variant = variant, seed = seed,
    id = name, state = "finished", options = options, rows = rows, seconds = seconds, config = {},
    meta = {
      state = "finished", command = "mapgrad run five.lua --set rate=0.1,0.2", code = "c0de", mapgrad = "0.1",
      build = "gcc & co", interpreter = "LuaJIT", real = "float", host = "h <1>", processor = "P", cores = 2,
      threads = 2, started = "2026-01-0" .. seed .. "T00:00:00Z", ended = "2026-01-0" .. seed .. "T01:00:00Z",
      seconds = seconds[#seconds], solves = rows[#rows].solves,
    },
  }
end

-- Two variants, two rates, three seeds; one run has failed.
local function some_runs()
  local runs = {}
  for place, variant in ipairs { "imle", bait } do
    for _, rate in ipairs { 0.1, 0.2 } do
      for seed = 1, 3 do
        runs[#runs + 1] = run_of(variant, place, seed, { rate = rate, note = bait })
      end
    end
  end
  runs[2].state, runs[2].meta.message = "failed", "five.lua:3: " .. bait
  return runs
end

local options = { compare = { metric = "regret", sense = "min" }, command = "mapgrad report " .. bait }

local made

-- The page of these runs, made once.
local function the_page()
  made = made or report.page(some_runs(), options)
  return made
end

-- Names of elements that have no end tag.
local void = { meta = true, br = true }

-- Tags in order; fails where ends do not match starts.
local function check_nesting(text)
  local open, count = {}, 0
  text = text:gsub("<style>.-</style>", "")
  for closing, name, rest in text:gmatch "<(/?)([%a][%w]*)([^>]*)>" do
    count = count + 1
    if closing == "/" then
      assert.equal(open[#open], name, "wrong end tag")
      open[#open] = nil
    elseif not void[name] and rest:sub(-1) ~= "/" then
      open[#open + 1] = name
    end
  end
  assert.same({}, open)
  return count
end

describe("a report", function()
  it("is one well-formed page in a language, for any width, with headings in order", function()
    local page = the_page()
    assert.is_truthy(page:find "^<!DOCTYPE html>\n<html lang=\"en\">")
    assert.is_truthy(page:find('<meta charset="utf-8">', 1, true))
    assert.is_truthy(page:find('<meta name="viewport" content="width=device-width, initial-scale=1">', 1, true))
    assert.is_true(check_nesting(page) > 200)
    local levels = {}
    for level in page:gmatch "<h(%d)" do levels[#levels + 1] = tonumber(level) end
    assert.equal(1, levels[1])
    for i = 2, #levels do assert.is_true(levels[i] >= 2 and levels[i] <= levels[i - 1] + 1) end
  end)

  it("escapes titles, variants, options, messages and commands", function()
    local page = the_page()
    assert.is_nil(page:find("<script", 1, true))
    assert.is_nil(page:find("\255", 1, true))
    local escaped = "a &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;b&quot; &#39;c&#39; \239\191\189"
    assert.is_truthy(page:find("<h1>Title " .. escaped .. "</h1>", 1, true))
    assert.is_truthy(page:find("<title>Title " .. escaped .. "</title>", 1, true))
    assert.is_truthy(page:find("five.lua:3: " .. escaped, 1, true))
    assert.is_truthy(page:find("<code>" .. escaped .. "</code>", 1, true)) -- the option `note`
    assert.is_truthy(page:find("mapgrad report " .. escaped, 1, true))
    assert.is_truthy(page:find("h &lt;1&gt;", 1, true))
  end)

  it("refers to nothing outside of itself, and needs no script", function()
    local page = the_page()
    local outside = { "https?:", "url%(", "@import", "<link", "<img", "<iframe", "<object", "src=", " on%a+=" }
    for _, pattern in ipairs(outside) do
      assert.is_nil(page:find(pattern), pattern)
    end
    local ids = {}
    for id in page:gmatch '%sid="([^"]*)"' do
      assert.is_nil(ids[id], "id twice: " .. id)
      ids[id] = true
    end
    local references = 0
    for _, pattern in ipairs { 'href=["\']#([^"\']*)', 'aria%-labelledby="([^"]*)"' } do
      for id in page:gmatch(pattern) do
        references = references + 1
        assert.is_true(ids[id], "no such id: " .. id)
      end
    end
    assert.is_true(references > 10)
  end)

  it("has tables whose headings say what they head, and texts in place of pictures", function()
    local page = the_page()
    for tag in page:gmatch "<th[%s>][^>]*" do assert.is_truthy(tag:find 'scope="%a+"', tag) end
    for tag in page:gmatch "<svg[^>]*" do
      assert.is_true(tag:find('aria-hidden="true"', 1, true) ~= nil
        or tag:find 'role="img" aria%-label="[^"]+"' ~= nil, tag)
    end
  end)

  it("says what compare says", function()
    local page = the_page()
    local result = compare.runs(some_runs(), options.compare)
    assert.equal(4, #result.groups)
    for _, note in ipairs(result.notes) do
      assert.is_truthy(page:find(html.escape(note), 1, true), note)
    end
    -- the mean of seeds 1..3 of the second variant, closed form: 1/2 + 0.02 + 1/5
    assert.is_truthy(page:find("<td class=\"number\">0.720<br>", 1, true))
    assert.is_truthy(page:find("mapgrad repeat build/results/five/imle-s1-0.1", 1, true))
    assert.is_truthy(page:find("<td class=\"text\"><code>0.1</code>, <code>0.2</code></td>", 1, true))
  end)

  it("is the same to the byte for the same runs", function()
    assert.equal(the_page(), report.page(some_runs(), options))
  end)

  it("is less than a megabyte for 200 runs of 300 epochs", function()
    local runs = {}
    for place = 1, 10 do
      for seed = 1, 20 do runs[#runs + 1] = run_of("v" .. place, place, seed, { rate = 0.1 }, 300) end
    end
    local page = report.page(runs, { compare = { metric = "regret", sense = "min", resamples = 100 } })
    assert.is_true(#page < 1e6, ("%d bytes"):format(#page))
  end)

  with_gnuplot("has figures whose colours are the page's", function()
    local page = the_page()
    local _, figures = page:gsub("<figure>", "")
    -- over epochs, solver calls, time; at the end; profile; over the rate
    assert.equal(6, figures)
    assert.is_truthy(page:find("stroke='var(--series-1)'", 1, true))
    assert.is_nil(page:find("gnuplot", 1, true))
  end)

  it("has the tables, and a message in place of figures, where gnuplot is missing", function()
    local text = [[
      local runs = {}
      for seed = 1, 3 do
        runs[seed] = { name = "r" .. seed, folder = "f", title = "t", seed = seed, options = {}, state = "finished",
          rows = { { epoch = 1, loss = seed } }, seconds = { 1 }, meta = {}, config = {} }
      end
      io.write((require("mapgrad.experiment.report").page(runs, { compare = { metric = "loss", sense = "min" } })))]]
    local result = command.lua(text, "PATH=")
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("gnuplot is not installed", 1, true))
    assert.is_nil(result.out:find("<figure>", 1, true))
    assert.is_truthy(result.out:find("<td class=\"number\">2.0<br>", 1, true), result.out) -- the mean
    check_nesting(result.out)
  end)

  it("gives a message where there is nothing to compare", function()
    local runs = some_runs()
    for _, run in ipairs(runs) do run.state = "failed" end
    local page, message = report.page(runs, options)
    assert.is_nil(page)
    assert.is_truthy(message:find("none of 12 runs has finished", 1, true))
  end)
end)

describe("the command of a sweep", function()
  local again = require "mapgrad.experiment.report.again"

  local function grid(values, seeds)
    local runs = {}
    for _, variant in ipairs { "b", "a" } do
      for _, value in ipairs(values) do
        for _, seed in ipairs(seeds) do
          runs[#runs + 1] = { variant = variant, seed = seed, options = { rate = value, ["layer.k"] = 300 },
            config = { file = "my file.lua", real = "float" }, meta = {} }
        end
      end
    end
    return runs
  end

  it("has every option, sorted, with numbers that read as they were", function()
    assert.equal("mapgrad run 'my file.lua' --variants a,b --set layer.k=300 "
      .. "--set rate=0.1,0.3333333333333333 --seeds 2",
      again.sweep(grid({ 1 / 3, 0.1 }, { 1, 2 })))
    assert.is_truthy(again.sweep(grid({ 1 }, { 4, 5, 6 })):find("--seed 4 --seeds 3", 1, true))
  end)

  it("is not there for runs that are no grid, or that it could not write", function()
    local runs = grid({ 1, 2 }, { 1, 2 })
    runs[#runs] = nil
    assert.is_nil(again.sweep(runs))
    assert.is_nil(again.sweep(grid({ 1 }, { 1, 3 })))
    assert.is_nil(again.sweep(grid({ "a,b" }, { 1 })))
    local limited = grid({ 1 }, { 1 })
    limited[1].config.budget = { solver_calls = 10 }
    assert.is_nil(again.sweep(limited))
  end)

  it("has the budget that all runs share", function()
    local runs = grid({ 1 }, { 1, 2 })
    for _, run in ipairs(runs) do run.config.budget = { solver_calls = 1e6 } end
    assert.equal("mapgrad run 'my file.lua' --variants a,b --set layer.k=300 --set rate=1 --seeds 2 "
      .. "--budget solver_calls=1000000", again.sweep(runs))
  end)
end)

describe("html", function()
  it("escapes what means something, and what no page may hold", function()
    assert.equal("&lt;&amp;&gt;&quot;&#39; ", html.escape "<&>\"'\1")
    assert.equal("é€", html.escape "é€")
    assert.equal("\239\191\189(", html.escape "\195(")
  end)

  it("writes numbers for people", function()
    assert.equal("0.1235", html.number(0.123456))
    assert.equal("0.12", html.number(0.123456, 2))
    assert.equal("−1.5·10<sup>−7</sup>", html.number(-1.5e-7))
    assert.equal("–", html.number(0 / 0))
    assert.equal("∞", html.number(math.huge))
    assert.equal("1\226\128\175234\226\128\175567", html.count(1234567))
    assert.equal("12", html.count(12))
  end)
end)

describe("svg", function()
  local text = [[<?xml version="1.0"?>
<svg
 width="520" height="330" viewBox="0 0 520 330" xmlns="http://www.w3.org/2000/svg">
<title>Gnuplot</title>
<g id="gnuplot_canvas">
<rect x="0" y="0" width="520" height="330" fill="#ffffff"/>
<defs>
	<circle id='gpDot' r='0.5'/>
	<filter id='textbox'><feFlood/></filter>
</defs>
<g fill="none" color="black" stroke="currentColor" stroke-width="1.00">
</g>
<g fill="none"><text>rgb(0, 114, 178) black 1.00 id="x" &lt;b></text></g>
	<g id="gnuplot_plot_1" ><title>a</title>
<path stroke='rgb(  0, 114, 178)' d='M1.00,2.50'/><path stroke='black'/><polygon fill = 'rgb(1,2,3)'/></g>
</g>
</svg>
]]

  it("takes the page's colours and drops ids, titles and what draws nothing; texts stay as they are", function()
    assert.equal('<svg class="figure" viewBox="0 0 520 330" role="img" aria-label="it &lt;s&gt;">\n<g>\n'
      .. '<g fill="none"><text>rgb(0, 114, 178) black 1.00 id="x" &lt;b></text></g>\n<g>\n'
      .. "<path stroke='var(--series-1)' d='M1,2.50'/><path stroke=\"currentColor\"/><polygon fill='rgb(1,2,3)'/></g>\n"
      .. "</g>\n</svg>", svg.inline(text, "it <s>"))
  end)

  it("keeps the markers for the page, without filters", function()
    assert.equal('<svg class="definitions" aria-hidden="true" width="0" height="0"><defs>\n<circle id="gpDot" '
      .. 'r="0.5"/>\n</defs></svg>', svg.markers(text))
  end)
end)

describe("curves of runs", function()
  -- The mean alone: the interval is a unit around it.
  local function unit(values)
    local sum = 0
    for _, value in ipairs(values) do sum = sum + value end
    local mean = sum / #values
    return mean, mean - 1, mean + 1
  end

  local function run(rows, seconds) return { rows = rows, seconds = seconds } end

  it("average runs at their epochs, over those that got so far", function()
    local a = run { { epoch = 1, m = 1 }, { epoch = 2, m = 3 }, { epoch = 3, m = 5 } }
    local b = run { { epoch = 1, m = 3 }, { epoch = 2, m = 5 } }
    assert.same({ x = { 1, 2, 3 }, y = { 2, 4, 5 }, low = { 1, 3, 4 }, high = { 3, 5, 6 } },
      curve.mean({ a, b }, "m", "epoch", unit))
  end)

  it("count lines where there are no epochs, and leave out rows without the metric", function()
    local a = run { { m = 1 }, { other = 2 }, { m = 3 } }
    assert.same({ x = { 1, 3 }, y = { 1, 3 }, low = { 0, 2 }, high = { 2, 4 } },
      curve.mean({ a }, "m", "epoch", unit))
    assert.is_nil(curve.mean({ a }, "none", "epoch", unit))
    assert.is_nil(curve.mean({ a }, "m", "solves", unit))
  end)

  it("take the last value known by a place where places differ, from where all have begun", function()
    local a = run({ { m = 10 }, { m = 8 }, { m = 6 } }, { 1, 2, 3 })
    local b = run({ { m = 4 }, { m = 2 }, { m = 0 } }, { 2, 2.75, 4 })
    local points = curve.mean({ a, b }, "m", "seconds", unit)
    assert.same({ 2, 2.5, 3 }, points.x)
    assert.same({ (8 + 4) / 2, (8 + 4) / 2, (6 + 2) / 2 }, points.y)
  end)

  it("are broken where a run has no finite value", function()
    local a = run { { epoch = 1, m = 1 }, { epoch = 2, m = 0 / 0 }, { epoch = 3, m = 3 } }
    local y = curve.mean({ a }, "m", "epoch", unit).y
    assert.equal(1, y[1])
    assert.is_true(y[2] ~= y[2])
    assert.equal(3, y[3])
  end)

  it("are thinned to their ends and places between", function()
    local list = {}
    for i = 1, 101 do list[i] = i end
    assert.same({ 1, 26, 51, 76, 101 }, curve.thin({ x = list, y = list }, 5).x)
    assert.equal(list, curve.thin({ x = list }, 200).x)
  end)
end)

describe("figures of runs", function()
  local comparison = compare.runs(some_runs(), options.compare)

  with_gnuplot("show solver calls in thousands", function()
    local runs = {}
    for seed = 1, 2 do
      runs[seed] = run_of("a", 1000, seed, {})
    end
    local text = figure.curves(compare.runs(runs, options.compare), "solves", { format = "svg" })
    assert.is_truthy(text:find("solver calls, thousands", 1, true))
    assert.is_truthy(text:find(">%s*500</text>"))
  end)

  with_gnuplot("are heat maps over means of cells", function()
    local text = figure.heat(comparison, "rate", "variant", { format = "text", width = 90 })
    -- 1/place + seed/100 + 1/5 over three seeds; of the first variant at 0.1, seeds 1 and 3
    assert.is_truthy(text:find("1.22 .*1.22"))
    assert.is_truthy(text:find("0.72 .*0.72"))
  end)

  it("are points of the row that counts, and of settings beside the options", function()
    local runs, folder = {}, command.folder()
    for seed, solver_calls in ipairs { 70, 90 } do
      runs[seed] = run_of("a", 1, seed, {})
      runs[seed].rows[3].regret = -1 -- the best row, of 300 solver calls
      runs[seed].config = { budget = { solver_calls = solver_calls } }
    end
    local best = compare.runs(runs, { metric = "regret", sense = "min", at = "best", by = { "variant" } })
    local function points(x)
      assert.is_true(figure.scatter(best, x, { script = folder }))
      local text = {}
      for file in io.popen("cat '" .. folder .. "'/*.dat"):lines() do
        if file:find "^%d" then text[#text + 1] = file end
      end
      return text
    end
    assert.same({ "300 -1", "300 -1" }, points "solves")
    assert.same({ "3.3 -1", "3.6 -1" }, points "seconds") -- epoch 3 of 1 + seed / 10 seconds each
    assert.same({ "70 -1", "90 -1" }, points "budget")
    assert.same({ 70, 90 }, figure.values(runs, "budget"))
    command.remove(folder)
  end)

  it("say what is missing", function()
    local _, message = figure.scatter(comparison, "note", {})
    assert.equal("no finished run has a number for note, and regret: nothing to draw", message)
  end)
end)

describe("mapgrad report and mapgrad plot", function()
  local folder, store
  local experiment = [[
    local mg = require "mapgrad"
    return mg.experiment {
      title = "two <ways>", seeds = 3, metric = "loss", sense = "min",
      options = { { name = "rate", form = "positive", default = 1 } },
      variants = { fast = function() return 2 end, slow = function() return 1 end },
      run = function(speed, record, o)
        for epoch in record:epochs(4, {}) do record { epoch = epoch, loss = o.seed / (speed * epoch) } end
      end,
    }]]

  setup(function()
    folder = command.folder()
    store = folder .. "/store"
    local result = command.mapgrad { "run", command.write(folder .. "/two.lua", experiment), "--out", store, "-q" }
    assert(result.code == 0, result.err)
  end)
  teardown(function() command.remove(folder) end)

  it("write a page of a store", function()
    local out = folder .. "/page.html"
    local result = command.mapgrad { "report", store, "--out", out }
    assert.equal(0, result.code, result.err)
    assert.equal(out .. "\n", result.out)
    local page = read(out)
    check_nesting(page)
    assert.is_truthy(page:find("<h1>two &lt;ways&gt;</h1>", 1, true))
    assert.is_truthy(page:find("mapgrad report " .. store .. " --out " .. out, 1, true))
    assert.is_truthy(page:find("two.lua --variants fast,slow --set rate=1 --seeds 3", 1, true))
    -- loss of fast: seed / 8 over seeds 1..3
    assert.is_truthy(page:find("0.25", 1, true))
  end)

  with_gnuplot("draw a store as text and as a file", function()
    local result = command.mapgrad { "plot", store }
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("two <ways> (up: loss)", 1, true))
    for _, words in ipairs { { "bars" }, { "profile" }, { "scatter", "--x", "epoch" },
      { "heat", "--x", "rate", "--y", "variant" } } do
      local out = folder .. "/" .. words[1] .. ".svg"
      local line = { "plot", store, "--out", out, "--kind" }
      for _, word in ipairs(words) do line[#line + 1] = word end
      result = command.mapgrad(line)
      assert.equal("", result.err)
      assert.is_truthy(read(out):find "</svg>%s*$")
    end
    result = command.mapgrad { "plot", store, "--out", folder .. "/none/x.svg" }
    assert.equal(73, result.code)
    assert.is_truthy(result.err:find(folder .. "/none/x.svg: ", 1, true), result.err)
  end)

  it("say what to do where gnuplot is missing, and write data and script without it", function()
    local function without_gnuplot(words)
      return command.lua(("os.exit(require('mapgrad.cli').main { %s }, true)"):format(words), "PATH=")
    end
    local result = without_gnuplot(("'plot', %q"):format(store))
    assert.equal(1, result.code)
    assert.is_truthy(result.err:find("gnuplot-nox); the option script writes its data", 1, true), result.err)
    result = without_gnuplot(("'plot', %q, '--script', %q"):format(store, folder .. "/figure"))
    assert.equal(0, result.code, result.err)
    -- fast at epoch 2: seed / 4 over seeds 1..3
    assert.is_truthy(read(folder .. "/figure/series1.dat"):find("\n2 0.5 ", 1, true))
  end)

  it("have a short form: `mapgrad show` draws the metric as a line of text", function()
    local result = command.mapgrad { "list", store, "--json" }
    local folder_of_one = result.out:match('"folder": "([^"]*fast%-s1[^"]*)"')
    result = command.mapgrad { "show", folder_of_one }
    assert.equal(0, result.code, result.err)
    -- 1/2, 1/4, 1/6, 1/8: shares 1, 1/3, 1/9, 0 of seven steps
    assert.is_truthy(result.out:find("  loss             █▃▂▁  0.5 to 0.125\n", 1, true), result.out)
  end)

  it("say what is wrong with their arguments", function()
    local function says(code, words, text)
      local result = command.mapgrad(words)
      assert.equal(code, result.code, result.err)
      assert.is_truthy(result.err:find(text, 1, true), result.err)
      assert.equal("", result.out)
    end
    says(2, { "plot", store, "--out", "x.pdf" }, "expected a name ending in .svg or .png, got 'x.pdf'")
    says(2, { "plot", store, "--kind", "heat" }, "--kind heat needs --x; the runs differ in variant")
    says(2, { "plot", store, "--kind", "scatter", "--x", "ratte" }, "no run has 'ratte', did you mean 'rate'?")
    says(2, { "plot", store, "--metric", "los" }, "no run has recorded 'los', did you mean 'loss'?")
    says(66, { "report", folder .. "/none" }, "there is no such folder")
    says(73, { "report", store, "--out", folder .. "/none/x.html" }, folder .. "/none/x.html")
  end)
end)
