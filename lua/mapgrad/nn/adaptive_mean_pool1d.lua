--- Sequences of any length to a fixed one, each cell the mean of its window:
-- x [batch..., C, L] -> y [batch..., C, length]; cell i covers the cells floor(i L / length) to
-- ceil((i + 1) L / length) - 1, counted from 0.
-- @param length  of y; 1 pools all
-- @return a module
return require "mapgrad.nn.pool".adaptive("mean", 1)
