-- Modules: names, modes, states, freezing, clones, summaries; initial laws.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, nn, random, tensor = mg.autograd, mg.nn, mg.random, mg.tensor

local assert_fails, assert_near = support.assert_fails, support.assert_near

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

describe("sequential", function()
  it("refuses a layer that is nil in its middle", function()
    assert_fails("MG-TYPE", "nn.sequential: layer 2 of 3 is nil", nn.sequential, { nn.relu(), nil, nn.tanh() })
    assert_fails("MG-ARGUMENT", "place of a layer", nn.sequential, { nn.relu(), last = nn.tanh() })
  end)

  it("is as it was before a state that is none", function()
    assert_fails("MG-TYPE", "load_state: expected a table of tensors, got a nil", function()
      nn.linear(1, 1):load_state(nil)
    end)
  end)
end)

describe("rectified layers", function()
  it("are what a relu after them gives", function()
    random.seed(4)
    local x, dy = tensor.normal(6, 3, 4, 4), tensor.normal(6, 3, 4, 4)
    local function results(make)
      local layer, input = make(), x:clone():watch()
      local y = layer(input)
      y:backward(dy)
      return y, input.grad, layer
    end
    local fused, fused_gradient, layer = results(function() return nn.batch_norm(3, { relu = true }) end)
    local plain, gradient, both = results(function() return nn.sequential { nn.batch_norm(3), nn.relu() } end)
    assert.is_true(fused:equals(plain))
    assert.is_true((fused_gradient - gradient):abs():max():item() < 1e-6)
    assert.is_true((layer.gain.grad - both[1].gain.grad):abs():max():item() < 1e-5)
    assert.is_true(layer:evaluate(x):equals(both:evaluate(x)))
    local half = function(t) return t * 0.5 - 0.2 end
    fused, fused_gradient = results(function() return nn.residual(half, { relu = true }) end)
    plain, gradient = results(function() return nn.residual(half, { activation = nn.relu() }) end)
    assert.is_true(fused:equals(plain) and fused_gradient:equals(gradient))
    assert_fails("MG-OPTION", "exclude", nn.residual, half, { relu = true, activation = nn.relu() })
  end)
end)

describe("freezing", function()
  local function make()
    random.seed(1)
    return nn.sequential { nn.linear(2, 3), nn.tanh(), nn.linear(3, 1) }
  end

  it("leaves parameters out of lists and gradients, and can be taken back", function()
    local net = make()
    assert.equal(net[1], net[1]:freeze())
    assert.same({ "3.weight", "3.bias" }, names_of(net))
    assert.equal(4, net:count())
    net(tensor.ones(5, 2)):sum():backward()
    assert.is_nil(net[1].weight.grad)
    assert.truthy(net[3].weight.grad)
    net:unfreeze()
    assert.equal(13, net:count())
    net(tensor.ones(5, 2)):sum():backward()
    assert.truthy(net[1].weight.grad and net[1].bias.grad)
  end)

  it("records nothing for a frozen network, and forgets gradients", function()
    local net = make()
    net(tensor.ones(5, 2)):sum():backward()
    net:freeze()
    assert.is_nil(net[3].weight.grad)
    assert.is_false(net(tensor.ones(5, 2)).id)
    assert.same({}, net:parameters())
  end)

  it("keeps frozen weights from optimizers made after and before", function()
    local net = make()
    local before = net[1].weight:to_list()
    local early = mg.optim.sgd(net:parameters(), { rate = 0.1 })
    net[1]:freeze()
    local late = mg.optim.sgd(net:parameters(), { rate = 0.1 })
    for _, sgd in ipairs { early, late } do
      local last = net[3].weight:to_list()
      sgd:step(function() return net(tensor.ones(5, 2)):sum() end)
      assert.same(before, net[1].weight:to_list())
      assert.not_same(last, net[3].weight:to_list())
    end
  end)

  it("keeps them in the state, and says so when printing", function()
    local net = make()
    net[1]:freeze()
    assert.truthy(net:state()["1.weight"])
    assert.truthy(tostring(net):find("1: linear 2 -> 3 (9 parameters, frozen)", 1, true))
    assert.truthy(tostring(net):find("13 parameters in all", 1, true))
  end)

  it("lets gradients through to the input", function()
    local net, x = make():freeze(), tensor.ones(1, 2):watch()
    net(x):sum():backward()
    assert.truthy(x.grad)
  end)
end)

