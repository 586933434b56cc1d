-- Layers: shapes and values against closed forms, gradients against differences, messages.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, nn, random, tensor = mg.autograd, mg.nn, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

-- Every layer: how to make it, an input, the shape of the output. A layer without a row fails below.
local SAMPLES = {
  module = {
    make = function() return nn.module { forward = function(_, x) return x * 2 end } end,
    input = { 2, 3 }, output = { 2, 3 },
  },
  sequential = {
    make = function() return nn.sequential { nn.linear(3, 5), nn.tanh(), nn.linear(5, 2) } end,
    input = { 4, 3 }, output = { 4, 2 },
  },
  residual = { make = function() return nn.residual(nn.linear(3, 3)) end, input = { 2, 3 }, output = { 2, 3 } },
  lambda = {
    make = function() return nn.lambda(function(x) return x:sum(-1) end) end,
    input = { 2, 3 }, output = { 2 },
  },
  linear = { make = function() return nn.linear(3, 4) end, input = { 5, 2, 3 }, output = { 5, 2, 4 } },
  conv1d = {
    make = function() return nn.conv1d { 4, 6, kernel = 3, stride = 2, pad = 2, dilation = 2, groups = 2 } end,
    input = { 2, 2, 4, 7 }, output = { 2, 2, 6, 4 },
  },
  conv2d = {
    make = function()
      return nn.conv2d { 2, 4, kernel = { 3, 2 }, stride = { 2, 1 }, pad = { 1, 0 }, dilation = { 1, 2 }, groups = 2 }
    end,
    input = { 2, 2, 5, 7 }, output = { 2, 4, 3, 5 },
  },
  embedding = {
    make = function() return nn.embedding(5, 3) end,
    input = { 2, 2 }, indices = { 5, 1, 2, 5 }, output = { 2, 2, 3 },
  },
  batch_norm = { make = function() return nn.batch_norm(3) end, input = { 4, 3, 2, 2 }, output = { 4, 3, 2, 2 } },
  layer_norm = { make = function() return nn.layer_norm { 3, 2 } end, input = { 4, 3, 2 }, output = { 4, 3, 2 } },
  group_norm = { make = function() return nn.group_norm(2, 4) end, input = { 2, 4, 3 }, output = { 2, 4, 3 } },
  normalise = {
    make = function() return nn.normalise { mean = { 1, 2 }, deviation = { 2, 4 } } end,
    input = { 3, 2, 2, 2 }, output = { 3, 2, 2, 2 },
  },
  abs = { make = function() return nn.abs() end, input = { 2, 3 }, output = { 2, 3 } },
  relu = { make = function() return nn.relu() end, input = { 2, 3 }, output = { 2, 3 } },
  sigmoid = { make = function() return nn.sigmoid() end, input = { 2, 3 }, output = { 2, 3 } },
  softplus = { make = function() return nn.softplus() end, input = { 2, 3 }, output = { 2, 3 } },
  softmax = { make = function() return nn.softmax() end, input = { 2, 3 }, output = { 2, 3 } },
  log_softmax = { make = function() return nn.log_softmax(1) end, input = { 2, 3 }, output = { 2, 3 } },
  leaky_relu = { make = function() return nn.leaky_relu(0.2) end, input = { 2, 3 }, output = { 2, 3 } },
  elu = { make = function() return nn.elu() end, input = { 2, 3 }, output = { 2, 3 } },
  gelu = { make = function() return nn.gelu() end, input = { 2, 3 }, output = { 2, 3 } },
  clamp = { make = function() return nn.clamp(-1, 1) end, input = { 2, 3 }, output = { 2, 3 } },
  tanh = { make = function() return nn.tanh() end, input = { 2, 3 }, output = { 2, 3 } },
  max_pool2d = { make = function() return nn.max_pool2d(2) end, input = { 3, 2, 1, 5, 4 }, output = { 3, 2, 1, 2, 2 } },
  max_pool1d = {
    make = function() return nn.max_pool1d(3, { stride = 2, pad = 1 }) end, input = { 2, 3, 6 }, output = { 2, 3, 3 },
  },
  mean_pool1d = { make = function() return nn.mean_pool1d(2) end, input = { 2, 2, 3, 6 }, output = { 2, 2, 3, 3 } },
  mean_pool2d = {
    make = function() return nn.mean_pool2d({ 2, 3 }, { stride = 1 }) end,
    input = { 3, 2, 4, 4 }, output = { 3, 2, 3, 2 },
  },
  adaptive_max_pool1d = {
    make = function() return nn.adaptive_max_pool1d(3) end, input = { 2, 2, 7 }, output = { 2, 2, 3 },
  },
  adaptive_mean_pool1d = {
    make = function() return nn.adaptive_mean_pool1d(3) end, input = { 2, 7 }, output = { 2, 3 },
  },
  adaptive_max_pool2d = {
    make = function() return nn.adaptive_max_pool2d(3, 2) end, input = { 2, 2, 7, 5 }, output = { 2, 2, 3, 2 },
  },
  adaptive_mean_pool2d = {
    make = function() return nn.adaptive_mean_pool2d(3, 2) end, input = { 2, 7, 5 }, output = { 2, 3, 2 },
  },
  channel_mean = { make = function() return nn.channel_mean() end, input = { 2, 3, 4, 5 }, output = { 2, 4, 5 } },
  reshape = { make = function() return nn.reshape(3, 4) end, input = { 2, 1, 12 }, output = { 2, 3, 4 } },
  parallel = {
    make = function() return nn.parallel { nn.linear(3, 2), nn.linear(3, 4) } end,
    input = { 5, 3 }, output = { 5, 6 },
  },
  flatten = { make = function() return nn.flatten() end, input = { 2, 3, 4 }, output = { 2, 12 } },
  dropout = { make = function() return nn.dropout(0) end, input = { 2, 3 }, output = { 2, 3 } },
  gru = { make = function() return nn.gru(2, 3) end, input = { 2, 4, 2 }, output = { 2, 4, 3 } },
  gru_cell = { make = function() return nn.gru_cell(2, 3) end, input = { 4, 2 }, output = { 4, 3 } },
  lstm = { make = function() return nn.lstm(2, 3) end, input = { 2, 4, 2 }, output = { 2, 4, 3 } },
  lstm_cell = { make = function() return nn.lstm_cell(2, 3) end, input = { 4, 2 }, output = { 4, 3 } },
  multi_head_attention = {
    make = function() return nn.multi_head_attention(4, 2) end, input = { 2, 3, 4 }, output = { 2, 3, 4 },
  },
  l2x_selector = {
    make = function() return nn.l2x_selector { features = 4 } end,
    input = { 2, 5, 4 }, output = { 2, 5 }, large = true,
  },
  l2x_predictor = {
    make = function()
      return nn.module {
        children = { { "predictor", nn.l2x_predictor { k = 5, features = 4 } } },
        forward = function(self, x) return self.predictor(x, tensor.ones(2, 5)) end,
      }
    end,
    input = { 2, 5, 4 }, output = { 2 }, large = true,
  },
  resnet18 = {
    make = function() return nn.resnet18 { classes = 5 } end,
    input = { 2, 3, 32, 32 }, output = { 2, 5 }, large = true,
  },
  dvae_encoder = {
    make = function() return nn.dvae_encoder { pixels = 16 } end,
    input = { 2, 4, 4 }, output = { 2, 20, 20 }, large = true,
  },
  dvae_decoder = {
    make = function() return nn.dvae_decoder { pixels = 16 } end,
    input = { 3, 2, 20, 20 }, output = { 3, 2, 16 }, large = true,
  },
  combresnet18 = {
    make = function() return nn.combresnet18 { rows = 3, cols = 4 } end,
    input = { 2, 3, 24, 32 }, output = { 2, 3, 4 }, large = true,
  },
}

