--- The processes that mpirun started together: loading Open MPI and starting it, at the first question.
-- @module mapgrad.mpi.world
local check = require "mapgrad.check"
local checkpoint = require "mapgrad.checkpoint"
local core = require "mapgrad.real"
local progress = require "mapgrad.progress"

local world = {}

-- What launchers set in the processes that they start: Open MPI's mpirun, Slurm's srun (PMIx or PMI).
local MARKS = { "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK" }

-- Whether something above the script notes what it raises and ends this process; else a step that fails ends it.
world.is_supervised = false

local joined -- {rank =, size =, library = the C module, nil without a launcher}

--- The C module; nil and a message where it was not built.
function world.library()
  local ok, library = pcall(require, "mapgrad.mpi_module")
  if not ok then return nil, library end
  return library
end

--- Whether a launcher started this process together with others.
function world.is_launched()
  if os.getenv "OMPI_COMM_WORLD_SIZE" == "1" then return false end
  for _, name in ipairs(MARKS) do
    if os.getenv(name) then return true end
  end
  return false
end

local function start()
  local library = world.library()
  if not library then
    check.fail("MG-MPI", "mpi: a launcher started this process, but mapgrad was built without Open MPI;"
      .. " install libopenmpi-dev and openmpi-bin, and rebuild")
  end
  local rank, size, threads, processors = library.start()
  if not rank then check.fail("MG-MPI", "mpi: %s", size) end
  local expected = tonumber(os.getenv "PMI_SIZE")
  if size == 1 and expected and expected > 1 then
    check.fail("MG-MPI", "mpi: a launcher started %d processes, which %s does not join; use its own mpirun, or srun"
      .. " --mpi=pmix", expected, library.version())
  end
  -- threads that were chosen stay
  if core.threads() == processors then core.threads_set(threads) end
  if rank > 0 then
    progress.silence()
    checkpoint.withhold()
  end
  return { rank = rank, size = size, library = library }
end

--- This process among its like, Open MPI started where a launcher did start us; a rank 0 of 1 by itself.
-- @return {rank = from 0, size =, library = nil for one process}
function world.join()
  if not joined then joined = world.is_launched() and start() or { rank = 0, size = 1 } end
  return joined
end

return world
