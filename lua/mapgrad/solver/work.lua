--- Solver calls of this process that serve training: those of layers and losses, not those of metrics and of a
-- solver that is called by itself.
-- @return {solves = count, seconds = time in solvers}; other modules only read it
return { solves = 0, seconds = 0 }