describe("a clone", function()
  local function make()
    random.seed(1)
    return nn.sequential {
      nn.linear(2, 3), nn.batch_norm(3), nn.residual(nn.linear(3, 3), { activation = nn.relu() }),
      function(x) return x * 2 end,
    }
  end

  it("has the same values and tensors of its own", function()
    local net, x = make(), counting(4, 2)
    net(x)
    local copy = net:clone()
    assert.is_true(net:evaluate(x):equals(copy:evaluate(x)))
    assert.same(names_of(net), names_of(copy))
    for i, parameter in ipairs(net:parameters()) do assert.not_equal(parameter, copy:parameters()[i]) end
    local before = net:evaluate(x):to_list()
    for _, parameter in ipairs(copy:parameters()) do parameter:fill_(7) end
    copy(x * 3)                                          -- moves the running statistics of the copy
    assert.same(before, net:evaluate(x):to_list())
    assert.not_same(net[2].mean:to_list(), copy[2].mean:to_list())
  end)

  it("trains by itself", function()
    local net = make()
    local copy = net:clone()
    copy(counting(4, 2)):sum():backward()
    assert.truthy(copy[1].weight.grad)
    assert.is_nil(net[1].weight.grad)
    assert.is_nil(copy:clone()[1].weight.grad)
  end)

  it("shares inside what the original shares, and keeps modes and frozen parameters", function()
    local shared = nn.linear(2, 2)
    local net = nn.sequential { shared, nn.relu(), shared, nn.batch_norm(2) }
    net[4]:evaluation()
    net[1]:freeze()
    local copy = net:clone()
    assert.equal(copy[1], copy[3])
    assert.not_equal(net[1], copy[1])
    assert.equal(copy[1].weights[1][2], copy[1].weight)
    assert.is_false(copy[4].training)
    assert.same({ "4.gain", "4.bias" }, names_of(copy))
  end)

  it("outlives the scope it is made in", function()
    local net, copy = make(), nil
    tensor.scope(function() copy = net:clone() end)
    assert.same({ 4, 3 }, copy(counting(4, 2)):shape())
  end)
end)

describe("a summary", function()
  it("lists layers with output shapes and parameters, and prints", function()
    local net = nn.sequential {
      nn.conv2d { 3, 4, kernel = 3, pad = 1 }, nn.residual(nn.batch_norm(4)), nn.max_pool2d(2),
      function(x) return x:mean(-1) end,
    }
    net[1]:freeze()
    collectgarbage()
    collectgarbage()
    local before = tensor.memory().tensors
    local summary = net:summary { 2, 3, 8, 6 }
    assert.equal(112, summary.frozen)
    assert.equal(8, summary.trained)
    assert.same({ name = "3", title = "max_pool2d 2, stride 2, pad 0", depth = 1, output = "2x4x4x3",
      parameters = 0, frozen = 0 }, summary[5])
    assert.equal(table.concat({
      "layer                                        output   parameters",
      "sequential                                   2x4x4",
      "  1: conv2d 3 -> 4, kernel 3, stride 1, pad 1  2x4x8x6  112 (frozen)",
      "  2: residual                                2x4x8x6",
      "    body: batch_norm 4                       2x4x8x6  8",
      "  3: max_pool2d 2, stride 2, pad 0             2x4x4x3",
      "  4: lambda                                  2x4x4",
      "120 parameters, 112 of them frozen",
    }, "\n"):gsub(" +", " "), (tostring(summary):gsub(" +", " ")))
    collectgarbage()
    collectgarbage()
    assert.equal(before, tensor.memory().tensors)
  end)

  it("takes a sample, several inputs, shared layers, and children that are not called", function()
    local shared = nn.linear(2, 2)
    local net = nn.module {
      children = { { "a", shared }, { "b", nn.sequential { shared } }, { "idle", nn.relu() } },
      forward = function(self, x, y) return self.a(x) + self.b(y), x end,
    }
    local summary = net:summary(tensor.ones(3, 2), { 3, 2 })
    assert.equal("3x2, 3x2", summary[1].output)
    assert.equal("linear 2 -> 2 (shared)", summary[4].title)
    assert.equal("-", summary[5].output)
    assert.equal(6, summary.trained)
  end)

  it("changes nothing: modes, running statistics, recording; also after an error", function()
    local net = nn.sequential { nn.batch_norm(2), function() error "on purpose" end }
    assert_fails("on purpose", "on purpose", net.summary, net, { 3, 2 })
    assert.is_true(net.training and net[1].training and autograd.is_recording())
    assert.same({ 0, 0 }, net[1].mean:to_list())
    assert.is_true(nn.relu()(tensor.ones(2):watch()).id ~= false)
    assert_fails("MG-SHAPE", "[batch, 2, ...], got 3x5", net.summary, net, { 3, 5 })
  end)
end)

