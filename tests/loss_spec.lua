-- Losses against closed forms and recorded values of the reference implementation.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, loss, random, tensor = mg.autograd, mg.loss, mg.random, mg.tensor

local assert_fails, assert_near, is_double, read_json =
  support.assert_fails, support.assert_near, support.is_double, support.read_json

-- The loss of one entry and its derivative, in plain numbers. A loss without a row fails.
local ENTRY = {
  hamming = { function(z, t) return z * (1 - t) + (1 - z) * t end, function(_, t) return 1 - 2 * t end },
  squared = { function(z, t) return (z - t) ^ 2 end, function(z, t) return 2 * (z - t) end },
  absolute = { function(z, t) return math.abs(z - t) end, function(z, t) return z > t and 1 or z < t and -1 or 0 end },
  huber = { function(z, t) return (z - t) ^ 2 / 2 end, function(z, t) return z - t end },
  bernoulli = {
    function(z, t) return math.log(1 + math.exp(z)) - t * z end, function(z, t) return 1 / (1 + math.exp(-z)) - t end,
  },
  bernoulli_probability = {
    function(z, t) return -(t * math.log(z) + (1 - t) * math.log(1 - z)) end,
    function(z, t) return (1 - t) / (1 - z) - t / z end,
  },
}

-- Losses that do not compare entry by entry: described further down, or (those over a solver) in
-- structured_loss_spec.lua.
local OTHERS = {
  categorical_kl = true, cross_entropy = true, gaussian_kl = true, contrastive_map = true, contrastive_nce = true,
  fenchel_young = true, hinge = true, imitation = true, perceptron = true, perturbation_gradient = true,
  maximum_likelihood = true, pool_listwise = true, pool_pairwise = true, pool_pointwise = true, regret = true,
  sparsemap = true, spo_plus = true,
  average_precision = true, recall = true, -- in rank_loss_spec.lua
}

