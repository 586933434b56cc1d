--- What the environment says when another program shares out the work: Slurm, GNU parallel.
-- @module mapgrad.experiment.engine
local engine = {}

--- The shard that a task of a Slurm array does.
-- @param getenv  function name -> text or nil (default os.getenv)
-- @return {index, count}; nil outside an array; or nil and a message where the ids do not count tasks
function engine.shard(getenv)
  getenv = getenv or os.getenv
  local function number(name) return tonumber(getenv("SLURM_ARRAY_TASK_" .. name)) end
  local id, first, last, count = number "ID", number "MIN", number "MAX", number "COUNT"
  if not (id and first and count) then return nil end
  local step = number "STEP" or 1
  local index = (id - first) / step + 1
  if index ~= math.floor(index) or index > count or (last and first + (count - 1) * step ~= last) then
    return nil, ("the ids of this Slurm array are not first, first + step, ...: which of %.0f tasks %.0f is cannot be"
      .. " told; give --shard i/n"):format(count, id)
  end
  return { index, count }
end

--- The processors that this process may use: fewer than the machine's where Slurm or GNU parallel divides it.
-- @param all     processors of the machine
-- @param getenv  function name -> text or nil (default os.getenv)
function engine.processors(all, getenv)
  getenv = getenv or os.getenv
  local given = tonumber(getenv "SLURM_CPUS_PER_TASK" or getenv "SLURM_CPUS_ON_NODE")
  if given and given >= 1 then return math.min(given, all) end
  if getenv "PARALLEL_SEQ" then return 1 end -- it runs a job a processor
  return all
end

-- What a shell that is not the user's has to know to find the modules and the data.
local HANDED_ON = { "LUA_PATH", "LUA_CPATH", "MAPGRAD_REAL", "MAPGRAD_DATA" }

--- The variables that a command for another program takes along.
-- @param getenv  function name -> text or nil (default os.getenv)
-- @return list of {name, value}
function engine.handed_on(getenv)
  local list = {}
  for _, name in ipairs(HANDED_ON) do
    local value = (getenv or os.getenv)(name)
    if value then list[#list + 1] = { name, value } end
  end
  return list
end

--- Whether Slurm has started this task before: what was done then is not to be done again.
-- @param getenv  function name -> text or nil (default os.getenv)
function engine.is_restart(getenv)
  return (tonumber((getenv or os.getenv) "SLURM_RESTART_COUNT") or 0) > 0
end

return engine
