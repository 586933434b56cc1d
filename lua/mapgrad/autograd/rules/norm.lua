--- Rows of layer and group normalisation and of dropout.
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  -- Two rows: `name` of x, gain and bias (or nil), name .. "_plain" of x alone. o = {number, epsilon}: of axes,
  -- of groups.
  local function pair(name, cases)
    local forward, vjp = core[name], core[name .. "_vjp"]
    local function samples(is_weighted)
      local list = {}
      for _, case in ipairs(cases) do
        local shape, weight, number, has_bias = case[1], case[2], case[3], case[4]
        local inputs = { sample(shape, -1, 1) }
        if is_weighted then inputs[2] = sample(weight, 0.5, 1.5, 1) end
        if is_weighted and has_bias then inputs[3] = sample(weight, -1, 1, 2) end
        list[#list + 1] = { inputs, { number, 1e-3 } }
      end
      return list
    end
    add {
      name = name, inputs = 3,
      forward = function(x, gain, bias, o) return forward(x, gain, bias, o[1], o[2]) end,
      vjp = function(dy, _, x, gain, _, o) return vjp(x, gain, dy, o[1], o[2]) end,
      sample = function() return samples(true) end,
    }
    add {
      name = name .. "_plain", inputs = 1,
      forward = function(x, o) return forward(x, nil, nil, o[1], o[2]) end,
      vjp = function(dy, _, x, _, _, o) return vjp(x, nil, dy, o[1], o[2]) end,
      sample = function() return samples(false) end,
    }
  end

  -- shape of x, of gain and bias, number, whether there is a bias
  pair("layer_norm", {
    { { 5, 4 }, { 4 }, 1, true }, { { 2, 3, 4 }, { 3, 4 }, 2, true }, { { 2, 3, 9 }, { 9 }, 1, false },
    { { 6 }, { 6 }, 1, true }, { { 3, 1 }, { 1 }, 1, true }, { { 0, 4 }, { 4 }, 1, true }, { { 2, 0 }, { 0 }, 1, true },
  })
  pair("group_norm", {
    { { 2, 4, 3, 2 }, { 4 }, 2, true }, { { 3, 6 }, { 6 }, 2, true }, { { 2, 3, 5 }, { 3 }, 1, false },
    { { 2, 3, 5 }, { 3 }, 3, true }, { { 1, 2, 1 }, { 2 }, 1, true }, { { 0, 4, 2 }, { 4 }, 2, true },
    { { 2, 0 }, { 0 }, 1, true },
  })

  --- o = {rate, draw}
  local function dropout(t, o)
    local draw = o[2]
    return core.dropout(t, o[1], draw.seed, draw.stream, draw.index, random.first(draw, core.size(t)))
  end
  add {
    name = "dropout", inputs = 1, forward = dropout,
    vjp = function(dy, _, _, _, _, o) return dropout(dy, o) end,
    sample = function()
      local draw = { seed = 7, stream = "dropout", index = 3 }
      return { { { sample({ 3, 50 }, -2, 2) }, { 0.4, draw } }, { { sample({ 1 }, -2, 2) }, { 0, draw } },
        { { sample({}, -2, 2) }, { 0.5, draw } }, { { tensor.new(0, 2) }, { 0.5, draw } } }
    end,
  }
end