describe("initial", function()
  local initial = nn.initial

  before_each(function() random.seed(1) end)

  local function moments(t)
    local sum, square, largest = 0, 0, 0
    for _, value in ipairs(t:to_list()) do
      sum, square, largest = sum + value, square + value * value, math.max(largest, math.abs(value))
    end
    return sum / t:count(), square / t:count(), largest
  end

  -- n = 16,000: the standard error of the mean is deviation / 126, that of the mean square at most
  -- sqrt(2 / n) = 0.0112 of it; six of them.
  local SHAPE = { 40, 16, 5, 5 } -- fan_in 400, fan_out 1000
  local LAWS = {
    { "kaiming_normal", nil, 2 / 400 },
    { "kaiming_normal", { fan = "out" }, 2 / 1000 },
    { "kaiming_normal", { nonlinearity = "tanh" }, 25 / 9 / 400 },
    { "kaiming_uniform", nil, 2 / 400, math.sqrt(6 / 400) },
    { "kaiming_uniform", { slope = math.sqrt(5) }, 1 / 3 / 400, 1 / 20 },
    { "xavier_normal", nil, 2 / 1400 },
    { "xavier_uniform", { gain = 3 }, 9 * 2 / 1400, 3 * math.sqrt(6 / 1400) },
    { "normal", { deviation = 2 }, 4 },
    { "uniform", { low = -2, high = 2 }, 16 / 12, 2 },
  }

  it("has the moments of its laws", function()
    for _, law in ipairs(LAWS) do
      local mean, square, largest = moments(initial[law[1]](SHAPE, law[2]))
      assert.truthy(math.abs(mean) < 6 * math.sqrt(law[3]) / 126, law[1])
      assert.truthy(math.abs(square / law[3] - 1) < 6 * 0.0112, law[1])
      if law[4] then assert.truthy(largest <= law[4] and largest > 0.99 * law[4], law[1]) end
    end
  end)

  it("makes orthonormal rows, or columns", function()
    for _, shape in ipairs { { 3, 7 }, { 7, 3 }, { 4, 4 }, { 3, 2, 2, 2 }, { 1, 1 } } do
      local w = initial.orthogonal(shape, { gain = 2 }):reshape(shape[1], -1)
      local rows, columns = w:size(1), w:size(2)
      local product = rows <= columns and w:matmul(w, false, true) or w:matmul(w, true, false)
      local expected = {}
      for i = 1, math.min(rows, columns) do
        for j = 1, math.min(rows, columns) do expected[#expected + 1] = i == j and 4 or 0 end
      end
      assert_near(expected, product:to_list())
    end
    assert.same({ 3, 2, 2, 2 }, initial.orthogonal({ 3, 2, 2, 2 }):shape())
  end)

  it("draws orthogonal matrices uniformly: entries of 3x3 have mean 0 and variance 1/3", function()
    local sum, square, n = 0, 0, 2000
    for _ = 1, n do
      local value = initial.orthogonal({ 3, 3 }):get(1, 1)
      sum, square = sum + value, square + value * value
    end
    -- deviations sqrt(1/3) and sqrt(1/5 - 1/9); six standard errors
    assert.truthy(math.abs(sum / n) < 6 * math.sqrt(1 / 3 / n))
    assert.truthy(math.abs(square / n - 1 / 3) < 6 * math.sqrt((1 / 5 - 1 / 9) / n))
  end)

  it("has PyTorch's gains", function()
    -- torch.nn.init.calculate_gain, PyTorch 2
    assert_near({ 1, 1, 5 / 3, math.sqrt(2), 1.4141428569978354, math.sqrt(2 / 1.25), 0.75 }, {
      initial.gain "linear", initial.gain "sigmoid", initial.gain "tanh", initial.gain "relu",
      initial.gain "leaky_relu", initial.gain("leaky_relu", 0.5), initial.gain "selu",
    })
  end)

  it("is an option of layers: a name, a number, a function", function()
    local layer = nn.linear(3, 2, { initial = "ones", bias_initial = 0.5 })
    assert.same({ 1, 1, 1, 1, 1, 1 }, layer.weight:to_list())
    assert.same({ 0.5, 0.5 }, layer.bias:to_list())
    layer = nn.conv2d { 1, 2, kernel = 1, bias_initial = "zeros",
      initial = function(shape) return tensor.full(shape, 3) end }
    assert.same({ 3, 3 }, layer.weight:to_list())
    assert.same({ 0, 0 }, layer.bias:to_list())
    assert.equal(2, #layer:parameters())
  end)

  it("names what is wrong", function()
    assert_fails("MG-ARGUMENT", "xavier_uniform, zeros, got 'kaiming'", nn.linear, 3, 2, { initial = "kaiming" })
    assert_fails("MG-SHAPE", "expected a tensor of shape 2x3, got 3x2", nn.linear, 3, 2,
      { initial = function() return tensor.ones(3, 2) end })
    assert_fails("MG-SHAPE", "[outputs, inputs, window...], got 5", initial.kaiming_uniform, { 5 })
    assert_fails("MG-SHAPE", "[outputs, inputs, window...], got a number", initial.orthogonal, 5)
    assert_fails("MG-OPTION", "did you mean 'gain'?", initial.orthogonal, { 5, 5 }, { gian = 2 })
    assert_fails("MG-ARGUMENT", "one of leaky_relu", initial.gain, "cube")
  end)
end)
