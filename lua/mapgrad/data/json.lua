--- JSON (RFC 8259) as Lua values.
--
-- An object is a table with text keys, a list a table 1..n. `null` is the value `json.null`, which
-- prints as null and is not nil, so that no list gets a gap. An empty table is written {}, one from
-- `json.list` []; an empty list is read as such a one, so that both come back as they were. Numbers
-- are doubles and come back exactly; whole ones up to 2^53 are integers where Lua has them. Equal values
-- give equal bytes: keys are sorted.
--
-- Errors in a text or file give nil and a message with line, column and byte: a key given twice, a number
-- beyond doubles, text that is not UTF-8, more than 2048 levels, anything after the value. A value that
-- JSON cannot hold raises, naming where it stands: NaN and infinities, functions, tensors, tables with
-- other keys or gaps, texts that are not UTF-8, more than 1000 levels.
-- @usage local settings = assert(data.json_read "settings.json")
-- data.json_write("settings.json", { rate = 0.1, epochs = { 30, 40 }, note = data.json.null })
-- @module mapgrad.data.json
local check = require "mapgrad.check"
local core = require "mapgrad.real"

local json = {}

--- The value null.
json.null = core.json_null

--- Marks a table as a list, which matters when it is empty.
-- @param t  table 1..n (default a new one)
-- @return t
function json.list(t)
  return core.json_list(t or {})
end

local function indent_of(name, options)
  return check.options(name, options, { indent = check.whole(0) }).indent
end

--- The value of a text.
-- @return the value, or nil and a message
function json.decode(text)
  return core.json_decode(check.value("data.json.decode: text", text, check.text()))
end

--- The text of a value.
-- @param value           what JSON can hold
-- @param options.indent  0 (default): one line; 1 to 31: many lines, so far indented
-- @return a text
function json.encode(value, options)
  return core.json_encode(value, indent_of("data.json.encode", options))
end

--- The value of a file.
-- @param path           file name
-- @param options.limit  most bytes to accept (default 64 MiB)
-- @return the value, or nil and a message
function json.read(path, options)
  local o = check.options("data.json_read", options, { limit = check.count(64 * 2 ^ 20) })
  return core.json_read(check.value("data.json_read: path", path, check.text()), o.limit)
end

--- Writes a value as a file, whole or not at all, that ends in a line feed.
-- @param path            file name
-- @param value           what JSON can hold
-- @param options.indent  as for `encode`
-- @return true, or nil and a message
function json.write(path, value, options)
  local indent = indent_of("data.json_write", options)
  return core.json_write(check.value("data.json_write: path", path, check.text()), value, indent)
end

return json
