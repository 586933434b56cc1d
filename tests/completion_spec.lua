-- Manners of the command line: completion, manual page, suggestions, plain output, quick help.
local cli = require "mapgrad.cli"
local command = require "tests.command"
local json = require "dkjson"

local is_sanitized = os.getenv "MAPGRAD_SANITIZER" ~= nil

-- Whether there is a program; under a sanitizer those that others built count as missing.
local function has(program)
  return not is_sanitized and command.sh("command -v " .. program).code == 0
end

-- Names of the commands, sorted.
local function command_names()
  local names, _, by_name = {}, cli.new_parser()
  for name in pairs(by_name) do names[#names + 1] = name end
  table.sort(names)
  return names, by_name
end

describe("completion", function()
  -- What bash offers for the last of some words.
  local function offered(words)
    local result = command.sh(([[
      %s > "$0.bash" &&
        bash -c '. "$0.bash"; COMP_WORDS=(%s); COMP_CWORD=%d; _mapgrad; printf "%%s\n" "${COMPREPLY[@]}"' "$0" |
        sort -u]]):format(command.line { "completion", "bash" }, table.concat(words, " "), #words - 1))
    assert.equal(0, result.code, result.err)
    return (result.out:gsub("\n$", ""):gsub("\n", " "))
  end

  for _, case in ipairs {
    { { "mapgrad", "ru" }, "run" }, { { "mapgrad", "d" }, "diff doctor" },
    { { "mapgrad", "list", "--state", "fi" }, "finished" }, { { "mapgrad", "run", "exp.lua", "--sm" }, "--smoke" },
    { { "mapgrad", "completion", "--he" }, "--help" }, { { "mapgrad", "list", "--js" }, "--json" },
    { { "mapgrad", "list", "--smo" }, "" },
  } do
    it("of bash offers what begins with " .. table.concat(case[1], " "), function()
      if not has "bash" then return pending "there is no bash" end
      assert.equal(case[2], offered(case[1]))
    end)
  end

  for _, shell in ipairs { "bash", "zsh", "fish" } do
    it(("is something that %s reads, with every command"):format(shell), function()
      local result = command.mapgrad { "completion", shell }
      assert.equal(0, result.code, result.err)
      for _, name in ipairs(command_names()) do assert.matches(name, result.out, 1, true) end
      if not has(shell) then return pending("there is no " .. shell) end
      local read = command.sh(result.out, shell .. " -n")
      assert.equal(0, read.code, read.err)
    end)
  end

  it("of fish offers commands", function()
    if not has "fish" then return pending "there is no fish" end
    local result = command.sh(command.mapgrad({ "completion", "fish" }).out .. '\ncomplete -C "mapgrad ru"\n', "fish")
    assert.matches("^run\trun an experiment file", result.out)
  end)

  it("of another shell is refused", function()
    local result = command.mapgrad { "completion", "csh" }
    assert.equal(2, result.code)
    assert.matches("'bash', 'zsh', 'fish'", result.err, 1, true)
  end)
end)

describe("the manual page", function()
  local page
  setup(function() page = command.mapgrad({ "help", "--man" }).out end)

  it("has every command, every exit code and the environment", function()
    assert.matches('^%.TH MAPGRAD 1 "" "mapgrad %d+%.%d+', page)
    for _, name in ipairs(command_names()) do
      assert.matches("\n.SH MAPGRAD " .. name:upper() .. "\n", page, 1, true)
    end
    local status = page:match "\n%.SH EXIT STATUS\n(.-)\n%.SH"
    local listed, codes = {}, {}
    for code in status:gmatch "%.B (%d+)\n" do listed[#listed + 1] = tonumber(code) end
    for _, code in pairs(cli.codes) do codes[#codes + 1] = code end
    table.sort(codes)
    assert.same(codes, listed)
    for _, name in ipairs { "MAPGRAD_DATA", "MAPGRAD_REAL", "NO_COLOR" } do
      assert.matches("\n.B " .. name .. "\n", page, 1, true)
      assert.matches(name, command.mapgrad({ "help", "environment" }).out, 1, true)
    end
  end)

  it("has every variable of its own that the sources read", function()
    local result = command.sh [[grep -rhoE 'getenv[( ]*"MAPGRAD_[A-Z_]+' lua/mapgrad lua/binding core | sort -u]]
    local count = 0
    for name in result.out:gmatch '"(MAPGRAD_[%u_]+)' do
      assert.matches("\n.B " .. name .. "\n", page, 1, true)
      count = count + 1
    end
    assert.is_true(count >= 2) -- MAPGRAD_REAL, MAPGRAD_DATA
  end)

  it("is one that groff has nothing to say about, and that shows what --help shows", function()
    if not has "groff" then return pending "there is no groff" end
    local result = command.sh(page, "groff -ww -man -Tascii -rLL=100n")
    assert.equal("", result.err)
    local plain = result.out:gsub(".\b", ""):gsub("\27%[[%d;]*m", "")
    local shown = {} -- words may be spread to fill lines, but help is shown as it is typed
    for line in plain:gmatch "[^\n]+" do shown[(line:gsub("^%s+", ""))] = true end
    for line in command.mapgrad({ "run", "--help" }).out:match("Options:.*"):gmatch "[^\n]+" do
      assert.is_true(shown[(line:gsub("^%s+", ""))], line)
    end
  end)
end)

describe("a typing error", function()
  -- Texts one slip away: a letter left out, doubled, wrong, or two swapped.
  local function slips(name, from)
    local list = {}
    for i = from, #name do
      list[#list + 1] = name:sub(1, i - 1) .. name:sub(i + 1)
      list[#list + 1] = name:sub(1, i) .. name:sub(i)
      list[#list + 1] = name:sub(1, i - 1) .. (name:sub(i, i) == "q" and "x" or "q") .. name:sub(i + 1)
      if i < #name and name:sub(i, i) ~= name:sub(i + 1, i + 1) then
        list[#list + 1] = name:sub(1, i - 1) .. name:sub(i + 1, i + 1) .. name:sub(i, i) .. name:sub(i + 2)
      end
    end
    return list
  end

  -- cli.main's exit code and what it writes to stderr.
  local function main(words)
    local lines, own = {}, io.stderr
    rawset(io, "stderr", { write = function(_, ...) lines[#lines + 1] = table.concat { ... } end })
    local ok, code = pcall(cli.main, words)
    rawset(io, "stderr", own)
    assert(ok, code)
    return code, table.concat(lines)
  end

  it("in the name of a command or an option ends with 2, and the right name is offered", function()
    local names, by_name = command_names()
    local known, tried, helped = {}, 0, 0
    for _, name in ipairs(names) do known[name] = true end
    local function try(words, wanted)
      local code, message = main(words)
      assert.equal(2, code, table.concat(words, " "))
      tried = tried + 1
      if message:find(("'%s'"):format(wanted), 1, true) then helped = helped + 1 end
    end
    for n, name in ipairs(names) do
      for _, slip in ipairs(slips(name, 1)) do
        if not known[slip] then try({ slip }, name) end
      end
      local options = {}
      for option in by_name[name].parser:get_help():gmatch "\n   [^\n]-(%-%-[%w-]+)" do options[option] = true end
      for option in pairs(options) do
        local list = slips(option, 3)
        for i = 1 + n % 3, #list, 3 do -- a third of them, another one for each command
          if not options[list[i]] and list[i] ~= "--" then try({ name, list[i] }, option) end
        end
      end
    end
    assert.is_true(tried > 500)
    assert.is_true(helped >= 0.98 * tried, ("%d of %d"):format(helped, tried))
  end)

  it("far from all names shows the names there are", function()
    local _, message = main { "doctor", "--elephant" }
    assert.matches("unknown option '--elephant'; there are: --help, --double, --json", message, 1, true)
    _, message = main { "elephant" }
    assert.matches("there are: run, ", message, 1, true)
    _, message = main { "help", "environmnet" }
    assert.matches("did you mean 'environment'", message, 1, true)
  end)
end)

describe("output", function()
  local words = { -- of commands that do something without more; others show their help
    run = { "run", "/nothing.lua" }, list = { "list", "/nothing" }, show = { "show", "/nothing" },
    gc = { "gc", "/nothing" }, ["repeat"] = { "repeat", "/nothing" }, diff = { "diff", "/nothing", "/nothing" },
    repl = { "repl" }, doctor = { "doctor" }, help = { "help", "exit-codes" }, version = { "version" },
    completion = { "completion", "bash" },
  }
  for _, name in ipairs(command_names()) do
    it(("of %s holds no escape sequence, whatever is asked of colours"):format(name), function()
      local arguments = words[name] or { name, "--help" }
      local result = command.mapgrad(arguments, "1 + 1\nerror 'boo'\n?top_k\n",
        "FORCE_COLOR=1 CLICOLOR_FORCE=1 TERM=xterm-256color")
      assert.is_true(#result.out + #result.err > 0)
      assert.is_nil((result.out .. result.err):gsub("[\n\t]", ""):find "%c")
      if name ~= "doctor" then return end
      assert.equal(result.out, command.mapgrad(arguments, "", "NO_COLOR=1 TERM=dumb").out)
    end)
  end

  it("of doctor is one JSON document when asked for", function()
    local result = command.mapgrad { "doctor", "--json" }
    assert.equal(0, result.code)
    local document = assert(json.decode(result.out))
    assert.equal(1, document.version)
    local found = {}
    for _, part in ipairs(document.optional) do
      found[part.name] = true
      assert.is_true((part.found == nil) ~= (part.cost == nil), part.name)
    end
    for _, name in ipairs { "Slurm", "GNU parallel", "gnuplot" } do assert.is_true(found[name], name) end
  end)
end)

describe("mapgrad --help", function()
  it("loads no C module", function()
    local result = command.lua [[
      local cli = require "mapgrad.cli"
      assert(cli.main { "--help" } == 0)
      for name in pairs(package.loaded) do if name:find "^mapgrad%.core" then print("loaded: " .. name) end end]]
    assert.equal(0, result.code, result.err)
    assert.is_nil(result.out:find "loaded: ")
  end)

  it("takes at most 50 ms of a processor", function()
    if is_sanitized then return end
    local least = math.huge
    for _ = 1, 3 do
      local times = command.sh(command.line { "--help" } .. " >/dev/null\ntimes").out
      local sum = 0
      for minutes, seconds in times:match("\n(.*)"):gmatch "(%d+)m([%d.]+)s" do sum = sum + 60 * minutes + seconds end
      least = math.min(least, sum)
    end
    assert.is_true(least <= 0.05, least .. " s")
  end)
end)
