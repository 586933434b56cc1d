--- The record of a run: its numbers, its epochs, its checkpoints, its end.
--
-- `record { loss = l }` appends a line to metrics.jsonl, with `solves`, the solver calls of the training so far.
-- `record:epochs` is the loop of a training: it shows progress, writes checkpoints, goes on where a cut run was,
-- and ends when the epochs, or the budget of solver calls, are used up.
-- @usage for epoch in record:epochs(o.epochs, { model = net, optimizer = adam, loader = batches }) do
--   for batch in batches:batches() do
--     record:step(adam:step(function() return loss.hamming(layer(net(batch.x)), batch.y) end))
--   end
--   record { epoch = epoch, loss = record:mean(), regret = regret(net, test) }
-- end
-- @module mapgrad.experiment.record
local check = require "mapgrad.check"
local checkpoint = require "mapgrad.checkpoint"
local core = require "mapgrad.real"
local progress = require "mapgrad.progress"
local store = require "mapgrad.experiment.store"
local work = require "mapgrad.solver.work"

local methods = {}
local Record = { __name = "mapgrad.record", __index = methods }

local types = { number = true, string = true, boolean = true }

-- What JSON lacks becomes null.
local function clean(name, value)
  if not types[type(value)] then
    check.fail("MG-TYPE", "record: %s: expected a number, text or boolean, got a %s", name, check.type_of(value))
  end
  if value ~= value or value == math.huge or value == -math.huge then return core.json_null end
  return value
end

local function line_of(row)
  local fields = {}
  for name, value in pairs(row) do
    if type(name) ~= "string" then
      check.fail("MG-TYPE", "record: expected named fields, got the key %s", tostring(name))
    end
    fields[name] = clean(name, value)
  end
  return core.json_encode(fields, 0)
end

local function expect_record(self, name)
  if getmetatable(self) ~= Record then
    check.fail("MG-TYPE", "record.%s: called with a dot; write record:%s(...)", name, name)
  end
end

-- ------------------------------------------------------------------ what the run has used

--- Solver calls of the training so far, also before it was cut: those of layers and losses; evaluations do not count.
function methods:solves()
  return self.base.solves + work.solves - self.start.solves
end

--- Seconds since the run began, without the time that it was cut.
function methods:seconds()
  return self.base.seconds + core.clock() - self.start.seconds
end

local function is_spent(self)
  local most = self.config.budget and self.config.budget.solver_calls
  return most ~= nil and self:solves() >= most
end

-- ------------------------------------------------------------------ lines

-- Ends a run whose files cannot be written, as on a full disk: it can go on from its last checkpoint.
local function lose(self, message)
  self.is_unsaved = true
  check.fail("MG-FILE", "record: %s", message)
end

-- Appends a line to metrics.jsonl or times.jsonl.
local function append(self, name, text)
  local ok, message = self[name]:write(text, "\n")
  if ok then ok, message = self[name]:flush() end
  if not ok then lose(self, ("%s/%s.jsonl: cannot be written: %s"):format(self.folder, name, message)) end
end

Record.__call = function(self, row)
  if type(row) ~= "table" then
    check.fail("MG-TYPE", "record: expected a table of named numbers, got a %s", check.type_of(row))
  end
  local complete = { solves = self:solves() }
  for name, value in pairs(row) do complete[name] = value end
  local text = line_of(complete)
  append(self, "metrics", text)
  append(self, "times", line_of { seconds = self:seconds() })
  self.lines = self.lines + 1
  self.beat(core.clock())
end

--- The path of a file in the run's folder. Write such files whole: a run that goes on from its checkpoint finds what
-- was written after that too. One that starts anew finds an empty folder.
-- @param name  such as "maps.png"
function methods:file(name)
  expect_record(self, "file")
  return self.folder .. "/" .. check.value("record:file", name, check.text())
end

local function open_lines(path, mode)
  local file, message = io.open(path, mode)
  if not file then check.fail("MG-FILE", "record: %s", message) end
  return file
end

local NAMES = { "metrics", "times" }

-- In place of the files of a process that takes part in a run and writes nothing.
local nowhere = {}
for _, name in ipairs { "write", "flush", "close" } do nowhere[name] = function() return true end end

