--- Slurm: a batch script for an array of tasks, each of which does a part of the runs of a plan.
--
-- Two minutes before a task's time is over Slurm sends USR1 to its shell, which hands it on to mapgrad; mapgrad saves
-- its runs and ends with 75; the shell asks Slurm to queue the task again, and the runs go on from their checkpoints.
-- @module mapgrad.experiment.slurm
local engine = require "mapgrad.experiment.engine"
local shell = require "mapgrad.experiment.shell"

local slurm = {}

local MOST_TASKS = 1000 -- Slurm's MaxArraySize is 1001 unless the site says else: the ids end at 1000
local RUNS = 4          -- of a task: a task a run would be hard on Slurm's scheduler

local SCRIPT = [[
#!/bin/sh
#SBATCH --job-name=%s
#SBATCH --array=1-%d
#SBATCH --output=%s
#SBATCH --open-mode=append
#SBATCH --chdir=%s
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
%s
# Made by: %s
# Task i of %d does the runs i, i + %d, ... of the plan. Some of them again: sbatch --array=3,7 THIS-FILE
%s
# Before the time limit mapgrad saves its runs and ends with 75: the task is queued again and goes on.
process= is_asked= is_cancelled=
ask() {
  [ -n "$is_asked" ] || [ -z "$process" ] || kill -USR1 "$process"
  is_asked=1 is_interrupted=1
}
trap ask USR1
trap 'is_cancelled=1; ask' TERM

%s \
  --shard "$SLURM_ARRAY_TASK_ID/%d" &
process=$!
[ -z "$is_asked" ] || kill -USR1 "$process"
while is_interrupted=; wait "$process"; code=$?; [ -n "$is_interrupted" ] && [ "$code" -gt 128 ]; do :; done
[ "$code" = 138 ] && code=75 # it was asked before it could hear
if [ "$code" = 75 ] && [ -z "$is_cancelled" ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" || echo "this task could not be queued again" >&2
fi
exit "$code"
]]

--- How many tasks a number of runs is split into unless the user says it.
function slurm.tasks(runs)
  return math.max(1, math.min(math.ceil(runs / RUNS), MOST_TASKS))
end

local function exports(getenv)
  local lines = {}
  for i, row in ipairs(engine.handed_on(getenv)) do
    lines[i] = ("export %s=%s\n"):format(row[1], shell.quote(row[2]))
  end
  return table.concat(lines)
end

--- The text of a batch script.
-- @param o.words    the command of a task but for --shard: list
-- @param o.tasks    how many
-- @param o.name     of the job
-- @param o.root     folder of the runs; a task's output goes to slurm-JOB_TASK.log there
-- @param o.folder   where the command was given
-- @param o.options  further options of sbatch, a text; or nil
-- @param o.command  the command that asked for this
-- @param o.getenv   function name -> text or nil (default os.getenv)
function slurm.script(o)
  local output = o.root:gsub("%%", "%%%%") .. "/slurm-%A_%a.log"
  return SCRIPT:format(o.name, o.tasks, shell.quote(output), shell.quote(o.folder),
    o.options and "#SBATCH " .. o.options .. "\n" or "", (o.command:gsub("%c", " ")), o.tasks, o.tasks,
    exports(o.getenv), shell.line(o.words), o.tasks)
end

--- Whether sbatch is there.
function slurm.is_there()
  local pipe = io.popen "command -v sbatch"
  local line = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  return line ~= nil
end

--- Submits a script. What sbatch complains of goes to stderr.
-- @param path  of the script
-- @return number of the job, a text; nil if sbatch refused
function slurm.submit(path)
  local pipe = io.popen("sbatch --parsable " .. shell.quote(path))
  local job = pipe and pipe:read("*a"):match "^(%d+)"
  if pipe then pipe:close() end
  return job
end

return slurm