local constructors = {}
for _, name in ipairs(getmetatable(nn).names) do
  if name ~= "initial" then constructors[#constructors + 1] = name end -- laws: nn_module_spec
end

for _, name in ipairs(constructors) do
  describe("nn." .. name, function()
    local sample = SAMPLES[name]

    -- sharp in double only; large networks are made of the other layers and too slow for differences
    local check_gradients = is_double and sample and not sample.large and it or function() end

    local function input()
      if sample.indices then return tensor(sample.indices):reshape(sample.input) end
      return tensor.normal(sample.input)
    end

    before_each(function() random.seed(1) end)

    it("maps its sample to the expected shape, in both modes", function()
      assert.truthy(sample, "no sample for nn." .. name)
      local layer, x = sample.make(), input()
      assert.same(sample.output, layer(x):shape())
      assert.same(sample.output, layer:evaluate(x):shape())
    end)

    check_gradients("has gradients that equal central differences", function()
      local layer, x = sample.make(), input()
      local inputs = { not sample.indices and x or nil }
      for _, parameter in ipairs(layer:parameters()) do inputs[#inputs + 1] = parameter end
      local err, place = autograd.check(function() return (layer(x)) end, inputs)
      assert.truthy(err < 1e-6, place and ("input %d, entry %d: expected %g, got %g"):format(place.input, place.entry,
        place.expected, place.got))
    end)

    it("prints and gives its state back", function()
      local a, b = sample.make(), sample.make()
      assert.is_string(tostring(a))
      b:load_state(a:state())
      local x = input()
      assert.is_true(a:evaluate(x):equals(b:evaluate(x)))
    end)
  end)
end

describe("linear", function()
  it("computes x W^T + b", function()
    local layer = nn.linear(2, 3)
    layer.weight:copy_(tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } })
    layer.bias:copy_(tensor { 10, 20, 30 })
    assert.same({ { 13, 27, 41 }, { 12, 24, 36 } }, layer(tensor { { 1, 1 }, { 0, 1 } }):to_table())
    assert.same({ 13, 27, 41 }, layer(tensor { 1, 1 }):to_table())
  end)

  it("starts uniform on +-1/sqrt(inputs), from the stream 'init'", function()
    random.seed(7)
    local a = nn.linear(100, 50)
    random.seed(7)
    tensor.normal(3)                                     -- the stream "data" does not matter
    local b = nn.linear(100, 50)
    assert.is_true(a.weight:equals(b.weight))
    assert.is_true(a.bias:equals(b.bias))
    local largest, sum = 0, 0
    for _, value in ipairs(a.weight:to_list()) do
      largest, sum = math.max(largest, math.abs(value)), sum + value * value
    end
    assert.truthy(largest <= 0.1 and largest > 0.099)
    -- variance 1/300; the standard error of the mean square is 0.0000422 (n = 5000): 6 of them
    assert.truthy(math.abs(sum / 5000 - 1 / 300) < 6 * 0.0000422)
  end)

  it("may do without bias", function()
    local layer = nn.linear(2, 3, { bias = false })
    assert.is_nil(layer.bias)
    assert.same({ layer.weight }, layer:parameters())
  end)

  it("refuses a wrong number of features and unknown options", function()
    assert_fails("MG-SHAPE", "expected features [batch, 2], got 4x3", nn.linear(2, 1), tensor.zeros(4, 3))
    assert_fails("MG-OPTION", "did you mean 'bias'?", nn.linear, 2, 1, { bais = true })
    assert_fails("MG-ARGUMENT", "nn.linear: outputs", nn.linear, 2, 0)
  end)
end)

