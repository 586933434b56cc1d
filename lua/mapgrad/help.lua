--- What a value or a name is, as text: kinds of solvers and noise from the C core's own lists, Lua
-- functions from the comment above their definition.
-- @module mapgrad.help
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local mg = require "mapgrad"
local show = require "mapgrad.show"

local help = {}

local COLUMNS = 80

-- ------------------------------------------------------------------ text

-- Words of a paragraph on lines of at most COLUMNS.
local function wrap(text, indent) return show.wrap(text, COLUMNS, indent) end

-- Lines of a comment as paragraphs. "Source: ..." and the like begin one; other indented lines stay as
-- they are.
local function paragraphs(lines)
  local result, open = {}, nil
  local function close()
    local is_hanging = open and (#result == 0 or open:find("^%u%l+: "))
    if open then result[#result + 1] = wrap(open, is_hanging and "  " or "") end
    open = nil
  end
  for _, line in ipairs(lines) do
    if line:find("^%u%l+: ") then close() end
    if line:find("^%S") or (open and open:find("^%u%l+: ") and line ~= "") then
      open = open and open .. " " .. line or line
    else
      close()
      if line ~= "" then result[#result + 1] = line end
    end
  end
  close()
  return result
end

-- Rows {name, text} with the texts under each other.
local function listing(rows)
  local width, lines = 0, {}
  for _, row in ipairs(rows) do width = math.max(width, math.min(#row[1], 24)) end
  for i, row in ipairs(rows) do
    lines[i] = "  " .. wrap(("%-" .. width .. "s  "):format(row[1]):gsub(" ", "\1") .. row[2],
      (" "):rep(width + 4)):gsub("\1", " ")
  end
  return lines
end

local function braces(names)
  for i, name in ipairs(names) do names[i] = name .. "=" end
  return "{" .. table.concat(names, ", ") .. "}"
end

-- ------------------------------------------------------------------ kinds of the core

local kind_lists = { solver = core.solver_kinds, noise = core.noise_kinds }

local function kind_row(part, name)
  for _, row in ipairs(kind_lists[part]()) do
    if row.name == name then return row end
  end
  return nil
end

-- A setting's preset as people write it: indices count from 1.
local function preset_text(setting)
  local number = setting.is_index and tonumber(setting.preset)
  return number and ("%d"):format(number + 1) or setting.preset
end

local function kind_text(part, row)
  local names, rows = {}, {}
  for i, setting in ipairs(row.settings) do
    names[i] = setting.name
    local form = setting.form:gsub("^choice ", ""):gsub("|", ", ")
    local preset = (setting.preset or "") ~= "" and ("; default " .. preset_text(setting)) or ""
    rows[#rows + 1] = { setting.name, ("%s (%s%s)"):format(setting.doc, form, preset) }
  end
  for _, context in ipairs(row.contexts or {}) do
    local text = ("for each instance [%s]: %s"):format(context.form, context.doc)
    rows[#rows + 1] = { "{" .. context.name .. "=}", text }
  end
  local lines = { wrap(("%s%s: %s"):format(row.name, braces(names), row.doc), "") }
  if part == "solver" then
    lines[2] = ("sense %s, %s"):format(row.sense,
      row.exact and "exact" or "answers say whether they are proved optimal")
  end
  for _, line in ipairs(listing(rows)) do lines[#lines + 1] = line end
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------ comments in Lua files

local function file_lines(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

local function uncomment(line)
  return (line:gsub("^%s*%-%-%-? ?", ""))
end

-- The comment that ends just above a line.
local function comment_above(lines, number)
  local first = number
  while first > 1 and lines[first - 1]:find("^%s*%-%-") do first = first - 1 end
  local block = {}
  for i = first, number - 1 do block[#block + 1] = uncomment(lines[i]) end
  return block
end

-- The comment at the head of a file.
local function comment_of_file(lines)
  local block = {}
  for _, line in ipairs(lines) do
    if not line:find("^%-%-") then break end
    block[#block + 1] = uncomment(line)
  end
  return block
end

-- "a, b  text" as the names and the text.
local function split_names(text)
  local names, rest = {}, text
  repeat
    local name, comma, after = rest:match("^([%w_.]+)(,?)%s*(.*)$")
    names[#names + 1], rest = name, after or rest
  until comma ~= ","
  return names, rest
end

local function add_tag(tags, tag, rest)
  local typed = tag:match("^t(.*)$")
  if typed then tag, rest = typed, rest:gsub("^%S+%s*", "", 1) end
  local names = {}
  if tag == "param" then names, rest = split_names(rest) end
  tags[#tags + 1] = { tag = tag, names = names, text = rest }
end

-- A comment's prose and its tags, each {tag=, names=, text=}.
local function read_comment(block)
  local prose, tags = {}, {}
  for _, line in ipairs(block) do
    local tag, rest = line:match("^%s*@(%l+)%s*(.*)$")
    if tag then
      add_tag(tags, tag, rest)
    elseif #tags > 0 then
      tags[#tags].text = tags[#tags].text .. " " .. line:match("^%s*(.-)%s*$")
    elseif not line:find("^%-+") then
      prose[#prose + 1] = line
    end
  end
  return prose, tags
end

-- name(a, b), or name{x=, y=} for a table of options; the arguments from the definition, else the tags.
local function signature(name, definition, tags)
  local arguments = definition and definition:match("%f[%w]function[^(]*(%b())")
  local plain, options = {}, {}
  for _, tag in ipairs(tags) do
    for _, parameter in ipairs(tag.names) do
      local option = parameter:match("^options%.([%w_]+)")
      if option then options[#options + 1] = option else plain[#plain + 1] = parameter end
    end
  end
  if not arguments then
    if #options > 0 then plain[#plain + 1] = "options" end
    arguments = "(" .. table.concat(plain, ", ") .. ")"
  end
  if #options == 0 then return name .. arguments end
  local fields = braces(options)
  if arguments == "(options)" then return name .. fields end
  return name .. arguments:gsub("options", fields)
end

-- The comment about a name such as "loss.hamming" whose function is made by another: at the head of the
-- member's own file, or marked with @function in the part's.
local function comment_of_name(name)
  local part, member = name:match("^([%w_]+)%.([%w_]+)$")
  if not part then return {} end
  local path = package.searchpath(("mapgrad.%s.%s"):format(part, member), package.path)
  if path then return comment_of_file(file_lines(path)) end
  path = package.searchpath("mapgrad." .. part, package.path)
  local lines = path and file_lines(path) or {}
  for i, line in ipairs(lines) do
    if line:match("^%-%- @function (%S+)") == member then
      local after = i
      while lines[after] and lines[after]:find("^%-%-") do after = after + 1 end
      return comment_above(lines, after)
    end
  end
  return {}
end

-- The comment above "methods.NAME = ..." in the file of a function that another one made.
local function comment_of_assignment(lines, name)
  local member = name:match("([%w_]+)$")
  for i, line in ipairs(lines) do
    if line:match("^methods%.([%w_]+) = ") == member then return comment_above(lines, i) end
  end
  return {}
end

-- The comment on a function, and the line of its definition; that only where the two belong together.
local function comment_of_function(f, name)
  local info = debug.getinfo(f, "S")
  local path = info.source:match("^@(.*)$")
  local lines = path and info.what ~= "C" and file_lines(path)
  local definition = lines and lines[info.linedefined]
  if not definition then return {}, nil end
  local block = comment_above(lines, info.linedefined)
  if #block == 0 and definition:find("^return function") then block = comment_of_file(lines) end
  if #block > 0 or not name then return block, definition end
  block = comment_of_assignment(lines, name)
  if #block > 0 then return block, nil end
  block = comment_of_name(name)
  return block, #block == 0 and definition or nil
end

local function function_text(f, name)
  local block, definition = comment_of_function(f, name)
  name = name or definition and definition:match("function%s+([%w_.:]+)") or "function"
  if #block == 0 and not definition then return name .. ": a function" end
  local prose, tags = read_comment(block)
  prose[1] = signature(name, definition, tags) .. (prose[1] and ": " .. prose[1] or "")
  local text, rows = paragraphs(prose), {}
  for _, tag in ipairs(tags) do
    local label = table.concat(tag.names, ", "):gsub("options%.", "")
    if tag.tag == "return" then label = "returns" end
    if label ~= "" then rows[#rows + 1] = { label, tag.text } end
  end
  for _, line in ipairs(listing(rows)) do text[#text + 1] = line end
  return table.concat(text, "\n")
end

-- ------------------------------------------------------------------ modules and values

local function module_name(value)
  for name, loaded in pairs(package.loaded) do
    if loaded == value and name:find("^mapgrad%.") then return name end
  end
  return nil
end

-- Names that a module offers.
local function members(part)
  local meta, names = getmetatable(part), {}
  if type(meta) == "table" and type(meta.names) == "table" then
    for _, name in ipairs(meta.names) do names[#names + 1] = name end
  else
    for name, member in pairs(part) do
      if type(name) == "string" and type(member) == "function" then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

local function module_text(part, full_name)
  local path = package.searchpath(full_name, package.path)
  local lines = path and file_lines(path) or {}
  local text = paragraphs((read_comment(comment_of_file(lines))))
  local name = full_name:gsub("^mapgrad%.", "")
  text[1] = wrap(name .. ": " .. (text[1] or ""):gsub("\n", " "), "")
  local names = members(part)
  if #names > 0 then
    text[#text + 1] = wrap("It has: " .. table.concat(names, ", "), "  ")
    text[#text + 1] = ("?%s.%s explains one of them"):format(name, names[1])
  end
  return table.concat(text, "\n")
end

local function object_text(value)
  local type_name = check.type_of(value)
  local text = tostring(value)
  local part = type_name:match("^mapgrad%.(%l+)$")
  if part == "tensor" then return text .. "\n?tensor explains tensors" end
  local name = rawget(value, "kind") or rawget(value, "name")
  local more = type(name) == "string" and help.of(name, nil, part)
  return more or text
end

-- The part and the row if the function is a constructor of a kind of the core.
local function kind_of_constructor(f)
  for part, list in pairs(kind_lists) do
    for _, row in ipairs(list()) do
      if rawget(mg[part], row.name) == f then return part, row end
    end
  end
  return nil
end

local function value_text(value, name)
  if type(value) == "function" then
    local part, row = kind_of_constructor(value)
    return row and kind_text(part, row) or function_text(value, name)
  end
  if type(value) ~= "table" then return ("%s: a %s"):format(name or tostring(value), type(value)) end
  if value == mg then return help.overview() end
  local full_name = module_name(value)
  if full_name then return module_text(value, full_name) end
  if check.type_of(value) ~= "table" then return object_text(value) end
  return ("%s: a table"):format(name or "table")
end

local function has(list, name)
  for _, entry in ipairs(list) do
    if entry == name then return true end
  end
  return false
end

-- What a bare name means: a part, a kind, a member of a part, a method of tensors.
local function find(name, within)
  local parts = getmetatable(mg).names
  if has(parts, name) then return value_text(mg[name], name) end
  for _, part in ipairs { "solver", "noise" } do
    local row = (not within or within == part) and kind_row(part, name)
    if row then return kind_text(part, row) end
  end
  for _, part in ipairs(parts) do
    local ok, module = pcall(function() return mg[part] end) -- ffi is not there on Lua 5.4
    if ok and (not within or within == part) and type(module) == "table" and has(members(module), name) then
      return value_text(module[name], part .. "." .. name)
    end
  end
  local method = (not within or within == "tensor") and mg.tensor.methods[name]
  return method and function_text(method, "t:" .. name) or nil
end

--- Text about a value, or about a name such as "top_k", "solver.top_k" or "estimator".
-- @param value   any value; a text is taken as a name unless a name is given too
-- @param name    what the asker called the value
-- @param within  name of the part to look in only
-- @return the text; nil for an unknown name
function help.of(value, name, within)
  if type(value) ~= "string" or name then return value_text(value, name) end
  local part, member = value:match("^([%a_][%w_]*)[.:]([%a_][%w_]*)$")
  if part and part ~= "mg" then return find(member, part) end
  return find(member or value, within)
end

--- The parts of mapgrad and how to ask on.
function help.overview()
  local parts = table.concat(getmetatable(mg).names, ", ")
  return table.concat({
    wrap("The parts: " .. parts .. ".", "  "),
    "?solver lists what a part has, ?top_k or ?solver.top_k explains one, ?x a value.",
    "A ; at the end keeps the value from being shown, _ is the last value,",
    "%tb shows the last error in full, Ctrl-C interrupts, Ctrl-D leaves.",
  }, "\n")
end

return help
