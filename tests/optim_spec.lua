-- Optimizers against loops written by hand, the training step, schedules.
local mg = require "mapgrad"
local support = require "tests.support"

local loss, nn, optim, random, tensor = mg.loss, mg.nn, mg.optim, mg.random, mg.tensor

local assert_fails, assert_near = support.assert_fails, support.assert_near

-- sum curvature (w - center)^2 / 2: its gradient is curvature (w - center).
local CURVATURE, CENTER, START = { 1, 4, 0.5 }, { 2, -1, 0.5 }, { 0.3, 0.7, -2 }

local function bowl(w)
  return ((w - tensor(CENTER)):square() * tensor(CURVATURE)):sum() * 0.5
end

local function run(make, steps)
  local w = tensor(START):watch()
  local optimizer = make { w }
  for _ = 1, steps do optimizer:step(function() return bowl(w) end) end
  return w:to_list()
end

-- The same in plain numbers: update(memory, w, g, t) -> w, for each entry by itself.
local function reference(update, steps)
  local result = {}
  for i, w in ipairs(START) do
    local memory = {}
    for t = 1, steps do w = update(memory, w, CURVATURE[i] * (w - CENTER[i]), t) end
    result[i] = w
  end
  return result
end

describe("adam", function()
  for _, decay in ipairs { 0, 0.1 } do
    it("follows the published recurrence, decay " .. decay, function()
      local rate, beta1, beta2, epsilon = 0.05, 0.8, 0.95, 1e-6
      local expected = reference(function(memory, w, g, t)
        g = g + decay * w
        memory.m = beta1 * (memory.m or 0) + (1 - beta1) * g
        memory.s = beta2 * (memory.s or 0) + (1 - beta2) * g * g
        local m, s = memory.m / (1 - beta1 ^ t), memory.s / (1 - beta2 ^ t)
        return w - rate * m / (math.sqrt(s) + epsilon)
      end, 25)
      assert_near(expected, run(function(parameters)
        return optim.adam(parameters, { rate = rate, beta1 = beta1, beta2 = beta2, epsilon = epsilon, decay = decay })
      end, 25))
    end)
  end

  it("moves each entry by the rate in its first step", function()
    assert_near({ 0.3 + 0.01, 0.7 - 0.01, -2 + 0.01 }, run(function(parameters)
      return optim.adam(parameters, { rate = 0.01 })
    end, 1), 1e-6)
  end)

  it("counts the updates of each parameter by itself", function()
    local w, late = tensor(START):watch(), tensor { 1 }:watch()
    local adam = optim.adam({ w, late }, { rate = 0.01 })
    for _ = 1, 5 do adam:step(function() return bowl(w) end) end
    assert.same({ 1 }, late:to_list())
    adam:step(function() return (late * 3):sum() end)
    assert_near({ 0.99 }, late:to_list(), 1e-6) -- its first step
  end)

  it("refuses betas of 1", function()
    assert_fails("MG-ARGUMENT", "beta2 must be below 1", optim.adam, { tensor { 1 }:watch() }, { beta2 = 1 })
  end)
end)

describe("sgd", function()
  for _, case in ipairs {
    { momentum = 0, decay = 0 }, { momentum = 0, decay = 0.2 }, { momentum = 0.9, decay = 0 },
    { momentum = 0.9, decay = 0.2 }, { momentum = 0.9, decay = 0.2, nesterov = true },
  } do
    local title = ("momentum %g, decay %g%s"):format(case.momentum, case.decay, case.nesterov and ", nesterov" or "")
    it("follows its recurrence, " .. title, function()
      local rate = 0.05
      local expected = reference(function(memory, w, g)
        g = g + case.decay * w
        memory.v = case.momentum * (memory.v or 0) + g
        return w - rate * (case.nesterov and g + case.momentum * memory.v or memory.v)
      end, 20)
      assert_near(expected, run(function(parameters)
        return optim.sgd(parameters,
          { rate = rate, momentum = case.momentum, decay = case.decay, nesterov = case.nesterov })
      end, 20))
    end)
  end

  it("checks its options", function()
    local parameters = { tensor { 1 }:watch() }
    assert_fails("MG-OPTION", "option 'rate' is missing", optim.sgd, parameters)
    assert_fails("MG-OPTION", "did you mean 'momentum'?", optim.sgd, parameters, { rate = 1, momentun = 0.9 })
    assert_fails("MG-ARGUMENT", "momentum", optim.sgd, parameters, { rate = 1, nesterov = true })
    assert_fails("MG-ARGUMENT", "momentum", optim.sgd, parameters, { rate = 1, momentum = 1 })
  end)
end)

-- Every optimizer with a rate that suits the regression below. One without a row fails.
local RATES = { adam = 0.05, adamw = 0.05, rmsprop = 0.02, sgd = 0.1 }