describe("conv2d", function()
  it("is a cross-correlation with zeros around", function()
    local layer = nn.conv2d { 1, 1, kernel = 3, pad = 1 }
    layer.weight:fill_(1)
    layer.bias:fill_(0.5)
    local y = layer(tensor.ones(1, 1, 3, 3)):reshape(3, 3)
    assert.same({ { 4.5, 6.5, 4.5 }, { 6.5, 9.5, 6.5 }, { 4.5, 6.5, 4.5 } }, y:to_table())
  end)

  it("starts with the variance of its law", function()
    random.seed(3)
    local function fan_out(shape) return nn.initial.kaiming_normal(shape, { fan = "out" }) end
    for _, case in ipairs { { nil, 1 / (3 * 8 * 25) }, { fan_out, 2 / (64 * 25) } } do
      local layer = nn.conv2d { 8, 64, kernel = 5, initial = case[1] }
      local sum = 0
      for _, value in ipairs(layer.weight:to_list()) do sum = sum + value * value end
      -- n = 12800: relative standard error of a mean square at most sqrt(2 / n) = 0.0125; 6 of them
      assert.truthy(math.abs(sum / 12800 / case[2] - 1) < 0.075)
    end
  end)

  it("names what is wrong", function()
    assert_fails("MG-OPTION", "option 'kernel' is missing", nn.conv2d, { 3, 4 })
    assert_fails("MG-OPTION", "option 'outputs' is missing", nn.conv2d, { 3, kernel = 3 })
    assert_fails("MG-OPTION", "did you mean 'stride'?", nn.conv2d, { 3, 4, kernel = 3, strid = 2 })
    assert_fails("MG-TYPE", "expected a table of options", nn.conv2d, 3, 4)
    local layer = nn.conv2d { 3, 4, kernel = 3 }
    assert_fails("MG-SHAPE", "[batch, 3, height, width], got 2x1x5x5", layer, tensor.zeros(2, 1, 5, 5))
  end)
end)

