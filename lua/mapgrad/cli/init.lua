--- The command `mapgrad`: finds the command asked for, parses its arguments, returns the exit code.
-- Results go to stdout, everything else to stderr. No output uses colours, so NO_COLOR is honoured.
-- A module below `cli` describes one command: name, summary, examples, declare(parser), and
-- run(arguments, help_text) -> exit code. The C module is loaded by the commands that need it, after
-- --double has chosen it.
-- @module mapgrad.cli
local argparse = require "argparse"
local failure = require "mapgrad.failure"
local manual = require "mapgrad.cli.manual"
local schema = require "mapgrad.cli.schema"

local cli = {}

--- Exit codes: the same for all commands.
cli.codes = {
  ok = 0, failed = 1, usage = 2, no_input = 66, bug = 70, cannot_create = 73, unwritten = 74, again = 75,
  interrupted = 130,
}
local codes = cli.codes

local version = {
  name = "version", summary = "print the version",
  examples = { { "mapgrad version", "also: mapgrad --version" } },
  declare = function() end,
  run = function()
    io.stdout:write("mapgrad ", require("mapgrad")._VERSION, "\n")
    return codes.ok
  end,
}

local help = {
  name = "help", summary = "explain a command, the exit codes or the environment",
  examples = {
    { "mapgrad help run" }, { "mapgrad help exit-codes" },
    { "mapgrad help --man | man -l -", "all of it" },
    { "mapgrad help --schema compare", "what `compare --json` prints, as a JSON schema" },
  },
  declare = function(parser)
    parser:argument("topic", "a command, exit-codes or environment"):args "?"
    parser:flag("--man", "print the manual page")
    parser:option("--schema", "print a JSON schema: " .. schema.listing()):argname "<document>":choices(schema.names)
  end,
}

local commands = {
  require "mapgrad.cli.run", require "mapgrad.cli.plan", require "mapgrad.cli.list", require "mapgrad.cli.show",
  require "mapgrad.cli.diff", require "mapgrad.cli.compare", require "mapgrad.cli.plot", require "mapgrad.cli.report",
  require "mapgrad.cli.repeat", require "mapgrad.cli.gc", require "mapgrad.cli.work", require "mapgrad.cli.repl",
  require "mapgrad.cli.doctor", require "mapgrad.cli.completion", help, version,
}

local EXAMPLES = {
  { "mapgrad", "type Lua, see values; ?x explains x" },
  { "mapgrad run experiments/warcraft_path.lua --set epochs=5 --set data=terrain" },
  { "mapgrad run exp.lua --help", "the options of exp.lua" },
  { "mapgrad doctor", "what is installed, what is missing" },
}

