--- How a run ended, for the commands that do runs: in words and as an exit code.
-- @module mapgrad.cli.outcome
local failure = require "mapgrad.failure"

local outcome = {}

--- Shows what ended a run, at least the file it is in (a tail call leaves no line).
function outcome.explain(caught, path)
  require("mapgrad.progress").break_line()
  io.stdout:flush()
  if failure.is_interrupt(caught) then
    io.stderr:write "interrupted\n"
  elseif caught.code == "MG-STOPPED" then
    io.stderr:write("stopped: ", caught.message, "\n")
  else
    caught.place = caught.place or path
    io.stderr:write(failure.text(caught), "\n")
  end
end

--- The exit code for a state that experiment.work returned.
function outcome.code_of(state, caught, codes)
  if state == "finished" then return codes.ok end
  if state == "running" then return codes.again end
  if state == "unsaved" then return codes.unwritten end
  if state == "cut" then return failure.is_interrupt(caught) and codes.interrupted or codes.again end
  return codes.failed
end

return outcome
