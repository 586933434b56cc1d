-- Attention: values and gradients of PyTorch, masks, shapes, messages.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, nn, random, tensor = mg.autograd, mg.nn, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

local PRECISION = is_double and 1e-11 or 1e-5

-- Entries sin(k + 1) / 2, sin(k + 2) / 2, ... of a shape.
local function waves(k, ...)
  local t, list = tensor.new(...), {}
  for i = 1, t:count() do list[i] = math.sin(k + i) / 2 end
  return tensor(list):reshape(...)
end

-- PyTorch 2: torch.nn.MultiheadAttention(4, 2, batch_first=True) in double, in_proj_weight, in_proj_bias,
-- out_proj.weight and out_proj.bias (k from 1) 0.5 sin(k + i), i = 1, 2, ...; queries [2, 2, 4] 0.5 sin(i),
-- keys [2, 3, 4] 0.5 sin(1 + i), values [2, 3, 4] 0.5 sin(2 + i); mask {{1, 0, 1}, {0, 1, 1}}.
local GOLDEN = {
  y = {
    -0.08763795275208, -0.7208766653169, 0.6964238242394, 0.5948571585115, -0.0150902891996, -0.7620196452877,
    0.6776618534894, 0.6605274234735, -0.05649865954523, -0.7451660798122, 0.6970377727113, 0.6183439660024,
    -0.05564786575721, -0.7266012843904, 0.671917458723, 0.6326186365656,
  },
  weights = {
    0.2715710123116, 0.4143056088578, 0.3141233788306, 0.3934958816886, 0.2902266680442, 0.3162774502672,
    0.221493630035, 0.3189551144289, 0.4595512555361, 0.4094690751954, 0.2819170556774, 0.3086138691272,
    0.2960312596021, 0.4591620100128, 0.2448067303852, 0.3218401882697, 0.3619571872579, 0.3162026244724,
    0.2901242558365, 0.357959579905, 0.3519161642585, 0.2274414488025, 0.3906217354456, 0.3819368157519,
  },
  masked = {
    -0.06010081049351, -0.7603551143282, 0.7204963546964, 0.6028658955802, -0.07176955101469, -0.74831578399,
    0.7164262322676, 0.5961473843655, -0.01007364534579, -0.7527020873092, 0.6604644849663, 0.6736917659565,
    -0.07529407325795, -0.761338648947, 0.7369753797198, 0.5823066110298,
  },
  -- the gradient of the sum of the outputs where queries, keys and values are the queries
  gradient = {
    -0.009464519198971, -0.1862755796328, -0.191825731206, -0.02101219015817, 0.08129209209848,
    -0.06065694269565, -0.1468382641092, -0.09801716268013, 0.1087226649854, 0.000206842118306, -0.1084991504384,
    -0.1174515244515, 0.0273522065616, -0.1145879142055, -0.1511764351013, -0.04877403875082,
  },
  -- kdim=3, vdim=2: q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, out_proj.weight,
  -- out_proj.bias (k from 1); keys [2, 3, 3], values [2, 3, 2]
  others = {
    0.5744984635203, 0.08849776901391, 0.4910497807609, -0.2383936956703, 0.5913719652604, 0.06263560559856,
    0.5079855552972, -0.2346714542351, 0.5875192627131, 0.07192375542471, 0.4996959780775, -0.2331227455226,
    0.5886298366405, 0.07032960412987, 0.5006694177992, -0.2328011595565,
  },
}

local MASK = tensor { { 1, 0, 1 }, { 0, 1, 1 } }

-- The layer with PyTorch's joint weight and bias.
local function make()
  local layer = nn.multi_head_attention(4, 2)
  local weight, bias = waves(1, 12, 4), waves(2, 12)
  for i, name in ipairs { "query", "key", "value" } do
    layer[name].weight:copy_(weight:rows(4 * i - 3, 4 * i))
    layer[name].bias:copy_(bias:rows(4 * i - 3, 4 * i))
  end
  layer.output.weight:copy_(waves(3, 4, 4))
  layer.output.bias:copy_(waves(4, 4))
  return layer
end