local function example_lines(examples)
  local lines = {}
  for _, example in ipairs(examples) do
    lines[#lines + 1] = example[2] and ("  %-30s  %s"):format(example[1], example[2]) or "  " .. example[1]
  end
  return table.concat(lines, "\n")
end

-- Examples first, then what argparse writes.
local function help_text(title, examples, parser)
  return table.concat({ title, "Examples:\n" .. example_lines(examples), parser:get_help() }, "\n\n")
end

--- The parser of the whole command line.
-- @return parser, and name of a command -> {command, parser}
function cli.new_parser()
  local parser = argparse("mapgrad"):add_help(false):require_command(false):command_target("command")
    :help_max_width(80):help_description_margin(26)
  -- a command has flags of the same names, which would reset these: hence targets of their own
  parser:flag("-h --help", "show this text"):target "help_first"
  parser:flag("--version", "print the version"):target "version"
  parser:flag("--double", "compute in double precision"):target "double_first"
  local by_name = {}
  for _, command in ipairs(commands) do
    local sub = parser:command(command.name):summary(command.summary):add_help(false)
    sub:flag("-h --help", "show this text")
    command.declare(sub)
    by_name[command.name] = { command = command, parser = sub }
  end
  return parser, by_name
end

local function text_of(entry)
  local command = entry.command
  return help_text(("mapgrad %s: %s"):format(command.name, command.summary), command.examples, entry.parser)
end

local function main_text(parser)
  return help_text("mapgrad: discrete solvers inside gradient learning", EXAMPLES, parser)
end

--- Writes a usage error to stderr.
-- @treturn number the exit code
function cli.usage_error(message, command)
  io.stderr:write(("error: %s\n  more: mapgrad %s--help\n"):format(message, command and command .. " " or ""))
  return codes.usage
end

local function man_page(parser, by_name)
  local entries = {}
  for i, command in ipairs(commands) do
    entries[i] = { name = command.name, summary = command.summary, help = text_of(by_name[command.name]) }
  end
  return manual.page(require("mapgrad")._VERSION, main_text(parser), entries)
end

local function unknown_topic(topic, by_name)
  local names = {}
  for name in pairs(by_name) do names[#names + 1] = name end
  for name in pairs(manual.topics) do names[#names + 1] = name end
  table.sort(names)
  return cli.usage_error(("no help on '%s'%s"):format(topic, require("mapgrad.check").hint(topic, names)))
end

local function show_topic(topic, parser, by_name)
  if topic == nil then
    io.stdout:write(main_text(parser), "\n")
  elseif manual.topics[topic] then
    io.stdout:write(manual.text(topic), "\n")
  elseif by_name[topic] then
    io.stdout:write(text_of(by_name[topic]), "\n")
  else
    return unknown_topic(topic, by_name)
  end
  return codes.ok
end

-- The double module under the float module's name: before anything requires that.
local function choose_real(double)
  if double then
    package.preload["mapgrad.core"] = function() return require "mapgrad.core_double" end
  end
end

-- argparse's message; where it has no idea of what was meant, with ours, or the names there are.
local function explain(message, parser)
  local kind, got = message:match "^unknown (%a+) '([^']*)'"
  if not kind or message:find("Did you mean", 1, true) then return message end
  local names = {}
  local part = parser:get_help():match(kind == "option" and "\nOptions:\n(.*)" or "\nCommands:\n(.*)") or ""
  for name in ("\n" .. part):gmatch(kind == "option" and "\n   [^\n]-(%-%-[%w-]+)" or "\n   (%a[%w-]*)") do
    names[#names + 1] = name
  end
  return ("unknown %s '%s'%s"):format(kind, got, require("mapgrad.check").hint(got, names))
end

-- The entry of the first word that is a command.
local function entry_of(words, by_name)
  for _, word in ipairs(words) do
    if by_name[word] then return by_name[word] end
  end
end

-- Options of another program, and negative numbers, as one word with their flag: argparse takes a value that starts
-- with a dash behind = only.
local function joined(words)
  local list, i = {}, 1
  while i <= #words do
    local is_number = words[i]:find "^%-%-[%w-]+$" and (words[i + 1] or ""):find "^%-[%d.]"
    local takes = (words[i] == "--slurm-options" or is_number) and words[i + 1]
    list[#list + 1] = takes and words[i] .. "=" .. takes or words[i]
    i = i + (takes and 2 or 1)
  end
  return list
end

local function dispatch(words)
  local parser, by_name = cli.new_parser()
  words = joined(words)
  local ok, arguments = parser:pparse(words)
  if not ok then
    local entry = entry_of(words, by_name)
    return cli.usage_error(explain(arguments, entry and entry.parser or parser), entry and entry.command.name)
  end
  choose_real(arguments.double or arguments.double_first)
  arguments.help = arguments.help or arguments.help_first
  local entry = by_name[arguments.command or (arguments.version and "version") or "repl"]
  if arguments.man then
    io.stdout:write(man_page(parser, by_name))
    return codes.ok
  end
  if arguments.schema then
    io.stdout:write(schema.text(arguments.schema))
    return codes.ok
  end
  if entry.command == help then return show_topic(arguments.topic, parser, by_name) end
  if arguments.help and not arguments.command then return show_topic(nil, parser, by_name) end
  local text = text_of(entry)
  if arguments.help and not entry.command.own_help then
    io.stdout:write(text, "\n")
    return codes.ok
  end
  return entry.command.run(arguments, text, cli)
end

-- Whether any of the output is lost. Lua's print tells nobody, and flushes in Lua 5.4: the C module, where a command
-- has loaded it, knows.
local function is_lost()
  local core = package.loaded["mapgrad.real"]
  return not io.stdout:flush() or (core ~= nil and core.output_failed())
end

--- Runs the command.
-- @tparam table words the arguments
-- @treturn number the exit code
function cli.main(words)
  local ok, result = failure.catch(dispatch, words)
  if is_lost() then
    io.stderr:write "error: the output cannot be written (is the disk full?)\n"
    if ok and result == codes.ok then return codes.unwritten end
  end
  if ok then return result end
  if failure.is_interrupt(result) then return codes.interrupted end
  io.stderr:write("internal error, please report it:\n", result.traceback, "\n")
  return codes.bug
end

return cli
