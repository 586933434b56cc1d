--- Errors as a person reads them: caught with their place, their code and the script's own lines of
-- the stack. The command and the interactive prompt both show failures through this module.
-- @module mapgrad.failure
local compat = require "mapgrad.compat"

local failure = {}

-- Folder of the library's files, as debug.getinfo names it: frames below it are not the script's.
local root = debug.getinfo(1, "S").source:match("^(@.*)failure%.lua$") or "@"

local function is_script(info)
  return info.currentline > 0 and info.what ~= "C" and info.source:sub(1, #root) ~= root
end

-- The script's frames, innermost first, as "file:line: in what"; ends at the function `base`.
local function script_frames(base)
  local frames = {}
  for level = 3, 200 do
    local info = debug.getinfo(level, "Slnf")
    if not info or info.func == base then break end
    if is_script(info) then
      local what = info.what == "main" and "main chunk" or info.name or "function"
      frames[#frames + 1] = ("%s:%d: in %s"):format(info.short_src, info.currentline, what)
    end
  end
  return frames
end

-- Splits "file:line: text [CODE]".
local function read(value)
  local text = tostring(value)
  local code = text:match("%[(MG%-[%u%-]+)%]$")
  if code then text = text:gsub("%s*%[MG%-[%u%-]+%]$", "") end
  local place, rest = text:match("^([^\n]-:%d+): (.*)$")
  return rest or text, code, place
end

--- Calls f(...) and catches what it raises.
-- @tparam function f
-- @return true and up to the last result of f; or false and a table {message, code, place ("file:line"),
-- frames (the script's part of the stack), traceback (all of it)}
function failure.catch(f, ...)
  local arguments = compat.pack(...)
  local function base() -- no tail call: this frame ends the script's part of the stack
    local results = compat.pack(f(compat.unpack(arguments, 1, arguments.n)))
    return results
  end
  local ok, result = xpcall(base, function(value)
    local message, code, place = read(value)
    return {
      message = message, code = code, place = place,
      frames = script_frames(base), traceback = debug.traceback(tostring(value), 2),
    }
  end)
  if not ok then
    -- an error in the handler itself (out of memory, stack overflow) arrives as a plain value
    if type(result) ~= "table" then
      result = failure.new(result)
    end
    return false, result
  end
  return true, compat.unpack(result, 1, result.n)
end

--- What a caught error would be, for a message that was returned.
function failure.new(message)
  return { message = tostring(message), frames = {}, traceback = tostring(message) }
end

--- Whether it was Ctrl-C: of the core ("interrupted") or of the interpreter ("interrupted!").
function failure.is_interrupt(caught)
  return caught.code == "MG-INTERRUPTED" or caught.message:find("interrupted!", 1, true) ~= nil
end

--- The text for a person: code, message, place, and the script's calls that led there.
function failure.text(caught)
  local lines = { ("error%s: %s"):format(caught.code and "[" .. caught.code .. "]" or "", caught.message) }
  if caught.place then lines[#lines + 1] = "  at " .. caught.place end
  for i, frame in ipairs(caught.frames) do
    local is_place = i == 1 and caught.place and frame:sub(1, #caught.place + 1) == caught.place .. ":"
    if not is_place then lines[#lines + 1] = "  called from " .. frame end
    if i == 5 and #caught.frames > 6 then
      lines[#lines + 1] = ("  ... and %d more calls"):format(#caught.frames - 5)
      break
    end
  end
  return table.concat(lines, "\n")
end

return failure
