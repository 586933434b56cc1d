-- Optimizers against loops written by hand, the training step, schedules.
local mg = require "mapgrad"
local support = require "tests.support"

local loss, nn, optim, random, tensor = mg.loss, mg.nn, mg.optim, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

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

-- Weights after steps 1, 2, 3, 5 and 8 on the bowl, by torch.optim.{SGD, Adam, AdamW, RMSprop} of PyTorch
-- 1.13 in double: lr = rate, betas, eps = epsilon, alpha = beta, weight_decay = decay.
local GOLDEN_STEPS = { 1, 2, 3, 5, 8 }
local GOLDEN = {
  { "sgd", { rate = 0.05 }, {
    { 0.385, 0.35999999999999993, -1.9375 },
    { 0.46575, 0.08799999999999994, -1.8765625 },
    { 0.5424625, -0.12960000000000005, -1.8171484375 },
    { 0.6845724062499999, -0.44294400000000006, -1.7027392333984375 },
    { 0.8721852668085938, -0.7147873280000001, -1.5416295091556549 },
  } },
  { "sgd", { rate = 0.05, momentum = 0.9, decay = 0.1 }, {
    { 0.3835, 0.35649999999999993, -1.9275 },
    { 0.5375575, -0.2257325000000001, -1.791925 },
    { 0.7466435875, -0.9034665875000002, -1.60364975 },
    { 1.2614999804396876, -1.9772072350521877, -1.112833260775 },
    { 2.028668363780099, -1.8160161552271135, -0.2525353887066872 },
  } },
  { "sgd", { rate = 0.05, momentum = 0.9, dampening = 0.3 }, {
    { 0.385, 0.35999999999999993, -1.9375 },
    { 0.518025, -0.13640000000000005, -1.83859375 },
    { 0.689616625, -0.704064, -1.708652734375 },
    { 1.109031860490625, -1.7175934464000002, -1.3770874422827148 },
    { 1.7872178611105405, -2.1317190715480065, -0.7768533588569644 },
  } },
  { "sgd", { rate = 0.05, momentum = 0.9, nesterov = true, decay = 0.1 }, {
    { 0.45865, 0.04734999999999988, -1.86225 },
    { 0.668356075, -0.6293278250000002, -1.67362675 },
    { 0.9099515076625, -1.1844786046625002, -1.4462498502499999 },
    { 1.4185279902239851, -1.6769700128691203, -0.9215261388153122 },
    { 2.043122887900111, -1.2455869191908406, -0.11048784171716923 },
  } },
  { "adam", { rate = 0.05 }, {
    { 0.34999999970588236, 0.6500000000735293, -1.9500000004 },
    { 0.39995553115286286, 0.6000444684031145, -1.900028879137521 },
    { 0.44983510743593813, 0.5501648918940015, -1.8501066467257221 },
    { 0.5492337248339407, 0.4507662740372376, -1.7504914756876655 },
    { 0.6968991207998756, 0.3031008773715422, -1.6019636975005043 },
  } },
  { "adam", { rate = 0.05, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-3, decay = 0.1 }, {
    { 0.34997007779772593, 0.650007276961141, -1.9500344589937975 },
    { 0.3998611673658347, 0.6000851229851893, -1.9001166285530773 },
    { 0.4496181565555555, 0.5502826511758453, -1.850278836178468 },
    { 0.5485026729798816, 0.4512377523274024, -1.7509729218888184 },
    { 0.6943898172779478, 0.30482856975183587, -1.6034115150284234 },
  } },
  { "adamw", { rate = 0.05 }, {
    { 0.3498499997058824, 0.6496500000735295, -1.9490000004 },
    { 0.39963075841400797, 0.5993699991320796, -1.8980550151738842 },
    { 0.44931097327112446, 0.5491916813555493, -1.8471854646810808 },
    { 0.5482381216947648, 0.44927344059811636, -1.7457569247848415 },
    { 0.6950199383493869, 0.3010250679792603, -1.5947182559918873 },
  } },
  { "adamw", { rate = 0.05, beta1 = 0.8, beta2 = 0.95, decay = 0.3 }, {
    { 0.34549999970588235, 0.6395000000735294, -1.9200000004 },
    { 0.3902549203214745, 0.5799931496741201, -1.8412761181448132 },
    { 0.4342340786284911, 0.5215230620354591, -1.7638608163603164 },
    { 0.5197480294158333, 0.40786478254226094, -1.613082365981952 },
    { 0.641518354762032, 0.24618435159487875, -1.3974790206451726 },
  } },
  { "rmsprop", { rate = 0.02 }, {
    { 0.49999998823529473, 0.5000000029411764, -1.8000000159999987 },
    { 0.6326978877246585, 0.36730209948658143, -1.6642205310458678 },
    { 0.7365806252858316, 0.2634193594787413, -1.5561666665906757 },
    { 0.8988079176775724, 0.10119206412792314, -1.3838898589105333 },
    { 1.0805026015062296, -0.08050262198062069, -1.1845305700267872 },
  } },
  { "rmsprop", { rate = 0.02, beta = 0.9, momentum = 0.5, decay = 0.1 }, {
    { 0.3632455520057628, 0.6367544470877532, -1.9367544481759427 },
    { 0.4398155978435852, 0.5600938262302286, -1.8598292409575532 },
    { 0.5147044528032881, 0.4849804421741718, -1.7840643096696924 },
    { 0.6465106623371089, 0.35231845041318516, -1.648945005133139 },
    { 0.804933996568045, 0.19180737743729534, -1.482535748126901 },
  } },
  { "rmsprop", { rate = 0.02, beta = 0.9, centered = true }, {
    { 0.3666666653594771, 0.6333333336601307, -1.933333335111111 },
    { 0.4166686235483187, 0.5833313749121513, -1.8830108674599613 },
    { 0.4602234195393757, 0.5397765784910309, -1.8389807060163432 },
    { 0.5390366792200988, 0.46096331809173735, -1.7588438415648406 },
    { 0.6507522869612165, 0.34924770935605026, -1.6441172776832529 },
  } },
  { "rmsprop", { rate = 0.02, beta = 0.9, centered = true, momentum = 0.5, epsilon = 1e-2 }, {
    { 0.36538461538461536, 0.6336585365853658, -1.9350649350649352 },
    { 0.44734450985021385, 0.5506715205841587, -1.853277038680878 },
    { 0.5307192430138614, 0.46637293875494074, -1.769518093034667 },
    { 0.6873367380078398, 0.30824207548165117, -1.610133244153616 },
    { 0.8981901850289515, 0.09561061090389453, -1.3896813146279183 },
  } },
}

