-- Gradients: every rule against central differences, accumulation, aliases, errors, user operations.
local core = require "mapgrad.real"
local mg = require "mapgrad"
local tape = require "mapgrad.autograd.tape"

local autograd, tensor = mg.autograd, mg.tensor
local rules = autograd.rules
local is_double = core.info().real_bytes == 8
local sharp = is_double and 1e-12 or 1e-5

-- Errors measured: 4e-9 and less at a step of 1e-6, the rounding of the differences themselves.
local TOLERANCE = 1e-5

-- Applies a rule to a list of inputs, as the tensor methods do.
local function applied(rule, option)
  return function(inputs)
    if rule.inputs == 1 then return tape.apply1(rule, inputs[1], option) end
    if rule.inputs == 2 then return tape.apply2(rule, inputs[1], inputs[2], option) end
    return tape.apply3(rule, inputs[1], inputs[2], inputs[3], option)
  end
end

-- Complaints about a row's samples; measured holds the largest error.
local function check_rule(rule)
  local samples = rule.sample and rule.sample() or {}
  local bad, measured = {}, 0
  if #samples == 0 then bad[1] = rule.name .. " has no sample" end
  for i, sample in ipairs(samples) do
    local err, place = autograd.check(applied(rule, sample[2]), sample[1])
    measured = math.max(measured, err)
    if err > TOLERANCE or err ~= err then
      bad[#bad + 1] = ("%s, sample %d, input %d, entry %d: expected %.9g, got %.9g"):format(rule.name, i, place.input,
        place.entry, place.expected, place.got)
    end
  end
  return bad, measured
end

