--- The rules table: one row an operation, with its forward function, its vjp and a sample for the check.
--
-- forward(a, b, c, o) and vjp(dy, y, a, b, c, o, want_a, want_b, want_c, owned) work on handles; rules of one
-- or two inputs leave the others out of forward. o is the rule's option. vjp returns a gradient for each
-- wanted input, which may be dy itself; where owned it may write into dy. shares: the result of vjp shares
-- storage with dy. A row is installed as a tensor method
-- of its name. sample() lists {inputs, option} with inputs as tensors: every row is checked at each of
-- them against central differences in double.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local rules = {}

local function add(row)
  rules[#rules + 1] = row
  rules[row.name] = row
  return row
end

-- Fixed inputs for the checks: away from the kinks of abs, relu, max.
local function sample(shape, low, high, salt)
  local t, count = tensor.new(shape), 1
  for _, extent in ipairs(shape) do count = count * extent end
  local list = {}
  for i = 1, count do
    local u = (i * 0.6180339887498949 + (salt or 0) * 0.41421356) % 1
    list[i] = low + (high - low) * u + (u < 0.5 and -1 or 1) * 0.01
  end
  core.write(t.handle, 0, list)
  return t
end

for _, topic in ipairs {
  "elementwise", "reduce", "softmax", "index", "sort", "matmul", "image", "norm", "loss",
} do
  require("mapgrad.autograd.rules." .. topic)(add, sample)
end

return rules
