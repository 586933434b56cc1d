--- Training on several processes, by Open MPI: each has a part of every batch, gradients are summed.
--
-- A script says what it does on every rank; `mpirun -n 4 luajit script.lua` starts four. Started without mpirun it is
-- the only rank, and nothing of MPI is loaded. Open MPI starts at the first question (0.5 s). From then on progress
-- bars are silent and checkpoints are not written on ranks but 0; other files a script writes under
-- `if mpi.rank() == 0`. A rank that fails ends all of them: its message, its number, an exit code that is not 0.
-- Threads of a rank: the processors that the ranks of a node may use, over these ranks (`mg.threads` afterwards
-- changes it); mpirun binds one or two ranks to a core each, so for more threads a rank say `--bind-to none`.
-- Every rank must make the same calls of this module in the same order.
-- @module mapgrad.mpi
-- @usage local trainer = mpi.trainer(optim.adam(net:parameters(), { rate = 1e-3 }), { model = net })
-- for batch in train:batches { size = 64, shuffle = true } do
--   local value = trainer:step(batch, function(part) return loss.squared(net(part.x), part.y) end)
-- end
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local pack = require "mapgrad.mpi.pack"
local shards = require "mapgrad.mpi.shards"
local tensor = require "mapgrad.tensor"
local world = require "mapgrad.mpi.world"

local mpi = {}

local REAL_BYTES = core.info().real_bytes

--- The number of this process among its like, from 0.
function mpi.rank()
  return world.join().rank
end

--- How many processes there are: 1 without mpirun.
function mpi.size()
  return world.join().size
end

--- Waits until all ranks are here.
function mpi.barrier()
  local w = world.join()
  if w.library then w.library.barrier() end
end

--- Version of the Open MPI that mapgrad was built with, such as "Open MPI v4.1.4"; nil without. Starts nothing.
function mpi.version()
  local library = world.library()
  return library and library.version()
end

-- The tensors of an argument: of a tensor, a module (parameters and buffers), a list of tensors or {name, tensor}.
local function tensors_of(name, value)
  if tensor.is(value) then return { value } end
  if check.type_of(value) == "mapgrad.module" then value = value:named_tensors() end
  if type(value) ~= "table" or getmetatable(value) then
    check.fail("MG-TYPE", "%s: expected a tensor, a list of tensors, or a module, got a %s", name,
      check.type_of(value))
  end
  local list = {}
  for i, entry in ipairs(value) do
    if type(entry) == "table" and not getmetatable(entry) then entry = entry[2] end
    list[i] = check.value(("%s: %d"):format(name, i), entry, check.tensor)
  end
  return list
end

-- Calls f(flat) with the tensors one after the other in one vector; they become what is in it then.
local function together(list, f)
  if #list == 0 then return end
  if #list == 1 then return f(list[1]) end
  local shapes = {}
  for i, t in ipairs(list) do shapes[i] = t:shape() end
  tensor.scope(function()
    local p = pack.new(shapes)
    for i, t in ipairs(list) do p:put(1, i, t) end
    f(p.flat)
    for i, t in ipairs(list) do core.copy(t.handle, p:get(1, i).handle) end
    p.flat:free()
  end)
end

-- The number of a text of %.17g; no Lua reads all of those that are not finite.
local function number_of(text)
  local sign, word = text:match "^(-?)(%a+)$"
  if not word then return tonumber(text) end
  return word == "inf" and (sign == "-" and -math.huge or math.huge) or 0 / 0
end

--- All ranks get what rank 0 has.
-- @param value  a tensor, a list of tensors or {name, tensor} pairs of the same shapes on all ranks, a module (its
--   parameters and buffers): changed in place; or a number, a text, a truth value
-- @return the value
function mpi.broadcast(value)
  local w, kind = world.join(), type(value)
  if kind == "number" or kind == "string" or kind == "boolean" then
    if not w.library then return value end
    local text = w.library.broadcast_text(kind == "number" and ("%.17g"):format(value) or tostring(value))
    if kind == "number" then return w.rank == 0 and value or number_of(text) end
    if kind == "boolean" then return text == "true" end
    return text
  end
  local list = tensors_of("mpi.broadcast", value)
  if w.library then
    together(list, function(flat) w.library.broadcast(core.address(flat.handle), flat:count(), REAL_BYTES) end)
  end
  return value
end

--- Sums over the ranks, or means. All ranks get the same bits; a different number of ranks may round differently.
-- @param value       a number; or a tensor, a list of tensors or {name, tensor} pairs of the same shapes on all
--   ranks: changed in place, by one message
-- @param options.op  "sum" (default) or "mean"
-- @return the value, or the new number
-- @usage local regret = mpi.all_reduce(regret_of_part * part:count()) / set:count()
function mpi.all_reduce(value, options)
  local o = check.options("mpi.all_reduce", options, { op = check.choice({ "sum", "mean" }, "sum") })
  local w = world.join()
  local factor = o.op == "mean" and 1 / w.size or 1
  if type(value) == "number" then
    return (w.library and w.library.sum_number(value) or value) * factor
  end
  local list = tensors_of("mpi.all_reduce", value)
  if w.library then
    together(list, function(flat)
      w.library.sum(core.address(flat.handle), flat:count(), REAL_BYTES)
      if factor ~= 1 then core.accumulate(flat.handle, factor, flat.handle, 0) end
    end)
  end
  return value
end

--- This rank's part of a batch: consecutive rows, in the order of the ranks; sizes differ by one at most. All ranks
-- give the same batch, so that batches do not depend on the number of ranks.
-- @param batch  data set, tensor, table of tensors, or a number of rows
-- @return the rows, which share memory with the batch, and how many; of a number the first and the last (below the
--   first if there are more ranks than rows). nil, 0 where a batch has no row for this rank
-- @usage for batch in test:batches { size = 100 } do
--   local part, rows = mpi.shard(batch)
-- end
function mpi.shard(batch)
  local w, count = world.join(), shards.count("mpi.shard", batch)
  local first, last = shards.share(count, w.size, w.rank + 1)
  if type(batch) == "number" then return first, last end
  if last < first then return nil, 0 end
  return shards.rows(batch, first, last), last - first + 1
end

--- Ends the work together: waits for all ranks, which afterwards may end with exit codes of their own, and not call
-- this module any more. Scripts need not call it.
function mpi.finish()
  local w = world.join()
  if w.library then w.library.finish() end
end

--- For programs that run scripts, such as `mapgrad run`: a step that fails only raises, as the program ends this
-- process, and with it all ranks.
-- @return whether there are several ranks
function mpi.supervise()
  world.is_supervised = world.join().size > 1
  return world.is_supervised
end

--- Training steps on parts of batches: see mapgrad.mpi.trainer.
mpi.trainer = require "mapgrad.mpi.trainer"

return mpi
