--- Largest entry of each window: x [batch..., C, L] -> y [batch..., C, l],
-- l = floor((L + 2 pad - kernel) / stride) + 1. Cells outside the sequence do not count; of equal
-- entries the first gets the gradient.
-- @param kernel          size of the window
-- @param options.stride  step of the window (default kernel)
-- @param options.pad     cells added on each side, at most half of the kernel (default 0)
-- @return a module
return require "mapgrad.nn.pool".windows("max_pool1d", 1)