describe("convolutions", function()
  -- Entries sin(k + 1) / 2, sin(k + 2) / 2, ... of a shape.
  local function waves(k, ...)
    local t, list = tensor.new(...), {}
    for i = 1, t:count() do list[i] = math.sin(k + i) / 2 end
    return tensor(list):reshape(...)
  end

  -- PyTorch 2, double: torch.nn.Conv1d and Conv2d with these arguments, weight 0.5 sin(1 + i) and bias
  -- 0.5 sin(2 + i), i = 1, 2, ...; x is 0.5 sin(i).
  local CASES = {
    {
      "conv1d", { 2, 3, kernel = 3, stride = 2, pad = 2, dilation = 2 }, { 2, 2, 5 },
      {
        0.2555641410094, 0.3567750637983, -0.1303687585856, -0.1694922486221, -0.1453213342741, -0.616654682221,
        -0.2632898473426, -0.3180843826153, -0.7360611118432, -0.1474514950209, 0.006453439968094, 0.3052785739047,
        -0.5788395353438, -0.4022789605452, -0.1421988583142, -0.6463604145745, -0.4612089141325, -0.2605916754466,
      },
    },
    {
      "conv1d", { 4, 2, kernel = 3, pad = 1, groups = 2 }, { 1, 4, 4 },
      {
        -0.05070102179294, 0.6245369198467, 0.6090219689108, -0.1506705807332, -0.2142585178353, -0.3661310070664,
        -0.9081340497222, -0.8049713787672,
      },
    },
    {
      "conv2d", { 2, 4, kernel = { 3, 1 }, stride = { 2, 1 }, pad = { 1, 0 }, dilation = { 1, 2 }, groups = 2 },
      { 1, 2, 4, 3 },
      {
        0.2434346062956, 0.2840690900496, 0.1284043047648, 0.02462798571217, 0.07667649199663, 0.1231015274521,
        -0.5614835305875, -0.5994192954458, -0.4341520864412, -0.3322188809512, -0.3818728545022, -0.4283350487271,
        -0.3970161161, -0.2466451037223, -0.3103249983543, -0.5340264005419, -0.5081029270063, -0.4558472435275,
        -0.2263121832128, -0.3735779028028, -0.3058244816255, -0.08876739485663, -0.1107146341995, -0.1593180096728,
      },
    },
  }

  it("compute what PyTorch computes, with stride, pad, dilation and groups", function()
    for _, case in ipairs(CASES) do
      local layer = nn[case[1]](case[2])
      layer.weight:copy_(waves(1, layer.weight:shape()))
      layer.bias:copy_(waves(2, layer.bias:shape()))
      assert_near(case[4], layer(waves(0, case[3])):to_list(), is_double and 1e-11 or 1e-5)
    end
  end)

  it("know their window, and print it", function()
    local layer = nn.conv2d { 4, 6, kernel = { 3, 5 }, pad = { 1, 2 }, groups = 2, dilation = 2 }
    assert.same({ 6, 2, 3, 5 }, layer.weight:shape())
    assert.equal("conv2d 4 -> 6, kernel 3x5, stride 1, pad 1x2, dilation 2, 2 groups (186 parameters)", tostring(layer))
    assert.equal("conv1d 2 -> 3, kernel 3, stride 1, pad 0 (21 parameters)", tostring(nn.conv1d { 2, 3, kernel = 3 }))
    assert.same({ 4, 3, 3 }, nn.conv1d({ 2, 3, kernel = 3 })(tensor.zeros(4, 2, 5)):shape())
  end)

  it("say what is wrong", function()
    assert_fails("MG-ARGUMENT", "4 and 5 channels do not split into 2 groups", nn.conv2d,
      { 4, 5, kernel = 1, groups = 2 })
    assert_fails("MG-ARGUMENT", "kernel: expected an integer from 1, or {vertical, horizontal}", nn.conv2d,
      { 4, 5, kernel = { 1, 2, 3 } })
    assert_fails("MG-ARGUMENT", "kernel: expected an integer from 1, got a table", nn.conv1d,
      { 4, 5, kernel = { 1, 2 } })
    assert_fails("MG-ARGUMENT", "4294967297 is too large", function()
      return tensor.ones(1, 1, 4, 4):conv2d(tensor.ones(1, 1, 3, 3), nil, 2 ^ 32 + 1)
    end)
    assert_fails("MG-ARGUMENT", "pad: expected an integer from 0, or", nn.conv2d, { 4, 5, kernel = 1, pad = { 0, -1 } })
    assert_fails("MG-SHAPE", "expected sequences [batch, 2, length], got 3x4", nn.conv1d { 2, 3, kernel = 1 },
      tensor.zeros(3, 4))
  end)
end)

