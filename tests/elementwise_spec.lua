-- Operations entry by entry: values against closed forms and PyTorch, kinks, special values, in place.
local core = require "mapgrad.real"
local mg = require "mapgrad"
local support = require "tests.support"

local tensor = mg.tensor
local assert_fails = support.assert_fails
local is_double = core.info().real_bytes == 8
local within = is_double and 1e-14 or 1e-6

local inf, nan = math.huge, 0 / 0

local function assert_values(expected, got)
  local list = got:to_list()
  assert.equal(#expected, #list)
  for i, e in ipairs(expected) do
    local fine = e ~= e and list[i] ~= list[i] or e == list[i] or math.abs(e - list[i]) <= within * (1 + math.abs(e))
    assert(fine, ("entry %d: expected %.17g, got %.17g"):format(i, e, list[i]))
  end
end

-- The gradient of f's sum at a list of numbers.
local function slopes(list, f)
  local x = tensor(list):watch()
  f(x):sum():backward()
  return x.grad
end

-- Arguments, values and gradients: PyTorch 1.13.0a0 in float64, torch.<name> and torch.nn.functional.<name>.
local INPUT = { -3, -0.75, -0.1, 0.1, 0.6, 2.5 }
local TORCH = {
  clamp = {
    p = -0.5, q = 0.6,
    values = { -0.5, -0.5, -0.10000000000000001, 0.10000000000000001, 0.59999999999999998, 0.59999999999999998 },
    gradients = { 0, 0, 1, 1, 1, 0 },
  },
  cos = {
    values = { -0.98999249660044542, 0.7316888688738209, 0.99500416527802571, 0.99500416527802571,
      0.82533561490967833, -0.8011436155469337 },
    gradients = { 0.14112000805986721, 0.68163876002333412, 0.099833416646828155, -0.099833416646828155,
      -0.56464247339503537, -0.59847214410395644 },
  },
  elu = {
    p = 0.7,
    values = { -0.6651490521424952, -0.36934341308128971, -0.066613807374828332, 0.10000000000000001,
      0.59999999999999998, 2.5 },
    gradients = { 0.034850947857504762, 0.33065658691871025, 0.6333861926251716, 1, 1, 1 },
  },
  erf = {
    values = { -0.99997790950300136, -0.71115563365351508, -0.1124629160182849, 0.1124629160182849,
      0.60385609084792591, 0.99959304798255499 },
    gradients = { 0.00013925305194674786, 0.64293106919520737, 1.1171516067889369, 1.1171516067889369,
      0.78724343171428723, 0.0021782842303527099 },
  },
  exp = {
    values = { 0.049787068367863944, 0.47236655274101469, 0.90483741803595952, 1.1051709180756477,
      1.8221188003905089, 12.182493960703473 },
    gradients = { 0.049787068367863944, 0.47236655274101469, 0.90483741803595952, 1.1051709180756477,
      1.8221188003905089, 12.182493960703473 },
  },
  expm1 = {
    values = { -0.95021293163213605, -0.52763344725898531, -0.095162581964040427, 0.10517091807564763,
      0.82211880039050889, 11.182493960703473 },
    gradients = { 0.049787068367863951, 0.47236655274101469, 0.90483741803595952, 1.1051709180756477,
      1.8221188003905089, 12.182493960703473 },
  },
  gelu = {
    values = { -0.0040496940948903104, -0.16997051428265111, -0.046017216272297101, 0.053982783727702904,
      0.43544812934995586, 2.4844758366855597 },
    gradients = { -0.01194564720418392, 0.00077427826076481576, 0.42047690797526982, 0.57952309202473018,
      0.92568164398500619, 1.0376110859081451 },
  },
  leaky_relu = {
    p = 0.2,
    values = { -0.60000000000000009, -0.15000000000000002, -0.020000000000000004, 0.10000000000000001,
      0.59999999999999998, 2.5 },
    gradients = { 0.20000000000000001, 0.20000000000000001, 0.20000000000000001, 1, 1, 1 },
  },
  log = {
    input = { 0.01, 0.29999999999999999, 1, 1.7, 5, 40 },
    values = { -4.6051701859880909, -1.2039728043259361, 0, 0.53062825106217038, 1.6094379124341003,
      3.6888794541139363 },
    gradients = { 100, 3.3333333333333335, 1, 0.58823529411764708, 0.20000000000000001, 0.025000000000000001 },
  },
  log1p = {
    input = { -0.90000000000000002, -0.29999999999999999, 0.001, 0.5, 2, 60 },
    values = { -2.3025850929940459, -0.35667494393873234, 0.00099950033308353315, 0.40546510810816438,
      1.0986122886681098, 4.1108738641733114 },
    gradients = { 10.000000000000002, 1.4285714285714286, 0.99900099900099915, 0.66666666666666663,
      0.33333333333333331, 0.016393442622950821 },
  },
  rsqrt = {
    input = { 0.01, 0.29999999999999999, 1, 1.7, 5, 40 },
    values = { 10, 1.8257418583505538, 1, 0.76696498884737041, 0.44721359549995793, 0.15811388300841897 },
    gradients = { -500, -3.0429030972509232, -0.5, -0.22557793789628539, -0.044721359549995787,
      -0.0019764235376052374 },
  },
  sigmoid = {
    values = { 0.047425873177566781, 0.32082130082460703, 0.47502081252105999, 0.52497918747894001,
      0.6456563062257954, 0.92414181997875655 },
    gradients = { 0.045176659730912137, 0.21789499376181404, 0.24937604019289197, 0.24937604019289197,
      0.22878424045665732, 0.070103716545108066 },
  },
  sin = {
    values = { -0.14112000805986721, -0.68163876002333412, -0.099833416646828155, 0.099833416646828155,
      0.56464247339503537, 0.59847214410395644 },
    gradients = { -0.98999249660044542, 0.7316888688738209, 0.99500416527802571, 0.99500416527802571,
      0.82533561490967833, -0.8011436155469337 },
  },
  softplus = {
    values = { 0.048587351573742062, 0.38687100611489994, 0.64439666007357088, 0.74439666007357097,
      1.0374879504858856, 2.5788897342925496 },
    gradients = { 0.047425873177566788, 0.32082130082460697, 0.47502081252105999, 0.52497918747894001,
      0.6456563062257954, 0.92414181997875644 },
  },
  tanh = {
    values = { -0.99505475368673046, -0.6351489523872873, -0.099667994624955819, 0.099667994624955819,
      0.5370495669980353, 0.98661429815143031 },
    gradients = { 0.0098660371654401662, 0.59658580828133145, 0.9900662908474398, 0.9900662908474398,
      0.71157776258722283, 0.02659222668316057 },
  },
}

describe("elementwise", function()
  for name, row in pairs(TORCH) do
    it(name .. " has PyTorch's values and gradients", function()
      local function f(x) return x[row.method or name](x, row.p, row.q) end
      local input = row.input or INPUT
      assert_values(row.values, f(tensor(input)))
      assert_values(row.gradients, slopes(input, f))
    end)
  end

  it("keeps NaN, and knows the limits", function()
    local ends = { -inf, inf, nan }
    local limits = {
      exp = { 0, inf, nan }, log = { nan, inf, nan }, sigmoid = { 0, 1, nan }, softplus = { 0, inf, nan },
      tanh = { -1, 1, nan }, expm1 = { -1, inf, nan }, log1p = { nan, inf, nan }, rsqrt = { nan, 0, nan },
      erf = { -1, 1, nan }, gelu = { 0, inf, nan }, sin = { nan, nan, nan }, cos = { nan, nan, nan },
      floor = { -inf, inf, nan }, elu = { -1, inf, nan }, leaky_relu = { -inf, inf, nan }, sqrt = { nan, inf, nan },
      abs = { inf, inf, nan }, square = { inf, inf, nan }, relu = { 0, inf, nan }, sign = { -1, 1, nan },
    }
    for name, expected in pairs(limits) do assert_values(expected, tensor(ends)[name](tensor(ends))) end
    assert_values({ -2, 3, nan }, tensor(ends):clamp(-2, 3))
    assert_values({ -inf, 0, 0, nan }, tensor({ 0, 1, 1, nan }):log())
    assert_values({ -inf, nan, inf }, tensor({ -1, -1.5, inf }):log1p())
  end)

  it("keeps the sign of 0", function()
    for _, name in ipairs { "expm1", "log1p", "tanh", "erf", "sqrt", "floor", "sin", "leaky_relu" } do
      local y = tensor({ -1 / inf, 1 / inf })
      y = y[name](y)
      assert.same({ -inf, inf }, { 1 / y:get(1), 1 / y:get(2) }, name)
    end
  end)

  it("has the gradients that mapgrad.h states at kinks", function()
    assert_values({ 0 }, slopes({ 0 }, function(x) return x:abs() end))
    assert_values({ 0 }, slopes({ 0 }, function(x) return x:relu() end))
    assert_values({ 0.3 }, slopes({ 0 }, function(x) return x:elu(0.3) end))
    assert_values({ 0.2 }, slopes({ 0 }, function(x) return x:leaky_relu(0.2) end))
    assert_values({ 0, 1, 1, 1, 0 }, slopes({ -2, -1, 0, 1, 2 }, function(x) return x:clamp(-1, 1) end))
    assert_values({ 0, 0 }, slopes({ 1, 1.5 }, function(x) return x:floor() end))
  end)

  it("clamps by one bound, and by a high one below the low one", function()
    local x = tensor { -2, 0, 2 }
    assert_values({ -1, 0, 2 }, x:clamp(-1))
    assert_values({ -2, 0, 1 }, x:clamp(nil, 1))
    assert_values({ -1, -1, -1 }, x:clamp(1, -1)) -- as PyTorch
    assert_fails("elementwise_spec.lua:", "clamp: expected a low or a high bound", function() x:clamp() end)
    assert_fails("elementwise_spec.lua:", "clamp: expected a number, got NaN", function() x:clamp(nan) end)
    assert_fails("elementwise_spec.lua:", "elu: expected a number, got a string", function() x:elu "1" end)
  end)
end)

describe("powers", function()
  it("are those of math", function()
    local list = { 0.5, 1, 2, 3.5 }
    for _, p in ipairs { -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 7 } do
      local powers, exponentials, slope = {}, {}, {}
      for i, x in ipairs(list) do
        powers[i], exponentials[i], slope[i] = x ^ p, 1.7 ^ (x * p), p * x ^ (p - 1)
      end
      assert_values(powers, tensor(list) ^ p)
      assert_values(powers, tensor(list) ^ tensor(p))
      assert_values(exponentials, 1.7 ^ (tensor(list) * p))
      assert_values(slope, slopes(list, function(x) return x ^ p end))
    end
    assert_values({ 8, -8, 1, nan }, tensor { 2, -2, -2, -2 } ^ tensor { 3, 3, 0, 0.5 })
  end)

  it("have the right gradients at 0", function()
    assert_values({ 0, 0 }, slopes({ 0, -2 }, function(x) return x ^ 0 end))
    assert_values({ 1 }, slopes({ 0 }, function(x) return x ^ 1 end))
    assert_values({ 0 }, slopes({ 0 }, function(x) return x ^ 3 end))
    assert_values({ inf }, slopes({ 0 }, function(x) return x ^ 0.25 end))
    assert_values({ 0, 0, 8 * math.log(2) }, slopes({ 0, 2, 3 }, function(p) return tensor { 0, 0, 2 } ^ p end))
  end)

  it("broadcast, and refuse what is no number", function()
    assert_values({ 1, 1, 2, 4, 3, 9 }, tensor { { 1 }, { 2 }, { 3 } } ^ tensor { 1, 2 })
    assert_fails("elementwise_spec.lua:", "pow: expected a tensor or a number", function() return tensor { 1 } ^ {} end)
  end)
end)

describe("comparisons", function()
  it("give 1 and 0, NaN differs from all", function()
    local a, b = tensor { 1, 2, 3, nan }, tensor { 2, 2, 2, nan }
    assert.same({ 1, 0, 0, 0 }, a:lt(b):to_list())
    assert.same({ 1, 1, 0, 0 }, a:le(b):to_list())
    assert.same({ 0, 0, 1, 0 }, a:gt(b):to_list())
    assert.same({ 0, 1, 1, 0 }, a:ge(b):to_list())
    assert.same({ 0, 1, 0, 0 }, a:eq(b):to_list())
    assert.same({ 1, 0, 1, 1 }, a:ne(b):to_list())
    assert.same({ 0, 1, 0, 1 }, a:ne(tensor { 1, 0, 3, 0 }):to_list())
    assert.same({ 1, 1, 0, 1 }, a:ne(3):to_list())
  end)
end)

describe("where", function()
  it("takes from either by a condition, numbers too", function()
    local x = tensor { -1, 0, 2 }
    assert_values({ 0, 0, 2 }, x:gt(0):where(x, 0))
    assert_values({ 1, 5, 1 }, tensor.where(x, 1, 5))
    assert_values({ 1, 7, 7, 7, 2, 7 }, tensor.where(tensor { { 1, 0, 0 }, { 0, 1, 0 } }, tensor { { 1 }, { 2 } }, 7))
    assert.same({}, tensor.where(tensor.new(0), 1, 2):to_list())
    assert.equal(3, tensor.where(1, 3, 4):item())
    assert_values({ 1, 9 }, tensor.where(tensor { nan, 0 }, tensor { 1, nan }, tensor { nan, 9 }))
  end)

  it("has gradients for both, none for the condition", function()
    local c, a, b = tensor({ 1, 0, 1 }):watch(), tensor({ { 1 }, { 2 } }):watch(), tensor(0):watch()
    local y = tensor.where(c, a, b) * tensor { { 1, 10, 100 }, { 2, 20, 200 } }
    y:sum():backward()
    assert.is_nil(c.grad)
    assert_values({ 101, 202 }, a.grad)
    assert_values({ 30 }, b.grad)
    -- an infinite branch that is not taken does no harm to the other's gradient
    local x = tensor({ 0, 4 }):watch()
    tensor.where(tensor { 0, 1 }, x, 1):log():sum():backward()
    assert_values({ 0, 0.25 }, x.grad)
  end)

  it("says which shapes do not fit", function()
    assert_fails("elementwise_spec.lua:", "where: shapes 2 and 3 do not broadcast", function()
      tensor.where(tensor { 1, 0 }, tensor { 1, 2 }, tensor { 1, 2, 3 })
    end)
    assert_fails("elementwise_spec.lua:", "where: expected a tensor or a number", function() tensor.where({}, 1, 2) end)
  end)
end)

describe("in place", function()
  it("every function has the bits of its other form", function()
    mg.random.seed(4)
    local x = tensor.uniform(3, 1000)
    for name in pairs(core.unary_kinds) do
      local parameters = name == "clamp" and { 0.2, 0.7 } or (name == "elu" or name == "leaky_relu") and { 0.3 } or {}
      local p, q = parameters[1], parameters[2]
      local expected = x[name](x, p, q)
      local y, z = tensor.like(x), x:clone()
      if q then
        assert.equal(y, y[name .. "_"](y, p, q, x))
        z[name .. "_"](z, p, q)
      elseif p then
        y[name .. "_"](y, p, x)
        z[name .. "_"](z, p)
      else
        y[name .. "_"](y, x)
        z[name .. "_"](z)
      end
      assert.is_true(y:equals(expected) and z:equals(expected), name)
    end
  end)

  it("refuses another shape and overlapping memory", function()
    local x = tensor { 1, 2, 3 }
    assert_fails("elementwise_spec.lua:", "unary_into: expected shape 2, got 3", function() tensor.new(2):exp_(x) end)
    assert_fails("elementwise_spec.lua:", "unary_into: the tensors overlap", function()
      x:rows(1, 2):exp_(x:rows(2, 3))
    end)
  end)

  it("draws fill a tensor from its stream", function()
    for _, law in ipairs { "uniform", "exponential", "gumbel", "normal" } do
      mg.random.seed(5)
      local fresh, other = tensor[law](4, 50), tensor[law]({ 4, 50 }, "spec")
      mg.random.seed(5)
      local t = tensor.new(4, 50)
      assert.is_true(t[law .. "_"](t):equals(fresh))
      assert.is_true(t[law .. "_"](t, "spec"):equals(other))
      assert.is_false(fresh:equals(other))
    end
  end)
end)
