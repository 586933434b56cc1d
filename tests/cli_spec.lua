local command = dofile "tests/command.lua"
local mapgrad = command.mapgrad

local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "A small test",
  options = {
    { name = "epochs", form = "count", default = 3, help = "times over the data" },
    { name = "rate", form = "positive", default = 0.5, help = "step length" },
    { name = "estimator", choices = { "imle", "identity" }, default = "imle", help = "gradient" },
    { name = "shuffle", default = true, help = "new order" },
    { name = "label", form = "text", help = "any text" },
  },
  run = function(_, record, options)
    if options.label == "shape" then local _ = mg.tensor.zeros(2, 3):copy_(mg.tensor.zeros(4)) end
    if options.label == "loop" then
      print "started"
      io.stdout:flush()
      while true do mg.tensor.zeros(3) end
    end
    print(options.epochs, options.rate, options.estimator, tostring(options.shuffle), options.label)
    print(mg.random.uniform(), options.seed, mg.threads())
    record { epoch = 1, loss = 0.5, note = 'a "b"', bad = 0 / 0 }
  end,
}
]]

describe("mapgrad", function()
  local folder, file

  setup(function()
    folder = command.folder()
    file = command.write(folder .. "/exp.lua", EXPERIMENT)
  end)
  teardown(function() command.remove(folder) end)

  local function run(...)
    return mapgrad { "run", file, "--again", "--out", folder .. "/out", ... }
  end

  local function read(path)
    local handle = assert(io.open(path))
    local text = handle:read("*a")
    handle:close()
    return text
  end

  for _, arguments in ipairs { {}, { "run" }, { "repl" }, { "doctor" }, { "help" }, { "version" } } do
    local name = table.concat(arguments, " ")
    it(("%s --help shows examples first and fits 80 columns"):format(name), function()
      local words = { (table.unpack or unpack)(arguments) }
      words[#words + 1] = "--help"
      local result = mapgrad(words)
      assert.equal(0, result.code)
      assert.equal("", result.err)
      local lines = 0
      for line in result.out:gmatch("[^\n]*\n") do
        lines = lines + 1
        assert.is_true(#line <= 81, line)
      end
      assert.is_true(lines <= (name == "run" and 46 or 32), result.out)
      assert.is_true(result.out:find("Examples:") < result.out:find("Usage:"))
    end)
  end

  it("writes no control characters but line ends", function()
    for _, result in ipairs { mapgrad { "--help" }, mapgrad { "doctor" }, run(), mapgrad { "nonsense" } } do
      assert.is_nil((result.out .. result.err):gsub("[\n\t]", ""):find("%c"))
    end
  end)

  it("takes --help before the command too", function()
    assert.equal(mapgrad({ "run", "--help" }).out, mapgrad({ "--help", "run" }).out)
  end)

  it("prints the version, as an option and as a command", function()
    local option, word = mapgrad { "--version" }, mapgrad { "version" }
    assert.equal(0, option.code)
    assert.is_truthy(option.out:find("^mapgrad %d+%.%d+"))
    assert.equal(option.out, word.out)
  end)

  it("explains a command and the exit codes", function()
    assert.equal(mapgrad({ "run", "--help" }).out, mapgrad({ "help", "run" }).out)
    assert.is_truthy(mapgrad({ "help", "exit-codes" }).out:find("130"))
    assert.equal(2, mapgrad({ "help", "nonsense" }).code)
  end)

  it("ends with 2 after wrong usage, and says what was meant", function()
    local result = mapgrad { "run", file, "--sed", "1" }
    assert.equal(2, result.code)
    assert.equal("", result.out)
    assert.is_truthy(result.err:find("--seed", 1, true))
    assert.equal(2, mapgrad({ "rnu" }).code)
    assert.equal(2, mapgrad({ "run" }).code)
    assert.equal(2, mapgrad({ "repl", "--threads", "0" }).code)
  end)

  for _, case in ipairs {
    { "--threads expects a whole number from 1 to 256, got '0'", "work", "x", "--threads", "0" },
    { "--threads expects a whole number from 1 to 256, got '1.5'", "repeat", "x", "--threads", "1.5" },
    { "--threads expects a whole number from 1 to 256, got '257'", "repl", "--threads", "257" },
    { "--lines expects a whole number from 1, got 'x'", "show", "x", "--lines", "x" },
    { "--save-every expects a number above 0, got '0'", "run", "x", "--save-every", "0" },
    { "--time-limit expects a time such as 90, 30m or 3h50m, got '3h50q'", "work", "x", "--time-limit", "3h50q" },
    { "--seed expects a whole number from 0, got 'x'", "repl", "--seed", "x" },
    { "must be one of", "list", "--state", "over" },
    { "missing argument", "gc" },
  } do
    it("ends with 2 after " .. table.concat(case, " ", 2), function()
      local result = mapgrad { (table.unpack or unpack)(case, 2) }
      assert.equal(2, result.code)
      assert.equal("", result.out)
      assert.is_truthy(result.err:find(case[1], 1, true), result.err)
      assert.is_truthy(result.err:find("more: mapgrad " .. case[2] .. " --help", 1, true), result.err)
    end)
  end

  it("ends with 66 where a folder is not that of a run", function()
    for _, name in ipairs { "work", "show", "repeat" } do
      local result = mapgrad { name, folder }
      assert.equal(66, result.code)
      assert.is_truthy(result.err:find(folder .. ": expected the folder of a run", 1, true), result.err)
    end
  end)

  it("reads times", function()
    local time = require("mapgrad.cli.values").time "--time-limit"
    local known = { ["90"] = 90, ["30m"] = 1800, ["3h50m"] = 13800, ["1d2h3m4s"] = 93784, ["0.5h"] = 1800 }
    for text, seconds in pairs(known) do
      assert.equal(seconds, time(text))
    end
    for _, text in ipairs { "", "0", "-1", "h", "5m3h", "1h 2m", "inf", "nan" } do assert.is_nil((time(text))) end
  end)

  it("doctor names interpreter, precision and optional parts", function()
    local result = mapgrad { "doctor" }
    assert.equal(0, result.code)
    for _, word in ipairs { "interpreter", "Lua", "version", "threads", "gnuplot" } do
      assert.is_truthy(result.out:find(word, 1, true), word)
    end
  end)

  it("--double chooses the module for double precision", function()
    assert.is_truthy(mapgrad({ "doctor", "--double" }).out:find("numbers%s+double"))
    assert.is_truthy(mapgrad({ "--double", "doctor" }).out:find("numbers%s+double"))
  end)

  describe("run", function()
    it("runs a file with its defaults, and records its numbers", function()
      local result = run()
      assert.equal(0, result.code, result.err)
      assert.equal("3\t0.5\timle\ttrue\tnil", result.out:match("^[^\n]*"))
      local written = result.err:match("results in (%S+)")
      assert.equal('{"bad": null, "epoch": 1, "loss": 0.5, "note": "a \\"b\\"", "solves": 0}\n',
        read(written .. "/metrics.jsonl"))
    end)

    it("sets options", function()
      local result = run("--set", "epochs=7", "--set", "estimator=identity", "--set", "shuffle=false", "--set",
        'label="a,b"', "--threads", "1", "-q")
      assert.equal(0, result.code)
      assert.equal("", result.err)
      assert.is_truthy(result.out:find("^7\t0.5\tidentity\tfalse\ta,b\n"))
      assert.is_truthy(result.out:find("\t1\n$"))
    end)

    it("gives the same numbers for the same seed, whatever the threads", function()
      local function numbers(...) return run(...).out:match("\n([^\t]+)\t") end
      assert.equal(numbers("--seed", "5", "--threads", "1"), numbers("--set", "seed=5", "--threads", "2"))
      assert.not_equal(numbers("--seed", "5"), numbers("--seed", "6"))
    end)

    it("--help with a file shows the file's options", function()
      local result = mapgrad { "run", file, "--help" }
      assert.equal(0, result.code)
      for _, text in ipairs { "A small test", "epochs=3", "times over the data", "imle, identity", "seed=1" } do
        assert.is_truthy(result.out:find(text, 1, true), text)
      end
    end)

    for _, case in ipairs {
      { "epoch=3", "did you mean 'epochs'" },
      { "epochs=x", "expected an integer from 1" },
      { "epochs=2.5", "expected an integer from 1" },
      { "rate=nan", "expected a number above 0" },
      { "rate=inf", "expected a number above 0" },
      { "estimator=imel", "did you mean 'imle'" },
      { "shuffle=yes", "expected true or false" },
      { "epochs=1,b", "2 values of a sweep" },
      { "epochs", "expects name=value" },
    } do
      it(("refuses --set %s"):format(case[1]), function()
        local result = run("--set", case[1])
        assert.equal(2, result.code)
        assert.equal("", result.out)
        assert.is_truthy(result.err:find(case[2], 1, true), result.err)
      end)
    end

    it("refuses an option that is set twice", function()
      assert.equal(2, run("--seed", "1", "--set", "seed=2").code)
    end)

    it("ends with 66 when the file is missing", function()
      local result = mapgrad { "run", folder .. "/nothing.lua" }
      assert.equal(66, result.code)
      assert.is_truthy(result.err:find("nothing.lua", 1, true))
    end)

    it("refuses compiled Lua", function()
      local path = command.write(folder .. "/compiled.lua", string.dump(function() end))
      local result = mapgrad { "run", path }
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("compiled", 1, true))
    end)

    it("names the line of a syntax error", function()
      local result = mapgrad { "run", command.write(folder .. "/bad.lua", "local x =\nlocal y") }
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("bad.lua:2:", 1, true))
    end)

    it("says when a file returns no experiment", function()
      local result = mapgrad { "run", command.write(folder .. "/none.lua", "return {}") }
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("returns no experiment", 1, true))
    end)

    it("names the file when an experiment is declared wrongly", function()
      local text = 'local mg = require "mapgrad"\nreturn mg.experiment {\n title = "x", runn = print }'
      local result = mapgrad { "run", command.write(folder .. "/wrong.lua", text) }
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("did you mean 'run'", 1, true), result.err)
      assert.is_truthy(result.err:find("wrong.lua", 1, true), result.err)
    end)

    it("shows code, message and place of an error in the run", function()
      local result = run("--set", "label=shape")
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("error%[MG%-%u+%]: "), result.err)
      assert.is_truthy(result.err:find("exp.lua:12", 1, true), result.err)
      assert.is_nil(result.err:find("stack traceback", 1, true))
    end)

    it("ends with 130 after Ctrl-C", function()
      local result = command.interrupt { "run", file, "--out", folder .. "/out", "--set", "label=loop" }
      assert.equal(130, result.code)
      assert.is_truthy(result.err:find("interrupted", 1, true))
    end)
  end)

  describe("repl", function()
    local function repl(...)
      return mapgrad({ "repl" }, table.concat({ ... }, "\n") .. "\n")
    end

    it("prints values, without banner or prompt when its input is no terminal", function()
      local result = repl("1 + 1", "'a', nil", "x = 3", "x")
      assert.equal(0, result.code)
      assert.equal("2\na\nnil\n3\n", result.out)
      assert.equal("", result.err)
    end)

    it("is what mapgrad alone starts", function()
      assert.equal("2\n", mapgrad({}, "1 + 1\n").out)
    end)

    it("prints tensors and tables", function()
      local result = repl("tensor { { 1, 2 }, { 3, 4 } }", "{ 3, b = { c = 'd' }, a = 1 }")
      assert.equal('tensor 2x2\n  1  2\n  3  4\n{ 3, a = 1, b = { c = "d" } }\n', result.out)
    end)

    it("limits depth and survives cycles", function()
      local result = repl("t = { { { { 1 } } } }", "t", "c = {}", "c.c = c", "c")
      assert.equal("{ { { { .. } } } }\n{ c = <cycle> }\n", result.out)
    end)

    it("goes on after errors, and ends with 1", function()
      local result = repl("error 'boo'", "nothing.x", "x y", "tensor {1, 2} + tensor {1, 2, 3}", "40 + 2")
      assert.equal(1, result.code)
      assert.equal("42\n", result.out)
      local _, count = result.err:gsub("error: ", "")
      assert.equal(4, count)
      assert.is_truthy(result.err:find("error: boo\n", 1, true))
      assert.is_nil(result.err:find("traceback", 1, true))
    end)

    it("shows the last error in full for %tb", function()
      assert.is_truthy(repl("error 'boo'", "%tb").out:find("stack traceback", 1, true))
    end)

    it("reads on until a statement is complete", function()
      assert.equal("1\n2\n", repl("for i = 1, 2 do", "  print(i)", "end").out)
      assert.equal("3\n", repl("1 +", "2").out)
      assert.equal("a\nb\n", repl("[[a", "b]]").out)
    end)

    it("names the line of an error in several lines", function()
      assert.is_truthy(repl("do", "local x", "x()", "end").err:find("^error: line 3: "))
    end)

    it("reports input that ends too early", function()
      local result = repl("f(")
      assert.equal(1, result.code)
      assert.is_truthy(result.err:find("^error: "))
    end)

    it("keeps the last value in _, and a semicolon mutes", function()
      assert.equal("5\n", repl("5;", "_").out)
    end)

    it("explains kinds, functions and values", function()
      local result = repl("?top_k", "top = solver.top_k { n = 3, k = 1 }", "?top", "?tensor.full", "?gumbel")
      assert.equal(0, result.code)
      local _, count = result.out:gsub("top_k{n=, k=, least=}: the k largest of n entries", "")
      assert.equal(2, count)
      assert.is_truthy(result.out:find("tensor.full(shape, value): ", 1, true))
      assert.is_truthy(result.out:find("gumbel{location=, scale=, antithetic=}: ", 1, true))
    end)

    it("says when a name is unknown to ?", function()
      assert.is_truthy(repl("?nonsense").err:find("nonsense", 1, true))
    end)

    it("sets no globals", function()
      assert.equal("nil\n", repl("y = 1", "_G.y").out)
    end)

    it("leaves at quit", function()
      assert.equal("1\n", repl("1", "quit", "2").out)
    end)
  end)
end)