-- A run that goes on keeps its old lines aside until its checkpoint says how many of them count.
local function open_files(self)
  if self.limits.is_follower then
    self.metrics, self.times = nowhere, nowhere
    return
  end
  local can_resume = store.can_resume(self.folder)
  for _, name in ipairs(NAMES) do
    local path = ("%s/%s.jsonl"):format(self.folder, name)
    local before = path .. ".before"
    local has_before = require("lfs").attributes(before, "mode") ~= nil
    if can_resume and not has_before then os.rename(path, before) end
    self[name] = open_lines(path, "wb")
  end
end

-- The first `count` of the old lines in place of what was written since the start.
local function restore_lines(self, count)
  if self.limits.is_follower then
    self.lines = count
    return
  end
  for _, name in ipairs(NAMES) do
    local path = ("%s/%s.jsonl"):format(self.folder, name)
    local kept, file = {}, open_lines(path .. ".before", "rb")
    for line in file:lines() do
      if #kept == count then break end
      kept[#kept + 1] = line .. "\n"
    end
    file:close()
    if #kept < count then
      check.fail("MG-FILE", "%s: has %d lines, expected the %d that its checkpoint counts", path, #kept, count)
    end
    self[name]:close()
    local ok, message = core.file_write(path, table.concat(kept))
    if not ok then lose(self, message) end
    self[name] = open_lines(path, "ab")
    os.remove(path .. ".before")
  end
  self.lines = count
end

-- ------------------------------------------------------------------ checkpoints

-- The record as a part of a checkpoint: loading it drops the lines that were written after it was made.
local function part_of(self)
  local part = {}
  function part.state()
    return { lines = self.lines, epoch = self.done, solves = self:solves(), seconds = self:seconds(),
      sum = self.sum, values = self.values }
  end
  function part.load_state(_, state)
    restore_lines(self, state.lines)
    self.done, self.sum, self.values = state.epoch, state.sum, state.values
    self.base = { solves = state.solves, seconds = state.seconds }
    self.start = { solves = work.solves, seconds = core.clock(), work = work.seconds }
  end
  return part
end

local function parts_with_record(self, parts)
  local all = { record = part_of(self) }
  for name, part in pairs(parts) do
    if name == "record" then check.fail("MG-NAME", "record:epochs: a part cannot be named 'record'") end
    all[name] = part
  end
  return all
end

local function save(self)
  local ok, message = checkpoint.save(store.checkpoint(self.folder), self.parts)
  if not ok then lose(self, message) end
  self.saved = core.clock()
end

local function resume(self)
  local values, message, reason = checkpoint.resume(store.checkpoint(self.folder), self.parts)
  if not values and reason ~= "missing" then check.fail("MG-FILE", "record: %s", message) end
end

local function stop_reason(self, now)
  if core.stop_asked() then return "asked to stop by a signal" end
  if self.limits.ends_at and now >= self.limits.ends_at then return "the time limit is reached" end
end

-- A moment at which the run may be left: saves when it is time, ends when that is asked for.
local function moment(self, is_whole)
  local now = core.clock()
  self.beat(now)
  local reason = stop_reason(self, now)
  if self.limits.agree then reason = self.limits.agree(reason) end
  local may_save = self.parts and (is_whole or self.parts.loader)
  if may_save and (reason or now - self.saved >= self.limits.save_every) then save(self) end
  if reason and (may_save or is_whole or not self.parts) then
    check.fail("MG-STOPPED", "%s; the same command %s", reason, self.parts and "goes on with it"
      or "begins it anew, as record:epochs was given no parts to save")
  end
end

-- ------------------------------------------------------------------ epochs

local function message_of(self)
  local parts, seconds = {}, core.clock() - self.start.seconds
  if self.value then parts[1] = ("loss %.4g"):format(self.value) end
  if work.solves > self.start.solves then
    local share = (work.seconds - self.start.work) / math.max(seconds, 1e-9)
    parts[#parts + 1] = ("solver %.0f %%"):format(100 * share)
  end
  return table.concat(parts, "  ")
end

-- The bar counts solver calls under a budget, else steps, or epochs where no steps are counted.
local function new_bar(self)
  local limits, most = self.limits, self.config.budget and self.config.budget.solver_calls
  local o = { quiet = limits.quiet, total = most, message = function() return message_of(self) end }
  if limits.progress then o.file, o.terminal, o.columns = limits.progress, true, 120 end
  local bar = progress.new(o)
  bar.count = most and self:solves() or 0
  return bar
end

local function tick(self, is_step)
  local bar = self.bar
  if not bar then return end
  if self.config.budget then
    bar:tick(math.max(self:solves() - bar.count, 0))
  elseif is_step or self.steps == 0 then
    bar:tick(1)
  end
  if is_step then self.steps = self.steps + 1 end
end

-- At the end of an epoch: how much there is to come.
local function expect(self, left)
  local bar = self.bar
  if not self.config.budget then bar.total = bar.count + left * math.max(self.steps, 1) end
  self.steps = 0
end

local function is_over(self, count)
  if self.config.smoke then return self.done >= 1 end
  if self.config.budget and (self:solves() > 0 or self.done < count) then return is_spent(self) end
  return self.done >= count
end

--- The epochs of a training, as an iterator: for epoch in record:epochs(20, parts) do ... end.
-- With a budget (`--budget solver_calls=n`) epochs go on until that many solver calls are made, whatever the count;
-- only a run that makes none ends at the count.
-- @param count  number of epochs
-- @param parts  what a checkpoint holds: name -> object with state and load_state or restore (model, optimizer,
--   schedule, loader, ...); `values`, a table of the numbers and texts that the script itself keeps from epoch to epoch
--   (with a loader: from step to step). nil: a run that is cut starts anew. One loop of a run may have parts
-- @return function () -> epoch, from 1
function methods:epochs(count, parts)
  expect_record(self, "epochs")
  check.value("record:epochs: count", count, check.whole())
  if parts ~= nil and (type(parts) ~= "table" or getmetatable(parts)) then
    check.fail("MG-TYPE", "record:epochs: expected a table of parts, got a %s", check.type_of(parts))
  elseif parts and self.parts then
    check.fail("MG-ARGUMENT", "record:epochs: another loop of this run has parts already")
  end
  self.done, self.saved, self.steps, self.sum, self.values = 0, core.clock(), 0, 0, 0
  if parts then
    self.parts = parts_with_record(self, parts)
    resume(self)
  end
  self.bar = new_bar(self)
  local epoch
  return function()
    if epoch then
      self.done, self.sum, self.values = epoch, 0, 0
      tick(self, false)
      expect(self, count - epoch)
      moment(self, true)
    end
    if is_over(self, count) then
      self.bar:finish()
      self.bar = nil
      return nil
    end
    epoch = self.done + 1
    self.bar.label = self.config.budget and ("epoch %d"):format(epoch) or ("epoch %d/%d"):format(epoch, count)
    return epoch
  end
end

--- After each step of an epoch: counts it for the progress, and is a moment at which a run that is to end is saved,
-- if `loader` is among its parts, so that it goes on in mid-epoch.
-- @param value  loss of the step, or nil: shown, and part of record:mean()
-- @return true when the budget is spent: leave the epoch
function methods:step(value)
  expect_record(self, "step")
  if value then
    self.sum, self.values = (self.sum or 0) + value, (self.values or 0) + 1
    self.value = self.value and 0.9 * self.value + 0.1 * value or value
  end
  tick(self, true)
  moment(self, false)
  return is_spent(self)
end

--- The mean of the losses given to record:step in this epoch, also of steps before a cut; NaN without any.
function methods:mean()
  return (self.sum or 0) / (self.values or 0)
end

-- ------------------------------------------------------------------ making one

local record = {}

--- Opens the record of a run.
-- @param folder              the run's
-- @param config              its configuration
-- @param limits.ends_at      when the clock says so the run is saved and ends; or nil
-- @param limits.save_every   seconds between checkpoints
-- @param limits.quiet        no progress
-- @param limits.progress     where progress goes in place of stderr, or nil
-- @param limits.agree        function (reason or nil) -> that of the process that decides for several; or nil
-- @param limits.is_follower  another process writes what this one would
function record.open(folder, config, limits)
  local self = setmetatable({
    folder = folder, config = config, limits = limits, lines = 0,
    beat = limits.is_follower and function() end or store.heart(folder),
    base = { solves = 0, seconds = 0 },
    start = { solves = work.solves, seconds = core.clock(), work = work.seconds },
  }, Record)
  open_files(self)
  return self
end

--- Closes the files of a record; what was written is on the disk then.
-- @return true; or nil and a message
function record.close(self)
  for _, name in ipairs(NAMES) do
    self[name]:close()
    local ok, message = true, nil
    if not self.limits.is_follower then ok, message = core.file_sync(("%s/%s.jsonl"):format(self.folder, name)) end
    if not ok then return nil, message end
  end
  return true
end

return record
