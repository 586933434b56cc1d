--- The store: one folder a run, of plain files that any language reads.
--
--     config.json       what makes the numbers: title, file, variant, seed, options, budget, real type
--     experiment.lua    the file as it was run
--     metrics.jsonl     a line for each record { ... }, the same bytes whenever the run is repeated
--     times.jsonl       as many lines: seconds since the run began
--     meta.json         state (running, finished, failed, cut), message, command, versions, machine, threads, times
--     log.txt           what the run printed by print and io.write
--     checkpoint.safetensors, claim (while it runs: who runs it)
--
-- No file has two writers, so a store may lie on a shared file system.
-- @module mapgrad.experiment.store
local core = require "mapgrad.real"
local json = require "mapgrad.data.json"
local plan = require "mapgrad.experiment.plan"

local store = {}

local HEARTBEAT, STALE = 30, 300 -- seconds: between signs of life; without one a run elsewhere counts as dead

local function exists(path) return require("lfs").attributes(path, "mode") ~= nil end

local function read_text(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text, reason = file:read "*a"
  file:close()
  return text, reason
end

--- Makes a folder and those above it.
-- @return true; or nil and a message
function store.make_folder(path)
  local lfs = require "lfs"
  local made = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch("[^/]+") do
    made = made .. part
    local ok, message = lfs.mkdir(made)
    if not ok and lfs.attributes(made, "mode") ~= "directory" then
      return nil, ("%s: %s"):format(made, message)
    end
    made = made .. "/"
  end
  return true
end

-- ------------------------------------------------------------------ claims: one process a run

-- {host, process, start, text} of a claim; nil if there is none.
local function claimant(folder)
  local text = read_text(folder .. "/claim")
  if not text then return nil end
  local host, process, start = text:match("^(%S*) (%d+) (%d+) ")
  return { host = host, process = tonumber(process), start = tonumber(start), text = text }
end

-- Whether the process of a claim is at work: on this machine if it exists, and is not a later one that got the same
-- number; elsewhere by its signs of life.
local function is_alive(folder, claim)
  local _, host = core.process_self()
  if claim.host == host then return core.process_began(claim.process) == claim.start end
  local age = os.time() - (require("lfs").attributes(folder .. "/claim", "modification") or 0)
  return age < STALE
end

-- Removes a dead claim. Of those that see it one moves it away; whoever moves the claim of that one instead puts it
-- back.
local function remove_dead(path, claim)
  local process, host = core.process_self()
  local aside = ("%s.%s.%d"):format(path, host, process)
  os.rename(path, aside)
  if read_text(aside) == claim.text then os.remove(aside) else os.rename(aside, path) end
end

--- Takes a run for this process.
-- @return true; false if another process has it; or nil and a message
function store.claim(folder)
  local process, host, start = core.process_self()
  local path = folder .. "/claim"
  local text = ("%s %d %.0f %s\n"):format(host, process, start, os.date "!%Y-%m-%dT%H:%M:%SZ")
  for _ = 1, 2 do
    local made, message = core.file_claim(path, text)
    if made == nil then return nil, message end
    if made then return true end
    local claim = claimant(folder)
    if claim and is_alive(folder, claim) then return false end
    if claim then remove_dead(path, claim) end
  end
  return false
end

--- Gives a run back.
function store.release(folder)
  os.remove(folder .. "/claim")
end

--- A function that shows, at most every half minute, that this process is at work on the run.
function store.heart(folder)
  local beaten = core.clock()
  return function(now)
    if now - beaten < HEARTBEAT then return end
    beaten = now
    require("lfs").touch(folder .. "/claim")
  end
end

-- ------------------------------------------------------------------ one run

--- Makes the folder of a run, with its configuration and its code, if there is none yet.
-- @param root    folder of the store
-- @param config  of plan.runs
-- @param source  the experiment's text
-- @return its path; or nil and a message
function store.create(root, config, source)
  local folder = root .. "/" .. plan.name(config)
  local ok, message = store.make_folder(folder)
  if not ok then return nil, message end
  if not exists(folder .. "/config.json") then
    ok, message = core.file_write(folder .. "/experiment.lua", source)
    if not ok then return nil, message end
    ok, message = json.write(folder .. "/config.json", config, { indent = 1 })
    if not ok then return nil, message end
  else
    local known, reason = json.read(folder .. "/config.json")
    if not known then return nil, reason .. "; without this folder the run begins anew" end
    if known.id ~= config.id then
      return nil, ("%s: is the folder of run %s, expected %s"):format(folder, tostring(known.id), config.id)
    end
  end
  return folder
end

--- What is known of the run in a folder.
-- @return meta.json as a table; {} before its first start; {} and a message if it cannot be read
function store.meta(folder)
  if not exists(folder .. "/meta.json") then return {} end
  local meta, message = json.read(folder .. "/meta.json")
  if type(meta) == "table" then return meta end
  return {}, message or folder .. "/meta.json: expected an object"
end

--- Writes meta.json, whole or not at all.
function store.write_meta(folder, meta)
  return json.write(folder .. "/meta.json", meta, { indent = 1 })
end

-- finished, failed, cut, running; new before the first start. A run whose process is gone was cut.
local function state_of(folder, meta)
  if meta.state == nil or meta.state == "running" then
    local claim = claimant(folder)
    if claim and is_alive(folder, claim) then return "running" end
    return meta.state and "cut" or "new"
  end
  return meta.state
end

--- The state of the run in a folder: "new", "running", "finished", "failed" or "cut".
function store.state(folder)
  return state_of(folder, store.meta(folder))
end

-- The text of a JSON-lines file: "" if there is none yet; a last line without an end was being written.
local function whole_lines(path)
  if not exists(path) then return "" end
  local text, message = read_text(path)
  if not text then return nil, message end
  return text:sub(1, (text:match ".*()\n" or 0))
end

local function decode_line(path, number, line)
  local row, message = json.decode(line)
  if type(row) == "table" then return row end
  return nil, ("%s: line %d: %s"):format(path, number, message or "expected an object")
end

-- The rows of a JSON-lines file, and how many there are; the last one alone if that is all that is wanted.
local function read_lines(path, is_last)
  local text, message = whole_lines(path)
  if not text then return nil, message end
  local count, list, number = select(2, text:gsub("\n", "")), {}, 0
  if is_last and count > 0 then
    local line = text:sub((text:sub(1, -2):match ".*()\n" or 0) + 1, -2)
    list[1], message = decode_line(path, count, line)
    if not list[1] then return nil, message end
    return list, count
  end
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    list[number], message = decode_line(path, number, line)
    if not list[number] then return nil, message end
  end
  return list, count
end

-- null as NaN: JSON has no other word for what was not finite.
local function with_nan(row)
  for name, value in pairs(row) do
    if value == json.null then row[name] = 0 / 0 end
  end
  return row
end

--- A run with its numbers.
-- @param folder   its path
-- @param is_last  rows holds the last row alone: quick for long runs; seconds is empty
-- @return {name, folder, title, variant, seed, options, id, state, meta, config, rows = metric rows, lines = how many,
--   seconds = list, metric, sense}; or nil and a message
function store.read(folder, is_last)
  local config, message = json.read(folder .. "/config.json")
  if not config then return nil, message end
  if type(config.options) ~= "table" or type(config.id) ~= "string" then
    return nil, folder .. "/config.json: not the configuration of a run"
  end
  local rows, lines = read_lines(folder .. "/metrics.jsonl", is_last)
  if not rows then return nil, lines end
  local times, wrong = {}, nil
  if not is_last then times, wrong = read_lines(folder .. "/times.jsonl") end
  if not times then return nil, wrong end
  local meta, problem = store.meta(folder)
  if problem then return nil, problem end
  local seconds = {}
  for i, row in ipairs(rows) do
    with_nan(row)
    seconds[i] = times[i] and times[i].seconds
  end
  return {
    name = folder:match("([^/]+)/*$"), folder = folder, title = config.title, variant = config.variant,
    seed = config.seed, options = config.options, id = config.id, state = state_of(folder, meta), meta = meta,
    config = config, rows = rows, lines = lines, seconds = seconds, metric = config.metric, sense = config.sense,
  }
end

--- Whether a folder is that of a run.
function store.is_run(folder)
  return exists(folder .. "/config.json")
end

--- The runs of a store, by the names of their folders. A folder that is itself a run is a store of one.
-- @param root     folder
-- @param is_last  of store.read
-- @return list of store.read, with `unreadable`, the messages of those that cannot be read; or nil and a message
function store.runs(root, is_last)
  local lfs = require "lfs"
  if lfs.attributes(root, "mode") ~= "directory" then
    return nil, root .. ": there is no such folder; `mapgrad run` makes the folders of runs"
  end
  if store.is_run(root) then
    local run, message = store.read(root, is_last)
    return run and { run, unreadable = {} }, message
  end
  local names, list = {}, { unreadable = {} }
  for name in lfs.dir(root) do
    if name:sub(1, 1) ~= "." and store.is_run(root .. "/" .. name) then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local run, message = store.read(root .. "/" .. name, is_last)
    if run then list[#list + 1] = run else list.unreadable[#list.unreadable + 1] = message end
  end
  if #list == 0 then return nil, list.unreadable[1] or root .. ": there are no runs in this folder" end
  return list
end

--- The path of a run's checkpoint.
function store.checkpoint(folder) return folder .. "/checkpoint.safetensors" end

--- Whether a run that was cut goes on where its checkpoint was made.
function store.can_resume(folder) return exists(store.checkpoint(folder)) end

local IS_KEPT = { ["config.json"] = true, ["experiment.lua"] = true, claim = true }

--- Takes the files of a run that is to start anew away, all but its configuration and code.
-- @param kept  a further name that stays, or nil
function store.clear(folder, kept)
  local lfs = require "lfs"
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if not IS_KEPT[name] and name ~= kept and lfs.attributes(path, "mode") == "file" then os.remove(path) end
  end
end

--- Removes a run's folder.
-- @return true; or nil and a message
function store.remove(folder)
  local lfs = require "lfs"
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name ~= "." and name ~= ".." then
      local ok, message
      if lfs.symlinkattributes(path, "mode") == "directory" then
        ok, message = store.remove(path)
      else
        ok, message = os.remove(path)
      end
      if not ok then return nil, message end
    end
  end
  return lfs.rmdir(folder)
end

return store
