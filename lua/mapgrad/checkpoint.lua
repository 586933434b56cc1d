--- Checkpoints: a training as one file, to go on from with the same bits.
--
-- A checkpoint holds the states of the parts of a training (what `part:state()` returns), values of
-- the script, and the positions of all random streams. It is a safetensors file: the tensors under
-- names such as "model/1.weight", in the metadata the rest as JSON, the version of the format and a
-- checksum of the whole file. Tensors are of the build's own real type and numbers are exact, so a
-- training that is cut and resumed ends with the bits of one that was not. It is written beside the
-- target, flushed and renamed: whatever happens, the file is the old or the new one, whole. Loading
-- runs no code from the file.
-- @usage local progress = { epoch = 0 }
-- local parts = { model = net, optimizer = adam, values = progress }
-- local ok, message, reason = checkpoint.resume("run.safetensors", parts)
-- if not ok and reason ~= "missing" then error(message) end
-- while progress.epoch < 20 do
--   ... one epoch ...
--   progress.epoch = progress.epoch + 1
--   assert(checkpoint.save("run.safetensors", parts))
-- end
-- @module mapgrad.checkpoint
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local data = require "mapgrad.data"
local random = require "mapgrad.random"
local tensor = require "mapgrad.tensor"

local checkpoint = {}

local withheld = false

local VERSION, MAX_DEPTH = 1, 100
local NO_SUCH_FILE = 2 -- ENOENT

-- Numbers that JSON lacks.
local special = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

local function name_of_special(value)
  if value ~= value then return "nan" end
  return value == math.huge and "inf" or value == -math.huge and "-inf" or nil
end

-- ------------------------------------------------------------------ trees

-- The path of a key below a path: keys joined by "/", with ~0 for ~ and ~1 for / (as RFC 6901).
local function join(path, key)
  if type(key) == "number" then key = ("%.0f"):format(key) end
  key = tostring(key):gsub("~", "~0"):gsub("/", "~1")
  return path and path .. "/" .. key or key
end

-- A copy of a state in which null stands for tensors, which go to out.tensors under their paths, and
-- for the numbers that JSON lacks, whose names go to out.numbers; there, too, stand whole floats.
local function flatten(value, out, path, depth)
  if tensor.is(value) then
    out.tensors[path] = value
    return data.json.null
  elseif type(value) == "number" and name_of_special(value) then
    out.numbers[path] = name_of_special(value)
    return data.json.null
  elseif type(value) == "number" and value == math.floor(value) and math.abs(value) > 2 ^ 53
    and compat.is_integer(value) then
    check.fail("MG-ARGUMENT", "checkpoint.save: %s is %s: integers beyond 2^53 cannot be saved exactly; save a text",
      path, tostring(value))
  elseif type(value) == "number" and value == math.floor(value) and not compat.is_integer(value) then
    out.numbers[path] = "float" -- JSON has one type of whole numbers, Lua 5.4 has two
    return value
  elseif value == data.json.null then
    check.fail("MG-TYPE", "checkpoint.save: %s is null, which cannot be saved", path)
  elseif type(value) ~= "table" then
    return value
  elseif depth > MAX_DEPTH then
    check.fail("MG-ARGUMENT", "checkpoint.save: %s: nested too deeply, or holds itself", path:sub(1, 60))
  end
  local is_list = getmetatable(value) == getmetatable(data.json.list())
  if getmetatable(value) and not is_list then
    check.fail("MG-TYPE", "checkpoint.save: %s is a %s, expected numbers, texts, truth values, tensors and"
      .. " tables of them", path, check.type_of(value))
  end
  local copy = {}
  for key, entry in pairs(value) do copy[key] = flatten(entry, out, join(path, key), depth + 1) end
  return is_list and data.json.list(copy) or copy
end

-- Puts tensors and numbers back into a tree, in place; out.used counts the tensors. Returns the
-- value, or nil and what is wrong.
local function restore(value, out, path)
  if value == data.json.null then
    local number = special[out.numbers[path]]
    if number then return number end
    local t = out.tensors[path]
    if not t then return nil, ("tensor '%s' is missing"):format(path) end
    out.used = out.used + 1
    return t
  end
  if type(value) == "number" and out.numbers[path] == "float" then return value + 0.0 end
  if type(value) ~= "table" then return value end
  for key, entry in pairs(value) do
    local whole, message = restore(entry, out, join(path, key))
    if whole == nil then return nil, message end
    value[key] = whole
  end
  return value
end

-- ------------------------------------------------------------------ parts

-- Names of a table of parts, sorted; without `values`.
local function names_of(parts)
  local names = {}
  for name in pairs(parts) do
    if name ~= "values" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function method(part, name)
  return type(part) == "table" and type(part[name]) == "function" and part[name] or nil
end

-- The function that gives a state back to a part.
local function loader_of(part)
  return method(part, "load_state") or method(part, "restore")
end

local function check_parts(name, parts)
  if type(parts) ~= "table" or getmetatable(parts) then
    check.fail("MG-TYPE", "%s: expected a table of parts, got a %s", name, check.type_of(parts))
  end
  for key in pairs(parts) do
    if type(key) ~= "string" or key == "random" then
      check.fail("MG-NAME", "%s: a part cannot be named '%s'", name, tostring(key))
    end
  end
  for _, key in ipairs(names_of(parts)) do
    local part = parts[key]
    if not method(part, "state") or not loader_of(part) then
      check.fail("MG-TYPE", "%s: %s: expected an object with the methods state and load_state or restore,"
        .. " got a %s", name, key, check.type_of(part))
    end
  end
  if parts.values ~= nil and (type(parts.values) ~= "table" or getmetatable(parts.values)) then
    check.fail("MG-TYPE", "%s: values: expected a table, got a %s", name, check.type_of(parts.values))
  end
