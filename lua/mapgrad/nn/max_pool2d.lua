--- Largest entry of each window: x [batch..., C, H, W] -> y [batch..., C, h, w],
-- h = floor((H + 2 pad - kernel) / stride) + 1. Cells outside the image do not count; of equal
-- entries the first gets the gradient.
-- @param kernel          size of the window, a number or {vertical, horizontal}
-- @param options.stride  step of the window, a number or {vertical, horizontal} (default kernel)
-- @param options.pad     cells added on each side, at most half of the kernel (default 0)
-- @return a module
return require "mapgrad.nn.pool".windows("max_pool2d", 2)
