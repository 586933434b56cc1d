-- Layers: shapes and values against closed forms, modes, states, messages.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, nn, random, tensor = mg.autograd, mg.nn, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

local function names_of(module)
  local names = {}
  for i, entry in ipairs(module:named_parameters()) do names[i] = entry[1] end
  return names
end

-- Entries 0.1, 0.2, ... of a shape.
local function counting(...)
  local list, t = {}, tensor.new(...)
  for i = 1, t:count() do list[i] = i / 10 end
  return tensor(list):reshape(...)
end

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
  conv2d = {
    make = function() return nn.conv2d { 2, 3, kernel = 3, stride = 2, pad = 1 } end,
    input = { 2, 2, 5, 7 }, output = { 2, 3, 3, 4 },
  },
  batch_norm = { make = function() return nn.batch_norm(3) end, input = { 4, 3, 2, 2 }, output = { 4, 3, 2, 2 } },
  normalise = {
    make = function() return nn.normalise { mean = { 1, 2 }, deviation = { 2, 4 } } end,
    input = { 3, 2, 2, 2 }, output = { 3, 2, 2, 2 },
  },
  abs = { make = function() return nn.abs() end, input = { 2, 3 }, output = { 2, 3 } },
  relu = { make = function() return nn.relu() end, input = { 2, 3 }, output = { 2, 3 } },
  sigmoid = { make = function() return nn.sigmoid() end, input = { 2, 3 }, output = { 2, 3 } },
  softplus = { make = function() return nn.softplus() end, input = { 2, 3 }, output = { 2, 3 } },
  tanh = { make = function() return nn.tanh() end, input = { 2, 3 }, output = { 2, 3 } },
  max_pool = { make = function() return nn.max_pool(2) end, input = { 3, 2, 1, 5, 4 }, output = { 3, 2, 1, 2, 2 } },
  adaptive_max_pool = {
    make = function() return nn.adaptive_max_pool(3, 2) end, input = { 2, 2, 7, 5 }, output = { 2, 2, 3, 2 },
  },
  adaptive_mean_pool = {
    make = function() return nn.adaptive_mean_pool(3, 2) end, input = { 2, 7, 5 }, output = { 2, 3, 2 },
  },
  channel_mean = { make = function() return nn.channel_mean() end, input = { 2, 3, 4, 5 }, output = { 2, 4, 5 } },
  reshape = { make = function() return nn.reshape(3, 4) end, input = { 2, 1, 12 }, output = { 2, 3, 4 } },
  combresnet18 = {
    make = function() return nn.combresnet18 { rows = 3, cols = 4 } end,
    input = { 2, 3, 24, 32 }, output = { 2, 3, 4 },
  },
}

