--- What recurrent layers share: cells, and running them along time.
--
-- The weights of a cell are `gates` blocks of `hidden` rows; its state is a list of tensors
-- [B, hidden], of which the first is the output.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local dropout = require "mapgrad.nn.dropout"
local initial = require "mapgrad.nn.initial"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"
local weight = require "mapgrad.nn.weight"

local recurrent = {}

-- ------------------------------------------------------------------ kinds

-- rows matrix^T + bias: [B, n] -> [B, m]; the bias may be nil.
local function affine(rows, matrix, bias)
  local y = rows:matmul(matrix, false, true)
  return bias and y + bias or y
end

-- Columns of blocks first..last of x [B, gates * hidden].
local function gates(x, first, last, hidden)
  return x:slice(2, (first - 1) * hidden + 1, last * hidden)
end

-- Each kind: number of gates, names of the states, and advance(cell, x, state) -> next state, where x
-- [B, gates * hidden] is what the input contributes.
local KINDS = {
  gru = { gates = 3, states = { "h" } },
  lstm = { gates = 4, states = { "h", "c" } },
}

function KINDS.gru.advance(cell, x, state)
  local h, hidden = state[1], cell.hidden
  local y = affine(h, cell.weight_state, cell.bias_state)
  local both = (gates(x, 1, 2, hidden) + gates(y, 1, 2, hidden)):sigmoid()
  local reset, update = gates(both, 1, 1, hidden), gates(both, 2, 2, hidden)
  local new = (gates(x, 3, 3, hidden) + reset * gates(y, 3, 3, hidden)):tanh()
  return { new + update * (h - new) }
end

function KINDS.lstm.advance(cell, x, state)
  local hidden = cell.hidden
  local y = x + affine(state[1], cell.weight_state, cell.bias_state)
  local both = gates(y, 1, 2, hidden):sigmoid()
  local input, forget = gates(both, 1, 1, hidden), gates(both, 2, 2, hidden)
  local c = forget * state[2] + input * gates(y, 3, 3, hidden):tanh()
  return { gates(y, 4, 4, hidden):sigmoid() * c:tanh(), c }
end

-- ------------------------------------------------------------------ shapes