describe("multi_head_attention", function()
  local queries, keys, values = waves(0, 2, 2, 4), waves(1, 2, 3, 4), waves(2, 2, 3, 4)

  before_each(function() random.seed(1) end)

  it("computes what PyTorch computes", function()
    local y, weights = make()(queries, keys, values)
    assert.same({ 2, 2, 4 }, y:shape())
    assert.same({ 2, 2, 2, 3 }, weights:shape())
    assert_near(GOLDEN.y, y:to_list(), PRECISION)
    assert_near(GOLDEN.weights, weights:to_list(), PRECISION)
  end)

  it("looks only where the mask is 1", function()
    local y, weights = make()(queries, keys, values, MASK)
    assert_near(GOLDEN.masked, y:to_list(), PRECISION)
    assert.equal(0, weights:get(1, 1, 1, 2))
    assert.equal(0, weights:get(2, 2, 2, 1))
    local twice = tensor.stack { MASK, MASK }
    assert.is_true(y:equals((make()(queries, keys, values, twice))))
    local first = make()(queries, keys, values, tensor.stack { MASK, tensor.ones(2, 3) })
    assert_near(y[1]:to_list(), first[1]:to_list())
    assert.is_false(y[2]:equals(first[2]))
  end)

  it("stays finite where a query may look nowhere", function()
    local _, weights = make()(queries, keys, values, tensor.zeros(2, 3))
    assert_near({ 1, 1, 1, 1, 1, 1, 1, 1 }, weights:sum(-1):to_list(), 1e-5)
  end)

  it("attends to its queries if there is nothing else, with PyTorch's gradient", function()
    local layer, x = make(), waves(0, 2, 2, 4):watch()
    layer(x):sum():backward()
    assert_near(GOLDEN.gradient, x.grad:to_list(), PRECISION)
    assert.is_true(layer(x):equals((layer(x, x, x))))
  end)

  it("takes keys and values of other sizes", function()
    local layer = nn.multi_head_attention(4, 2, { keys = 3, values = 2 })
    local bias = waves(4, 12)
    for i, name in ipairs { "query", "key", "value" } do
      layer[name].weight:copy_(waves(i, layer[name].weight:shape()))
      layer[name].bias:copy_(bias:rows(4 * i - 3, 4 * i))
    end
    layer.output.weight:copy_(waves(5, 4, 4))
    layer.output.bias:copy_(waves(6, 4))
    assert_near(GOLDEN.others, layer(queries, waves(1, 2, 3, 3), waves(2, 2, 3, 2)):to_list(), PRECISION)
  end)

  it("has gradients that equal central differences", function()
    if not is_double then return end
    local layer = nn.multi_head_attention(4, 2, { keys = 3, values = 2 })
    local inputs = { tensor.normal(2, 2, 4), tensor.normal(2, 3, 3), tensor.normal(2, 3, 2) }
    for _, parameter in ipairs(layer:parameters()) do inputs[#inputs + 1] = parameter end
    assert.equal(3 + 8, #inputs)
    local err = autograd.check(function(list)
      local y, weights = layer(list[1], list[2], list[3], MASK)
      return tensor.concat({ y:reshape(-1), weights:reshape(-1) }, 1)
    end, inputs)
    assert.truthy(err < 1e-6)
  end)

  it("takes any number of leading axes", function()
    local layer, x = nn.multi_head_attention(4, 2), tensor.normal(2, 3, 5, 4)
    local y, weights = layer(x)
    assert.same({ 2, 3, 5, 4 }, y:shape())
    assert.same({ 2, 3, 2, 5, 5 }, weights:shape())
    local single, alone = layer(x[2][3])
    assert.same({ 5, 4 }, single:shape())
    assert.same({ 2, 5, 5 }, alone:shape())
    assert_near(y[2][3]:to_list(), single:to_list())
    assert.same({ 0, 5, 4 }, layer(tensor.zeros(0, 5, 4)):shape())
  end)

  it("has PyTorch's parameters and first values", function()
    local layer = nn.multi_head_attention(96, 4)
    assert.equal(4 * 96 * 96 + 4 * 96, layer:count())
    for _, name in ipairs { "query", "key", "value" } do
      local largest = layer[name].weight:abs():max():item()
      assert.truthy(largest <= 0.125 and largest > 0.124) -- sqrt(6 / (4 * 96))
      assert.equal(0, layer[name].bias:abs():max():item())
    end
    assert.equal(4, #nn.multi_head_attention(4, 2, { bias = false }):parameters())
  end)

  it("drops weights in training only", function()
    local layer, x = nn.multi_head_attention(4, 2, { dropout = 0.5 }), tensor.normal(1, 6, 4)
    assert.is_false(layer(x):equals((layer(x))))
    assert.is_true(layer:evaluate(x):equals(layer:evaluate(x)))
  end)

  it("says what is wrong", function()
    local layer = nn.multi_head_attention(4, 2)
    assert_fails("MG-ARGUMENT", "4 features do not split into 3 heads", nn.multi_head_attention, 4, 3)
    assert_fails("MG-SHAPE", "expected queries [batch, n, 4], got 2x3", layer, tensor.zeros(2, 3))
    assert_fails("MG-SHAPE", "expected keys [2, n, 4], got 3x3x4", layer, queries, tensor.zeros(3, 3, 4))
    assert_fails("MG-SHAPE", "3 keys, but 2 values", layer, queries, keys, queries)
    assert_fails("MG-SHAPE", "expected a mask 2x3 or 2x2x3, got 3x2", layer, queries, keys, values, tensor.ones(3, 2))
  end)
end)
