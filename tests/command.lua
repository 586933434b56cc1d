--- Runs programs on the interpreter that runs the specs, with its module paths.
local slurp = require("tests.support").read_bytes

local command = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Writes a text file.
function command.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- The running interpreter, found in PATH so that a program can be run with another PATH.
local function interpreter()
  local first = 0
  while arg and arg[first - 1] do first = first - 1 end
  local name = first < 0 and arg[first] or rawget(_G, "jit") and "luajit" or "lua5.4"
  local pipe = io.popen("command -v " .. quote(name))
  local path = pipe:read("*l")
  pipe:close()
  return path or name
end

local lua = interpreter()
command.interpreter = lua
local script = package.searchpath("mapgrad.cli", package.path):gsub("init%.lua$", "mapgrad")

--- A fresh folder; remove it with command.remove.
function command.folder()
  local name = os.tmpname()
  os.remove(name)
  assert(os.execute("mkdir -p " .. quote(name)))
  return name
end

function command.remove(folder)
  os.execute("rm -rf " .. quote(folder))
end

-- Runs shell lines, all at once, each with a folder of its own for temporary files; a list of {code=, out=, err=}.
local function run_all(lines, input)
  local folders, parts, results = {}, {}, {}
  for i, line in ipairs(lines) do
    local folder = command.folder()
    command.write(folder .. "/in", input or "")
    folders[i] = folder
    parts[i] = ("{ { TMPDIR=%s; export TMPDIR; %s; } <%s/in >%s/out 2>%s/err; echo $? >%s/code; }"):format(folder, line,
      folder, folder, folder, folder)
  end
  os.execute("cd . && " .. table.concat(parts, " & ") .. (#lines > 1 and " & wait" or ""))
  for i, folder in ipairs(folders) do
    results[i] = {
      code = tonumber(slurp(folder .. "/code")), out = slurp(folder .. "/out"), err = slurp(folder .. "/err"),
    }
    command.remove(folder)
  end
  return results
end

-- Runs a shell line; {code=, out=, err=}.
local function run(line, input)
  return run_all({ line }, input)[1]
end

local function words(list)
  local quoted = {}
  for i, word in ipairs(list) do quoted[i] = quote(word) end
  return table.concat(quoted, " ")
end

-- The shell words that start a Lua program with the module paths of this process.
local function start(environment, program)
  return ("%s LUA_PATH=%s LUA_CPATH=%s %s %s"):format(environment, quote(package.path), quote(package.cpath),
    quote(lua), quote(program))
end

--- Runs `mapgrad` with arguments.
-- @param arguments  list
-- @param input      text on stdin, default none
-- @param environment  a text such as "PATH=", default none
-- @return {code=, out=, err=}
function command.mapgrad(arguments, input, environment)
  return run(start(environment or "", script) .. " " .. words(arguments), input)
end

--- The shell line that runs `mapgrad` with arguments.
function command.line(arguments)
  return start("", script) .. " " .. words(arguments)
end

--- Runs a shell script, a text.
-- @param before  shell words that come before the script's path, default "sh"
function command.sh(text, before)
  local folder = command.folder()
  local result = run((before or "sh") .. " " .. quote(command.write(folder .. "/script", text)))
  command.remove(folder)
  return result
end

--- Runs `mapgrad` several times at once.
-- @param list  of {environment, arguments}; environment: a text before the program, such as "PATH=" or the words of a
--   command that starts it
-- @return list of {code=, out=, err=}
function command.mapgrad_all(list)
  local lines = {}
  for i, row in ipairs(list) do lines[i] = start(row[1], script) .. " " .. words(row[2]) end
  return run_all(lines)
end

--- Runs `mapgrad` until its stdout has a first byte, then interrupts it.
function command.interrupt(arguments)
  local folder = command.folder()
  local result = command.sh(([[
    %s >%s & pid=$!
    while kill -0 $pid 2>/dev/null && ! [ -s %s ]; do sleep 0.05; done
    kill -INT $pid; wait $pid]]):format(command.line(arguments), quote(folder .. "/out"), quote(folder .. "/out")))
  command.remove(folder)
  return result
end

--- Runs `mapgrad` and kills it, with SIGKILL, after some seconds; it may have ended by then.
function command.kill(arguments, seconds)
  return run(("{ %s %s & pid=$!; sleep %.3f; kill -9 $pid; wait $pid; }"):format(start("", script), words(arguments),
    seconds))
end

-- SIGINT comes, once, a moment after the first bytes; a program that is not ended by that is killed after 20 s more.
local INTERRUPT = [[
"$@" >"$0.out" 2>&1 & pid=$!
while kill -0 $pid 2>/dev/null && ! [ -s "$0.out" ]; do sleep 0.02; done
sleep 0.2; kill -INT $pid
(sleep 20; kill -KILL $pid) >/dev/null 2>&1 & guard=$!
wait $pid; kill -- -$guard 2>/dev/null; cat "$0.out"; rm -f "$0.out"
]]

--- What a Lua text prints, on both outputs.
-- @param options.interrupt  true: Ctrl-C comes once it has printed something
-- @param options.modules    folder of its C modules in place of this process's
function command.printed(text, options)
  local name = os.tmpname()
  command.write(name, text)
  local prefix = options.interrupt and ("bash -mc %s %s"):format(quote(INTERRUPT), quote(name)) or ""
  local pipe = assert(io.popen(("LUA_PATH=%s LUA_CPATH=%s %s %s %s %s"):format(quote(package.path),
    quote(options.modules and options.modules .. "/?.so" or package.cpath), prefix, quote(lua), quote(name),
    options.interrupt and "2>/dev/null" or "2>&1"), "r")) -- bash complains that it has no terminal
  local printed = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return printed
end

--- Runs a Lua text; environment is a text such as "PATH=".
function command.lua(text, environment)
  local folder = command.folder()
  local file = command.write(folder .. "/program.lua", text)
  local result = run(start(environment or "", file))
  command.remove(folder)
  return result
end

--- Runs a Lua text several times at once, each with the environment, or the command before it, of a list.
-- @return list of {code=, out=, err=}
function command.lua_all(text, environments)
  local folder, lines = command.folder(), {}
  local file = command.write(folder .. "/program.lua", text)
  for i, environment in ipairs(environments) do lines[i] = start(environment, file) end
  local results = run_all(lines)
  command.remove(folder)
  return results
end

return command
