--- Where the files of a named data set lie: the folder that the caller names, the user's cache, the system's.
local check = require "mapgrad.check"

-- The user's folder of a data set: $MAPGRAD_DATA/NAME, else ${XDG_CACHE_HOME:-~/.cache}/mapgrad/data/NAME.
local function cache_of(name)
  local base = os.getenv "MAPGRAD_DATA"
  if base and base ~= "" then return base .. "/" .. name end
  base = os.getenv "XDG_CACHE_HOME"
  if not base or base == "" then base = (os.getenv "HOME" or "") .. "/.cache" end
  return base .. "/mapgrad/data/" .. name
end

-- The name of a file in a folder, plain or packed by gzip; nil if there is neither.
local function file_in(folder, name)
  for _, path in ipairs { folder .. "/" .. name, folder .. "/" .. name .. ".gz" } do
    local file = io.open(path, "rb")
    if file then
      file:close()
      return path
    end
  end
end

-- The paths of all files in a folder; nil and the first name, in order, of one that is missing.
local function all_in(folder, files)
  local paths, missing = {}, nil
  for key, name in pairs(files) do
    paths[key] = file_in(folder, name)
    if not paths[key] and not (missing and missing < name) then missing = name end
  end
  if missing then return nil, missing end
  return paths
end

--- Finds the files of a data set, each plain or with ".gz" behind its name.
-- @param function_name  for messages, such as "data.mnist"
-- @param set.name       folder below the cache
-- @param set.files      key -> file name
-- @param set.system     the system's folder
-- @param set.step       how to get the files; %s is the cache folder
-- @param path           the folder, or nil: the first of cache and system that has all files
-- @return key -> path; or nil and a message that names the next step
return function(function_name, set, path)
  if path then
    check.value(function_name .. ": path", path, check.text())
    local paths, missing = all_in(path, set.files)
    if paths then return paths end
    local names = {}
    for _, file in pairs(set.files) do names[#names + 1] = file end
    table.sort(names)
    return nil, ("%s: %s holds no %s, plain or with .gz; expected there: %s"):format(function_name, path, missing,
      table.concat(names, ", "))
  end
  local cache = cache_of(set.name)
  for _, folder in ipairs { cache, set.system } do
    local paths = all_in(folder, set.files)
    if paths then return paths end
  end
  return nil, ("%s: the files are neither in %s nor in %s. %s"):format(function_name, cache, set.system,
    (set.step:gsub("%%s", function() return "'" .. cache .. "'" end)))
end
