--- A progress bar on stderr: bar, count, rate, time left, and a message of the caller's.
-- A tick is a count and a comparison; fast ticks look at the clock every 16th time. On a terminal the
-- line is redrawn at most every 0.1 s; elsewhere a plain line is written every 30 s.
-- @module mapgrad.progress
-- @usage local bar = progress.new { total = 100, label = "epoch 1/20" }
-- for i = 1, 100 do bar:tick(1, ("loss %.3f"):format(step())) end
-- bar:finish()
local check = require "mapgrad.check"
local core = require "mapgrad.real"

local progress = {}

local REDRAW, PLAIN_LINE = 0.1, 30 -- seconds between lines
local QUICK, SLOW = 0.01, 0.05     -- seconds between looks at the clock: look less often, more often
local MOST_TICKS = 16              -- between looks; more would gain nothing, and miss a change of pace
local BAR = 20                     -- columns

local methods = {}
local Progress = { __name = "mapgrad.progress", __index = methods }

local rules = {
  total = check.optional(check.whole()), label = check.text "", quiet = check.flag(false),
  message = check.optional(check.callable()), file = check.optional(check.any()),
  clock = check.optional(check.callable()), terminal = check.optional(check.flag()),
  columns = check.optional(check.count()),
}

local silent = false
local unfinished -- the bar whose line on the terminal has no end yet

--- A bar.
-- @tparam table options
-- @param options.total ticks to come; nil: unknown, no bar and no time left
-- @param options.label text before the bar
-- @param options.message function returning the text after it, called when the line is drawn; tick's
-- second argument does the same for texts that are at hand
-- @param options.quiet true: write nothing
-- @param options.file, options.clock, options.terminal, options.columns in place of stderr, the
-- monotonic clock, whether it is a terminal, and its width
function progress.new(options)
  local self = check.options("progress.new", options, rules)
  self.clock = self.clock or core.clock
  if self.terminal == nil then self.terminal = core.is_terminal(2) end
  self.file = not self.quiet and not silent and (self.file or io.stderr) or nil
  local now = self.clock()
  self.count, self.look_at, self.stride = 0, 1, 1 -- ticks: done, of the next look, between looks
  self.start, self.looked = now, now              -- seconds: at first, at the last look
  self.drawn, self.drawn_count = now, 0           -- the last line: seconds, ticks done
  return setmetatable(self, Progress)
end

--- From now on new bars write nothing: for processes that work beside another one, which reports.
function progress.silence()
  silent = true
end

local function duration(seconds)
  seconds = math.floor(seconds + 0.5)
  local minutes = math.floor(seconds / 60)
  if minutes < 60 then return ("%d:%02d"):format(minutes, seconds % 60) end
  return ("%d:%02d:%02d"):format(math.floor(minutes / 60), minutes % 60, seconds % 60)
end

local function quantity(value)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if value >= unit[1] then return ("%.3g%s"):format(value / unit[1], unit[2]) end
  end
  return ("%.3g"):format(value)
end

-- Smoothed over the last few lines, so that the time left follows a change of pace.
local function update_rate(self, now)
  local seconds = now - self.drawn
  if seconds <= 0 then return end
  local rate = (self.count - self.drawn_count) / seconds
  self.rate = self.rate and 0.7 * self.rate + 0.3 * rate or rate
end

local function line(self, now, is_last)
  local parts = { self.label ~= "" and self.label or nil }
  local function add(format, ...) parts[#parts + 1] = format:format(...) end
  local total = self.total
  local rate = is_last and self.count / math.max(now - self.start, 1e-9) or self.rate or 0
  if total and total > 0 then
    local share = math.min(self.count / total, 1)
    if self.terminal then
      local full = math.floor(share * BAR)
      add("[%s%s]", ("#"):rep(full), ("."):rep(BAR - full))
    end
    add("%3d%% %d/%d", math.floor(100 * share), self.count, total)
  else
    add("%d", self.count)
  end
  add("%s/s", quantity(rate))
  if is_last then
    add("in %s", duration(now - self.start))
  elseif total and rate > 0 then
    add("eta %s", duration(math.max(total - self.count, 0) / rate))
  end
  local message = self.message and self.message() or self.text
  if message and message ~= "" then parts[#parts + 1] = tostring(message):gsub("%c", " ") end
  return table.concat(parts, "  ")
end

local function draw(self, now, is_last)
  update_rate(self, now)
  local text = line(self, now, is_last)
  self.drawn, self.drawn_count = now, self.count
  if not self.terminal then
    self.file:write(text, "\n")
  else
    local columns = (self.columns or core.terminal_width()) - 1 -- a full line would wrap
    text = text:sub(1, columns)
    self.file:write("\r", text, (" "):rep(columns - #text), is_last and "\n" or "")
    unfinished = not is_last and self or nil
  end
  if self.file.flush then self.file:flush() end
end

-- Looks at the clock, draws when it is time, and sets when to look again.
local function look(self)
  local now = self.clock()
  local seconds = now - self.looked
  if seconds < QUICK then
    self.stride = math.min(2 * self.stride, MOST_TICKS)
  elseif seconds > SLOW then
    self.stride = 1
  end
  self.looked, self.look_at = now, self.count + self.stride
  if self.file and now - self.drawn >= (self.terminal and REDRAW or PLAIN_LINE) then
    draw(self, now, false)
  end
end

--- Counts steps done.
-- @param steps default 1
-- @param message text to show from now on, or nil
function methods:tick(steps, message)
  local count = self.count + (steps or 1)
  self.count = count
  if message then self.text = message end
  if count >= self.look_at then look(self) end
end

--- Draws the line anew if it is time, without a step done: for loops that wait.
function methods:refresh()
  look(self)
end

--- Draws the last line, with the mean rate and the time taken.
function methods:finish()
  if self.file and not self.finished then draw(self, self.clock(), true) end
  self.finished = true
end

--- Ends the line of a bar that was not finished, so that other text starts on its own line.
function progress.break_line()
  if unfinished then unfinished.file:write("\n") end
  unfinished = nil
end

return progress
