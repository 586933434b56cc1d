-- Ready networks: parameter counts, shapes, values against PyTorch.
local mg = require "mapgrad"

local resnet = require "mapgrad.nn.resnet"
local support = require "tests.support"

local nn, random, tensor = mg.nn, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

-- Entries scale * sin(k + 1), scale * sin(k + 2), ... of a shape.
local function waves(k, scale, ...)
  local t, list = tensor.new(...), {}
  for i = 1, t:count() do list[i] = scale * math.sin(k + i) end
  return tensor(list):reshape(...)
end


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

describe("a basic block", function()
  -- PyTorch 2, double: torch.nn layers wired as torchvision's BasicBlock; parameter k (from 1: first
  -- convolution, gain, bias, second convolution, gain, bias, then the shortcut's) is 0.5 sin(k + i),
  -- i = 1, 2, ...; x [2, 2, 4, 4] is 0.5 sin(i). Training mode, then evaluation with the statistics of it.
  local function make(...)
    local block = resnet.basic_block(...)
    for k, parameter in ipairs(block:parameters()) do parameter:copy_(waves(k, 0.5, parameter:shape())) end
    return block
  end
  local x = waves(0, 0.5, 2, 2, 4, 4)
  local precision = is_double and 1e-10 or 1e-4

  it("has PyTorch's values where channels and size change", function()
    local block = make(2, 3, 2)
    assert_near({
      0.06823700696615, 0.005737619464076, 0.386205757206, 0, 0, 0.4357323468412, 0.4106088833495, 0,
      0.1573244031837, 0, 0.6088780807337, 0, 0.2034654248722, 0, 0.1669695287496, 0, 0, 0.4444894125171,
      0.5266687822756, 0, 0.3969550567911, 0, 0.03079890782559, 0,
    }, block(x):to_list(), precision)
    assert_near({
      0.05033890448238, 0.04358261671689, 0.1033864046001, 0.05008801409869, 0, 0.03848283300787, 0.0488118708657,
      0.003821445489405, 0, 0, 0.03136728256682, 0, 0.07807368445021, 0.03985109696296, 0.06741376075738,
      0.03510812702935, 0, 0.0349776571921, 0.03581736770262, 0, 0.03746918396852, 0, 0, 0,
    }, block:evaluate(x):to_list(), precision)
  end)

  it("passes the input on where they do not", function()
    local y = make(2, 2, 1)(x):to_list()
    assert_near({ 0.7693585298226, 0.8032717508315, 0.4220344991195, 0, 0, 0.2089152883192 },
      { y[1], y[2], y[3], y[4], y[5], y[6] }, precision)
    assert_near({ 0.4895483139716, 0.8828489138729 }, { y[63], y[64] }, precision)
  end)
end)