describe("the same numbers as PyTorch", function()
  for _, case in ipairs(GOLDEN) do
    local options = {}
    for key, value in pairs(case[2]) do options[#options + 1] = key .. " " .. tostring(value) end
    table.sort(options)
    it(case[1] .. ": " .. table.concat(options, ", "), function()
      local w = tensor(START):watch()
      local optimizer, done = optim[case[1]]({ w }, case[2]), 0
      for i, expected in ipairs(case[3]) do
        while done < GOLDEN_STEPS[i] do
          optimizer:step(function() return bowl(w) end)
          done = done + 1
        end
        assert_near(expected, w:to_list(), is_double and 1e-12 or 1e-6)
      end
    end)
  end

  -- A weight of many chunks moves as one of a single entry does, whatever the number of threads.
  for _, case in ipairs(GOLDEN) do
    it("in every entry of a long tensor: " .. case[1], function()
      local n = 70001
      local w = tensor.full({ n }, START[1]):watch()
      local optimizer = optim[case[1]]({ w }, case[2])
      for _ = 1, 3 do optimizer:step(function() return ((w - CENTER[1]):square() * CURVATURE[1]):sum() * 0.5 end) end
      local first = w:get(1)
      assert_near(case[3][3][1], first, is_double and 1e-12 or 1e-6)
      assert.equal(first, w:min():item())
      assert.equal(first, w:max():item())
    end)
  end
end)

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

describe("rmsprop and sgd", function()
  it("check their options", function()
    local parameters = { tensor { 1 }:watch() }
    assert_fails("MG-ARGUMENT", "dampening must be in 0..1", optim.sgd, parameters,
      { rate = 1, momentum = 0.5, dampening = 2 })
    assert_fails("MG-ARGUMENT", "dampening must be 0 with nesterov", optim.sgd, parameters,
      { rate = 1, momentum = 0.5, dampening = 0.5, nesterov = true })
    assert_fails("MG-ARGUMENT", "beta must be below 1", optim.rmsprop, parameters, { beta = 1 })
    assert_fails("MG-OPTION", "did you mean 'beta'?", optim.rmsprop, parameters, { betta = 0.9 })
  end)
end)

describe("groups", function()
  local a, b

  before_each(function() a, b = tensor { 1, 2 }:watch(), tensor { 3 }:watch() end)

  local function sum() return a:sum() + b:sum() end

  it("have options of their own", function()
    local sgd = optim.sgd({ { parameters = { a } }, { parameters = { b }, rate = 0.5 } }, { rate = 0.25 })
    sgd:step(sum)
    assert.same({ 0.75, 1.75 }, a:to_list())
    assert.same({ 2.5 }, b:to_list())
    assert.equal(0.25, sgd.groups[1].rate)
    assert.equal(0.5, sgd.groups[2].rate)
    assert.equal("optim.sgd, rate 0.25 and 0.5, 3 parameters, 1 steps", tostring(sgd))
  end)

  it("may each have a different decay and momentum", function()
    local sgd = optim.sgd {
      { parameters = { a }, decay = 1, rate = 0.5 }, { parameters = { b }, momentum = 0.5, rate = 1 },
    }
    for _ = 1, 2 do sgd:step(function() return a:sum() * 0 + b:sum() end) end
    assert.same({ 0.25, 0.5 }, a:to_list())
    assert.same({ 3 - 1 - 1.5 }, b:to_list())
  end)

  it("are one where the list has none", function()
    local adam = optim.adam { a, b }
    assert.equal(1, #adam.groups)
    assert.equal(2, #adam.groups[1].parameters)
  end)

  it("keep the proportions of their rates when the optimizer's is set", function()
    local sgd = optim.sgd({ { parameters = { a } }, { parameters = { b }, rate = 0.5 } }, { rate = 0.25 })
    sgd.rate = 1
    assert.equal(1, sgd.rate)
    assert.equal(2, sgd.groups[2].rate)
    sgd.groups[2].rate = 4
    sgd.rate = 0.5
    assert.equal(2, sgd.groups[2].rate)
    sgd.rate = 0
    assert.equal(0, sgd.groups[2].rate)
    sgd.rate = 0.125
    assert.equal(0.25, sgd.groups[2].rate)
  end)

  it("take new options, but for those that need another state", function()
    local sgd = optim.sgd({ a }, { rate = 1 })
    sgd.groups[1].decay = 0.5
    sgd:step(sum)
    assert.same({ 1 - 1 - 0.5, 2 - 1 - 1 }, a:to_list())
    assert_fails("MG-ARGUMENT", "needs another state", function() sgd.groups[1].momentum = 0.9 end)
    assert_fails("MG-NAME", "did you mean 'rate'?", function() sgd.groups[1].rat = 1 end)
    assert_fails("MG-ARGUMENT", "decay: expected a number from 0", function() sgd.groups[1].decay = -1 end)
  end)

  it("refuse a tensor in two of them, and count it once in one", function()
    assert_fails("MG-ARGUMENT", "group 2: parameter 1 stands in two groups", optim.sgd,
      { { parameters = { a } }, { parameters = { a, b } } }, { rate = 1 })
    local sgd = optim.sgd({ { parameters = { a, b, a } } }, { rate = 1 })
    assert.equal(2, #sgd.parameters)
    sgd:step(sum)
    assert.same({ 0, 1 }, a:to_list())
  end)

  it("are checked", function()
    assert_fails("MG-OPTION", "optim.sgd: group 2: unknown option 'rat', did you mean 'rate'?", optim.sgd,
      { { parameters = { a } }, { parameters = { b }, rat = 1 } }, { rate = 1 })
    assert_fails("MG-OPTION", "optim.sgd: group 2: option 'rate' is missing", optim.sgd,
      { { parameters = { a }, rate = 1 }, { parameters = { b } } })
    assert_fails("MG-OPTION", "unknown option 'clip_norm'", optim.sgd, { { parameters = { a }, clip_norm = 1 } },
      { rate = 1 })
    assert_fails("MG-TYPE", "group 2: expected a table with a list `parameters`", optim.sgd,
      { { parameters = { a } }, b }, { rate = 1 })
    assert_fails("MG-AUTOGRAD", "group 1: parameter 1 is not watched", optim.sgd,
      { { parameters = { tensor { 1 } } } }, { rate = 1 })
  end)

  it("may be lists of names and tensors", function()
    local net = nn.linear(2, 1)
    local sgd = optim.sgd(net:named_parameters(), { rate = 1 })
    assert.equal(2, #sgd.parameters)
    assert.truthy(sgd:state()["parameter.weight.updates"])
    assert_fails("MG-ARGUMENT", "parameter 1 ('x'): expected a tensor", optim.sgd, { { "x", 3 } }, { rate = 1 })
  end)
end)

describe("clipping", function()
  local a, b

  before_each(function()
    a, b = tensor { 0, 0 }:watch(), tensor { 0 }:watch()
    local value = (a * tensor { 3, 0 }):sum() + b:sum() * 4
    value:backward() -- gradients {3, 0} and {4}
  end)

  it("by norm scales all gradients alike and returns the norm before", function()
    assert.equal(5, optim.clip_norm({ a, b }, 1))
    assert_near({ 0.6, 0 }, a.grad:to_list(), 1e-6)
    assert_near({ 0.8 }, b.grad:to_list(), 1e-6)
  end)

  it("by norm leaves short gradients alone", function()
    assert.equal(5, optim.clip_norm({ { "a", a }, { "b", b } }, 5))
    assert.same({ 3, 0 }, a.grad:to_list())
    assert.same({ 4 }, b.grad:to_list())
  end)

  it("by value moves entries into the range", function()
    optim.clip_value({ a, b }, 3.5)
    assert.same({ 3, 0 }, a.grad:to_list())
    assert.same({ 3.5 }, b.grad:to_list())
    b.grad:fill_(-9)
    optim.clip_value({ b }, 2)
    assert.same({ -2 }, b.grad:to_list())
    b.grad:fill_(0 / 0)
    optim.clip_value({ b }, 2)
    assert.truthy(b.grad:item() ~= b.grad:item())
  end)

  it("counts parameters without a gradient as 0", function()
    a.grad = nil
    assert.equal(4, optim.clip_norm({ a, b }, 10))
    b.grad = nil
    assert.equal(0, optim.clip_norm({ a, b }, 10))
  end)

  it("adds up long gradients with the same bits for any number of threads", function()
    random.seed(5)
    local w = tensor.zeros(100003):watch()
    local g = tensor.normal(100003)
    w.grad = g:clone()
    local sum = 0
    for _, x in ipairs(g:to_list()) do sum = sum + x * x end
    local norm = optim.clip_norm({ w }, 1e9)
    assert_near(math.sqrt(sum), norm, 1e-12)
    local core = require "mapgrad.real"
    local threads = core.threads()
    core.threads_set(3)
    local again = optim.clip_norm({ w }, 1e9)
    core.threads_set(threads)
    assert.equal(norm, again)
    w.grad = tensor.zeros(100003)
    assert.equal(0, optim.clip_norm({ w, tensor.zeros(0):watch() }, 1))
  end)

  for _, case in ipairs { { "nan", 0 / 0 }, { "inf", math.huge }, { "inf", -math.huge } } do
    it("stops at a gradient of " .. case[2], function()
      a.grad:set(2, case[2])
      assert_fails("MG-NUMBER", ("the norm of the gradient of parameter 2 is %s"):format(case[1]), optim.clip_norm,
        { b, a }, 1)
      assert_fails("MG-NUMBER", "parameter 1 ('first')", optim.clip_norm, { { "first", a } }, 1)
      assert.same({ 4 }, b.grad:to_list())
    end)
  end

  it("checks its arguments", function()
    assert_fails("MG-ARGUMENT", "max: expected a number above 0", optim.clip_norm, { a }, 0)
    assert_fails("MG-ARGUMENT", "max: expected a number above 0", optim.clip_value, { a }, 0 / 0)
    assert_fails("MG-AUTOGRAD", "not watched", optim.clip_norm, { tensor { 1 } }, 1)
    assert_fails("MG-ARGUMENT", "clip_norm: expected a number above 0", optim.adam, { a }, { clip_norm = 0 })
  end)

  it("is an option of optimizers", function()
    local sgd = optim.sgd({ a, b }, { rate = 1, clip_norm = 1 })
    sgd:update()
    assert_near({ -0.6, 0 }, a:to_list(), 1e-6)
    assert_near({ -0.8 }, b:to_list(), 1e-6)
    assert.equal(5, sgd.gradient_norm)
    sgd:step(function() return b:sum() * 0.5 end)
    assert_near({ -1.3 }, b:to_list(), 1e-6)
    optim.sgd({ b }, { rate = 1, clip_value = 0.25 }):step(function() return b:sum() end)
    assert_near({ -1.55 }, b:to_list(), 1e-6)
    local both = optim.sgd({ a }, { rate = 1, clip_value = 1, clip_norm = 0.5 })
    both:step(function() return (a * tensor { 9, 0 }):sum() end)
    assert_near({ -1.1, 0 }, a:to_list(), 1e-6)
  end)

  it("comes after a look at the gradients: one that is not finite changes nothing", function()
    local w, v = tensor { 1 }:watch(), tensor { 0 }:watch()
    local adam = optim.adam({ w, v }, { rate = 0.1 })
    local function f() return w:sum() + v:sqrt():sum() end -- the slope of sqrt at 0
    assert_fails("MG-NUMBER", "optim.adam: the norm of the gradient of parameter 2 is inf; step 1", adam.step, adam, f)
    assert.same({ 1 }, w:to_list())
    assert.equal(0, adam.steps)
    adam:step(function() return w:sum() end)
    assert_near({ 0.9 }, w:to_list(), 1e-6)
  end)
end)

-- Options that keep every kind of state.
local STATEFUL = {
  adam = { rate = 0.05, decay = 0.1 }, adamw = { rate = 0.05 },
  rmsprop = { rate = 0.01, momentum = 0.5, centered = true }, sgd = { rate = 0.05, momentum = 0.9, nesterov = true },
}

for _, name in ipairs { "adam", "adamw", "rmsprop", "sgd" } do
  describe("the state of optim." .. name, function()
    local function make(list)
      return optim[name](list, STATEFUL[name])
    end

    local function train(optimizer, w, steps)
      for _ = 1, steps do optimizer:step(function() return bowl(w) end) end
    end

    it("goes on with the same bits", function()
      local w = tensor(START):watch()
      local whole = make { w }
      whole.groups[1].decay = 0.05
      train(whole, w, 3)
      whole.rate = 0.03
      local state, weights = whole:state(), w:detach():clone()
      train(whole, w, 4)
      local v = weights:watch()
      local rest = make { v }
      assert.equal(rest, rest:load_state(state))
      assert.equal(3, rest.steps)
      assert.equal(0.03, rest.rate)
      train(rest, v, 4)
      assert.same(w:to_list(), v:to_list())
    end)

    it("is flat: texts to numbers, texts and tensors, copies", function()
      local w = tensor(START):watch()
      local optimizer = make { { "w", w } }
      train(optimizer, w, 1)
      local state, tensors = optimizer:state(), {}
      for key, value in pairs(state) do
        assert.equal("string", type(key))
        if tensor.is(value) then tensors[key] = value:to_list() end
        assert.truthy(tensor.is(value) or type(value) == "number" or type(value) == "string")
      end
      assert.equal("optim." .. name, state.kind)
      assert.equal(1, state["parameter.w.updates"])
      assert.truthy(next(tensors))
      train(optimizer, w, 1)
      for key, list in pairs(tensors) do assert.same(list, state[key]:to_list()) end
    end)

    it("is refused where it does not fit, and nothing changes", function()
      local w = tensor(START):watch()
      local optimizer = make { w }
      train(optimizer, w, 2)
      local before = optimizer:state()
      local function numbers(state)
        local result = {}
        for key, value in pairs(state) do result[key] = tensor.is(value) and value:to_list() or value end
        return result
      end
      local function refused(code, text, change)
        local state = {}
        for key, value in pairs(before) do state[key] = value end
        change(state)
        assert_fails(code, text, optimizer.load_state, optimizer, state)
        assert.same(numbers(before), numbers(optimizer:state()))
      end
      local key
      for title, value in pairs(before) do
        if tensor.is(value) then key = title end
      end
      refused("MG-NAME", ("'%s' is missing"):format(key), function(s) s[key] = nil end)
      refused("MG-SHAPE", ("'%s' has shape 2, the optimizer's 3"):format(key), function(s) s[key] = tensor.zeros(2) end)
      refused("MG-ARGUMENT", "expected a tensor", function(s) s[key] = 1 end)
      refused("MG-NAME", "'group.1.rate' is missing", function(s) s["group.1.rate"] = nil end)
      refused("MG-ARGUMENT", "group.1.rate: expected a number from 0", function(s) s["group.1.rate"] = -1 end)
      refused("MG-NAME", "'parameter.1.updates' is missing", function(s) s["parameter.1.updates"] = nil end)
      refused("MG-NAME", "has no 'parameter.2.updates'", function(s) s["parameter.2.updates"] = 1 end)
      refused("MG-ARGUMENT", "the state is of optim.other", function(s) s.kind = "optim.other" end)
      refused("MG-ARGUMENT", "steps", function(s) s.steps = -1 end)
      assert_fails("MG-TYPE", "expected a table", optimizer.load_state, optimizer, 3)
    end)
  end)
end

it("the states of two networks' parameters of one name differ", function()
  local p, q = nn.linear(1, 1), nn.linear(1, 1)
  local adam = optim.adam { { parameters = p:named_parameters() }, { parameters = q:named_parameters() } }
  local state = adam:state()
  assert.truthy(state["parameter.weight.moment"] and state["parameter.weight#3.moment"])
  adam:load_state(state)
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

describe("schedules", function()
  local function optimizer(...)
    local groups = {}
    for i, rate in ipairs { ... } do groups[i] = { parameters = { tensor { 1 }:watch() }, rate = rate } end
    return optim.sgd(groups)
  end

  local function rates(schedule, count)
    local list = {}
    for n = 1, count do list[n] = schedule:at(n) end
    return list
  end

  it("exponential", function()
    assert_near({ 0.5, 0.25, 0.125 }, rates(optim.schedule.exponential(optimizer(0.5), { factor = 0.5 }), 3), 1e-15)
  end)

  -- By torch.optim.lr_scheduler of PyTorch 1.13: CosineAnnealingLR(5, 0.01), and
  -- CosineAnnealingWarmRestarts(3, 2, 0.01), from a rate of 0.1.
  it("cosine, and then the floor", function()
    local schedule = optim.schedule.cosine(optimizer(0.1), { count = 5, floor = 0.01 })
    assert_near({ 0.1, 0.09140576474687263, 0.06890576474687263, 0.04109423525312736, 0.018594235253127367, 0.01,
      0.01 },
      rates(schedule, 7), 1e-15)
  end)

  it("cosine with restarts", function()
    local schedule = optim.schedule.cosine(optimizer(0.1), { count = 3, floor = 0.01, growth = 2 })
    assert_near({ 0.1, 0.0775, 0.032500000000000015, 0.1, 0.09397114317029975, 0.0775, 0.05500000000000001,
      0.032500000000000015, 0.01602885682970026, 0.1, 0.09846666218300808, 0.09397114317029975 },
      rates(schedule, 12), 1e-15)
    local same = rates(optim.schedule.cosine(optimizer(0.1), { count = 3, growth = 1 }), 6)
    assert_near({ 0.1, 0.075, 0.025, 0.1, 0.075, 0.025 }, same, 1e-15)
  end)

  it("warm-up, then another", function()
    local sgd = optimizer(1)
    local after = optim.schedule.exponential(sgd, { factor = 0.5 })
    local schedule = optim.schedule.warm_up(sgd, { count = 4, after = after })
    assert_near({ 0.25, 0.5, 0.75, 1, 1, 0.5, 0.25 }, rates(schedule, 7), 1e-15)
    local alone = optim.schedule.warm_up(optimizer(1), { count = 3, from = 0.4 })
    assert_near({ 0.6, 0.8, 1, 1, 1 }, rates(alone, 5), 1e-15)
  end)

  it("lambda", function()
    local schedule = optim.schedule.lambda(optimizer(2), function(n) return 1 / n end)
    assert_near({ 2, 1, 2 / 3 }, rates(schedule, 3), 1e-15)
    assert_fails("MG-ARGUMENT", "the factor", function()
      optim.schedule.lambda(optimizer(2), function() return -1 end):at(1)
    end)
  end)

  -- By ReduceLROnPlateau of PyTorch 1.13 (min_lr = floor, mode = sense).
  local METRICS = { 1, 0.9, 0.95, 0.8999, 0.91, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.49, 0.48999, 0.48, 0.6, 0.6, 0.6, 0.6 }
  for _, case in ipairs {
    { { factor = 0.5, patience = 1 },
      { 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125,
        0.00625 } },
    { { factor = 0.5, patience = 1, cooldown = 2, threshold = 0.05 },
      { 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.0125, 0.00625,
        0.00625, 0.00625 } },
    { { factor = 0.1, patience = 2, floor = 0.005, sense = "max" },
      { 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005,
        0.005 } },
  } do
    it("plateau, patience " .. case[1].patience .. ", factor " .. case[1].factor, function()
      local sgd = optimizer(0.1)
      local schedule, list = optim.schedule.plateau(sgd, case[1]), {}
      for epoch, value in ipairs(METRICS) do
        schedule:epoch(epoch)
        list[epoch] = schedule:observe(value)
        assert.equal(list[epoch], sgd.rate)
      end
      assert_near(case[2], list, 1e-15)
    end)
  end

  it("plateau takes what is not finite as no improvement", function()
    local schedule = optim.schedule.plateau(optimizer(1), { patience = 1 })
    schedule:epoch(1)
    for _, value in ipairs { 0 / 0, math.huge } do schedule:observe(value) end
    assert.near(0.1, schedule.optimizer.rate, 1e-15)
    schedule:observe(1)
    assert.near(0.1, schedule:observe(1), 1e-15)
    assert_fails("MG-TYPE", "expected a number", schedule.observe, schedule, "x")
  end)

  it("keep each group's own rate", function()
    local sgd = optimizer(1, 0.125)
    local list = {
      optim.schedule.exponential(sgd, { factor = 0.5 }),
      optim.schedule.steps(sgd, { epochs = { 1 }, factor = 0.5 }),
      optim.schedule.lambda(sgd, function() return 0.5 end),
      optim.schedule.warm_up(sgd, { count = 4 }),
    }
    for _, schedule in ipairs(list) do
      assert.equal(0.5, schedule:epoch(2))
      assert.equal(0.0625, sgd.groups[2].rate)
    end
    local cosine = optim.schedule.cosine(optimizer(1, 0.5), { count = 2, floor = 0.5 })
    cosine:at(2)
    assert.near(0.75, cosine.optimizer.groups[1].rate, 1e-15)
    assert.near(0.5, cosine.optimizer.groups[2].rate, 1e-15)
  end)

  it("go on from a state", function()
    local make = {
      function(sgd) return optim.schedule.cosine(sgd, { count = 9 }) end,
      function(sgd) return optim.schedule.plateau(sgd, { patience = 0, cooldown = 1 }) end,
      function(sgd)
        return optim.schedule.warm_up(sgd, { count = 2, after = optim.schedule.plateau(sgd, { patience = 0 }) })
      end,
    }
    local metrics = { 3, 2, 2, 2, 1, 1, 1, 1 }
    for _, new in ipairs(make) do
      local whole, list = new(optimizer(1, 0.5)), {}
      local state, optimizer_state
      for n, metric in ipairs(metrics) do
        whole:at(n)
        list[n] = { whole:observe(metric), whole.optimizer.groups[2].rate }
        if n == 4 then state, optimizer_state = whole:state(), whole.optimizer:state() end
      end
      local sgd = optimizer(1, 0.5):load_state(optimizer_state)
      local rest = new(sgd):load_state(state) -- made when the rates are no longer those of the start
      assert.same(list[4], { sgd.rate, sgd.groups[2].rate })
      for n = 5, #metrics do
        rest:at(n)
        assert.same(list[n], { rest:observe(metrics[n]), sgd.groups[2].rate })
      end
      for key, value in pairs(state) do
        assert.truthy(type(key) == "string" and (type(value) == "number" or type(value) == "string"))
      end
    end
  end)

  it("refuse states of others", function()
    local schedule = optim.schedule.exponential(optimizer(1), { factor = 0.5 })
    local other = optim.schedule.exponential(optimizer(1, 1), { factor = 0.5 })
    assert_fails("MG-ARGUMENT", "the state is of optim.schedule.cosine", schedule.load_state, schedule,
      optim.schedule.cosine(optimizer(1), { count = 2 }):state())
    assert_fails("MG-NAME", "has no 'start.2'", schedule.load_state, schedule, other:state())
    assert_fails("MG-ARGUMENT", "start.2", other.load_state, other, schedule:state())
    assert_fails("MG-ARGUMENT", "the state is of a number", schedule.load_state, schedule, 1)
  end)

  it("check their options", function()
    local sgd = optimizer(0.1)
    assert_fails("MG-OPTION", "option 'count' is missing", optim.schedule.cosine, sgd)
    assert_fails("MG-ARGUMENT", "floor = 0.5 is above the rate 0.1 of group 1", optim.schedule.cosine, sgd,
      { count = 3, floor = 0.5 })
    assert_fails("MG-ARGUMENT", "from must be at most 1", optim.schedule.warm_up, sgd, { count = 3, from = 2 })
    assert_fails("MG-ARGUMENT", "another optimizer", optim.schedule.warm_up, sgd,
      { count = 3, after = optim.schedule.exponential(optimizer(1), { factor = 1 }) })
    assert_fails("MG-ARGUMENT", "one of min, max", optim.schedule.plateau, sgd, { sense = "least" })
    assert_fails("MG-ARGUMENT", "f: expected a function", optim.schedule.lambda, sgd, 3)
    local schedule = optim.schedule.exponential(sgd, { factor = 1 })
    assert_fails("MG-ARGUMENT", "schedule:at: expected an integer from 1", schedule.at, schedule, 0)
  end)

  it("print", function()
    local schedule = optim.schedule.exponential(optimizer(1), { factor = 0.5 })
    schedule:at(2)
    assert.equal("optim.schedule.exponential, position 2, rate 0.5", tostring(schedule))
  end)
end)
