--- Loaders: the batches of a data set over epochs, with a place that can be saved.
--
-- Batches are gathered when they are asked for. There is no prefetching, which would not pay: gathering 70
-- pictures of 3 x 96 x 96 floats takes 0.5 ms on one thread (1.7 ms into fresh memory), reading them from
-- PNG files 6 ms, a training step on them about 100 ms.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local random = require "mapgrad.random"

local limit -- of batches a pass: a count, a share of them below 1, or nil

local methods = {}
local Loader = { __name = "mapgrad.loader", __index = methods }

-- The order of a draw; nil without one.
local function order_of(loader, draw)
  return draw and core.random_order(loader.rows, draw.seed, draw.stream, draw.index)
end

-- The draw of the epoch that begins: from the loader's own seed or the stream "shuffle".
local function next_draw(loader)
  local o = loader.options
  if not o.shuffle then return nil end
  if o.seed then return { seed = o.seed, stream = "shuffle", index = loader.epochs } end
  return random.draw "shuffle"
end

-- The batch of rows first..last of the order.
local function gather(loader, first, last)
  if not loader.order then return loader.set:rows(first, last) end
  local chosen = {}
  for i = first, last do chosen[i - first + 1] = loader.order[i] end
  return loader.set:take(chosen)
end

-- Batches of a pass over all rows, and with the limit.
local function whole_count(loader)
  local o = loader.options
  return o.drop_last and math.floor(loader.rows / o.size) or math.ceil(loader.rows / o.size)
end

local function count_of(loader)
  local whole = whole_count(loader)
  if not limit then return whole end
  return math.min(whole, limit < 1 and math.ceil(limit * whole) or limit)
end

-- The next batch and its number in the epoch; nil at the end of the epoch, and the next one is due.
local function step(loader)
  local o = loader.options
  if loader.position == 0 then
    loader.draw = next_draw(loader)
    loader.order = order_of(loader, loader.draw)
  end
  local first, last = loader.position + 1, math.min(loader.position + o.size, loader.rows)
  if loader.position >= count_of(loader) * o.size or first > loader.rows then
    loader.epochs, loader.position, loader.draw, loader.order = loader.epochs + 1, 0, nil, nil
    return nil
  end
  loader.position = last
  return gather(loader, first, last), math.ceil(last / o.size)
end

--- The batches that are left of this epoch: for batch, number in loader:batches() do. Ends with the epoch; the
-- next call gives the next epoch in a new order. A loop that was left, or restored, goes on where it was.
-- @return function () -> set, number of the batch in its epoch from 1; nil at the end
function methods.batches(loader)
  local epoch = loader.epochs
  return function()
    if loader.epochs ~= epoch then return nil end -- also where another loop over this loader has ended it
    return step(loader)
  end
end

--- Batches of a whole epoch.
function methods.count(loader)
  return count_of(loader)
end

--- Whole epochs done.
function methods.epoch(loader)
  return loader.epochs
end

--- The place: a plain table of numbers and texts, for loader:restore of a loader of the same set and options,
-- also in another process. Without a seed of the loader's own the orders of later epochs come from the
-- stream "shuffle": save mapgrad.random.state() with it.
-- @return {epoch = whole epochs done, position = rows given out in this one, rows, size, drop_last, seed,
--   draw = {seed, stream, index} of its order (nil in order, or when it has not begun)}
function methods.state(loader)
  local draw = loader.draw
  return {
    epoch = loader.epochs, position = loader.position, rows = loader.rows, size = loader.options.size,
    drop_last = loader.options.drop_last, seed = loader.options.seed,
    draw = draw and { seed = draw.seed, stream = draw.stream, index = draw.index },
  }
end

--- Goes to the place that loader:state returned: the batches that follow are the same, byte for byte.
-- @return the loader
function methods.restore(loader, state)
  local o = check.options("loader:restore", state, {
    epoch = check.whole(), position = check.whole(), rows = check.whole(), size = check.count(),
    drop_last = check.flag(), seed = check.optional(check.whole()), draw = check.optional(check.any()),
  })
  if o.rows ~= loader.rows or o.size ~= loader.options.size then
    check.fail("MG-ARGUMENT", "loader:restore: the state is of batches of %d of %d rows, the loader has %d of %d",
      o.size, o.rows, loader.options.size, loader.rows)
  elseif o.drop_last ~= loader.options.drop_last or o.seed ~= loader.options.seed then
    check.fail("MG-ARGUMENT", "loader:restore: the state is of a loader with another option '%s'",
      o.seed ~= loader.options.seed and "seed" or "drop_last")
  elseif o.position % o.size ~= 0 and o.position ~= o.rows then
    check.fail("MG-ARGUMENT", "loader:restore: position = %d is not between two batches of %d", o.position, o.size)
  elseif (o.position > 0 and loader.options.shuffle) ~= (o.draw ~= nil) or o.position > o.rows then
    check.fail("MG-ARGUMENT", "loader:restore: the state is of a loader with another option 'shuffle'")
  end
  if o.draw then
    o.draw = check.options("loader:restore: draw", o.draw, {
      seed = check.whole(), stream = check.text(), index = check.whole(),
    })
  end
  loader.order = order_of(loader, o.draw)
  loader.epochs, loader.position, loader.draw = o.epoch, o.position, o.draw
  return loader
end

Loader.__tostring = function(loader)
  return ("loader of %d rows in batches of %d: epoch %d, %d rows given out"):format(
    loader.rows, loader.options.size, loader.epochs + 1, loader.position)
end

local loaders = {}

--- Shortens every pass over a data set from now on, for short looks at a long training.
-- @param batches  a count, or a share below 1 of the batches of each pass; nil: whole passes
function loaders.limit(batches)
  limit = batches and check.value("data.limit", batches, check.positive())
  if limit and limit >= 1 then check.value("data.limit", limit, check.count()) end
end

--- A loader; called by set:loader and set:batches.
-- @param name     function's name, for messages
-- @param set      data set
-- @param options  see set:loader
function loaders.new(name, set, options)
  local o = check.options(name, options, {
    size = check.count(), shuffle = check.flag(false), drop_last = check.flag(false),
    seed = check.optional(check.whole()),
  })
  return setmetatable({ set = set, options = o, rows = set:count(), epochs = 0, position = 0 }, Loader)
end

return loaders
