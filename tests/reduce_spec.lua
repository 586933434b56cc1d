-- Reductions, softmax, running sums, layer and group norm, dropout: values and gradients of PyTorch 1.13
-- (torch.float64, the calls stand beside them), loops written here, special values, errors.
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, random, tensor = mg.autograd, mg.random, mg.tensor
local assert_near, assert_fails, is_double = support.assert_near, support.assert_fails, support.is_double
local unpack = compat.unpack
local INF, NAN = math.huge, 0 / 0

local function x34()
  return tensor { { 1, -2, 3, 0.5 }, { 0, 4, -1, 2 }, { 2.5, 2.5, -3, 1 } }
end

local function x242()
  return tensor({ 1, -2, 3, 0.5, 0, 4, -1, 2, 2.5, 2.5, -3, 1, 7, -1, 2, 3 }):reshape(2, 4, 2)
end

-- 1/n, 2/n, ..., 1 in t's shape.
local function ramp(t)
  local list, n = {}, t:count()
  for i = 1, n do list[i] = i / n end
  return tensor(list):reshape(t:shape())
end

-- Checks f(x) and the gradient of <ramp, f(x)>.
local function assert_case(f, x, expected, gradient)
  local y = f(x:watch())
  assert_near(expected, y:to_list())
  y:backward(ramp(y))
  assert_near(gradient, x.grad:to_list())
end

local function same_number(a, b) return a == b or (a ~= a and b ~= b) end