describe("batch_norm", function()
  local x = tensor { { 1, 10 }, { 2, 30 }, { 3, 20 } } -- means 2, 20; biased variances 2/3, 200/3

  it("normalises with the batch's mean and biased variance in training", function()
    local layer = nn.batch_norm(2)
    local a, b = 1 / math.sqrt(2 / 3 + 1e-5), 10 / math.sqrt(200 / 3 + 1e-5)
    assert_near({ -a, -b, 0, b, a, 0 }, layer(x):to_list())
  end)

  it("moves its running statistics, the variance unbiased", function()
    local layer = nn.batch_norm(2, { momentum = 0.25 })
    layer(x)
    assert_near({ 0.5, 5 }, layer.mean:to_list())
    assert_near({ 0.75 + 0.25 * 1, 0.75 + 0.25 * 100 }, layer.variance:to_list())
    layer(x)
    assert_near({ 0.75 * 0.5 + 0.5, 0.75 * 5 + 5 }, layer.mean:to_list())
  end)

  it("uses them at evaluation, and leaves them alone", function()
    local layer = nn.batch_norm(2)
    layer.mean:copy_(tensor { 1, 2 })
    layer.variance:copy_(tensor { 4, 9 })
    layer.gain:copy_(tensor { 2, 3 })
    layer.bias:copy_(tensor { 5, 6 })
    local y = layer:evaluate(tensor { { 3, 5 } })
    assert_near({ 2 * 2 / math.sqrt(4 + 1e-5) + 5, 3 * 3 / math.sqrt(9 + 1e-5) + 6 }, y:to_list())
    assert.same({ 1, 2 }, layer.mean:to_list())
  end)

  it("refuses one value a channel in training", function()
    assert_fails("MG-SHAPE", "more than one value a channel", nn.batch_norm(2), tensor.zeros(1, 2))
    assert_fails("MG-SHAPE", "expected [batch, 2, ...], got 3x4", nn.batch_norm(2), tensor.zeros(3, 4))
  end)
end)