-- The list with more entries behind.
local function joined(list, ...)
  local result = {}
  for i, extent in ipairs(list) do result[i] = extent end
  for _, extent in ipairs { ... } do result[#result + 1] = extent end
  return result
end

-- The leading extents of x before its last `trailing` axes, and their product.
local function batch_of(x, trailing)
  local shape, batch, count = x:shape(), {}, 1
  for axis = 1, #shape - trailing do batch[axis], count = shape[axis], count * shape[axis] end
  return batch, count
end

-- Given states, each of an expected shape, in the shape `merged`; zeros for what is nil.
local function begin(name, kind, given, expected, merged)
  local states = {}
  for i, label in ipairs(kind.states) do
    local state = given[i]
    if state == nil then
      states[i] = tensor.zeros(merged)
    else
      check.value(("%s: state %s"):format(name, label), state, check.tensor)
      if show.shape(state:shape()) ~= show.shape(expected) then
        check.fail("MG-SHAPE", "%s: expected a state %s of shape %s, got %s", name, label,
          show.shape(expected), show.shape(state:shape()))
      end
      states[i] = state:reshape(merged)
    end
  end
  return states
end

-- ------------------------------------------------------------------ cells

local function step(self, x, ...)
  local name, kind = "nn." .. self.kind .. "_cell", KINDS[self.kind]
  leading.check_features(name, x, self.weight_input:size(2))
  local batch, count = batch_of(x, 1)
  local shape = joined(batch, self.hidden)
  local state = begin(name, kind, { ... }, shape, { count, self.hidden })
  local rows = affine(x:reshape(count, x:size(-1)), self.weight_input, self.bias_input)
  local after = kind.advance(self, rows, state)
  for i, t in ipairs(after) do after[i] = t:reshape(shape) end
  return compat.unpack(after)
end

local RULES = { bias = check.flag(true), initial = check.optional(weight.option()) }

--- A cell, called as cell(x, states...) -> states...
-- @param kind     "gru" or "lstm"
-- @param inputs   features of x
-- @param hidden   features of each state
-- @param options  { bias = true, initial = law of the weights }
-- @return a module with weight_input [gates hidden, inputs], weight_state [gates hidden, hidden],
--   bias_input and bias_state [gates hidden]
function recurrent.cell(kind, inputs, hidden, options)
  local name = "nn." .. kind .. "_cell"
  inputs = check.value(name .. ": inputs", inputs, check.count())
  hidden = check.value(name .. ": hidden", hidden, check.count())
  local o = check.options(name, options, RULES)
  local rows, bound = KINDS[kind].gates * hidden, 1 / math.sqrt(hidden)
  local function uniform(shape) return initial.uniform(shape, { low = -bound, high = bound }) end
  local law = o.initial or uniform
  local parameters = {
    { "weight_input", weight.draw(name .. ": initial", law, { rows, inputs }) },
    { "weight_state", weight.draw(name .. ": initial", law, { rows, hidden }) },
  }
  if o.bias then
    parameters[3] = { "bias_input", uniform { rows } }
    parameters[4] = { "bias_state", uniform { rows } }
  end
  local self = module {
    title = ("%s_cell %d -> %d"):format(kind, inputs, hidden), parameters = parameters, forward = step,
  }
  self.kind, self.hidden = kind, hidden
  return self
end

-- ------------------------------------------------------------------ sequences

-- Runs a cell over x [T, B, features]; returns the outputs [T, B, hidden] and the last state.
local function run(cell, x, state, reverse)
  local count, batch, advance = x:size(1), x:size(2), KINDS[cell.kind].advance
  local rows = affine(x:reshape(count * batch, x:size(3)), cell.weight_input, cell.bias_input)
  local steps, outputs = leading.unstack(rows:reshape(count, batch, rows:size(2))), {}
  for i = 1, count do
    local t = reverse and count + 1 - i or i
    state = advance(cell, steps[t], state)
    outputs[t] = state[1]
  end
  return tensor.stack(outputs), state
end

-- Entry i of each state [B, n, hidden], as [B, hidden].
local function pick(states, i, shape)
  local result = {}
  for k, state in ipairs(states) do result[k] = state:slice(2, i, i):reshape(shape) end
  return result
end

-- Runs all layers over x [T, B, features]; returns the outputs and, for each state, the list of its
-- last values by layer and direction.
local function run_layers(self, x, states)
  local last, place, shape = {}, 0, { x:size(2), self.hidden }
  for k = 1, #states do last[k] = {} end
  for layer = 1, self.layers do
    if layer > 1 and self.dropout then x = self.dropout(x) end
    local sides = {}
    for side, suffix in ipairs(self.bidirectional and { "", "_reverse" } or { "" }) do
      place = place + 1
      local y, state = run(self["layer" .. layer .. suffix], x, pick(states, place, shape), side == 2)
      sides[side] = y
      for k, t in ipairs(state) do last[k][place] = t:unsqueeze(2) end
    end
    x = #sides == 2 and tensor.concat(sides, 3) or sides[1]
  end
  return x, last
end

local function check_sequence(name, x, inputs)
  check.value(name .. ": input", x, check.tensor)
  local shape = x:shape()
  if #shape < 2 or shape[#shape] ~= inputs or shape[#shape - 1] < 1 then
    check.fail("MG-SHAPE", "%s: expected [batch, time, %d] with a time of 1 or more, got %s", name, inputs,
      show.shape(shape))
  end
end

local function forward(self, x, ...)
  local name, kind = "nn." .. self.kind, KINDS[self.kind]
  check_sequence(name, x, self.inputs)
  local batch, count = batch_of(x, 2)
  local places = self.layers * (self.bidirectional and 2 or 1)
  local shape = joined(batch, places, self.hidden)
  local states = begin(name, kind, { ... }, shape, { count, places, self.hidden })
  local time, features = x:size(-2), x:size(-1)
  local y, last = run_layers(self, x:reshape(count, time, features):permute(2, 1, 3), states)
  local results = { y:permute(2, 1, 3):reshape(joined(batch, time, y:size(3))) }
  for k, list in ipairs(last) do results[k + 1] = tensor.concat(list, 2):reshape(shape) end
  return compat.unpack(results)
end

local function cells(kind, inputs, hidden, o)
  local children, own = {}, { bias = o.bias, initial = o.initial }
  for layer = 1, o.layers do
    local features = layer == 1 and inputs or hidden * (o.bidirectional and 2 or 1)
    for _, suffix in ipairs(o.bidirectional and { "", "_reverse" } or { "" }) do
      local name = ("layer%d%s"):format(layer, suffix)
      children[#children + 1] = { name, recurrent.cell(kind, features, hidden, own) }
    end
  end
  if o.dropout > 0 then children[#children + 1] = { "dropout", dropout(o.dropout) } end
  return children
end

--- A recurrent layer, called as layer(x, states...) -> y, states...
-- @param kind     "gru" or "lstm"
-- @param inputs   features of x
-- @param hidden   features of each state
-- @param options  { layers = 1, bidirectional = false, dropout = 0, bias = true, initial = law }
-- @return a module whose children are its cells: layer1, layer1_reverse, layer2, ...
function recurrent.layer(kind, inputs, hidden, options)
  local name = "nn." .. kind
  inputs = check.value(name .. ": inputs", inputs, check.count())
  hidden = check.value(name .. ": hidden", hidden, check.count())
  local o = check.options(name, options, {
    layers = check.count(1), bidirectional = check.flag(false), dropout = check.not_negative(0),
    bias = RULES.bias, initial = RULES.initial,
  })
  local self = module {
    title = ("%s %d -> %d%s"):format(kind, inputs, hidden, o.bidirectional and ", both directions" or ""),
    children = cells(kind, inputs, hidden, o), forward = forward,
  }
  self.kind, self.inputs, self.hidden = kind, inputs, hidden
  self.layers, self.bidirectional = o.layers, o.bidirectional
  return self
end

return recurrent
