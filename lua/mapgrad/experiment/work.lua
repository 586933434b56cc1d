--- Doing one run: from its configuration to its end, in this process.
-- @module mapgrad.experiment.work
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local experiment = require "mapgrad.experiment"
local failure = require "mapgrad.failure"
local json = require "mapgrad.data.json"
local loader = require "mapgrad.data.loader"
local random = require "mapgrad.random"
local record = require "mapgrad.experiment.record"
local source = require "mapgrad.experiment.source"
local store = require "mapgrad.experiment.store"
local used = require "mapgrad.solver.work"

local work = {}

local META = 1 -- version of meta.json

local function now() return os.date "!%Y-%m-%dT%H:%M:%SZ" end

-- Model name of the processor, as Linux tells it.
local function processor()
  local file = io.open "/proc/cpuinfo"
  if not file then return "unknown" end
  local text = file:read "*a"
  file:close()
  return text:match "model name%s*:%s*([^\n]*)" or text:match "Model%s*:%s*([^\n]*)" or "unknown"
end

-- What is noted when a run starts.
local function first_meta(folder, before, command)
  local info, _, host = core.info(), core.process_self()
  local text = assert(source.read(folder .. "/experiment.lua"))
  return {
    version = META, state = "running", command = command, code = core.text_hash(text), mapgrad = info.version,
    build = info.build, interpreter = compat.name, real = info.real_bytes == 8 and "double" or "float", host = host,
    processor = processor(), cores = core.processors(), threads = core.threads(), started = before.started or now(),
    starts = (before.starts or 0) + 1,
  }
end

-- The globals of an experiment's file: print and io.write also write to sink.file, when there is one; to nothing at
-- all if sink.is_mute.
local function scope_with(sink)
  local scope = setmetatable({}, { __index = _G })
  scope.print = function(...)
    if sink.is_mute then return end
    if sink.file then
      local words = compat.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      sink.file:write(table.concat(words, "\t", 1, words.n), "\n")
    end
    print(...)
  end
  scope.io = setmetatable({
    write = function(...)
      if sink.is_mute then return io.output() end
      if sink.file and io.output() == io.stdout then sink.file:write(...) end
      return io.write(...)
    end,
  }, { __index = io })
  return scope
end

--- The experiment in a text.
-- @param text  of the file
-- @param path  its name, for messages
-- @return the experiment; or nil and a table as of failure.catch
function work.load(text, path)
  local sink = {}
  local chunk, message = source.compile(text, path, scope_with(sink))
  if not chunk then return nil, failure.new(message) end
  local ok, value = failure.catch(chunk, path)
  if not ok then return nil, value end
  if not experiment.is(value) then
    message = ("%s returns no experiment; it should end in: return mg.experiment { ... }"):format(path)
    return nil, failure.new(message)
  end
  value.sink = sink
  return value
end

-- The options as the run sees them.
local function options_of(config, folder, o)
  local flat = { seed = config.seed, threads = core.threads(), out = folder, quiet = o.quiet or false,
    variant = config.variant }
  for name, value in pairs(config.options) do flat[name] = value end
  return experiment.nested(flat)
end

local function run_it(subject, config, folder, rec, o)
  local options, make = options_of(config, folder, o), config.variant and subject:variant(config.variant)
  if config.variant and not make then check.fail("MG-NAME", "the file has no variant '%s'", config.variant) end
  local variant
  if make then variant = make(options) end
  subject.run(variant, rec, options)
end

-- The state that a run ends in.
local function state_after(ok, caught)
  if ok then return "finished" end
  if caught.code == "MG-STOPPED" or failure.is_interrupt(caught) then return "cut" end
  return "failed"
end

