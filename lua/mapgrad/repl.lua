--- The interactive prompt: reads Lua, shows values, keeps going after errors.
--
-- A line is an expression or a statement; it goes on while Lua misses its end. `?x` explains x, `%tb`
-- shows the last error's full traceback, a `;` at the end keeps the value from being shown, `_` is the
-- last value. Names set at the prompt are fields of its own environment, so `_G` stays as it was.
-- @module mapgrad.repl
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local failure = require "mapgrad.failure"
local help = require "mapgrad.help"
local inspect = require "mapgrad.inspect"
local mg = require "mapgrad"

local repl = {}

local CHUNK = "=stdin"
local EINTR = 4

-- mg, its parts (loaded when first named), then the globals.
local function new_environment()
  local parts = { mg = mg }
  for _, name in ipairs(getmetatable(mg).names) do parts[name] = false end
  return setmetatable({}, {
    __index = function(_, name)
      local part = parts[name]
      if part == nil then return _G[name] end
      return part or mg[name]
    end,
  })
end

--- Compiles what was typed, as an expression if it is one.
-- @treturn function the chunk; or nil, message, and whether more lines may complete it
function repl.compile(text, environment)
  local chunk, expression_message = compat.load("return " .. text, CHUNK, environment)
  if chunk then return chunk end
  local message
  chunk, message = compat.load(text, CHUNK, environment)
  if chunk then return chunk end
  local unfinished = message:find("<eof>'?$") or expression_message:find("<eof>'?$")
  return nil, message, unfinished ~= nil
end

-- Calls f so that Ctrl-C raises in it.
local function interruptible(f, ...)
  core.repl_interrupt_begin()
  local results = compat.pack(failure.catch(f, ...))
  core.repl_interrupt_end()
  return compat.unpack(results, 1, results.n)
end

-- Writes an error: on a terminal among the values, else to stderr.
local function complain(self, text)
  self.failed = true
  if self.terminal then return print("error: " .. text) end
  io.stdout:flush()
  io.stderr:write("error: ", text, "\n")
end

-- The message without the prompt's own place; a line number only where there are several.
local function message_of(caught, text)
  local message = caught.message
  local line = caught.place and caught.place:match("^stdin:(%d+)$")
  if line and text:find("\n", 1, true) then return ("line %s: %s"):format(line, message) end
  local is_own = caught.place and caught.place:find("mapgrad/repl.lua:", 1, true) -- LuaJIT, tail calls
  if caught.place and not line and not is_own then return ("%s\n  at %s"):format(message, caught.place) end
  return message
end

local function show(self, values)
  for i = 1, values.n do print(inspect(values[i])) end
  self.environment._ = values[1]
end

local function evaluate(self, text)
  local chunk, message = repl.compile(text, self.environment)
  if not chunk then return complain(self, (message:gsub("^stdin:%d+: ", ""))) end
  compat.interpret(chunk) -- compiled loops of LuaJIT cannot be interrupted
  local muted = text:find(";%s*$") ~= nil
  local ok, caught = interruptible(function()
    local values = compat.pack(chunk())
    if muted then self.environment._ = values[1] elseif values.n > 0 then show(self, values) end
  end)
  if not ok then
    self.caught = caught
    complain(self, message_of(caught, text))
  end
end

-- ?name: the value if the name has one here, else what the library knows by that name.
local function explain(self, topic)
  if topic == "" then return print(help.overview()) end
  local chunk = compat.load("return " .. topic:gsub(":", "."), CHUNK, self.environment)
  local ok, value
  if chunk then ok, value = pcall(chunk) end
  local text = ok and value ~= nil and help.of(value, topic) or help.of(topic)
  if text then return print(text) end
  complain(self, ("nothing is known about '%s'"):format(topic))
end

local function command(self, name)
  if name ~= "tb" then
    return complain(self, ("unknown command %%%s; there is: %%tb (the last error in full)"):format(name))
  end
  print(self.caught and self.caught.traceback or "no error so far")
end

-- The next line; nil at the end of the input, false after Ctrl-C.
local function read_line(self, prompt)
  if not self.terminal then return io.read() end
  if core.edit_line then return core.edit_line(prompt, self.history) end
  local ok, line, code = interruptible(function()
    io.write(prompt)
    io.flush()
    local line, _, code = io.read()
    local seen = line -- an instruction after the call, for the hook of Ctrl-C to raise in
    return seen, code
  end)
  if ok and code ~= EINTR then return line end
  print()
  return false
end

-- One statement or command, over as many lines as it takes; nil at the end, false after Ctrl-C.
local function read(self)
  local text = read_line(self, "> ")
  if not text or text:find("^%s*[?%%]") then return text end
  while true do
    local _, _, unfinished = repl.compile(text, self.environment)
    if not unfinished then return text end
    local line = read_line(self, ">> ")
    if line == false then return false end
    if line == nil then return text end
    text = text .. "\n" .. line
  end
end

local function answer(self, text)
  local mark, rest = text:match("^%s*([?%%])%s*(.-)%s*$")
  if mark == "?" then return explain(self, rest) end
  if mark == "%" then return command(self, rest) end
  return evaluate(self, text)
end

-- ~/.local/state/mapgrad/history, its folder made; nil without a home.
local function history_file()
  local state = os.getenv "XDG_STATE_HOME"
  local home = os.getenv "HOME"
  if (not state or state == "") and home then state = home .. "/.local/state" end
  local has_lfs, lfs = pcall(require, "lfs")
  if not state or state == "" or not has_lfs then return nil end
  local made = ""
  for part in (state .. "/mapgrad"):gmatch("[^/]+") do
    made = made .. "/" .. part
    lfs.mkdir(made)
  end
  return made .. "/history"
end

--- The first line: versions, precision, threads.
function repl.banner()
  local info, threads = core.info(), mg.threads()
  return ("mapgrad %s on %s, %s, %d thread%s.   ?x explains x"):format(info.version:match("^%d+%.%d+"),
    compat.name, info.real_bytes == 8 and "double" or "float", threads, threads == 1 and "" or "s")
end

--- Reads until the end of the input, or a line `quit` or `exit`.
-- @tparam table options
-- @param options.quiet no banner
-- @treturn boolean whether a line failed and the input was no terminal (a terminal's user has seen it)
function repl.start(options)
  local self = { environment = new_environment(), terminal = core.is_terminal(0), failed = false }
  if self.terminal then
    if core.edit_line then self.history = history_file() end
    if not options.quiet then print(repl.banner()) end
  end
  while true do
    local text = read(self)
    if text == nil then break end
    local word = text and text:match("^%s*(%l+)%s*$")
    if (word == "quit" or word == "exit") and self.environment[word] == nil then break end
    if text then answer(self, text) end
  end
  if self.terminal then print() end
  return self.failed and not self.terminal
end

return repl
