--- Many runs at once: a process each, so that a crash, its memory and its printing are that run's own.
-- @module mapgrad.experiment.pool
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local failure = require "mapgrad.failure"
local progress = require "mapgrad.progress"
local store = require "mapgrad.experiment.store"

local pool = {}

local PAUSE = 0.02 -- seconds between looks at the processes
local GRACE = 2    -- seconds to save itself that a run has after Ctrl-C
local UNWRITTEN, AGAIN, INTERRUPTED = 74, 75, 130 -- exit codes of a run: its files cannot be written; it was cut

--- The words that started this process up to the script: interpreter, its flags, script.
function pool.own_words()
  local words, first = {}, 0
  local given = rawget(_G, "arg") or {}
  while given[first - 1] do first = first - 1 end
  for i = first, 0 do words[#words + 1] = given[i] end
  return words
end

local function start(folder, o)
  local words = pool.own_words()
  for _, word in ipairs { "work", folder, "--threads", ("%d"):format(o.threads) } do words[#words + 1] = word end
  for _, word in ipairs(o.words or {}) do words[#words + 1] = word end
  words[#words + 1] = "--parent"
  return core.process_start(words, folder .. "/log.txt")
end

-- What a run at work wrote of its progress.
local function said(folder)
  local file = io.open(folder .. "/progress", "rb")
  local text = file and file:read "*l"
  if file then file:close() end
  return text
end

local function newest(running)
  for _, job in ipairs(running) do
    local text = said(job.folder)
    if text and text ~= "" then return ("%s: %s"):format(job.folder:match "[^/]+$", text) end
  end
  return ""
end

-- The state of a run whose process ended with a code, perhaps because it was asked to, before it could hear that; what
-- is to be said of it that its meta.json could not take, or nil.
local function state_of(folder, code, is_asked)
  local state = store.state(folder)
  if code == UNWRITTEN then
    store.release(folder)
    return "unsaved"
  elseif is_asked and code > 128 and (state == "new" or state == "cut") then
    store.release(folder)
    return "cut"
  elseif state == "new" or (state == "cut" and not (code == AGAIN or code == INTERRUPTED)) then
    -- it left no word: its first lines or its end are in the log
    store.release(folder)
    local meta = store.meta(folder)
    meta.version, meta.state = meta.version or 1, "failed"
    meta.message = ("the process ended with code %d; see log.txt"):format(code)
    meta.ended = os.date "!%Y-%m-%dT%H:%M:%SZ"
    local ok, message = store.write_meta(folder, meta)
    return "failed", not ok and ("%s, which could not be noted: %s"):format(meta.message, message) or nil
  end
  return state
end

local function end_all(running, how)
  for _, job in ipairs(running) do core.process_signal(job.process, how) end
end

-- Looks at each process once; those that ended go to done(folder, state).
local function look(running, done, is_asked)
  for i = #running, 1, -1 do
    local job = running[i]
    local code = core.process_poll(job.process)
    if code then
      table.remove(running, i)
      os.remove(job.folder .. "/progress")
      done(job.folder, state_of(job.folder, code, is_asked))
    end
  end
end

local function loop(folders, o, running, done, bar)
  local next_at, asked = 1, false
  while next_at <= #folders or #running > 0 do
    local is_over = core.stop_asked() or (o.ends_at and core.clock() >= o.ends_at)
    if is_over and not asked then
      asked, next_at = true, #folders + 1
      end_all(running, "TERM")
    end
    while next_at <= #folders and #running < o.jobs do
      local folder = folders[next_at]
      next_at = next_at + 1
      local state = store.state(folder)
      if state ~= "new" and state ~= "cut" then -- another runner was quicker; the log is not ours to write
        done(folder, state)
      elseif not store.is_run(folder) then -- removed since it was planned
        done(folder, "failed")
      else
        local process, message = start(folder, o)
        if not process then return nil, message end
        running[#running + 1] = { folder = folder, process = process }
      end
    end
    core.pause(PAUSE)
    look(running, done, asked or core.stop_asked())
    bar:refresh()
  end
  return true
end

-- Lets runs save themselves for a moment, then ends them.
local function end_quickly(running)
  local ends_at = core.clock() + GRACE
  end_all(running, "TERM")
  while #running > 0 do
    core.pause(PAUSE)
    if core.clock() >= ends_at then end_all(running, "KILL") end
    look(running, function(folder) store.release(folder) end, true)
  end
end

-- A process of a pool that is to start another one is no `mapgrad`, but a script that calls pool.run: it would start
-- itself for ever.
local function check_command()
  local given = rawget(_G, "arg") or {}
  if given[1] == "work" and given[#given] == "--parent" then
    check.fail("MG-ARGUMENT", "pool.run: belongs to the command `mapgrad`; scripts do a run by experiment.work.run")
  end
end

--- Does the runs of some folders, `jobs` at a time, each by the command that this process is, with the words
-- `work FOLDER`: for `mapgrad run` only.
-- @param folders    list
-- @param o.jobs     processes at a time
-- @param o.threads  of each
-- @param o.words    further words for `mapgrad work`
-- @param o.ends_at  the clock at which they are saved and end; or nil
-- @param o.quiet    no progress
-- @param o.label    of the progress
-- @return {finished =, failed =, cut =, running =, unsaved =}: counts, and is_interrupted; or nil and a message
function pool.run(folders, o)
  check_command()
  local running, counts = {}, { finished = 0, failed = 0, cut = 0, running = 0, unsaved = 0 }
  local bar = progress.new { total = #folders, label = o.label or "", quiet = o.quiet, message = function()
    local failed = counts.failed > 0 and ("%d failed  "):format(counts.failed) or ""
    return failed .. newest(running)
  end }
  local function done(folder, state, message)
    counts[state] = (counts[state] or 0) + 1
    bar:tick(1)
    if state == "failed" then
      local meta = store.meta(folder)
      progress.break_line()
      io.stderr:write(("failed: %s: %s%s\n"):format(folder,
        message or meta.message or "there is no meta.json: was its folder removed?",
        meta.place and "\n  at " .. meta.place or ""))
    elseif state == "unsaved" then
      progress.break_line()
      io.stderr:write(("unsaved: %s: its files cannot be written (is the disk full?); the same command goes on\n")
        :format(folder))
    end
  end
  local ok, result, message = failure.catch(loop, folders, o, running, done, bar)
  if not ok or not result then
    end_quickly(running)
    progress.break_line()
    if ok then return nil, message end
    if not failure.is_interrupt(result) then return nil, result.traceback end
    counts.is_interrupted = true
    return counts
  end
  bar:finish()
  return counts
end

return pool