describe("layer_norm", function()
  it("normalises each instance over its last axes", function()
    local layer = nn.layer_norm(2, { epsilon = 1e-3 })
    layer.gain:copy_(tensor { 2, 3 })
    layer.bias:copy_(tensor { 1, 10 })
    local a = 1 / math.sqrt(1 + 1e-3)                    -- of {1, 3}: mean 2, variance 1; of {5, 5}: 0
    assert_near({ 1 - 2 * a, 10 + 3 * a, 1, 10 }, layer(tensor { { 1, 3 }, { 5, 5 } }):to_list())
  end)

  it("may do without gain and bias", function()
    assert.same({}, nn.layer_norm(2, { gain = false, bias = false }):parameters())
    assert.equal(1, #nn.layer_norm(2, { bias = false }):parameters())
    for _, o in ipairs { { gain = false }, { bias = false }, { gain = false, bias = false } } do
      assert_near({ -1, 1 }, nn.layer_norm(2, o)(tensor { 1, 3 }):to_list(), 1e-5)
    end
  end)

  it("refuses other shapes", function()
    assert_fails("MG-SHAPE", "expected [batch, 3x2], got 4x2x3", nn.layer_norm { 3, 2 }, tensor.zeros(4, 2, 3))
    assert_fails("MG-ARGUMENT", "a number or a list", nn.layer_norm, {})
  end)
end)

describe("group_norm", function()
  it("normalises groups of channels of each instance", function()
    local layer = nn.group_norm(2, 4, { epsilon = 1e-3 })
    layer.gain:copy_(tensor { 1, 2, 3, 4 })
    layer.bias:copy_(tensor { 0, 1, 0, 0 })
    local a, b = 1 / math.sqrt(1 + 1e-3), 2 / math.sqrt(4 + 1e-3) -- of {1, 3} and {6, 10}
    assert_near({ -a, 1 + 2 * a, -3 * b, 4 * b }, layer(tensor { { 1, 3, 6, 10 } }):to_list())
  end)

  it("refuses groups that do not divide, and other channels", function()
    assert_fails("MG-ARGUMENT", "4 channels do not split into 3 groups", nn.group_norm, 3, 4)
    assert_fails("MG-SHAPE", "expected [batch, 4, ...], got 2x3", nn.group_norm(2, 4), tensor.zeros(2, 3))
  end)
end)

describe("dropout", function()
  it("zeroes entries at its rate in training and scales the others", function()
    random.seed(1)
    local layer, n = nn.dropout(0.2), 10000
    local kept = 0
    for _, value in ipairs(layer(tensor.ones(n)):to_list()) do
      assert.truthy(value == 0 or math.abs(value - 1.25) < 1e-6)
      if value > 0 then kept = kept + 1 end
    end
    assert.truthy(math.abs(kept / n - 0.8) < 6 * math.sqrt(0.16 / n)) -- six standard errors
  end)

  it("draws anew at each call, from a stream of its own", function()
    local layer, x = nn.dropout(), tensor.ones(100)
    random.seed(1)
    local a, b, data = layer(x), layer(x), tensor.normal(3)
    assert.is_false(a:equals(b))
    random.seed(1)
    assert.is_true(data:equals(tensor.normal(3)))
    assert.is_true(a:equals(layer(x)))
  end)

  it("does nothing at evaluation, and passes gradients of what it kept", function()
    local layer, x = nn.dropout(0.5), tensor.ones(50):watch()
    assert.is_true(x:equals(layer:evaluate(x)))
    local y = layer(x)
    y:sum():backward()
    assert.is_true(y:equals(x.grad))
  end)

  it("refuses a rate of 1", function()
    assert_fails("MG-ARGUMENT", "rate must be below 1, got 1", nn.dropout, 1)
  end)
end)

describe("parallel", function()
  local double, negative = function(x) return x * 2 end, function(x) return -x end
  local x = tensor { { 1, 2 }, { 3, 4 } }

  it("joins by concat, by sum, or not at all", function()
    assert.same({ { 2, 4, -1, -2 }, { 6, 8, -3, -4 } }, nn.parallel({ double, negative })(x):to_table())
    assert.same({ { 2, 4 }, { 6, 8 }, { -1, -2 }, { -3, -4 } },
      nn.parallel({ double, negative }, { axis = 1 })(x):to_table())
    assert.same({ { 1, 2 }, { 3, 4 } }, nn.parallel({ double, negative }, { join = "sum" })(x):to_table())
    local a, b = nn.parallel({ double, negative }, { join = "none" })(x)
    assert.same({ { { 2, 4 }, { 6, 8 } }, { { -1, -2 }, { -3, -4 } } }, { a:to_table(), b:to_table() })
  end)

  it("gives each layer its part", function()
    assert.same({ { 2, -2 }, { 6, -4 } }, nn.parallel({ double, negative }, { split = -1 })(x):to_table())
    assert_fails("MG-SHAPE", "axis 2 of 2x2 does not split into 3 equal parts",
      nn.parallel({ double, double, double }, { split = 2 }), x)
    assert_fails("MG-TYPE", "expected a list of layers in braces", nn.parallel, {})
  end)
end)

describe("embedding", function()
  it("takes rows by number, and gives gradients to them", function()
    local layer = nn.embedding(3, 2)
    layer.weight:copy_(tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } })
    local y = layer(tensor { { 3, 1 }, { 3, 3 } })
    assert.same({ { { 5, 6 }, { 1, 2 } }, { { 5, 6 }, { 5, 6 } } }, y:to_table())
    y:sum():backward()
    assert.same({ { 1, 1 }, { 0, 0 }, { 3, 3 } }, layer.weight.grad:to_table())
  end)

  it("refuses what is not one of its things", function()
    local layer = nn.embedding(3, 2)
    assert_fails("MG-INDEX", "nn.embedding: 4 is not one of 1..3", layer, tensor { 1, 4 })
    assert_fails("MG-INDEX", "0 is not one of 1..3", layer, tensor { 0 })
    assert_fails("MG-INDEX", "1.5 is not one of 1..3", layer, tensor { 1.5 })
    assert_fails("MG-INDEX", "nan is not one of 1..3", layer, tensor { 0 / 0 })
    assert.same({ 0, 4, 2 }, layer(tensor.zeros(0, 4)):shape())
  end)

  it("may begin with vectors that exist, and keep them", function()
    local vectors = tensor { { 1, 2 }, { 3, 4 } }
    local layer = nn.embedding(2, 2, { initial = function() return vectors end }):freeze()
    assert.same({ 3, 4 }, layer(tensor(2)):to_list())
    assert.same({}, layer:parameters())
    assert_fails("MG-SHAPE", "expected a tensor of shape 3x2, got 2x2", nn.embedding, 3, 2,
      { initial = function() return vectors end })
  end)
