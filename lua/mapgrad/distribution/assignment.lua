--- Assignments of rows to columns, each of the smaller side matched, by a recurrence over the sets of the larger one
-- that are taken: A is the logarithm of a permanent. O(m 2^m) time and memory, m the larger side, up to 18.
-- @function assignment
-- @param options.rows         what is assigned
-- @param options.cols         what it goes to; theta [rows, cols]
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.assignment { rows = 5, cols = 5 }:marginals(tensor.normal(5, 5))
return require("mapgrad.distribution.law").of_solver("assignment", { "rows", "cols" })