describe("resnet18", function()
  it("has torchvision's 11,689,512 parameters with 1000 classes", function()
    random.seed(1)
    assert.equal(11689512, nn.resnet18():count())
    assert.equal(11689512 - 513 * (1000 - 144) - 2 * 64 * 49, nn.resnet18({ classes = 144, channels = 1 }):count())
  end)

  it("has PyTorch's values", function()
    -- PyTorch 2, double: torch.nn layers wired as torchvision's resnet18 with 4 classes; entry i
    -- from 0 of parameter k from 1 is 2 / sqrt(fan_in) sin(k + 1 + i mod 9973); gains and biases as they
    -- start, the last bias 0; x [2, 3, 32, 32] is 0.5 sin(i), i = 1, 2, ... Training, then evaluation mode.
    local net = nn.resnet18 { classes = 4 }
    local parameters = net:parameters()
    for k, parameter in ipairs(parameters) do
      if parameter:axes() > 1 then
        local count, period = parameter:count(), 9973
        local wave = waves(k, 2 / math.sqrt(count / parameter:size(1)), 1, period)
        local many = (wave + tensor.zeros(math.ceil(count / period), 1)):reshape(-1)
        parameter:copy_(many:rows(1, count):reshape(parameter:shape()))
      end
    end
    parameters[#parameters]:fill_(0)
    local x = waves(0, 0.5, 2, 3, 32, 32)
    local y = net(x)
    if is_double then -- batch norm divides by deviations of two values: float is of no use here, and the order of
      -- sums, which differs between machines, shows in the ninth digit
      assert_near({
        0.7452352005228, -0.7439594660891, 0.7379720739477, -0.7273109435599,
        -1.261024477559, 1.284210075844, -1.299262491371, 1.306086393907,
      }, y:to_list(), 1e-7)
    end
    assert_near({
      0.006300617233049, -0.006440784568637, 0.006540161009506, -0.006598117182961,
      -0.04485162293445, 0.04478385390588, -0.04443245895404, 0.04379966353989,
    }, net:evaluate(x):to_list(), is_double and 1e-8 or 1e-3)
  end)
end)

describe("the discrete autoencoder", function()
  it("has 784-512-256-400 and 400-256-512-784", function()
    random.seed(1)
    local encoder, decoder = nn.dvae_encoder(), nn.dvae_decoder()
    assert.equal(784 * 512 + 512 + 512 * 256 + 256 + 256 * 400 + 400, encoder:count())
    assert.equal(400 * 256 + 256 + 256 * 512 + 512 + 512 * 784 + 784, decoder:count())
    local logits = encoder(tensor.uniform(3, 28, 28))
    assert.same({ 3, 20, 20 }, logits:shape())
    assert.same({ 3, 784 }, decoder(logits):shape())
    assert.same({ 2, 3, 784 }, decoder(tensor.uniform(2, 3, 20, 20)):shape())
  end)

  it("takes other sizes, and keeps samples apart", function()
    local encoder = nn.dvae_encoder { pixels = 9, groups = 3, categories = 2 }
    local decoder = nn.dvae_decoder { pixels = 9, groups = 3, categories = 2 }
    assert.same({ 4, 3, 2 }, encoder(tensor.uniform(4, 1, 3, 3)):shape())
    local z = tensor.uniform(2, 4, 3, 2)
    assert_near(decoder(z[2]):to_list(), decoder(z)[2]:to_list())
  end)
end)

describe("the networks of learning to explain", function()
  -- PyTorch 2, double: torch.nn layers as described; parameter k (from 1) is sin(k + i) / sqrt(fan), fan
  -- the entries of one output of it, i = 1, 2, ...; words [2, 5, 4] are 0.5 sin(i).
  local function fill(net)
    for k, parameter in ipairs(net:parameters()) do
      local fan = parameter:count() / parameter:size(1)
      parameter:copy_(waves(k, 1 / math.sqrt(fan), parameter:shape()))
    end
    return net
  end
  local words = waves(0, 0.5, 2, 5, 4)
  local mask = tensor { { 1, 0, 1, 0, 0 }, { 0, 1, 0, 0, 1 } }

  before_each(function() random.seed(1) end)

  it("have 150,601 and 50,501 parameters with 200 features", function()
    local convolution, dense = 3 * 200 * 100 + 100, 100 * 100 + 100
    assert.equal(convolution + dense + 2 * (3 * 100 * 100 + 100) + (200 * 100 + 100) + (100 + 1), 150601)
    assert.equal(150601, nn.l2x_selector():count())
    assert.equal(200 * 250 + 250 + 250 + 1, nn.l2x_predictor({ k = 10 }):count())
  end)

  it("have PyTorch's values", function()
    local precision = is_double and 1e-11 or 1e-5
    assert_near({
      1.907940241324, 1.907932045344, 1.907922882519, 1.907937435708, 1.907918288919, 1.907941555041,
      1.907939731187, 1.907924603035, 1.907935621, 1.907923520419,
    }, fill(nn.l2x_selector { features = 4 }):evaluate(words):to_list(), precision)
    local predictor = fill(nn.l2x_predictor { k = 2, features = 4 })
    assert_near({ 0.7007407203535, 0.7870768632616 }, predictor(words, mask):to_list(), precision)
  end)

  it("read the words around a word, and the whole text", function()
    local net, other = nn.l2x_selector { features = 4 }, words:clone()
    for i = 1, 4 do other:set(1, 5, i, 3) end
    local a, b = net:evaluate(words), net:evaluate(other)
    assert.same({ 2, 5 }, a:shape())
    assert.is_true(a[2]:equals(b[2]))
    for i = 1, 5 do assert.truthy(a:get(1, i) ~= b:get(1, i)) end
  end)

  it("take masks with samples in front, and give them gradients", function()
    local predictor = nn.l2x_predictor { k = 2, features = 4 }
    local samples = tensor.stack { mask, tensor.ones(2, 5) - mask, mask }:watch()
    local y = predictor(words, samples)
    assert.same({ 3, 2 }, y:shape())
    assert.is_true(y[1]:equals(y[3]))
    assert_near(predictor(words, mask):to_list(), y[1]:to_list())
    y:sum():backward()
    assert.same({ 3, 2, 5 }, samples.grad:shape())
    assert.truthy(samples.grad:abs():min():item() > 0)
  end)

  it("say what is wrong", function()
    local selector, predictor = nn.l2x_selector { features = 4 }, nn.l2x_predictor { k = 2, features = 4 }
    assert_fails("MG-SHAPE", "expected [batch, words, 4], got 2x5x3", selector, tensor.zeros(2, 5, 3))
    assert_fails("MG-SHAPE", "a mask [..., batch, words], got 2x5x4 and 5x2", predictor, words, tensor.zeros(5, 2))
    assert_fails("MG-OPTION", "option 'k' is missing", nn.l2x_predictor, {})
  end)
end)
