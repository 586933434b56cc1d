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

-- Losses that do not compare entry by entry: described further down.
local OTHERS = { categorical_kl = true, cross_entropy = true, gaussian_kl = true }

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
