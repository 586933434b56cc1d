--- The command `mapgrad`: finds the command asked for, parses its arguments, returns the exit code.
-- Results go to stdout, everything else to stderr. No output uses colours, so NO_COLOR is honoured.
-- A module below `cli` describes one command: name, summary, examples, declare(parser), and
-- run(arguments, help_text) -> exit code. The C module is loaded by the commands that need it, after
-- --double has chosen it.
-- @module mapgrad.cli
local argparse = require "argparse"
local failure = require "mapgrad.failure"

local cli = {}

--- Exit codes: the same for all commands.
cli.codes = {
  ok = 0, failed = 1, usage = 2, no_input = 66, bug = 70, cannot_create = 73, again = 75, interrupted = 130,
}
local codes = cli.codes

local version = {
  name = "version", summary = "print the version",
  examples = { { "mapgrad version", "also: mapgrad --version" } },
  declare = function() end,
  run = function()
    print("mapgrad " .. require("mapgrad")._VERSION)
    return codes.ok
  end,
}

local help = {
  name = "help", summary = "explain a command, or what the exit codes mean",
  examples = { { "mapgrad help run" }, { "mapgrad help exit-codes" } },
  declare = function(parser) parser:argument("topic", "a command or exit-codes"):args "?" end,
}

local commands = {
  require "mapgrad.cli.run", require "mapgrad.cli.list", require "mapgrad.cli.show", require "mapgrad.cli.diff",
  require "mapgrad.cli.compare", require "mapgrad.cli.plot", require "mapgrad.cli.report",
  require "mapgrad.cli.repeat", require "mapgrad.cli.gc", require "mapgrad.cli.work", require "mapgrad.cli.repl",
  require "mapgrad.cli.doctor", help, version,
}

local EXIT_CODES = [[
  0   ok
  1   the run failed
  2   wrong usage
  66  a file is missing
  70  a bug in mapgrad
  73  a file or folder cannot be made
  75  stopped before the end: the same command goes on
  130 stopped by Ctrl-C]]

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

local function new_parser()
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

local function show_topic(topic, parser, by_name)
  if topic == nil then
    print(main_text(parser))
  elseif topic == "exit-codes" then
    print(EXIT_CODES)
  elseif by_name[topic] then
    print(text_of(by_name[topic]))
  else
    return cli.usage_error(("no help on '%s'"):format(topic))
  end
  return codes.ok
end

-- The double module under the float module's name: before anything requires that.
local function choose_real(double)
  if double then
    package.preload["mapgrad.core"] = function() return require "mapgrad.core_double" end
  end
end

-- `--target -1` as `--target=-1`: a number that is negative is no flag.
local function with_numbers(words)
  local list = {}
  for _, word in ipairs(words) do
    local last = list[#list]
    if last and last:find "^%-%-[%w-]+$" and word:find "^%-[%d.]" then
      list[#list] = last .. "=" .. word
    else
      list[#list + 1] = word
    end
  end
  return list
end

local function dispatch(words)
  local parser, by_name = new_parser()
  local ok, arguments = parser:pparse(with_numbers(words))
  if not ok then return cli.usage_error(arguments, by_name[words[1]] and words[1]) end
  choose_real(arguments.double or arguments.double_first)
  arguments.help = arguments.help or arguments.help_first
  local entry = by_name[arguments.command or (arguments.version and "version") or "repl"]
  if entry.command == help then return show_topic(arguments.topic, parser, by_name) end
  if arguments.help and not arguments.command then return show_topic(nil, parser, by_name) end
  local text = text_of(entry)
  if arguments.help and not entry.command.own_help then
    print(text)
    return codes.ok
  end
  return entry.command.run(arguments, text, cli)
end

--- Runs the command.
-- @tparam table words the arguments
-- @treturn number the exit code
function cli.main(words)
  local ok, result = failure.catch(dispatch, words)
  if ok then return result end
  if failure.is_interrupt(result) then return codes.interrupted end
  io.stderr:write("internal error, please report it:\n", result.traceback, "\n")
  return codes.bug
end

return cli