local function assert_near(expected, got)
  if tensor.is(got) then got = got:to_list() end
  assert.equal(#expected, #got)
  for i = 1, #expected do
    local far = math.abs(expected[i] - got[i]) / (1 + math.abs(expected[i]))
    assert.is_true(far <= sharp, ("entry %d: expected %.17g, got %.17g"):format(i, expected[i], got[i]))
  end
end

local function assert_raises(text, f)
  local ok, message = pcall(f)
  assert.is_false(ok, "nothing was raised; expected: " .. text)
  assert.truthy(message:find(text, 1, true), ("expected '%s' in: %s"):format(text, message))
  assert.truthy(message:match "^[^:]*autograd_spec%.lua:%d+: ", message)
end

-- Largest error of the gradients of f; f takes the inputs one by one.
local function error_of(f, ...)
  return (autograd.check(function(inputs) return f(inputs[1], inputs[2], inputs[3]) end, { ... }))
end

describe("the gradient of the rule", function()
  for i = 1, #rules do
    local rule = rules[i]
    it(rule.name .. " is that of central differences", function()
      if not is_double then return pending("needs double: MAPGRAD_REAL=double") end
      local bad, measured = check_rule(rule)
      assert.same({}, bad)
      assert.is_true(measured < 1e-7, ("measured %g, usual is 1e-9"):format(measured))
    end)
  end

  it("is missed when a row has no sample", function()
    assert.same({ "bare has no sample" }, (check_rule { name = "bare", inputs = 1 }))
    local empty = { name = "empty", inputs = 1, sample = function() return {} end }
    assert.same({ "empty has no sample" }, (check_rule(empty)))
  end)

  it("is seen when wrong", function()
    if not is_double then return pending("needs double") end
    local wrong = {
      name = "wrong", inputs = 1, forward = rules.square.forward, sample = rules.square.sample,
      vjp = function(dy) return core.affine(dy, 1, 0) end,
    }
    assert.is_true(#check_rule(wrong) > 0)
    wrong.vjp = function(dy) return core.affine(dy, 0 / 0, 0) end
    assert.is_true(#check_rule(wrong) > 0)
  end)

  it("exists for every kind of the core", function()
    for _, kinds in ipairs { core.unary_kinds, core.binary_kinds } do
      for name in pairs(kinds) do assert.is_table(rules[name], name) end
    end
    for name in pairs(core.reduce_kinds) do assert.is_table(rules["reduce_" .. name], name) end
  end)

  it("is the same bits again", function()
    mg.random.seed(11)
    local x, w = tensor.normal(5, 3, 8, 8):watch(), tensor.normal(4, 3, 3, 3):watch()
    local function gradients()
      x.grad, w.grad = nil, nil
      x:conv2d(w, nil, 1, 1):square():sum():backward()
      return x.grad, w.grad
    end
    local a, b = gradients()
    local c, d = gradients()
    assert.is_true(a:equals(c) and b:equals(d))
  end)
end)

describe("methods", function()
  local function input(...)
    mg.random.seed(3)
    return tensor.normal(...)
  end

  -- name, function, inputs
  local cases = {
    { "t + number and number - t", function(x) return 3 - (x + 2) * 4 / 5 end, function() return input(2, 3) end },
    { "number / t", function(x) return 1 / (x * x + 1) end, function() return input(4) end },
    { "powers", function(x) return (x ^ 2 + 1) ^ 0.5 + (x ^ 2 + 1) ^ -1 + x ^ 1 end, function() return input(4) end },
    { "sum over separate axes", function(x) return x:sum(1, 3):square() end, function() return input(2, 3, 4) end },
    { "max over all", function(x) return x:max() end, function() return input(3, 4) end },
    { "rows", function(x) return x:rows(2, 3) * 2 end, function() return input(4, 3) end },
    { "t[i]", function(x) return x[2] * x[-1] end, function() return input(3, 3) end },
    { "take with repetition", function(x) return x:take { 1, 3, 1 } end, function() return input(3, 2) end },
    { "unsqueeze and transpose", function(x) return x:unsqueeze(1):transpose() end, function() return input(3, 2) end },
    { "concat", function(x, y) return tensor.concat({ x, y, x }, 2):square() end,
      function() return input(2, 2), input(2, 3) end },
    { "stack", function(x, y) return tensor.stack { x, y * x, y }:square() end,
      function() return input(3), input(3) + 1 end },
    { "gt and ge", function(x, y) return x:gt(y) * x + x:ge(y) * y end, function() return input(5), input(5) * 2 end },
    { "matmul of itself", function(x) return x:matmul(x, false, true) end, function() return input(3, 2) end },
  }
  for _, case in ipairs(cases) do
    it("have the gradient of " .. case[1], function()
      if not is_double then return pending("needs double") end
      assert.is_true(error_of(case[2], case[3]()) < 1e-7)
    end)
  end

  it("stop gradients at detach and clone", function()
    local x = tensor({ 2, 3 }):watch();
    (x * x:detach() + x:clone()):sum():backward()
    assert_near({ 2, 3 }, x.grad)
  end)
end)

describe("backward", function()
  it("adds to the gradients there are", function()
    local x = tensor({ 1, 2 }):watch();
    (x * 3):sum():backward();
    (x * x):sum():backward()
    assert_near({ 5, 7 }, x.grad)
    x.grad = nil;
    (x * 3):sum():backward()
    assert_near({ 3, 3 }, x.grad)
  end)

  it("adds up the branches of a diamond", function()
    local x = tensor({ 1, 2, 3 }):watch()
    local a, b = x * 2, x:square()
    local c = a * b + a;
    (c + b):sum():backward() -- 2 x^3 + 2 x + x^2
    assert_near({ 10, 30, 62 }, x.grad)
  end)

  it("goes through one tensor used as both inputs", function()
    local x = tensor({ 1, -2 }):watch();
    (x + x):sum():backward()
    assert_near({ 2, 2 }, x.grad)
    x.grad = nil;
    (x * x):sum():backward()
    assert_near({ 2, -4 }, x.grad)
    x.grad = nil;
    (x - x):sum():backward()
    assert_near({ 0, 0 }, x.grad)
    x.grad = nil
    local y = x * 1;
    (y / y + y * y):sum():backward()
    assert_near({ 2, -4 }, x.grad)
  end)

  it("keeps gradients apart that could share memory", function()
    local a = tensor({ { 1, 2 }, { 3, 4 } }):watch();
    (a + a:reshape(4):reshape(2, 2)):sum():backward()
    assert_near({ 2, 2, 2, 2 }, a.grad)

    local p, q = tensor({ 1, 2 }):watch(), tensor({ 3, 4 }):watch();
    (p + q):sum():backward()
    p.grad:fill_(100)
    assert_near({ 1, 1 }, q.grad)

    local r = tensor({ 1, 2 }):watch()
    local y, dy = r:reshape(2, 1), tensor { { 5 }, { 6 } }
    y:backward(dy)
    r.grad:fill_(0)
    assert.same({ { 5 }, { 6 } }, dy:to_table())

    local leaf, seed = tensor({ 1, 2 }):watch(), tensor { 7, 8 }
    leaf:backward(seed)
    leaf.grad:fill_(0)
    assert.same({ 7, 8 }, seed:to_table())
  end)

  it("never spoils one gradient while it adds to another", function()
    -- x gets gradients by several ways in every order; each way alone is known
    local ways = {
      function(x) return x:reshape(2, 2):reshape(4) end, function(x) return x + 0 end, function(x) return x * 1 end,
      function(x) return tensor.concat { x:slice(1, 1, 2), x:slice(1, 3, 4) } end,
      function(x) return x + x:detach() * 0 end, function(x) return x:reshape(4, 1):reshape(4) - 0 end,
    }
    local weight = { 1, 10, 100, 1000 }
    for i = 1, #ways do
      for j = 1, #ways do
        for k = 1, #ways do
          local x = tensor({ 1, 2, 3, 4 }):watch()
          local hub = x * 2
          local sum = (ways[i](hub) + ways[j](hub)) + (ways[k](x) + hub)
          local dy = tensor(weight)
          sum:backward(dy)
          local expected = {}
          for n = 1, 4 do expected[n] = 7 * weight[n] end
          assert_near(expected, x.grad)
          assert.same(weight, dy:to_list())
        end
      end
    end
  end)

  it("gives leaves gradients of their own shape", function()
    local a, b, c = tensor.ones(2, 3):watch(), tensor.ones(3):watch(), tensor(2):watch();
    (a * b * c):sum():backward()
    assert.same({ 2, 3 }, a.grad:shape())
    assert.same({ 3 }, b.grad:shape())
    assert.same({}, c.grad:shape())
    assert_near({ 4, 4, 4 }, b.grad)
    assert.equal(6, c.grad:item())
  end)

  it("splits the gradient of a concat", function()
    local a, b, fixed = tensor.ones(2, 1):watch(), tensor.ones(2, 2):watch(), tensor.ones(2, 1)
    tensor.concat({ a, fixed, b }, 2):backward(tensor { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } })
    assert.same({ { 1 }, { 5 } }, a.grad:to_table())
    assert.same({ { 3, 4 }, { 7, 8 } }, b.grad:to_table())
    assert.is_nil(fixed.grad)
  end)

  it("leaves what is not watched alone", function()
    local x, y = tensor({ 1, 2 }):watch(), tensor { 3, 4 };
    (x * y):sum():backward()
    assert.is_nil(y.grad)
    assert.is_false((y * y).id)
  end)

  it("works on a chain of 100,000 operations", function()
    local x = tensor({ 1 }):watch()
    local y = x
    for _ = 1, 100000 do y = y + 1 end
    y:backward()
    assert.equal(1, x.grad[1])
    assert.equal(100001, y[1])
  end)

  it("does not slow down with the operations of the past", function()
    local x = tensor({ 1 }):watch()
    local function work()
      local steps = 0
      debug.sethook(function() steps = steps + 1 end, "l")
      if rawget(_G, "jit") then _G.jit.off() end
      x.grad = nil;
      (x * 2):backward()
      if rawget(_G, "jit") then _G.jit.on() end
      debug.sethook()
      return steps
    end
    work()
    local early = work()
    for _ = 1, 2000 do local _ = x + 1 end
    assert.is_true(work() <= 2 * early + 100)
  end)

  it("twice through one graph is an error", function()
    local x = tensor({ 1, 2 }):watch()
    local y = (x * x):sum()
    y:backward()
    assert_raises("backward: this graph was already used; compute the result anew [MG-AUTOGRAD]", function()
      y:backward()
    end)
    local shared = x * 2;
    (shared * 3):sum():backward()
    assert_raises("this graph was already used", function() (shared * 4):sum():backward() end);
    (x * x):sum():backward() -- recording and pause are as before
    assert.is_true(autograd.is_recording())
  end)

  it("of a gradient is an error that says so", function()
    local x = tensor({ 1, 2 }):watch();
    (x * x):sum():backward()
    assert_raises("second derivatives are not offered", function() x.grad:sum():backward() end)
  end)

  it("without a history or a fitting gradient is an error", function()
    local x = tensor({ 1, 2 }):watch()
    assert_raises("this tensor has no history", function() tensor({ 1 }):backward() end)
    assert_raises("a tensor of 2 entries needs a gradient", function() (x * 2):backward() end)
    assert_raises("the gradient has shape 3, the tensor 2", function() (x * 2):backward(tensor { 1, 2, 3 }) end)
    assert_raises("expected a tensor as the gradient, got a number", function() (x * 2):backward(1) end)
    assert_raises("watch its inputs", function() (x * 2):watch() end)
  end)
end)

describe("pause", function()
  it("records nothing inside and restores what was", function()
    local x = tensor({ 1, 2 }):watch()
    local a, b = autograd.pause(function(t, n)
      assert.is_false(autograd.is_recording())
      return t * n, autograd.pause(function() return nil end)
    end, x, 3)
    assert.same({ 3, 6 }, a:to_list())
    assert.is_nil(b)
    assert.is_false(a.id)
    assert.is_true(autograd.is_recording())
    assert.is_false((pcall(autograd.pause, function() error "no" end)))
    assert.is_true(autograd.is_recording())
  end)

  it("passes errors on as they are", function()
    local value = {}
    local ok, caught = pcall(autograd.pause, function() error(value, 0) end)
    assert.is_false(ok)
    assert.equal(value, caught)
  end)
end)

describe("an operation of the user's", function()
  local multiply = autograd.operation {
    name = "mine",
    forward = function(saved, a, factor, b)
      saved.a, saved.b, saved.factor = a, b, factor
      return a * b * factor
    end,
    backward = function(saved, dy)
      return dy * saved.b * saved.factor, nil, dy * saved.a * saved.factor
    end,
  }

  it("gives each tensor its gradient, in the places of the arguments", function()
    local a, b = tensor({ 1, 2 }):watch(), tensor({ 3, 4 }):watch()
    multiply(a, 2, b):sum():backward()
    assert_near({ 6, 8 }, a.grad)
    assert_near({ 2, 4 }, b.grad)
    assert.is_nil(rawget(multiply(tensor { 1 }, 2, tensor { 1 }), "rule"))
  end)

  it("passes the check of gradients", function()
    if not is_double then return pending("needs double") end
    mg.random.seed(2)
    local f = function(x, y) return multiply(x * 2, 3, x + y) + multiply(y, 1, y) end
    assert.is_true(error_of(f, tensor.normal(4), tensor.normal(4)) < 1e-7)
  end)

  it("may leave arguments without a gradient", function()
    local first = autograd.operation {
      name = "first", forward = function(_, a, b) return a + b end, backward = function(_, dy) return dy end,
    }
    local a, b = tensor({ 1 }):watch(), tensor({ 2 }):watch()
    first(a, b):backward()
    assert.equal(1, a.grad[1])
    assert.is_nil(b.grad)
  end)

  it("may return its argument or its gradient unchanged", function()
    local same = autograd.operation {
      name = "same", forward = function(_, a) return a end, backward = function(_, dy) return dy end,
    }
    local x = tensor({ 1, 2 }):watch();
    (same(x) + same(x) * 3):sum():backward()
    assert_near({ 4, 4 }, x.grad)
  end)

  it("that errs is named", function()
    local function broken(forward, backward)
      return autograd.operation { name = "broken", forward = forward, backward = backward }
    end
    local x = tensor({ 1, 2 }):watch()
    local identity = function(_, a) return a * 1 end
    assert_raises("broken: forward returned a number, expected a tensor", function()
      local _ = broken(function() return 1 end, print)(x)
    end)
    assert_raises("broken: backward returned a number for argument 1", function()
      broken(identity, function() return 1 end)(x):sum():backward()
    end)
    assert_raises("broken: backward returned shape 3 for argument 1, expected 2", function()
      broken(identity, function() return tensor { 1, 2, 3 } end)(x):sum():backward()
    end)
    assert_raises("unknown option 'bakward', did you mean 'backward'?", function()
      autograd.operation { name = "x", forward = print, bakward = print }
    end)
    assert.is_true(autograd.is_recording())
  end)
end)