end)

describe("activations", function()
  it("are PyTorch's", function()
    local x = tensor { -2, -0.5, 0, 1, 3 }
    -- PyTorch 2: torch.nn.functional.leaky_relu(x, 0.1), elu(x, 2), gelu(x), hardtanh(x, -1, 2)
    assert_near({ -0.2, -0.05, 0, 1, 3 }, nn.leaky_relu(0.1)(x):to_list())
    assert_near({ -0.02, -0.005, 0, 1, 3 }, nn.leaky_relu()(x):to_list())
    assert_near({ 2 * math.exp(-2) - 2, 2 * math.exp(-0.5) - 2, 0, 1, 3 }, nn.elu(2)(x):to_list())
    assert_near({ -0.0455002638964, -0.154268769363, 0, 0.841344746069, 2.9959503059 }, nn.gelu()(x):to_list(),
      is_double and 1e-11 or 1e-5)
    assert.same({ -1, -0.5, 0, 1, 2 }, nn.clamp(-1, 2)(x):to_list())
  end)

  it("show their parameters and check them", function()
    assert.equal("softmax -1", tostring(nn.softmax()))
    assert_fails("MG-ARGUMENT", "nn.softmax: axis: expected a finite number, got 'last'", nn.softmax, "last")
    assert_near({ 0.25, 0.5, 0.75, 0.5 },
      nn.softmax(1)(tensor { { 0, 0 }, { math.log(3), 0 } }):to_list())
  end)
end)

describe("flatten", function()
  it("keeps the first axis", function()
    assert.same({ 2, 1 }, nn.flatten()(tensor.zeros(2)):shape())
    assert.same({ 0, 6 }, nn.flatten()(tensor.zeros(0, 2, 3)):shape())
    assert_fails("MG-SHAPE", "expected [batch, ...], got scalar", nn.flatten(), tensor(1))
  end)
end)