-- Runs with the claim held. What a run without a checkpoint left is taken away first, but for the log of a pool, which
-- is open already.
local function perform(folder, config, subject, o)
  local before = store.meta(folder)
  if not store.can_resume(folder) then store.clear(folder, not o.tee and "log.txt" or nil) end
  local meta = first_meta(folder, before, o.command)
  meta.ranks = o.ranks
  local ok, message = store.write_meta(folder, meta)
  if not ok then return "unsaved", failure.new(message) end
  if o.tee then
    subject.sink.file, message = io.open(folder .. "/log.txt", "ab")
    if not subject.sink.file then return "unsaved", failure.new(message) end
  end
  if o.begin then o.begin() end
  random.seed(config.seed)
  loader.limit(config.limit)
  local opened, rec = failure.catch(record.open, folder, config, {
    ends_at = o.ends_at, save_every = o.save_every or 30, quiet = o.quiet, progress = o.progress, agree = o.agree,
  })
  if not opened then return nil, rec end
  local caught
  ok, caught = failure.catch(run_it, subject, config, folder, rec, o)
  if o.tee then
    subject.sink.file:close()
    subject.sink.file = nil
  end
  require("mapgrad.progress").break_line()
  loader.limit(nil)
  local closed, reason = record.close(rec)
  if ok and not closed then return "unsaved", failure.new(reason) end
  if rec.is_unsaved then return "unsaved", caught end
  meta.state, meta.ended = state_after(ok, caught), now()
  meta.seconds, meta.solves, meta.solver_seconds = rec:seconds(), rec:solves(), used.seconds
  if not ok then meta.message = caught.message end
  if meta.state == "failed" then meta.place = caught.place or config.file end
  if meta.state == "finished" then os.remove(store.checkpoint(folder)) end
  ok, message = store.write_meta(folder, meta)
  if not ok then return "unsaved", failure.new(message) end
  return meta.state, caught
end

--- Does the run of a folder, unless another process is at it or it is finished.
-- @param folder       of a run, with config.json and experiment.lua
-- @param o.subject    its experiment, if it is loaded already
-- @param o.command    text, for meta.json
-- @param o.ends_at    the clock at which it is saved and ends; or nil
-- @param o.save_every seconds between checkpoints (default 30)
-- @param o.tee        also write what it prints to log.txt
-- @param o.quiet, o.progress, o.agree  see experiment.record
-- @param o.ranks      processes that do the run together, for meta.json
-- @param o.begin      called when the run is this process's and about to begin
-- @return "finished", "failed", "cut" (to go on later), "running" (by another process) or "unsaved" (its files cannot
--   be written; to go on later), and what was caught; or nil and what was caught, when there is nothing to do a run
--   from
function work.run(folder, o)
  local config, message = json.read(folder .. "/config.json")
  if not config then return nil, failure.new(message) end
  local subject = o.subject
  if not subject then
    local text, reason = source.read(folder .. "/experiment.lua")
    if not text then return nil, failure.new(reason) end
    local caught
    subject, caught = work.load(text, config.file)
    if not subject then return nil, caught end
  end
  local mine, problem = store.claim(folder)
  if mine == nil then return "unsaved", failure.new(problem) end
  if not mine then return "running" end
  if store.meta(folder).state == "finished" then -- by another process, since it was planned
    store.release(folder)
    return "finished"
  end
  local state, caught = perform(folder, config, subject, o)
  store.release(folder)
  return state, caught
end

--- Takes part in a run that another process does by work.run: the same script, but nothing is written or printed.
-- @param folder     of the run
-- @param config     its configuration
-- @param o.subject  its experiment
-- @param o.agree    see experiment.record
-- @return "finished", "failed" or "cut", and what was caught
function work.follow(folder, config, o)
  random.seed(config.seed)
  loader.limit(config.limit)
  local rec = record.open(folder, config, { quiet = true, save_every = math.huge, is_follower = true, agree = o.agree })
  o.subject.sink.is_mute = true
  local ok, caught = failure.catch(run_it, o.subject, config, folder, rec, { quiet = true })
  loader.limit(nil)
  return state_after(ok, caught), caught
end

return work
