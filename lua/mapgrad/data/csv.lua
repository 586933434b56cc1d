--- Tables of text (.csv, .tsv): columns of numbers become a tensor, columns of text lists.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local csv = {}

local delimiters = {
  preset = ",", expected = "a text of one byte",
  test = function(v) return type(v) == "string" and #v == 1 and v or nil end,
}
local lists = {
  preset = {}, expected = "a list",
  test = function(v) return type(v) == "table" and not getmetatable(v) and v or nil end,
}

-- The header's names, or "1", "2", ...
local function names_of(table_, columns, has_header)
  if has_header and columns > 0 then return core.csv_names(table_) end
  local names = {}
  for i = 1, columns do names[i] = tostring(i) end
  return names
end

-- The numbers of columns given by name or number, as a set; nil and a message for one that is not there.
local function find(path, what, list, names)
  local found = {}
  for _, wanted in ipairs(list) do
    local at, others = type(wanted) == "number" and names[wanted] and wanted, 0
    for i = #names, 1, -1 do
      if names[i] == wanted then at, others = i, others + 1 end
    end
    if others > 1 then
      return nil, ("csv: %s: %s: %d columns are named %s: give the number of one"):format(path, what, others, wanted)
    end
    if not at then
      return nil, ("csv: %s: %s: there is no column %s%s"):format(path, what, tostring(wanted),
        check.hint(wanted, names))
    end
    found[at] = true
  end
  return found
end

-- The numbers and texts of an open table.
local function read(path, o, table_, columns)
  local names = names_of(table_, columns, o.header)
  local is_text, message = find(path, "text", o.text, names)
  if not is_text then return nil, message end
  local is_skipped
  is_skipped, message = find(path, "skip", o.skip, names)
  if not is_skipped then return nil, message end
  local result, list = { names = {}, text = {} }, {}
  for i, name in ipairs(names) do
    if is_text[i] then
      result.text[name] = core.csv_texts(table_, i)
    elseif not is_skipped[i] then
      list[#list + 1], result.names[#list + 1] = i, name
    end
  end
  local handle
  handle, message = core.csv_numbers(table_, list, o.missing == "nan")
  if not handle then return nil, message end
  result.values = tensor.wrap(handle)
  return result
end

--- Reads a table of text, plain or inside gzip: fields between delimiters; fields in double quotes may hold
-- delimiters, line ends and, doubled, quotes (RFC 4180). Empty lines do not count. About 150 MB/s a thread.
-- @param path               file name
-- @param options.header     whether the first line has the names of the columns (default true)
-- @param options.delimiter  one byte (default ",")
-- @param options.text       list of columns, by name or number from 1, that are returned as texts
-- @param options.skip       list of columns that are left out; all others must be numbers (nan and inf are)
-- @param options.missing    what an empty field or NA among the numbers is: "error" (default), or "nan"
-- @param options.limit      most bytes of text, once inflated, to accept (default 16 GiB)
-- @return {values = tensor [rows, columns], names = list of the names of these columns (without a header their
--   numbers as texts), text = {name = list of texts}}; or nil and a message with line and column
function csv.read(path, options)
  check.value("data.csv_read: path", path, check.text())
  local o = check.options("data.csv_read", options, {
    header = check.flag(true), delimiter = delimiters, missing = check.choice({ "error", "nan" }, "error"),
    text = lists, skip = lists, limit = check.count(2 ^ 34),
  })
  local table_, rows, columns = core.csv_open(path, o.delimiter, o.header, o.limit)
  if not table_ then return nil, rows end
  local result, message = tensor.scope(read, path, o, table_, columns)
  core.csv_close(table_)
  return result, message
end

--- Writes a table of numbers, each in as few digits as read the same.
-- @param path               file name
-- @param t                  tensor [rows, columns], or [rows] for one column
-- @param options.names      list of the names of the columns (default: no header)
-- @param options.delimiter  one byte that is no part of numbers (default ",")
-- @return true, or nil and a message
function csv.write(path, t, options)
  check.value("data.csv_write: path", path, check.text())
  check.value("data.csv_write: tensor", t, check.tensor)
  local o = check.options("data.csv_write", options, {
    names = check.optional(lists), delimiter = delimiters,
  })
  if t:axes() == 1 then t = tensor.wrap(core.reshape(t.handle, { t:size(1), 1 })) end
  return core.csv_write(path, t.handle, o.names, o.delimiter)
end

return csv