describe("normalise", function()
  it("takes mean and deviation from data, in any number of blocks", function()
    local images = tensor.zeros(600, 2, 1, 2) -- channel 1: i mod 2 and 3 more; channel 2: constant
    for i = 1, 600 do
      images:set(i, 1, 1, 1, i % 2)
      images:set(i, 1, 1, 2, i % 2 + 3)
      images:set(i, 2, 1, 1, 7)
      images:set(i, 2, 1, 2, 7)
    end
    local layer = nn.normalise { data = images }
    assert_near({ 2, 7 }, layer.mean:to_list())
    assert_near({ math.sqrt(0.25 + 2.25), 1 }, layer.deviation:to_list())
    assert.same({}, layer:parameters())
    assert_near({ -1 / math.sqrt(2.5), 2 / math.sqrt(2.5), 0, 0 }, layer(images:rows(1, 1)):to_list())
  end)

  it("wants either data or constants", function()
    assert_fails("MG-OPTION", "either data, or mean and deviation", nn.normalise, { mean = { 1 } })
    assert_fails("MG-ARGUMENT", "deviation 1", nn.normalise, { mean = { 1 }, deviation = { 0 } })
    assert_fails("MG-SHAPE", "1 means but 2 deviations", nn.normalise, { mean = { 1 }, deviation = { 1, 2 } })
  end)
end)

describe("pooling", function()
  local x = tensor { { { 1, 5, 2, 0 }, { 3, 4, 9, 7 }, { 0, 0, 1, 1 }, { 8, 0, 1, 6 } } }:unsqueeze(1)

  it("takes the largest of each window", function()
    assert.same({ { { { 5, 9 }, { 8, 6 } } } }, nn.max_pool2d(2)(x):to_table())
    assert.same({ 1, 1, 2, 2 }, nn.max_pool2d(3, { stride = 2, pad = 1 })(x):shape())
    assert.same({ 5, 9, 8, 9 }, nn.max_pool2d(3, { stride = 2, pad = 1 })(x):to_list())
  end)

  it("takes the mean of each window, and works along one axis", function()
    assert_near({ 13 / 4, 18 / 4, 8 / 4, 9 / 4 }, nn.mean_pool2d(2)(x):to_list())
    local row = tensor { { 1, 5, 2, 0 }, { 3, 4, 9, 7 } }
    assert.same({ { 5, 2 }, { 4, 9 } }, nn.max_pool1d(2)(row):to_table())
    assert.same({ { 3, 1 }, { 3.5, 8 } }, nn.mean_pool1d(2)(row):to_table())
    assert.same({ { 0.5, 3.5, 0 }, { 1.5, 6.5, 3.5 } }, nn.mean_pool1d(2, { pad = 1 })(row):to_table())
    assert.same({ { 5 }, { 9 } }, nn.adaptive_max_pool1d(1)(row):to_table())
    assert.same({ { 2 }, { 5.75 } }, nn.adaptive_mean_pool1d(1)(row):to_table())
    assert.same({ { { 5, 9 }, { 4, 9 }, { 8, 6 } } }, nn.max_pool2d({ 2, 2 }, { stride = { 1, 2 } })(x):to_table()[1])
  end)

  it("adapts windows to the wanted size", function()
    assert.same({ 5, 9, 4, 9 }, nn.adaptive_max_pool2d(2, 2)(x:slice(3, 1, 3)):to_list()) -- rows 1-2, 2-3
    assert.same({ 13 / 4, 18 / 4, 8 / 4, 9 / 4 }, nn.adaptive_mean_pool2d(2, 2)(x):to_list())
    assert.same({ 5, 9, 8, 6 }, nn.adaptive_max_pool2d(2, 2)(x):to_list())
  end)

  it("refuses too much padding", function()
    assert_fails("MG-ARGUMENT", "pad = 2 is more than half of kernel = 3", nn.max_pool2d, 3, { pad = 2 })
  end)
end)

describe("residual", function()
  it("adds the shortcut to the body and activates the sum", function()
    local double = nn.lambda(function(x) return x * 2 end)
    assert.same({ 3, -6 }, nn.residual(double)(tensor { 1, -2 }):to_list())
    assert.same({ 3, 0 }, nn.residual(double, { activation = nn.relu() })(tensor { 1, -2 }):to_list())
    assert.same({ 4, -8 }, nn.residual(double, { shortcut = double })(tensor { 1, -2 }):to_list())
  end)
end)

describe("reshape", function()
  it("refuses instances of another size", function()
    assert_fails("MG-SHAPE", "instances of shape 3x4 do not come from 2x10", nn.reshape(3, 4), tensor.zeros(2, 10))
  end)
end)