for _, name in ipairs(getmetatable(optim).names) do
  if not (name == "schedule" or name:match "^clip_") then
    describe("optim." .. name, function()
      local function regression()
        random.seed(11)
        local x = tensor.normal(64, 3)
        local y = x:matmul(tensor { { 1 }, { -2 }, { 0.5 } }) + 3
        local net = nn.linear(3, 1)
        assert.truthy(RATES[name], "no rate for optim." .. name)
        return net, optim[name](net:parameters(), { rate = RATES[name] }), function()
          return loss.squared(net(x), y)
        end
      end

      it("learns a linear map", function()
        local net, optimizer, f = regression()
        local first, last = optimizer:step(f), nil
        for _ = 1, 400 do last = optimizer:step(f) end
        assert.truthy(first > 5 and last < 1e-3, ("from %g to %g"):format(first, last))
        assert_near({ 1, -2, 0.5 }, net.weight:to_list(), 0.02)
        assert_near({ 3 }, net.bias:to_list(), 0.02)
      end)

      it("trains in constant memory", function()
        local _, optimizer, f = regression()
        optimizer:step(f)
        collectgarbage()
        collectgarbage()
        local before = tensor.memory().tensors
        for _ = 1, 20 do optimizer:step(f) end
        assert.equal(before, tensor.memory().tensors)
      end)
    end)
  end
end

describe("a step", function()
  local w, sgd

  before_each(function()
    w = tensor { 1, 2 }:watch()
    sgd = optim.sgd({ w }, { rate = 0.5 })
  end)

  it("returns the loss and what else the function returns", function()
    local value, text, t = sgd:step(function() return (w * 2):sum(), "more", w * 3 end)
    assert.equal(6, value)
    assert.equal("more", text)
    assert.same({ 3, 6 }, t:to_list())
    assert.same({ 0, 1 }, w:to_list())
    assert.is_nil(rawget(w, "grad"))
  end)

  it("uses the rate that is set", function()
    sgd.rate = 0.25
    sgd:step(function() return w:sum() end)
    assert.same({ 0.75, 1.75 }, w:to_list())
    assert_fails("MG-ARGUMENT", "rate: expected a number from 0", function() sgd.rate = -1 end)
    assert_fails("MG-NAME", "no field 'lr'", function() sgd.lr = 1 end)
  end)

  it("forgets gradients from before", function()
    w:sum():backward()
    sgd:step(function() return w:sum() end)
    assert.same({ 0.5, 1.5 }, w:to_list())
  end)

  it("adds up gradients of several backward calls with update", function()
    w:sum():backward()
    w:sum():backward()
    sgd:update()
    assert.same({ 0, 1 }, w:to_list())
    assert.is_nil(rawget(w, "grad"))
  end)

  for _, case in ipairs { { "nan", 0 / 0 }, { "inf", math.huge } } do
    it("stops at a loss that is " .. case[1] .. " before the weights change", function()
      assert_fails("MG-NUMBER", "the loss of step 1 is " .. case[1], sgd.step, sgd, function()
        return (w * case[2]):sum()
      end)
      assert.same({ 1, 2 }, w:to_list())
    end)
  end

  it("leaves weights and gradients alone after an error, and goes on", function()
    assert_fails("on purpose", "on purpose", sgd.step, sgd, function() error "on purpose" end)
    assert.same({ 1, 2 }, w:to_list())
    sgd:step(function() return w:sum() end)
    assert.same({ 0.5, 1.5 }, w:to_list())
  end)

  it("says what it expected of the function", function()
    assert_fails("MG-TYPE", "a tensor of one entry, got shape 2", sgd.step, sgd, function() return w * 1 end)
    assert_fails("MG-TYPE", "a tensor of one entry, got a nil", sgd.step, sgd, function() end)
    assert_fails("MG-AUTOGRAD", "no history", sgd.step, sgd, function() return tensor { 1 } end)
  end)

  it("updates a tensor that is listed twice once", function()
    optim.sgd({ w, w }, { rate = 1 }):step(function() return w:sum() end)
    assert.same({ 0, 1 }, w:to_list())
  end)

  it("refuses lists that are none of watched tensors", function()
    assert_fails("MG-AUTOGRAD", "parameter 1 is not watched", optim.sgd, { tensor { 1 } }, { rate = 1 })
    assert_fails("MG-ARGUMENT", "empty", optim.sgd, {}, { rate = 1 })
    assert_fails("MG-TYPE", "list of tensors", optim.sgd, nn.linear(1, 1), { rate = 1 })
  end)

  it("prints", function()
    assert.equal("optim.sgd, rate 0.5, 2 parameters, 0 steps", tostring(sgd))
  end)
end)

describe("schedule.steps", function()
  it("multiplies the rate after each of the epochs", function()
    local adam = optim.adam({ tensor { 1 }:watch() }, { rate = 0.5 })
    local schedule = optim.schedule.steps(adam, { epochs = { 3, 5 }, factor = 0.1 })
    local rates = {}
    for epoch = 1, 6 do
      rates[epoch] = schedule:epoch(epoch)
      assert.equal(rates[epoch], adam.rate)
    end
    assert_near({ 0.5, 0.5, 0.5, 0.05, 0.05, 0.005 }, rates, 1e-15)
    assert.equal(0.5, schedule:epoch(1)) -- epochs in any order
  end)

  it("checks its options", function()
    local adam = optim.adam({ tensor { 1 }:watch() })
    assert_fails("MG-ARGUMENT", "ascend", optim.schedule.steps, adam, { epochs = { 4, 3 } })
    assert_fails("MG-OPTION", "did you mean 'epochs'?", optim.schedule.steps, adam, { epoch = { 3 } })
    assert_fails("MG-ARGUMENT", "optimizer", optim.schedule.steps, {}, { epochs = { 3 } })
  end)
end)