for _, name in ipairs(getmetatable(nn).names) do
  describe("nn." .. name, function()
    local sample = SAMPLES[name]

    -- sharp in double only; combresnet18 is made of the other layers and too large for differences
    local check_gradients = is_double and name ~= "combresnet18" and it or function() end

    before_each(function() random.seed(1) end)

    it("maps its sample to the expected shape, in both modes", function()
      assert.truthy(sample, "no sample for nn." .. name)
      local layer, x = sample.make(), tensor.normal(sample.input)
      assert.same(sample.output, layer(x):shape())
      assert.same(sample.output, layer:evaluate(x):shape())
    end)

    check_gradients("has gradients that equal central differences", function()
      local layer, x = sample.make(), tensor.normal(sample.input)
      local inputs = { x }
      for _, parameter in ipairs(layer:parameters()) do inputs[#inputs + 1] = parameter end
      local err, place = autograd.check(function(list) return layer(list[1]) end, inputs)
      assert.truthy(err < 1e-6, place and ("input %d, entry %d: expected %g, got %g"):format(place.input, place.entry,
        place.expected, place.got))
    end)

    it("prints and gives its state back", function()
      local a, b = sample.make(), sample.make()
      assert.is_string(tostring(a))
      b:load_state(a:state())
      local x = tensor.normal(sample.input)
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
    assert.same({ "weight" }, names_of(layer))
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
    for _, case in ipairs { { "fan_in", 1 / (3 * 8 * 25) }, { "fan_out", 2 / (64 * 25) } } do
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
    assert.same({ { { { 5, 9 }, { 8, 6 } } } }, nn.max_pool(2)(x):to_table())
    assert.same({ 1, 1, 2, 2 }, nn.max_pool(3, { stride = 2, pad = 1 })(x):shape())
    assert.same({ 5, 9, 8, 9 }, nn.max_pool(3, { stride = 2, pad = 1 })(x):to_list())
  end)

  it("adapts windows to the wanted size", function()
    assert.same({ 5, 9, 4, 9 }, nn.adaptive_max_pool(2, 2)(x:slice(3, 1, 3)):to_list()) -- rows 1-2, 2-3
    assert.same({ 13 / 4, 18 / 4, 8 / 4, 9 / 4 }, nn.adaptive_mean_pool(2, 2)(x):to_list())
    assert.same({ 5, 9, 8, 6 }, nn.adaptive_max_pool(2, 2)(x):to_list())
  end)

  it("refuses too much padding", function()
    assert_fails("MG-ARGUMENT", "pad = 2 is more than half of k = 3", nn.max_pool, 3, { pad = 2 })
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

describe("combresnet18", function()
  it("has 157,504 trainable parameters and answers with costs that are not negative", function()
    random.seed(1)
    local net = nn.combresnet18 { rows = 12, cols = 12 }
    assert.equal(157504, net:count())
    local costs = net(tensor.normal(2, 3, 96, 96))
    assert.same({ 2, 12, 12 }, costs:shape())
    assert.truthy(costs:min():item() >= 0)
  end)

  it("may start with a normalisation, which is not trained", function()
    local net = nn.combresnet18 {
      rows = 2, cols = 2, normalise = nn.normalise { mean = { 0, 0, 0 }, deviation = { 1, 1, 1 } },
    }
    assert.equal(157504, net:count())
    assert.truthy(net:state()["1.mean"])
  end)
end)

describe("a module", function()
  local function make()
    return nn.sequential { nn.linear(2, 3), nn.batch_norm(3), nn.residual(nn.linear(3, 3)), nn.linear(3, 1) }
  end

  it("names its parameters by their place, in a fixed order", function()
    local net = make()
    assert.same({ "1.weight", "1.bias", "2.gain", "2.bias", "3.body.weight", "3.body.bias", "4.weight", "4.bias" },
      names_of(net))
    local list = net:parameters()
    for i, entry in ipairs(net:named_parameters()) do assert.equal(list[i], entry[2]) end
    assert.equal(net[3].body.weight, list[5])
    assert.equal(6 + 3 + 3 + 3 + 9 + 3 + 3 + 1, net:count())
  end)

  it("counts shared layers once", function()
    local shared = nn.linear(2, 2)
    local net = nn.sequential { shared, nn.relu(), shared }
    assert.same({ "1.weight", "1.bias" }, names_of(net))
  end)

  it("evaluates without recording and restores each layer's own mode", function()
    local net, seen = make(), nil
    net[2]:evaluation()
    net[4].forward = function(self, x)
      seen = self.training
      return x
    end
    local y = net:evaluate(tensor.ones(2, 2))
    assert.is_false(seen)
    assert.is_false(y.id)
    assert.is_false(net[2].training)
    for _, module in ipairs { net, net[1], net[3], net[3].body, net[4] } do assert.is_true(module.training) end
    assert.is_true(autograd.is_recording())
  end)

  it("restores modes and recording after an error", function()
    local net = nn.sequential { nn.batch_norm(2), nn.lambda(function() error "on purpose" end) }
    assert_fails("on purpose", "on purpose", net.evaluate, net, tensor.ones(2, 2))
    assert.is_true(net.training and net[1].training and net[2].training)
    assert.is_true(autograd.is_recording())
  end)

  it("evaluates in blocks with the same result", function()
    random.seed(5)
    local net, x = make(), tensor.normal(7, 2)
    assert_near(net:evaluate(x):to_list(), net:evaluate(x, { block = 3 }):to_list())
    assert.same({ 7, 1 }, net:evaluate(x, { block = 3 }):shape())
  end)

  it("keeps nothing but the result of an evaluation", function()
    local net, x = make(), tensor.ones(4, 2)
    collectgarbage()
    collectgarbage()
    local before = tensor.memory().tensors
    net:evaluate(x):free()
    assert.equal(before, tensor.memory().tensors)
  end)

  it("gives a snapshot that training does not change, and takes it back", function()
    random.seed(2)
    local net, x = make(), tensor.normal(5, 2)
    local state, before = net:state(), net:evaluate(x):to_list()
    assert.truthy(state["2.mean"] and state["2.variance"])
    for _, parameter in ipairs(net:parameters()) do parameter:fill_(0.5) end
    net(x)
    net:load_state(state)
    assert.same(before, net:evaluate(x):to_list())
  end)

  it("refuses states that do not fit, and changes nothing then", function()
    local net = make()
    local state = net:state()
    state["1.weight"]:fill_(9)
    state["4.bias"] = tensor.zeros(2)
    assert_fails("MG-SHAPE", "'4.bias' has shape 2, the module's 1", net.load_state, net, state)
    assert.truthy(net[1].weight:get(1, 1) ~= 9)
    state["4.bias"] = nil
    assert_fails("MG-NAME", "'4.bias' is missing", net.load_state, net, state)
    state = net:state()
    state["1.wieght"] = state["1.weight"]
    assert_fails("MG-NAME", "did you mean '1.weight'?", net.load_state, net, state)
  end)

  it("prints its tree with the number of parameters", function()
    assert.equal(table.concat({
      "sequential",
      "  1: linear 2 -> 3 (9 parameters)",
      "  2: relu",
      "  3: residual",
      "    body: linear 3 -> 3 (12 parameters)",
      "21 parameters in all",
    }, "\n"), tostring(nn.sequential { nn.linear(2, 3), nn.relu(), nn.residual(nn.linear(3, 3)) }))
  end)

  it("can be written in a script", function()
    local scale = nn.module {
      title = "scale", parameters = { { "factor", tensor { 3 } } },
      forward = function(self, x) return x * self.factor end,
    }
    scale(counting(2)):sum():backward()
    assert_near({ 0.3 }, scale.factor.grad:to_list())
    assert_fails("MG-NAME", "'train' is taken", nn.module,
      { forward = function() end, parameters = { { "train", tensor { 1 } } } })
  end)

  it("suggests the name of a layer that does not exist", function()
    assert_fails("MG-NAME", "did you mean 'linear'?", function() return nn.liner end)
    assert_fails("MG-TYPE", "expected a list of layers in braces", nn.sequential, nn.relu(), nn.relu())
  end)

  it("outlives the scope it is made in", function()
    local net
    tensor.scope(function() net = make() end)
    assert.same({ 3, 1 }, net(tensor.ones(3, 2)):shape())
  end)
end)