-- sum over z of f(z, t) / instances; the label repeats over samples.
local function expected_loss(f, z, t, instances)
  local sum, labels = 0, t:to_list()
  for i, value in ipairs(z:to_list()) do sum = sum + f(value, labels[(i - 1) % #labels + 1]) end
  return sum / instances
end

local entrywise = {}
for _, name in ipairs(getmetatable(loss).names) do
  assert(ENTRY[name] or OTHERS[name], "no closed form for loss." .. name)
  if ENTRY[name] then entrywise[#entrywise + 1] = name end
end

for _, name in ipairs(entrywise) do
  describe("loss." .. name, function()
    local f, df = ENTRY[name][1], ENTRY[name][2]
    local label = tensor { { { 1, 0, 0 }, { 0, 1, 1 } }, { { 0, 0, 1 }, { 1, 1, 0 } } } -- [2, 2, 3]

    before_each(function() random.seed(4) end)

    it("sums over an instance and averages over the batch", function()
      local z = tensor.uniform(2, 2, 3)
      assert_near({ expected_loss(f, z, label, 2) }, { loss[name](z, label):item() })
      assert.same({}, loss[name](z, label):shape())
    end)

    it("averages over samples too, so that repeating them changes nothing", function()
      local z = tensor.uniform(4, 2, 2, 3)
      assert_near({ expected_loss(f, z, label, 8) }, { loss[name](z, label):item() })
      local once = tensor.uniform(1, 2, 2, 3)
      local twice = tensor.concat({ once, once }, 1)
      assert_near({ loss[name](once, label):item() }, { loss[name](twice, label):item() })
    end)

    it("has the gradient of its closed form", function()
      local z = tensor.uniform(3, 2, 2, 3):watch()
      loss[name](z, label):backward()
      local expected, labels = {}, label:to_list()
      for i, value in ipairs(z:to_list()) do expected[i] = df(value, labels[(i - 1) % 12 + 1]) / 6 end
      assert_near(expected, z.grad:to_list())
    end)

    local check_gradients = is_double and it or function() end -- sharp in double only
    check_gradients("has gradients that equal central differences, for label and solution", function()
      local err = autograd.check(function(list) return loss[name](list[1], list[2]) end,
        { tensor.uniform(2, 2, 2, 3), tensor.uniform(2, 2, 3) })
      assert.truthy(err < 1e-6, tostring(err))
    end)

    it("takes the number of axes of an instance", function()
      local z = tensor.uniform(2, 2, 3)
      assert_near({ expected_loss(f, z, label, 4) }, { loss[name](z, label, { instance_axes = 1 }):item() })
      assert_near({ expected_loss(f, z, label, 1) }, { loss[name](z, label, { instance_axes = 3 }):item() })
      assert_near({ expected_loss(f, z, label, 12) }, { loss[name](z, label, { instance_axes = 0 }):item() })
    end)

    it("refuses shapes that do not fit", function()
      for _, shape in ipairs { { 2, 3 }, { 2, 2, 2, 2, 3 }, { 3, 2, 3 }, { 2, 2, 1 }, { 4, 1, 2, 3 } } do
        assert_fails("MG-SHAPE", "the label's shape 2x2x3", loss[name], tensor.zeros(shape), label)
      end
      assert_fails("MG-SHAPE", "instance_axes = 4", loss[name], label, label, { instance_axes = 4 })
      assert_fails("MG-SHAPE", "no instances", loss[name], tensor.zeros(0, 3), tensor.zeros(0, 3))
      assert_fails("MG-ARGUMENT", "expected a tensor", loss[name], label, { 1 })
      assert_fails("MG-OPTION", "did you mean 'instance_axes'?", loss[name], label, label, { instance_axis = 1 })
    end)
  end)
end

describe("loss.hamming on the grid experiments", function()
  for _, case in ipairs(read_json("tests/golden/identity/losses_metrics.json").cases) do
    it("equals the recorded value and gradient of " .. case.id, function()
      local tolerance = is_double and 1e-9 or 1e-5
      local z, label = tensor(case.path):watch(), tensor(case.target_path)
      local value = loss.hamming(z, label)
      value:backward()
      assert_near({ case.hamming_loss }, { value:item() }, tolerance)
      assert_near(tensor(case.hamming_grad):to_list(), z.grad:to_list(), tolerance)
      local sampled = z:detach():reshape(1, case.batch, case.height, case.width)
      assert_near({ case.hamming_loss }, { loss.hamming(sampled, label):item() }, tolerance)
    end)
  end
end)

-- ---------------------------------------------------------------- numbers of PyTorch 1.13, in double

-- Values and gradients agree to this, relative to 1 + |expected|.
local NEAR = is_double and 1e-13 or 2e-6

-- Asserts the value of f(inputs...) and the gradients of the inputs.
local function assert_golden(value, gradients, f, ...)
  local inputs = { ... }
  for _, input in ipairs(inputs) do input:watch().grad = nil end
  local y = f(...)
  y:backward()
  assert_near(value, y:item(), NEAR)
  for i, expected in ipairs(gradients) do assert_near(expected, inputs[i].grad:to_list(), NEAR) end
end

local check_gradients = is_double and it or function() end -- sharp in double only

local function assert_gradients(f, ...)
  local err = autograd.check(function(list) return f(list[1], list[2]) end, { ... })
  assert.truthy(err < 1e-6, tostring(err))
end

local function is_nan(t)
  local value = t:item()
  return value ~= value
end

describe("loss.cross_entropy", function()
  local function logits()
    return tensor { { 1.5, -0.3, 0.2, 2 }, { -1, 0.5, 3, 0 }, { 40, -60, 0.25, 1 } }
  end
  local classes = tensor { 4, 3, 2 }
  local probabilities = tensor { { 0.1, 0.2, 0.3, 0.4 }, { 0, 0, 1, 0 }, { 0.25, 0.25, 0.25, 0.25 } }

  -- torch.nn.functional.cross_entropy(x, [3, 2, 1]) and (x, probabilities), with label_smoothing.
  for _, case in ipairs {
    { "class numbers", classes, 0, 33.58899324875559, {
      0.10799537429529535, 0.01785151530408643, 0.02943217299607615, -0.155279062595458, 0.005308014449900333,
      0.02378887034531484, -0.04352556401957726, 0.014428679224362112, 0.3333333333333333, -0.3333333333333333, 0,
      0 } },
    { "class numbers, smoothed", classes, 0.1, 31.862743248755592, {
      0.09966204096196203, 0.009518181970753102, 0.021098839662742824, -0.13027906259545802, -0.0030253188834329994,
      0.01545553701198151, -0.018525564019577247, 0.0060953458910287805, 0.325, -0.30833333333333335,
      -0.00833333333333333, -0.00833333333333333 } },
    { "probabilities", probabilities, 0, 15.501493248755594, {
      0.07466204096196204, -0.04881515136258023, -0.07056782700392383, 0.044720937404542, 0.005308014449900333,
      0.02378887034531484, -0.04352556401957726, 0.014428679224362112, 0.25, -0.08333333333333333, -0.08333333333333333,
      -0.08333333333333333 } },
    { "probabilities, smoothed", probabilities, 0.2, 15.666493248755591, {
      0.06466204096196204, -0.05214848469591357, -0.06723449367059049, 0.05472093740454198, -0.011358652216766334,
      0.007122203678648173, 0.006474435980422727, -0.0022379874423045553, 0.25, -0.08333333333333333,
      -0.08333333333333333, -0.08333333333333333 } },
  } do
    it("has the value and the gradient of PyTorch: " .. case[1], function()
      assert_golden(case[4], { case[5] }, function(x)
        return loss.cross_entropy(x, case[2], { smoothing = case[3] })
      end, logits())
    end)
  end

  it("is log(classes) where all logits are equal", function()
    assert_near(math.log(7), loss.cross_entropy(tensor.full({ 5, 7 }, 300), tensor { 1, 2, 3, 4, 7 }):item())
    assert_near(0, loss.cross_entropy(tensor.zeros(3, 1), tensor.ones(3)):item())
  end)

  it("reads class numbers and one-hot rows alike", function()
    random.seed(2)
    local one_hot = tensor { { 0, 0, 0, 1 }, { 0, 0, 1, 0 }, { 0, 1, 0, 0 } }
    local a = tensor.normal(3, 4):watch()
    local b = a:clone():watch()
    local x, y = loss.cross_entropy(a, classes), loss.cross_entropy(b, one_hot)
    assert_near(x:item(), y:item())
    x:backward()
    y:backward()
    assert_near(a.grad:to_list(), b.grad:to_list())
  end)

  it("sums over the labels of an instance, averages over batch and samples", function()
    random.seed(3)
    local z, label = tensor.normal(2, 3, 5, 4), tensor { { 1, 2, 3, 4, 1 }, { 4, 3, 2, 1, 4 }, { 2, 2, 2, 2, 2 } }
    local sum, list, labels = 0, z:to_list(), label:to_list()
    for row = 0, 29 do
      local total = 0
      for c = 1, 4 do total = total + math.exp(list[4 * row + c]) end
      sum = sum + math.log(total) - list[4 * row + labels[row % 15 + 1]]
    end
    assert_near(sum / 6, loss.cross_entropy(z, label):item())
    assert_near(sum / 30, loss.cross_entropy(z, label, { instance_axes = 0 }):item())
    assert_near(sum / 2, loss.cross_entropy(z, label, { instance_axes = 2 }):item())
    local one_hot = tensor.zeros(3, 5, 4)
    for i = 1, 3 do
      for j = 1, 5 do one_hot:set(i, j, label:get(i, j), 1) end
    end
    assert_near(sum / 6, loss.cross_entropy(z, one_hot):item())
    assert.same({}, loss.cross_entropy(z, label):shape())
  end)

  it("holds many classes", function()
    random.seed(4)
    local z, sum = tensor.normal(2, 1300), 0
    for row = 1, 2 do
      local total = 0
      for _, x in ipairs(z[row]:to_list()) do total = total + math.exp(x) end
      sum = sum + math.log(total) - z:get(row, 1300)
    end
    assert_near(sum / 2, loss.cross_entropy(z, tensor { 1300, 1300 }):item())
  end)

  check_gradients("has gradients that equal central differences, for probabilities too", function()
    random.seed(5)
    assert_gradients(function(z) return loss.cross_entropy(z, tensor { 1, 3, 2 }, { smoothing = 0.3 }) end,
      tensor.normal(2, 3, 3))
    assert_gradients(function(z, t) return loss.cross_entropy(z, t, { smoothing = 0.3 }) end, tensor.normal(2, 3, 4),
      tensor.uniform(3, 4))
  end)

  it("takes logits of minus infinity for classes that cannot be", function()
    local inf = math.huge
    local z = tensor { { 0, -inf, 0 } }:watch()
    local value = loss.cross_entropy(z, tensor { 1 })
    assert_near(math.log(2), value:item())
    value:backward()
    assert_near({ -0.5, 0, 0.5 }, z.grad:to_list())
    assert_near(math.log(2), loss.cross_entropy(z, tensor { { 0.5, 0, 0.5 } }):item())
    assert.equal(inf, loss.cross_entropy(z, tensor { 2 }):item())
  end)

  it("passes NaN on", function()
    assert.truthy(is_nan(loss.cross_entropy(tensor { { 0, 0 / 0 } }, tensor { 1 })))
    assert.truthy(is_nan(loss.cross_entropy(tensor { { 0 / 0, 0 } }, tensor { 2 })))
    assert.truthy(is_nan(loss.cross_entropy(tensor { { 0, 0 } }, tensor { { 0 / 0, 0 } })))
  end)

  it("names a label out of range", function()
    for _, label in ipairs { 0, 5, 1.5, -1, 0 / 0, math.huge } do
      assert_fails("MG-ARGUMENT", "at entry 2, expected a class from 1 to 4", loss.cross_entropy, tensor.zeros(3, 4),
        tensor { 1, label, 9 })
    end
  end)

  it("refuses shapes that do not fit", function()
    for _, shape in ipairs { { 4 }, { 2 }, { 3, 3 }, { 3, 1 }, { 1, 3, 4 }, {} } do
      assert_fails("MG-SHAPE", "want class numbers of shape 3 or probabilities of shape 3x4", loss.cross_entropy,
        tensor.zeros(3, 4), tensor.ones(shape))
    end
    assert_fails("MG-SHAPE", "no instances", loss.cross_entropy, tensor.zeros(0, 4), tensor.zeros(0))
    assert_fails("MG-SHAPE", "no classes", loss.cross_entropy, tensor.zeros(3, 0), tensor.zeros(3))
    assert_fails("MG-SHAPE", "is a scalar", loss.cross_entropy, tensor.zeros(), tensor.zeros())
    assert_fails("MG-ARGUMENT", "smoothing = 1.5", loss.cross_entropy, tensor.zeros(1, 2), tensor { 1 },
      { smoothing = 1.5 })
    assert_fails("MG-ARGUMENT", "label: expected a tensor", loss.cross_entropy, tensor.zeros(1, 2), 1)
    assert_fails("MG-ARGUMENT", "class numbers have no gradient", function()
      loss.cross_entropy(tensor.zeros(1, 2), tensor { 1 }:watch()):backward()
    end)
  end)
end)

describe("loss.bernoulli", function()
  it("has the value and the gradient of PyTorch", function() -- binary_cross_entropy_with_logits, sum / 2
    local label = tensor { { 1, 0.25, 0 }, { 0, 1, 0.5 } }
    assert_golden(15.89707608789156, {
      { -0.1887703343990727, -0.06539853898894123, 0.49999999999995326, 0, 0, 0 },
    }, function(z) return loss.bernoulli(z, label) end, tensor { { 0.5, -2, 30 }, { -120, 90, 0 } })
  end)

  it("equals its closed form over long instances", function()
    random.seed(6)
    local z, t = tensor.normal(3, 2, 1500), tensor.uniform(2, 1500)
    local list, labels, sum = z:to_list(), t:to_list(), 0
    for i, x in ipairs(list) do
      sum = sum + math.max(x, 0) + math.log(1 + math.exp(-math.abs(x))) - x * labels[(i - 1) % 3000 + 1]
    end
    assert_near(sum / 6, loss.bernoulli(z, t):item())
    assert_near(sum / 9000, loss.bernoulli(z, t, { instance_axes = 0 }):item())
  end)

  it("stays finite far out", function()
    local z = tensor { { 1e30, -1e30 } }:watch()
    local value = loss.bernoulli(z, tensor { { 1, 0 } })
    assert.equal(0, value:item())
    value:backward()
    assert.same({ 0, 0 }, z.grad:to_list())
    assert_near(2, loss.bernoulli(tensor { { 1e30, -1e30 } }, tensor { { 0, 1 } }):item() / 1e30)
  end)

  it("passes NaN on", function()
    assert.truthy(is_nan(loss.bernoulli(tensor { { 0, 0 / 0 } }, tensor { { 1, 1 } })))
    assert.truthy(is_nan(loss.bernoulli(tensor { { 0, 0 } }, tensor { { 1, 0 / 0 } })))
    local z = tensor { { 0 / 0, 0 } }:watch()
    loss.bernoulli(z, tensor { { 1, 1 } }):backward()
    assert.truthy(z.grad:get(1, 1) ~= z.grad:get(1, 1))
    assert_near(-0.5, z.grad:get(1, 2))
  end)
end)

describe("loss.bernoulli_probability", function()
  it("has the value and the gradient of PyTorch", function() -- binary_cross_entropy
    local label = tensor { { 1, 0.25, 0 } }
    assert_golden(3.5654494151481737, { { -2, -0.3125, 10 } }, function(z)
      return loss.bernoulli_probability(z, label)
    end, tensor { { 0.5, 0.2, 0.9 } })
  end)

  it("is finite at certainty, right or wrong", function()
    assert_near(0, loss.bernoulli_probability(tensor { { 1, 0 } }, tensor { { 1, 0 } }):item())
    local z = tensor { { 0 } }:watch()
    local value = loss.bernoulli_probability(z, tensor { { 1 } })
    assert_near(30 * math.log(10), value:item())
    value:backward()
    assert.equal(0, z.grad:item())
  end)
end)

describe("loss.huber", function()
  local function z() return tensor { { 0.5, -2, 3, 0.1 } } end
  local label = tensor { { 0.2, 0.5, 1, -0.7 } }

  it("has the value and the gradient of its closed form", function() -- distances 0.3, 2.5, 2, 0.8; delta 0.7
    local value = 0.3 ^ 2 / 2 + 0.7 * (2.5 - 0.35) + 0.7 * (2 - 0.35) + 0.7 * (0.8 - 0.35)
    assert_golden(value, { { 0.3, -0.7, 0.7, 0.7 } }, function(x) return loss.huber(x, label, { delta = 0.7 }) end, z())
    assert_golden(value / 0.7, { { 3 / 7, -1, 1, 1 } }, function(x)
      return loss.huber(x, label, { delta = 0.7, smooth = true })
    end, z())
  end)

  it("has the value of PyTorch", function() -- huber_loss and smooth_l1_loss, a distance of delta among them
    local tie = tensor { { 0.2, 0.5, 1, -0.6 } }
    assert_near(2.95, loss.huber(z(), tie, { delta = 0.7 }):item())
    assert_near(4.214285714285714, loss.huber(z(), tie, { delta = 0.7, smooth = true }):item())
  end)

  it("checks its options", function()
    assert_fails("MG-ARGUMENT", "delta: expected a number above 0", loss.huber, z(), label, { delta = 0 })
  end)
end)

describe("loss.gaussian_kl", function()
  -- torch.distributions.kl_divergence(Normal(m, exp(v / 2)), Normal(0, 1)).sum() / 2
  it("has the value and the gradients of PyTorch", function()
    assert_golden(1.6212206350826541, {
      { 0.25, -0.5, 0, 1 }, { 0, -0.1580301397071394, 0.16218031767503197, 0.42957045711476133 },
    }, loss.gaussian_kl, tensor { { 0.5, -1 }, { 0, 2 } }, tensor { { 0, -1 }, { 0.5, 1 } })
  end)

  it("is 0 for the standard normal, and averages over instances", function()
    assert.equal(0, loss.gaussian_kl(tensor.zeros(3, 4), tensor.zeros(3, 4)):item())
    local mean, zero = tensor.full({ 2, 3, 4 }, 2), tensor.zeros(2, 3, 4)
    assert_near(2 * 12, loss.gaussian_kl(mean, zero):item())
    assert_near(2 * 4, loss.gaussian_kl(mean, zero, { instance_axes = 1 }):item())
  end)

  check_gradients("has gradients that equal central differences", function()
    assert_gradients(loss.gaussian_kl, tensor.normal(2, 3), tensor.normal(2, 3))
  end)

  it("passes NaN on and refuses shapes that do not fit", function()
    assert.truthy(is_nan(loss.gaussian_kl(tensor { { 0 / 0 } }, tensor { { 0 } })))
    assert_fails("MG-SHAPE", "mean has shape 2x3, log_variance 3", loss.gaussian_kl,
      tensor.zeros(2, 3), tensor.zeros(3))
    assert_fails("MG-SHAPE", "no instances", loss.gaussian_kl, tensor.zeros(0, 3), tensor.zeros(0, 3))
  end)
end)

describe("loss.categorical_kl", function()
  local function logits() return tensor { { { 1, 0, -1 }, { 0.5, 0.5, 2 } } } end

  -- torch.distributions.kl_divergence(Categorical(logits=q), Categorical(logits=p)).sum()
  it("has the value and the gradient of PyTorch against the uniform prior", function()
    assert_golden(0.5330055411493066, { { 0.2825874510794425, -0.14077035746963007, -0.14181709360981215,
      -0.16001348873716442, -0.16001348873716442, 0.32002697747432873 } }, loss.categorical_kl, logits())
  end)

  it("has the value and the gradients of PyTorch against a given prior", function()
    assert_golden(0.7592545725931827, {
      { 0.18920734517557636, -0.052758743118675594, -0.13644860205690063, -0.1362109318252761, -0.29049170480716224,
        0.42670263663243824 },
      { -0.2529142701952435, 0.005360305566907531, 0.24755396462833595, 0.05766078463519925, 0.4218361117839429,
        -0.47949689641914217 },
    }, function(q, p) return loss.categorical_kl(q, { prior = p }) end, logits(),
      tensor { { 0.3, -0.2, 0.1 }, { 0, 1, 0 } })
  end)

  it("is 0 for the prior itself, and log(classes) at most", function()
    assert_near(0, loss.categorical_kl(tensor.full({ 2, 5, 3 }, 700)):item())
    assert_near(0, loss.categorical_kl(logits(), { prior = logits() }):item())
    assert_near(math.log(3), loss.categorical_kl(tensor { { 900, 0, 0 } }):item())
  end)

  it("sums over variables, averages over the batch", function()
    local q = tensor.concat({ logits(), logits() }, 1)
    local whole = loss.categorical_kl(logits()):item()
    assert_near(whole, loss.categorical_kl(q):item())
    assert_near(whole / 2, loss.categorical_kl(q, { instance_axes = 0 }):item())
    assert_near(whole * 2, loss.categorical_kl(q, { instance_axes = 2 }):item())
  end)

  check_gradients("has gradients that equal central differences", function()
    assert_gradients(function(q, p) return loss.categorical_kl(q, { prior = p }) end, tensor.normal(2, 3, 4),
      tensor.normal(4))
  end)

  it("passes NaN on and refuses shapes that do not fit", function()
    assert.truthy(is_nan(loss.categorical_kl(tensor { { 0 / 0, 1 } })))
    assert_fails("MG-SHAPE", "a prior of shape 2 for logits of shape 1x2x3", loss.categorical_kl, logits(),
      { prior = tensor.zeros(2) })
    assert_fails("MG-SHAPE", "no classes", loss.categorical_kl, tensor.zeros(2, 0))
    assert_fails("MG-SHAPE", "no classes", loss.categorical_kl, tensor.zeros())
    assert_fails("MG-SHAPE", "no instances", loss.categorical_kl, tensor.zeros(0, 3))
  end)
end)