end

local function states_of(parts)
  local states = {}
  for _, name in ipairs(names_of(parts)) do states[name] = parts[name]:state() end
  return states
end

local function give_back(parts, states)
  for _, name in ipairs(names_of(parts)) do loader_of(parts[name])(parts[name], states[name]) end
end

local function is_whole(value)
  return type(value) == "number" and value >= 0 and value == math.floor(value) and value <= 2 ^ 53
end

-- Whether a value is what random.state returns.
local function is_random_state(value)
  if type(value) ~= "table" or not is_whole(value.seed) or type(value.position) ~= "table" then return false end
  for stream, index in pairs(value.position) do
    if type(stream) ~= "string" or not is_whole(index) then return false end
  end
  return true
end

-- ------------------------------------------------------------------ the public functions

--- Writes a checkpoint.
-- @param path   file name
-- @param parts  name -> object with state() and load_state(state) or restore(state): a module, an
--   optimizer, a schedule, a data loader, one of your own. `values`, if given, is a plain table of
--   numbers (NaN and infinities too), texts, truth values, tensors and tables of them.
-- @return true, or nil and a message
function checkpoint.save(path, parts, ...)
  if select("#", ...) > 0 then
    check.fail("MG-ARGUMENT", "checkpoint.save: expected a path and parts, got more; numbers go to parts.values")
  end
  check.value("checkpoint.save: path", path, check.text())
  check_parts("checkpoint.save", parts)
  if withheld then return true end
  local states, out = states_of(parts), { tensors = {}, numbers = {} }
  states.values, states.random = parts.values, random.state()
  local tree = flatten(states, out, nil, 0)
  local state = data.json.encode { tree = tree, numbers = out.numbers }
  return data.safetensors_write(path, out.tensors, {
    checksum = true, metadata = { checkpoint = tostring(VERSION), state = state },
  })
end

--- From now on `save` checks its arguments and writes nothing: for processes that work beside another one, which
-- writes.
function checkpoint.withhold()
  withheld = true
end

-- The tree of a file's metadata with the tensors in their places; nil and what is wrong.
local function read_state(tensors, metadata)
  local version = tonumber(metadata.checkpoint)
  if not version or not metadata.state then return nil, "not a checkpoint: the metadata lacks its state" end
  if version > VERSION then
    return nil, ("version %s of checkpoints, which is newer than this mapgrad knows (%d)"):format(
      metadata.checkpoint, VERSION)
  end
  local state, message = data.json.decode(metadata.state)
  if state == nil then return nil, message end
  if type(state) ~= "table" or type(state.tree) ~= "table" or type(state.numbers) ~= "table" then
    return nil, "not a checkpoint: the state is no tree"
  end
  local out, count = { tensors = tensors, numbers = state.numbers, used = 0 }, 0
  local tree, reason = restore(state.tree, out, nil)
  if not tree then return nil, reason end
  for _ in pairs(tensors) do count = count + 1 end
  if count ~= out.used then return nil, ("%d tensors belong to no state"):format(count - out.used) end
  if not is_random_state(tree.random) then return nil, "the state of the random streams is none" end
  return tree
end

-- Whether reading a file failed because there is none. Only what could not be opened is tried again:
-- a pipe would wait.
local function is_missing(path, message)
  if not message:find("cannot open the file", 1, true) then return false end
  local file, _, code = io.open(path, "rb")
  if file then file:close() end
  return code == NO_SUCH_FILE
end

--- Reads a checkpoint and changes nothing: to look into it, or to take over a part, as in
-- `net:load_state(assert(checkpoint.load(path)).model)`. Files of the other real type are converted.
-- @param path  file name
-- @return table name -> state, `values` and `random` among them; or nil, a message, and "missing" if there
--   is no such file
function checkpoint.load(path)
  check.value("checkpoint.load: path", path, check.text())
  local tensors, metadata = data.safetensors_read(path, { verify = true })
  if not tensors then return nil, metadata, is_missing(path, metadata) and "missing" or nil end
  local tree, message = read_state(tensors, metadata)
  if not tree then return nil, ("checkpoint: %s: %s"):format(path, message) end
  return tree
end

local function check_names(path, parts, tree)
  for _, name in ipairs(names_of(parts)) do
    if tree[name] == nil then
      check.fail("MG-NAME", "checkpoint.resume: %s has no part '%s'", path, name)
    end
  end
  for _, name in ipairs(names_of(tree)) do
    if name ~= "random" and parts[name] == nil then
      check.fail("MG-NAME", "checkpoint.resume: %s has a part '%s', which is not asked for; to take over some"
        .. " parts use checkpoint.load", path, name)
    end
  end
end

--- Puts a training back to where a checkpoint was made: gives every part its state and sets the random
-- streams. A state that does not fit its part raises; then all parts are as before.
-- @param path   file name
-- @param parts  as for `save`, with the same names. The content of the table `values` becomes what was
--   saved; the script sees it there.
-- @return the values, {} if none were saved; or nil, a message, and "missing" if there is no such file
function checkpoint.resume(path, parts)
  check_parts("checkpoint.resume", parts)
  local tree, message, reason = checkpoint.load(path)
  if not tree then return nil, message, reason end
  check_names(path, parts, tree)
  local before = states_of(parts)
  local ok, failure = pcall(give_back, parts, tree)
  if not ok then
    give_back(parts, before)
    error(failure, 0)
  end
  random.restore(tree.random)
  local values, saved = parts.values or {}, tree.values or {}
  for key in pairs(values) do values[key] = nil end
  for key, value in pairs(saved) do values[key] = value end
  return values
end

return checkpoint
