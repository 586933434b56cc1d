--- Training steps whose batches are computed in parts, on all ranks, with the gradients of the whole.
--
-- Each step splits its batch into parts, one a rank, or `shards` many; computes loss and gradients of the rank's own;
-- sums them over all in one message, and updates. Noise, samples of laws, margins and dropout are those of the whole
-- batch, whatever its parts (they are functions of an instance's place in the batch), so N ranks give the numbers of
-- one up to rounding.
--   without shards  one part a rank; with one rank, the bits of optimizer:step
--   shards = V      V parts (fewer for batches of fewer rows), whose gradients are
--     summed in their order: the same bits for any number of ranks. Costs V times
--     the memory and the message of the gradients, and smaller parts
-- What looks at a whole batch looks at its part: batch norm, norms = "batch" of targets. What moves with each call
-- becomes the mean over the parts where it is named: running statistics by `model`, target.adaptive by `moving`; the
-- score function's baseline "ema" stays with its rank. A rank for which a batch has no part computes one that does not
-- count. Solvers and layers count the solves of their rank; mapgrad.solver.work has those of all.
-- @param optimizer       of mapgrad.optim; the same on all ranks. Its parameters and their state become rank 0's
-- @param options.model   module whose buffers (running statistics) are kept alike, too
-- @param options.moving  list of objects with state() and load_state(s), tables of numbers that f moves
-- @param options.shards  parts of a batch, for the same bits with any number of ranks (default: one a rank)
-- @param options.loss    "mean" (default): the loss is a mean over the rows of its part; "sum": a sum
-- @return trainer with step(batch, f), optimizer, rank, size
-- @usage local trainer = mpi.trainer(optim.adam(net:parameters()), { model = net, shards = 4 })
-- local value = trainer:step(batch, function(part) return loss.squared(net(part.x), part.y) end)
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local failure = require "mapgrad.failure"
local pack = require "mapgrad.mpi.pack"
local random = require "mapgrad.random"
local shards = require "mapgrad.mpi.shards"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"
local work = require "mapgrad.solver.work"
local world = require "mapgrad.mpi.world"

local REAL_BYTES = core.info().real_bytes
local NAME = "mpi.trainer"

local methods = {}
local Trainer = { __name = "mapgrad.trainer", __index = methods }

-- ------------------------------------------------------------------ the pack: gradients, buffers, flags, loss

-- The numbers in the states of objects, in a fixed order; with a list of new ones, these take their places.
local function numbers_of(objects, new)
  local numbers = {}
  for _, object in ipairs(objects) do
    local state, keys = object:state(), {}
    for key in pairs(state) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do
      numbers[#numbers + 1] = check.value(NAME .. ": moving: " .. key, state[key], check.real())
      state[key] = new and new[#numbers]
    end
    if new then object:load_state(state) end
  end
  return numbers
end

-- The pack of a trainer, made at the first step that needs so many rows.
local function pack_of(self, rows)
  if self.pack and self.pack.rows >= rows then return self.pack end
  local shapes = {}
  for _, list in ipairs { self.optimizer.parameters, self.buffers } do
    for _, t in ipairs(list) do shapes[#shapes + 1] = t:shape() end
  end
  -- whether each parameter has a gradient; the loss; solver calls; what moves
  shapes[#shapes + 1] = { #self.optimizer.parameters + 2 + #numbers_of(self.moving) }
  if self.pack then self.pack.flat:free() end
  self.pack = pack.new(shapes, rows)
  return self.pack
end

-- The loss of f(...) as a tensor of one entry.
local function loss_of(f, ...)
  local loss = f(...)
  if not tensor.is(loss) or loss:count() ~= 1 then
    check.fail("MG-TYPE", "%s: step: expected the loss, a tensor of one entry, got %s", NAME,
      tensor.is(loss) and "shape " .. show.shape(loss:shape()) or "a " .. check.type_of(loss))
  end
  return loss
end

-- Fills a row of the pack from what a part left behind: its gradients, and what moved times its weight.
local function fill_row(self, row, value, solves, weight)
  local p, parameters, flags = self.pack, self.optimizer.parameters, {}
  for i, parameter in ipairs(parameters) do
    local gradient = rawget(parameter, "grad")
    p:put(row, i, gradient)
    flags[i] = gradient and 1 or 0
    if gradient then gradient:free() end
  end
  for i, buffer in ipairs(self.buffers) do p:put(row, #parameters + i, buffer * weight) end
  flags[#flags + 1] = value
  flags[#flags + 1] = solves
  for _, number in ipairs(numbers_of(self.moving)) do flags[#flags + 1] = number * weight end
  p:put(row, #p.shapes, tensor(flags))
  self.optimizer:clear()
end

-- One part: loss and gradients into a row of the pack.
local function compute(self, row, batch, first, last, share, f)
  local mark, solves = core.scope_begin(), work.solves
  local weight = self.loss == "mean" and share or 1
  self.optimizer:clear()
  random.part(first - 1, last - first + 1)
  local loss = loss_of(f, shards.rows(batch, first, last)) * weight
  local value = loss:item()
  autograd.backward(loss, nil, {}, mark)
  if row then fill_row(self, row, value, work.solves - solves, share) else self.optimizer:clear() end
end

-- ------------------------------------------------------------------ a step

-- This rank's parts of a batch, each {row = in the pack, first =, last =}; one without a row if it has none. And how
-- many rows the pack has on each rank.
local function plan(self, count)
  local parts = math.min(self.shards or self.size, count)
  local own, counts = {}, {}
  for rank = 0, self.size - 1 do
    local first, last = shards.share(parts, self.size, rank + 1)
    if not self.shards then first, last = rank + 1, math.min(rank + 1, parts) end
    counts[rank + 1] = last - first + 1
    for i = first, rank == self.rank and last or 0 do
      local from, to = shards.share(count, parts, i)
      own[#own + 1] = { row = self.shards and i or 1, first = from, last = to }
    end
  end
  if #own == 0 then own[1] = { first = 1, last = select(2, shards.share(count, parts, 1)) } end
  return own, counts, parts
end

-- All parts of this rank, each from the same random streams, buffers and moving numbers.
local function compute_all(self, batch, count, own, f)
  local streams, before, numbers = random.state(), {}, numbers_of(self.moving)
  for i, buffer in ipairs(self.buffers) do before[i] = buffer:clone() end
  for number, part in ipairs(own) do
    if number > 1 then
      random.restore(streams)
      for i, buffer in ipairs(self.buffers) do buffer:copy_(before[i]) end
      numbers_of(self.moving, numbers)
    end
    tensor.scope(compute, self, part.row, batch, part.first, part.last, (part.last - part.first + 1) / count, f)
  end
end

-- The sums over all parts, a vector as a row of the pack.
local function reduce(self, counts, parts)
  local p, library = self.pack, self.library
  if not self.shards then
    if library then library.sum(core.address(p.flat.handle), p.total, REAL_BYTES) end
    return p.flat
  end
  if library then library.gather(core.address(p.flat.handle), p.total, REAL_BYTES, counts) end
  return p.flat:rows(1, parts * p.total):reshape(parts, p.total):sum(1)
end

-- Gives parameters, buffers and moving objects what belongs to them; the loss.
local function hand_out(self, sums)
  local p, parameters = self.pack, self.optimizer.parameters
  local flags, numbers = p:get(1, #p.shapes, sums):to_list(), {}
  local value = flags[#parameters + 1]
  work.solves = self.solves + flags[#parameters + 2]
  if value ~= value or value == math.huge or value == -math.huge then
    check.fail("MG-NUMBER", "%s: the loss of step %d is %s; weights are as before it", NAME,
      self.optimizer.steps + 1, show.number(value))
  end
  for i, parameter in ipairs(parameters) do
    rawset(parameter, "grad", flags[i] > 0 and p:get(1, i, sums) or nil)
  end
  for i, buffer in ipairs(self.buffers) do buffer:copy_(p:get(1, #parameters + i, sums)) end
  for i = #parameters + 3, #flags do numbers[#numbers + 1] = flags[i] end
  numbers_of(self.moving, numbers)
  return value
end

-- Calls f(...); what it raises ends all ranks if there are more, as they wait for this one.
local function guarded(self, f, ...)
  if world.is_supervised then
    f(...)
    return random.part(nil)
  end
  local ok, caught = (self.size == 1 and core.call or failure.catch)(f, ...)
  random.part(nil)
  if ok then return end
  if self.size == 1 then error(caught, 0) end
  local code = failure.is_interrupt(caught) and 130 or 1
  self.library.stop(("rank %d of %d: %s\nmapgrad.mpi: all ranks end"):format(self.rank, self.size,
    failure.text(caught)), code)
end

local function step(self, batch, count, f)
  local own, counts, parts = plan(self, count)
  local p = pack_of(self, self.shards and parts or 1)
  self.solves = work.solves
  if not own[1].row and not self.shards then p.flat:fill_(0) end
  guarded(self, compute_all, self, batch, count, own, f)
  local value = hand_out(self, reduce(self, counts, parts))
  self.optimizer:update()
  return value
end

--- One training step. All ranks give the same batch; each calls f for its parts of it. A loss or a gradient that is
-- not finite raises on all ranks, and the parameters stay; any other error in f ends all ranks.
-- @param batch  data set, tensor, table of tensors with as many rows; or a number of rows, of which f gets the first
--   and the last
-- @param f      function (part) -> loss of the part's rows, a tensor of one entry
-- @return the loss of the batch, a number
function methods.step(self, batch, f)
  check.value(NAME .. ": step", f, check.callable())
  local count = shards.count(NAME .. ": step", batch)
  if self.size == 1 and not self.shards then
    return (self.optimizer:step(function() return loss_of(f, shards.rows(batch, 1, count)) end))
  end
  return tensor.scope(step, self, batch, count, f)
end

Trainer.__tostring = function(self)
  return ("mpi.trainer: rank %d of %d, %s, %s"):format(self.rank, self.size,
    self.shards and self.shards .. " shards" or "a part a rank", tostring(self.optimizer))
end

-- ------------------------------------------------------------------ making

-- What must be alike on all ranks, as text.
local function likeness(optimizer, streams)
  local parts = { ("%s of %d parameters, %d steps"):format(optimizer.name, #optimizer.parameters, optimizer.steps) }
  for i, parameter in ipairs(optimizer.parameters) do parts[1 + i] = show.shape(parameter:shape()) end
  local names = {}
  for name, index in pairs(streams.position) do names[#names + 1] = ("%s at %d"):format(name, index) end
  table.sort(names)
  parts[#parts + 1] = ("seed %d, random streams %s"):format(streams.seed, table.concat(names, ", "))
  return table.concat(parts, "; ")
end

-- Raises where ranks differ in what they make; else they get the values of rank 0.
local function unify(mpi, optimizer, buffers)
  local own = likeness(optimizer, random.state())
  local first = mpi.broadcast(own)
  if own ~= first then
    check.fail("MG-MPI", "%s: rank %d is not like rank 0, as it must be; give all ranks the same seed and script."
      .. "\n  rank %d: %s\n  rank 0: %s", NAME, mpi.rank(), mpi.rank(), own, first)
  end
  local list = {}
  for _, entry in ipairs(optimizer.entries) do
    list[#list + 1] = entry.tensor
    for _, part in ipairs(entry.parts) do list[#list + 1] = entry.own[part] end
  end
  for _, buffer in ipairs(buffers) do list[#list + 1] = buffer end
  mpi.broadcast(list)
end

return function(optimizer, options)
  check.value(NAME .. ": optimizer", optimizer, check.instance "optimizer")
  local o = check.options(NAME, options, {
    model = check.optional(check.instance "module"), moving = check.any {}, shards = check.optional(check.count()),
    loss = check.choice({ "mean", "sum" }, "mean"),
  })
  local w, buffers = world.join(), {}
  for i, entry in ipairs(o.model and o.model:named_buffers() or {}) do buffers[i] = entry[2] end
  for i, object in ipairs(o.moving) do
    if type(object) ~= "table" or not object.state or not object.load_state then
      check.fail("MG-TYPE", "%s: moving: %d: expected an object with the methods state and load_state, got a %s", NAME,
        i, check.type_of(object))
    end
  end
  unify(require "mapgrad.mpi", optimizer, buffers)
  return setmetatable({
    optimizer = optimizer, buffers = buffers, moving = o.moving, shards = o.shards, loss = o.loss, rank = w.rank,
    size = w.size, library = w.library,
  }, Trainer)
end