local function assert_same(expected, got)
  if tensor.is(got) then got = got:to_list() end
  assert.equal(#expected, #got)
  for i = 1, #expected do
    assert.is_true(same_number(expected[i], got[i]), ("entry %d is %s, expected %s"):format(i, got[i], expected[i]))
  end
end

describe("PyTorch agrees with", function()
  -- name, f, x, value, gradient
  local cases = {
    { "prod(2): x.prod(1)", function(x) return x:prod(2) end, x34, { -3, 0, -18.75 },
      { -1, 0.5, -0.3333333333333333, -2, -5.333333333333333, 0, 0, 0, -7.5, -7.5, 6.25, -18.75 } },
    { "prod(1): x.prod(0)", function(x) return x:prod(1) end, x34, { 0, -20, 9, 1 },
      { 0, 5, 2.25, 2, 0.625, -2.5, -6.75, 0.5, 0, -4, -2.25, 1 } },
    { "prod(1, 3): x.permute(1, 0, 2).reshape(4, 4).prod(1)", function(x) return x:prod(1, 3) end, x242,
      { -12.5, -4.5, 0, -12 },
      { -3.125, 1.5625, -0.75, -4.5, -21, 0, 12, -6, -1.25, -1.25, 0.75, -2.25, 0, 0, -6, -4 } },
    { "logsumexp(2): x.logsumexp(1)", function(x) return x:logsumexp(2) end, x34,
      { 3.202253447679, 4.148755180944, 3.300752793314 },
      { 0.03685125012058, 0.001834715709195, 0.2722959544567, 0.02235141304687, 0.01052270170002, 0.5745200461718,
        0.003871085621018, 0.07775283317378, 0.448990839562, 0.448990839562, 0.001834922939254, 0.1001833979367 } },
    { "logsumexp(): x.logsumexp((0, 1))", function(x) return x:logsumexp() end, x34, { 4.745592933436 },
      { 0.0236216188469, 0.00117605115249, 0.1745414668073, 0.01432723606269, 0.008689907940962, 0.4744528975349,
        0.003196838477152, 0.06421021727031, 0.1058647510098, 0.1058647510098, 0.0004326450407671, 0.0236216188469 } },
    { "logsumexp(1, 3): x.logsumexp((0, 2))", function(x) return x:logsumexp(1, 3) end, x242,
      { 3.303900748045, 3.198768096335, 7.049774834424, 3.561941379497 },
      { 0.0249671302511, 0.001243040220761, 0.4098699859982, 0.03364417723664, 0.0006507032174512, 0.03552719189345,
        0.01044176781946, 0.2097285130812, 0.1118949147641, 0.1118949147641, 0.001015966119943, 0.05546987064525,
        0.7135827245531, 0.0002393803360044, 0.2097285130812, 0.5701012060182 } },
    { "var(2): x.var(1)", function(x) return x:var(2) end, x34, { 4.229166666666667, 4.916666666666667, 6.75 },
      { 0.08333333333333, -0.58333333333333, 0.52777777777778, -0.02777777777778, -0.55555555555556,
        1.22222222222222, -1, 0.33333333333333, 1.16666666666667, 1.16666666666667, -2.5, 0.16666666666667 } },
    { "var(2, {unbiased = false}): x.var(1, unbiased=False)",
      function(x) return x:var(2, { unbiased = false }) end, x34, { 3.171875, 3.6875, 5.0625 },
      { 0.0625, -0.4375, 0.3958333333333, -0.02083333333333, -0.4166666666667, 0.9166666666667, -0.75, 0.25, 0.875,
        0.875, -1.875, 0.125 } },
    { "var(3, 1): x.var((0, 2))", function(x) return x:var(3, 1) end, x242,
      { 4.5, 6.229166666667, 13.66666666667, 3 },
      { 0, -0.5, 0.875, 0.04166666666667, -1.25, 0.75, -1.666666666667, 0.3333333333333, 0.25, 0.25, -1.125,
        0.2083333333333, 2.25, -1.75, 0.3333333333333, 1 } },
    { "std(1): x.std(0)", function(x) return x:std(1) end, x34,
      { 1.258305739212, 3.122498999199, 3.055050463304, 0.763762615826 },
      { -0.01655665446331, -0.2802242691589, 0.4091585441925, -0.436435780472, -0.1158965812432, 0.2001601922564,
        -0.0818317088385, 0.54554472559, 0.1324532357065, 0.08006407690254, -0.327326835354, -0.109108945118 } },
    { "std({unbiased = false}): x.std(unbiased=False)", function(x) return x:std { unbiased = false } end, x34,
      { 2.011684617429 },
      { 0.005178081383343, -0.1190958718169, 0.08802738351684, -0.01553424415003, -0.0362465696834, 0.1294520345836,
        -0.07767122075015, 0.04660273245009, 0.06731505798346, 0.06731505798346, -0.1605205228836,
        0.005178081383343 } },
    { "norm(2, {p = 1}): torch.linalg.vector_norm(x, 1, 1)", function(x) return x:norm(2, { p = 1 }) end, x34,
      { 6.5, 7, 9 },
      { 1 / 3, -1 / 3, 1 / 3, 1 / 3, 0, 2 / 3, -2 / 3, 2 / 3, 1, 1, -1, 1 } },
    { "norm(2): torch.linalg.vector_norm(x, 2, 1)", function(x) return x:norm(2) end, x34,
      { 3.774917217635, 4.582575694956, 4.743416490253 },
      { 0.08830215713767, -0.1766043142753, 0.264906471413, 0.04415107856883, 0, 0.5819143739626, -0.1454785934907,
        0.2909571869813, 0.5270462766947, 0.5270462766947, -0.6324555320337, 0.2108185106779 } },
    { "norm(1, 3): torch.linalg.vector_norm(x, 2, (0, 2))", function(x) return x:norm(1, 3) end, x242,
      { 4.18330013267, 4.387482193696, 8.124038404636, 4.242640687119 },
      { 0.05976143046672, -0.1195228609334, 0.3418817293789, 0.05698028822982, 0, 0.369274472938, -0.2357022603955,
        0.471404520791, 0.1494035761668, 0.1494035761668, -0.3418817293789, 0.1139605764596, 0.6462303276415,
        -0.0923186182345, 0.471404520791, 0.7071067811865 } },
    { "norm(2, {p = math.huge}): torch.linalg.vector_norm(x, math.inf, 1)",
      function(x) return x:norm(2, { p = INF }) end, x34, { 3, 4, 3 },
      { 0, 0, 1 / 3, 0, 0, 2 / 3, 0, 0, 0, 0, -1, 0 } },
    { "softmax(): x.softmax(1)", function(x) return x:softmax() end, x34,
      { 0.1105537503617, 0.005504147127584, 0.8168878633701, 0.06705423914061, 0.01578405255003, 0.8617800692578,
        0.005806628431527, 0.1166292497607, 0.448990839562, 0.448990839562, 0.001834922939254, 0.1001833979367 },
      { -0.01695565256604, -0.0003854933062288, 0.01086170922386, 0.006479436648412, -0.001609027731468,
        -0.01603493171872, 0.0003758431825726, 0.01726811626761, -0.02818206542016, 0.009233837876674,
        0.0001906468298396, 0.01875758071365 } },
    { "softmax(1): x.softmax(0)", function(x) return x:softmax(1) end, x34,
      { 0.1709527801978, 0.002022465854923, 0.9796292071671, 0.1402443831661, 0.06289001324587, 0.8159209597317,
        0.01794253480333, 0.6285317192118, 0.7661572065563, 0.1820565744134, 0.002428258029591, 0.2312238976221 },
      { -0.09090154388994, -0.0007955262307345, -0.007444872040202, -0.05100124968391, -0.01247747141923,
        -0.04896453421315, 0.005844487346582, -0.01906117021137, 0.1033790153092, 0.04976006044389,
        0.00160038469362, 0.07006241989528 } },
    { "log_softmax(-1): x.log_softmax(1)", function(x) return x:log_softmax(-1) end, x34,
      { -2.202253447679, -5.202253447679, -0.2022534476794, -2.702253447679, -4.148755180944, -0.1487551809444,
        -5.148755180944, -2.148755180944, -0.8007527933143, -0.8007527933143, -6.300752793314, -2.300752793314 },
      { -0.008794791968116, 0.1620798773937, -0.4307398861417, 0.2774548007162, 0.3824678861416, -1.367190150059,
        0.570752305065, 0.4139699588519, -0.8214679384672, -0.7381346051338, 0.9102444363793, 0.6493581072217 } },
    { "cumsum(1): x.cumsum(0)", function(x) return x:cumsum(1) end, x34,
      { 1, -2, 3, 0.5, 1, 2, 2, 2.5, 3.5, 4.5, -1, 3.5 },
      { 1.25, 1.5, 1.75, 2, 7 / 6, 4 / 3, 1.5, 5 / 3, 0.75, 5 / 6, 11 / 12, 1 } },
    { "cumsum(): x.cumsum(1)", function(x) return x:cumsum() end, x34,
      { 1, -1, 2, 2.5, 0, 4, 3, 5, 2.5, 5, 2, 3 },
      { 5 / 6, 0.75, 7 / 12, 1 / 3, 13 / 6, 1.75, 1.25, 2 / 3, 3.5, 2.75, 23 / 12, 1 } },
    { "layer_norm(gain, bias): F.layer_norm(x, (4,), gain, bias)",
      function(x) return x:layer_norm(tensor { 1, 2, -1, 0.5 }, tensor { 0, 1, 2, 3 }) end, x34,
      { 0.2105583899886, -1.947817459841, 0.666463530072, 2.964906935002, -0.6509436722692, 3.864152157985,
        3.171698610085, 3.195283101681, 0.7777770096033, 2.555554019207, 3.666665020579, 3.055555500686 },
      { 0.02420203748981, -0.02904200243623, -0.03388344255445, 0.03872340750087, 0.2324268913435,
        0.0007365278960412, -0.1544620271786, -0.07870139206099, -0.1881565161158, 0.2192504889146,
        0.01165852969945, -0.04275250249824 } },
    { "layer_norm(nil, nil, 2): F.layer_norm(x, (3, 4))", function(x) return x:layer_norm(nil, nil, 2) end, x34,
      { 0.06213689982871, -1.42914869606, 1.056327297088, -0.1864106994861, -0.434958298801, 1.553422495718,
        -0.9320534974306, 0.5592320984584, 0.8077796977732, 0.8077796977732, -1.92624389469, 0.06213689982871 },
      { -0.2277553292995, -0.1882500111523, -0.1436266083688, -0.1038014099318, -0.06269669033579,
        -0.01871304813189, 0.0195127488563, 0.06285663048067, 0.1046011106562, 0.146025710542, 0.1839316272405,
        0.2279152694444 } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function() assert_case(case[2], case[3](), case[4], case[5]) end)
  end

  it("group_norm(2, gain, bias): F.group_norm(x, 2, gain, bias), the gradients of all three", function()
    local gain, bias = tensor({ 1, 2, -1, 0.5 }):watch(), tensor({ 0, 1, 2, 3 }):watch()
    assert_case(function(x) return x:group_norm(2, gain, bias) end, x242(),
      { 0.2105583899886, -1.47390872992, 3.667072939856, 0.8596277400076, 2.650943672269, 0.5679239210077,
        2.414150694958, 3.195283101681, 0.7777770096033, 0.7777770096033, -2.333330041157, 1.222222002744,
        0.5147040107269, 3.310555284653, 2.868944471535, 3.043685176155 },
      { -0.1227392639857, -0.0181517770526, 0.006396446381463, 0.1344945946569, -0.1759753372505, -0.07502426535998,
        0.06730115958789, 0.1836984430226, -0.09756526647314, -0.06978751613017, -0.06275670019953, 0.2301094828028,
        -0.2030860699975, -0.2589430284989, 0.2234280040773, 0.238601094419 })
    assert_near({ 0.7525315070381902, -0.8300073950063852, 0.39367574925122895, -0.4756938037934504 },
      gain.grad:to_list())
    assert_near({ 1.375, 1.875, 2.375, 2.875 }, bias.grad:to_list())
  end)
end)

-- All sets of the axes of a shape, each a list.
local function axis_sets(axes)
  local sets = {}
  for code = 1, 2 ^ axes - 1 do
    local set, rest = {}, code
    for axis = 1, axes do
      if rest % 2 == 1 then set[#set + 1] = axis end
      rest = math.floor(rest / 2)
    end
    sets[#sets + 1] = set
  end
  return sets
end

-- The entries of x that each result of a reduction over a set of axes takes, in row-major order.
local function gathered(x, set)
  local shape, list, is_reduced = x:shape(), x:to_list(), {}
  for _, axis in ipairs(set) do is_reduced[axis] = true end
  local groups, order = {}, {}
  for i = 0, #list - 1 do
    local key, rest, index = {}, i, {}
    for axis = #shape, 1, -1 do
      index[axis] = rest % shape[axis]
      rest = math.floor(rest / shape[axis])
    end
    for axis = 1, #shape do
      if not is_reduced[axis] then key[#key + 1] = index[axis] end
    end
    key = table.concat(key, ",")
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = groups[key]
    end
    table.insert(groups[key], list[i + 1])
  end
  return order
end

local function sum_of(list, f)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + f(v) end
  return sum
end

-- Reductions by loops over a list.
local LOOPS = {
  sum = function(l) return sum_of(l, function(v) return v end) end,
  mean = function(l) return sum_of(l, function(v) return v end) / #l end,
  max = function(l) return math.max(unpack(l)) end,
  min = function(l) return math.min(unpack(l)) end,
  prod = function(l)
    local product = 1
    for _, v in ipairs(l) do product = product * v end
    return product
  end,
  logsumexp = function(l) return math.log(sum_of(l, math.exp)) end,
  norm = function(l) return math.sqrt(sum_of(l, function(v) return v * v end)) end,
  argmax = function(l)
    local best = 1
    for i, v in ipairs(l) do
      if v > l[best] then best = i end
    end
    return best
  end,
  argmin = function(l)
    local best = 1
    for i, v in ipairs(l) do
      if v < l[best] then best = i end
    end
    return best
  end,
  any = function() return 1 end,
  all = function(l) return sum_of(l, function(v) return v == 0 and 1 or 0 end) == 0 and 1 or 0 end,
}
function LOOPS.var(l)
  local mean = LOOPS.mean(l)
  return sum_of(l, function(v) return (v - mean) ^ 2 end) / (#l - 1)
end
function LOOPS.std(l) return math.sqrt(LOOPS.var(l)) end

local NAMES = {}
for name in pairs(LOOPS) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

describe("a reduction over any set of axes", function()
  -- Values with ties, a zero and both signs.
  local function numbers()
    local list = {}
    for i = 1, 72 do list[i] = ((i * 29) % 23 - 9) / 8 end
    return tensor(list):reshape(2, 3, 4, 3)
  end

  for _, name in ipairs(NAMES) do
    local loop = LOOPS[name]
    it(name .. " is what loops say, with and without keep", function()
      local x = numbers()
      for _, set in ipairs(axis_sets(4)) do
        local expected, shape, kept = {}, {}, x:shape()
        for i, group in ipairs(gathered(x, set)) do expected[i] = loop(group) end
        local is_reduced = {}
        for _, axis in ipairs(set) do is_reduced[axis] = true end
        for axis, extent in ipairs(x:shape()) do
          if is_reduced[axis] then kept[axis] = 1 else shape[#shape + 1] = extent end
        end
        local y = x[name](x, unpack(set))
        assert.same(shape, y:shape())
        assert_near(expected, y:to_list(), is_double and 1e-11 or 1e-4)
        local arguments = { unpack(set) }
        arguments[#arguments + 1] = { keep = true }
        local z = x[name](x, unpack(arguments))
        assert.same(kept, z:shape())
        assert_near(y:to_list(), z:to_list())
      end
      assert.same({}, x[name](x):shape())
      assert.same({ 1, 1, 1, 1 }, x[name](x, { keep = true }):shape())
    end)

    it(name .. " has the gradient of central differences over axes 1 and 3", function()
      if not is_double then return pending("needs double") end
      random.seed(5)
      local x = tensor.normal(2, 3, 4, 2)
      local err = autograd.check(function(inputs) return inputs[1][name](inputs[1], -2, 1, { keep = true }) end, { x })
      assert.is_true(err < 1e-7, err)
    end)
  end

  it("takes axes in any order, from the end too", function()
    local x = numbers()
    assert.is_true(x:var(1, 3):equals(x:var(-2, 1)))
    assert.is_true(x:argmax(1, 3):equals(x:argmax(3, 1)))
  end)

  it("takes scalars and axes of extent 1", function()
    for _, name in ipairs(NAMES) do
      if name ~= "var" and name ~= "std" then
        assert.same({}, tensor(3)[name](tensor(3)):shape())
        assert.same({ 2 }, tensor.ones(2, 1)[name](tensor.ones(2, 1), 2):shape())
      end
    end
  end)

  it("refuses what makes no sense", function()
    local x = numbers()
    assert_fails("MG-SHAPE", "var: axis 5 of a tensor of shape 2x3x4x3", x.var, x, 5)
    assert_fails("MG-SHAPE", "sum: axis 2 is named twice", x.sum, x, 2, -3)
    assert_fails("MG-SHAPE", "mean: axis nil of", x.mean, x, nil, 2)
    assert_fails("MG-OPTION", "did you mean 'keep'", x.sum, x, { kep = true })
    assert_fails("MG-OPTION", "unknown option 'unbiased'", x.sum, x, 1, { unbiased = true })
    assert_fails("MG-ARGUMENT", "norm: expected p of 1, 2 or math.huge, got 3", x.norm, x, { p = 3 })
    assert_fails("MG-ARGUMENT", "var: unbiased: expected true or false", x.var, x, { unbiased = 1 })
  end)
end)

describe("a reduction of nothing", function()
  it("is the neutral element, NaN where there is none, an error for extremes", function()
    local x = tensor.new(2, 0)
    local expected = { sum = 0, mean = NAN, prod = 1, logsumexp = -INF, var = NAN, std = NAN, norm = 0, any = 0,
      all = 1 }
    for name, value in pairs(expected) do
      assert_same({ value, value }, x[name](x, 2))
      assert.same({ 0 }, x[name](x, 1):shape())
    end
    assert_same({ NAN, NAN }, x:var(2, { unbiased = false }))
    for _, p in ipairs { 1, 2, INF } do assert_same({ 0, 0 }, x:norm(2, { p = p })) end
    for _, name in ipairs { "max", "min", "argmax", "argmin" } do
      assert_fails("MG-SHAPE", "reduce: no entries to take the", x[name], x, 2)
    end
  end)

  it("has an empty gradient", function()
    local x = tensor.new(2, 0):watch()
    x:logsumexp(2):backward(tensor.ones(2))
    assert.same({ 2, 0 }, x.grad:shape())
  end)
end)

describe("special values", function()
  it("the place of an extreme is the first one, or the first NaN", function()
    local x = tensor { { 3, 1, 3 }, { 1, NAN, NAN }, { -INF, -INF, -INF }, { 2, 5, 5 } }
    assert_same({ 1, 2, 1, 2 }, x:argmax(2))
    assert_same({ 2, 2, 1, 1 }, x:argmin(2))
    assert_same({ 1, 2, 2 }, x:argmax(1))
    assert_same({ 3, 2, 2 }, x:argmin(1))
    assert_same({ 5 }, x:argmax())
    local long = {}
    for i = 1, 200 do long[i] = i % 97 end
    assert_same({ 96 }, tensor(long):argmax())
    assert_same({ 97 }, tensor(long):argmin())
  end)

  it("logsumexp of -inf is -inf with gradient 0, of inf inf, of large numbers finite", function()
    local x = tensor({ { -INF, -INF }, { -INF, 1 }, { INF, 1 }, { 1000, 1000 }, { NAN, 1 } }):watch()
    local y = x:logsumexp(2)
    local list = y:to_list()
    assert_same({ -INF, 1, INF, list[4], NAN }, y)
    assert_near(1000 + math.log(2), list[4])
    y:backward(tensor { 1, 1, 1, 1, 1 })
    local g = x.grad:to_list()
    assert_same({ 0, 0, 0, 1 }, { g[1], g[2], g[3], g[4] })
    assert_same({ 0 }, { g[6] })
    assert_near({ 0.5, 0.5 }, { g[7], g[8] })
  end)

  it("a product with zeros has the right gradient", function()
    local x = tensor({ { 2, 0, 3 }, { 0, 0, 5 }, { 1, NAN, 0 } }):watch()
    local y = x:prod(2)
    assert_same({ 0, 0, NAN }, y)
    y:backward(tensor { 1, 1, 1 })
    assert_same({ 0, 6, 0, 0, 0, 0, NAN, NAN, NAN }, x.grad)
  end)

  it("a product beyond the range of numbers has the right gradient", function()
    local tiny, huge = support.is_double and 2 ^ -660 or 2 ^ -100, support.is_double and 2 ^ 660 or 2 ^ 100
    local x = tensor({ { INF, 2, 3 }, { tiny, tiny, 3 }, { huge, 0.5, -4 } }):watch()
    x:prod(2):backward(tensor { 1, 2, 1 })
    assert_same({ 6, INF, INF, 6 * tiny, 6 * tiny, 0, -2, -4 * huge, 0.5 * huge }, x.grad)
    local column = tensor({ { tiny, 1 }, { tiny, 2 }, { 5, INF } }):watch()
    column:prod(1):sum():backward()
    assert_same({ 5 * tiny, INF, 5 * tiny, INF, 0, 2 }, column.grad)
  end)

  it("norms and deviations have gradient 0 where they are 0", function()
    for _, f in ipairs {
      function(x) return x:norm { p = 1 } end, function(x) return x:norm() end,
      function(x) return x:norm { p = INF } end, function(x) return x:std() end,
      function(x) return x:std { unbiased = false } end,
    } do
      local x = tensor({ 0, 0, 0 }):watch()
      local y = f(x)
      assert.equal(0, y:item())
      y:backward()
      assert_same({ 0, 0, 0 }, x.grad)
    end
  end)

  it("the largest |entry| passes its gradient to the first of equal ones, with its sign", function()
    local x = tensor({ { 1, -3, 3 }, { 2, 2, -1 } }):watch()
    x:norm(2, { p = INF }):backward(tensor { 5, 7 })
    assert_same({ 0, -5, 0, 7, 0, 0 }, x.grad)
    assert_same({ NAN }, tensor({ 1, NAN, 5 }):norm { p = INF })
  end)

  it("a variance of one entry is NaN unless biased", function()
    assert_same({ NAN }, tensor({ 4 }):var())
    assert_same({ 0 }, tensor({ 4 }):var { unbiased = false })
  end)

  it("a variance far from 0 keeps its digits", function()
    local base = is_double and 1e9 or 1e5
    assert_near({ 5 / 3 }, { tensor({ base, base + 1, base + 2, base + 3 }):var():item() })
  end)

  it("any and all see zeros, and NaN as no zero", function()
    local x = tensor { { 0, 0 }, { 0, NAN }, { 1, -2 } }
    assert_same({ 0, 1, 1 }, x:any(2))
    assert_same({ 0, 0, 1 }, x:all(2))
  end)

  it("softmax of entries of -inf gives 0; without a finite largest entry all are NaN", function()
    for _, axis in ipairs { 1, 2 } do
      local list = { { 0, -INF, 0 }, { -INF, -INF, -INF }, { NAN, 1, 2 }, { INF, 1, 2 }, { 1000, 0, 1000 },
        { 1, NAN, 2 } }
      local x = tensor(list)
      local y = (axis == 2 and x:softmax(2) or x:transpose():softmax(1):transpose()):to_table()
      assert_near({ 0.5, 0, 0.5 }, y[1])
      assert_same({ NAN, NAN, NAN }, y[2])
      assert_same({ NAN, NAN, NAN }, y[3])
      assert.is_true(y[4][1] ~= y[4][1])
      assert_near({ 0.5, 0, 0.5 }, y[5])
      assert_same({ NAN, NAN, NAN }, y[6])
      local z = (axis == 2 and x:log_softmax(2) or x:transpose():log_softmax(1):transpose()):to_table()
      assert_near({ math.log(0.5), math.log(0.5) }, { z[1][1], z[1][3] })
      assert.equal(-INF, z[1][2])
      assert_same({ NAN, NAN, NAN }, z[2])
      assert_near({ math.log(0.5), -1000 + math.log(0.5), math.log(0.5) }, z[5])
    end
  end)

  it("gradients of softmax pass entries of -inf", function()
    for _, name in ipairs { "softmax", "log_softmax" } do
      local x = tensor({ { 1, -INF, 2 } }):watch()
      local y = x[name](x)
      y:backward(tensor { { 1, 0, 0 } })
      local p = math.exp(1) / (math.exp(1) + math.exp(2))
      local scale = name == "softmax" and p or 1
      assert_near({ scale * (1 - p), 0, -scale * (1 - p) }, x.grad:to_list())
    end
  end)

  it("softmax is exact for far apart and for many entries", function()
    local list, sum = {}, 0
    for i = 1, 1000 do
      list[i] = ((i * 0.6180339887) % 1 - 0.7) * 120
      sum = sum + math.exp(list[i])
    end
    local x = tensor(list)
    local y, z = x:softmax():to_list(), x:log_softmax():to_list()
    for i, v in ipairs(x:to_list()) do -- relative errors: float rounds the difference from the largest entry
      if math.exp(v) / sum > 1e-30 then
        assert.is_true(math.abs(y[i] * sum / math.exp(v) - 1) < (is_double and 1e-12 or 2e-5))
      end
      assert_near(v - math.log(sum), z[i])
    end
  end)
end)

describe("softmax and cumsum along axes", function()
  local function numbers(...) random.seed(2); return tensor.normal(...) end

  for _, name in ipairs { "softmax", "log_softmax", "cumsum" } do
    it(name .. " is that of the transposed tensor's rows, for all widths of tiles", function()
      for _, width in ipairs { 1, 2, 63, 64, 65, 130 } do
        local x = numbers(5, width)
        local a, b = x[name](x, 1), x:transpose()[name](x:transpose(), 2):transpose()
        assert_near(b:to_list(), a:to_list())
      end
      local x = numbers(3, 4, 5)
      local a, b = x[name](x, 2), x:permute(1, 3, 2)[name](x:permute(1, 3, 2), -1):permute(1, 3, 2)
      assert_near(b:to_list(), a:to_list())
    end)
  end

  it("refuse axes that are not there", function()
    local x = tensor.ones(2, 3)
    assert_fails("MG-SHAPE", "softmax: axis 3 of a tensor of shape 2x3", x.softmax, x, 3)
    assert_fails("MG-SHAPE", "cumsum: axis -1", tensor(1).cumsum, tensor(1))
  end)

  it("take empty tensors", function()
    for _, name in ipairs { "softmax", "log_softmax", "cumsum" } do
      for _, shape in ipairs { { 0 }, { 0, 3 }, { 3, 0 } } do
        local x = tensor.new(shape)
        assert.same(shape, x[name](x, 1):shape())
        assert.same(shape, x[name](x):shape())
      end
    end
  end)
end)

describe("layer_norm and group_norm", function()
  it("have rows of mean 0 and variance 1", function()
    random.seed(4)
    local x = tensor.normal(7, 6, 5) * 3 + 100
    local y = x:layer_norm(nil, nil, 2, 0)
    assert_near({ 0, 0, 0, 0, 0, 0, 0 }, y:mean(2, 3):to_list(), 1e-4)
    assert_near({ 1, 1, 1, 1, 1, 1, 1 }, y:var(2, 3, { unbiased = false }):to_list(), 1e-4)
    local z = x:group_norm(3, nil, nil, 0):reshape(21, 10)
    assert_near(tensor.zeros(21):to_list(), z:mean(2):to_list(), 1e-4)
    assert_near(tensor.ones(21):to_list(), z:var(2, { unbiased = false }):to_list(), 1e-4)
  end)

  it("one group is a layer norm of each instance, without gain and bias", function()
    random.seed(4)
    local x = tensor.normal(4, 6, 5)
    assert_near(x:layer_norm(nil, nil, 2):to_list(), x:group_norm(1):to_list())
  end)

  it("take a gain or a bias alone", function()
    local x = x34()
    local gain, bias = tensor { 1, 2, 3, 4 }, tensor({ 4, 3, 2, 1 }):watch()
    assert_near((x:layer_norm() * gain):to_list(), x:layer_norm(gain):to_list())
    assert_near((x:layer_norm() + bias):to_list(), x:layer_norm(nil, bias):to_list())
    x:layer_norm(nil, bias):backward(tensor.ones(3, 4))
    assert_near({ 3, 3, 3, 3 }, bias.grad:to_list())
  end)

  it("gradients of gain and bias over many rows are those of differences", function()
    if not is_double then return pending("needs double") end
    random.seed(6)
    local x, gain, bias = tensor.normal(40, 6), tensor.normal(6), tensor.normal(6)
    local err = autograd.check(function(t) return t[1]:layer_norm(t[2], t[3]) end, { x, gain, bias })
    assert.is_true(err < 1e-7, err)
    err = autograd.check(function(t) return t[1]:reshape(20, 6, 2):group_norm(3, t[2], t[3]) end, { x, gain, bias })
    assert.is_true(err < 1e-7, err)
  end)

  it("refuse shapes that do not fit", function()
    local x, three = tensor.ones(2, 4, 3), tensor.ones(3)
    assert_fails("MG-SHAPE", "layer_norm: gain has shape 3, expected 4x3 for x of shape 2x4x3", x.layer_norm, x, three,
      nil, 2)
    assert_fails("MG-SHAPE", "layer_norm: bias has shape 4x3, expected 3", x.layer_norm, x, three, tensor.ones(4, 3))
    assert_fails("MG-SHAPE", "layer_norm: the last 4 axes, there are 3", x.layer_norm, x, nil, nil, 4)
    assert_fails("MG-SHAPE", "group_norm: 3 groups of 4 channels (shape 2x4x3)", x.group_norm, x, 3)
    assert_fails("MG-SHAPE", "group_norm: 0 groups", x.group_norm, x, 0)
    assert_fails("MG-SHAPE", "group_norm: x has shape 3, expected 2 axes and more", three.group_norm, three, 1)
    assert_fails("MG-SHAPE", "group_norm: gain has shape 3, expected 4", x.group_norm, x, 2, three)
    assert_fails("MG-ARGUMENT", "epsilon = -1 is not a number from 0", x.layer_norm, x, nil, nil, 1, -1)
  end)
end)

describe("dropout", function()
  it("keeps a share of 1 - rate of the entries, scaled", function()
    -- n = 400000 entries: the share kept is within 5 standard deviations, false alarms 6e-7 a rate
    random.seed(1)
    local n = 400000
    for _, rate in ipairs { 0.1, 0.5, 0.9 } do
      local y = tensor.ones(n):dropout(rate)
      local kept = y:gt(0):sum():item()
      assert.is_true(math.abs(kept - n * (1 - rate)) < 5 * math.sqrt(n * rate * (1 - rate)))
      assert_near(kept / (1 - rate), y:sum():item(), is_double and 1e-10 or 1e-5)
      assert_near(1 / (1 - rate), y:max():item())
    end
  end)

  it("drops neighbours independently", function()
    -- n = 400000 pairs at distance d: both kept with probability 1/4, within 5 standard deviations of about
    -- sqrt(n * 5/16), false alarms 6e-7 a distance
    random.seed(2)
    local n = 400000
    local y = tensor.ones(n + 256):dropout(0.5):gt(0)
    for _, d in ipairs { 1, 2, 3, 4, 64, 256 } do
      local both = (y:slice(1, 1, n) * y:slice(1, d + 1, n + d)):sum():item()
      assert.is_true(math.abs(both - n / 4) < 5 * math.sqrt(n * 5 / 16), d)
    end
  end)

  it("the gradient has the mask of the forward pass", function()
    random.seed(3)
    local x = tensor.ones(1000):watch()
    local y = x:dropout(0.3)
    y:backward(tensor.ones(1000))
    assert.is_true(y:equals(x.grad))
  end)

  it("draws from its own stream, anew each time; the same seed gives the same masks", function()
    random.seed(8)
    local before = random.uniform()
    random.seed(8)
    local a, b = tensor.ones(100):dropout(0.5), tensor.ones(100):dropout(0.5)
    assert.equal(before, random.uniform())
    assert.is_false(a:equals(b))
    random.seed(8)
    assert.is_true(a:equals(tensor.ones(100):dropout(0.5)))
    assert.is_true(b:equals(tensor.ones(100):dropout(0.5)))
  end)

  it("of rate 0 is the identity and takes no draw", function()
    random.seed(8)
    local x = tensor { 1, 2 }
    assert.is_true(x:equals(x:dropout(0)))
    assert.is_nil(random.state().position.dropout)
    assert.is_true(x:equals(tensor.wrap(core.dropout(x.handle, 0, 1, "dropout", 0))))
  end)

  it("leaves 0 for what it drops, whatever it was", function()
    random.seed(9)
    for _, v in ipairs(tensor.full({ 1000 }, INF):dropout(0.5):to_list()) do assert.is_true(v == 0 or v == INF) end
  end)

  it("takes rates from 0, below 1", function()
    local x = tensor.ones(2)
    for _, rate in ipairs { 1, -0.1, NAN, "0.5" } do
      assert_fails("MG-ARGUMENT", "dropout: rate: expected a number from 0, below 1", x.dropout, x, rate)
    end
    assert_fails("MG-ARGUMENT", "dropout: rate = 1 is not in [0, 1)", core.dropout, x.handle, 1, 1, "dropout", 0)
  end)
end)
