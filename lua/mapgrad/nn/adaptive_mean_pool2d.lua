--- Images of any size to height x width, each cell the mean of its window:
-- x [batch..., C, H, W] -> y [batch..., C, height, width]; row i covers the rows floor(i H /
-- height) to ceil((i + 1) H / height) - 1, counted from 0.
-- @param height  of y
-- @param width   of y
-- @return a module
return require "mapgrad.nn.pool".adaptive("mean", 2)
