--- Random numbers from named streams of one seed.
--
-- A *draw* names a set of numbers: (seed, stream, index). Each use of a stream takes its next index, so
-- what one stream does never changes another: variants of an experiment see the same data ("data"),
-- initial weights ("init"), batches ("shuffle") and noise ("noise").
local check = require "mapgrad.check"
local core = require "mapgrad.real"

local random = {}

local seed = 0
local position = {} -- stream -> index of its next draw
local part = nil    -- of the batch that is drawn for: {before=, rows=}; nil: the whole

--- Starts all streams anew.
-- @param value  integer from 0, below 2^53
function random.seed(value)
  seed = check.value("random.seed", value, check.whole())
  position = {}
end

--- The next draw of a stream.
-- @param stream  name
-- @return {seed=, stream=, index=}, and part= where random.part said so
function random.draw(stream)
  local index = position[stream] or 0
  position[stream] = index + 1
  return { seed = seed, stream = stream, index = index, part = part }
end

--- Says that what is computed from now on is a part of a batch, so that a batch computed in parts has the noise,
-- the samples of laws and the dropout (of tensors whose first axis is the batch) of the whole.
-- @param before  rows of the batch before the part; nil: whole batches again
-- @param rows    of the part
function random.part(before, rows)
  part = before and {
    before = check.value("random.part: before", before, check.whole()),
    rows = check.value("random.part: rows", rows, check.count()),
  } or nil
end

--- The number, from 0, of the first of `count` instances or entries that a draw is for: where they belong to the
-- rows of a part of a batch, as many to each row, what belongs to the rows before them has the numbers below.
function random.first(draw, count)
  local p = draw.part
  return p and count % p.rows == 0 and p.before * (count / p.rows) or 0
end

--- The position of every stream, to go on later: random.restore(random.state()).
function random.state()
  local copy = {}
  for stream, index in pairs(position) do copy[stream] = index end
  return { seed = seed, position = copy }
end

--- Goes back to what random.state returned.
function random.restore(state)
  seed, position = state.seed, {}
  for stream, index in pairs(state.position) do position[stream] = index end
end

--- A random order of 1..n.
-- @param n       integer, below 2^31
-- @param stream  name (default "shuffle")
-- @return list
function random.order(n, stream)
  local draw = random.draw(stream or "shuffle")
  return core.random_order(n, draw.seed, draw.stream, draw.index)
end

--- One number uniform on (0, 1).
-- @param stream  name (default "data")
function random.uniform(stream)
  local h = core.new {}
  local draw = random.draw(stream or "data")
  core.random_uniform(h, draw.seed, draw.stream, draw.index)
  return core.get(h, 0)
end

return random
