-- Operations that move entries: values against loops written here, gradients by the rules' checks (autograd_spec).
local mg = require "mapgrad"
local support = require "tests.support"
local tensor = mg.tensor
local assert_fails = support.assert_fails

-- 1, 2, 3, ... in a shape.
local function counting(...)
  local t, list = tensor.new(...), {}
  for i = 1, t:count() do list[i] = i end
  return tensor(list):reshape(t:shape())
end

local function same(expected, t)
  assert.are_same(expected, t:to_table())
end

describe("gather and scatter_add", function()
  it("pick and add along an axis", function()
    local x = counting(2, 3)
    same({ { 3, 1 }, { 5, 5 } }, x:gather(2, tensor { { 3, 1 }, { 2, 2 } }))
    same({ { 4, 2, 6 } }, x:gather(1, tensor { { 2, 1, 2 } }))
    same({ { 4, 2, 6 } }, x:gather(-2, tensor { { 2, 1, 2 } }))
    local added = tensor.zeros(2, 3):scatter_add(2, tensor { { 1, 1, 3 }, { 2, 2, 2 } }, x)
    same({ { 3, 0, 3 }, { 0, 15, 0 } }, added)
    same({ { 1, 2, 3 }, { 4, 5, 6 } }, x)
  end)

  it("agree with loops on larger shapes, for any number of threads", function()
    mg.random.seed(2)
    local shape, m = { 5, 40, 300 }, 70
    local x, source = tensor.normal(shape), tensor.normal(5, m, 300)
    local index = mg.autograd.pause(function() return (tensor.uniform(5, m, 300) * shape[2]):floor() + 1 end)
    local before, results = mg.threads(), {}
    for threads = 1, 2 do
      mg.threads(threads)
      results[threads] = { x:gather(2, index), x:scatter_add(2, index, source) }
    end
    mg.threads(before)
    assert.is_true(results[1][1]:equals(results[2][1]) and results[1][2]:equals(results[2][2]))
    local xs, is, ss = x:to_list(), index:to_list(), source:to_list()
    local gathered, added = results[1][1]:to_list(), {}
    for i = 1, #xs do added[i] = xs[i] end
    local worst = 0
    for i = 1, #is do
      local o, c = math.floor((i - 1) / (m * 300)), (i - 1) % 300
      local place = (o * shape[2] + is[i] - 1) * 300 + c + 1
      assert(gathered[i] == xs[place])
      added[place] = added[place] + ss[i]
    end
    for i, value in ipairs(results[1][2]:to_list()) do worst = math.max(worst, math.abs(value - added[i])) end
    assert.is_true(worst < 1e-5)
  end)

  it("name what does not fit", function()
    local x = counting(2, 3)
    assert_fails("MG-ARGUMENT", "gather: entry 2 of the index is 4, expected a whole number in 1..3", x.gather, x, 2,
      tensor { { 1, 4 }, { 1, 1 } })
    assert_fails("MG-ARGUMENT", "entry 1 of the index is 1.5", x.gather, x, 2, tensor { { 1.5 }, { 1 } })
    assert_fails("MG-ARGUMENT", "entry 1 of the index is nan", x.gather, x, 2, tensor { { 0 / 0 }, { 1 } })
    assert_fails("MG-SHAPE", "the index has shape 3x1, expected that of x, 2x3, but for axis 2", x.gather, x, 2,
      tensor { { 1 }, { 1 }, { 1 } })
    assert_fails("MG-SHAPE", "the source has shape 2x3, the index 2x1", x.scatter_add, x, 2, tensor { { 1 }, { 1 } }, x)
    assert_fails("MG-SHAPE", "gather: axis 3", x.gather, x, 3, x)
  end)
end)

describe("rows by number", function()
  it("are taken along any axis, from lists and tensors", function()
    local x = counting(2, 3)
    same({ { 3, 1, 3 }, { 6, 4, 6 } }, x:index_select(2, { 3, 1, -1 }))
    same({ { 3, 1 }, { 6, 4 } }, x:index_select(-1, tensor { 3, 1 }))
    same({ { 4, 5, 6 } }, x:take { -1 })
    assert_fails("MG-INDEX", "out of range 1..3 on axis 2", x.index_select, x, 2, { 4 })
    assert_fails("MG-ARGUMENT", "take: row 4, there are 3", x.index_select, x, 2, tensor { 4 })
  end)

  it("of embeddings have any shape; the padding row gets no gradient", function()
    local weight = counting(4, 2):watch()
    local index = tensor { { 1, 4 }, { 4, 2 } }
    local y = weight:embedding(index, 2)
    same({ { { 1, 2 }, { 7, 8 } }, { { 7, 8 }, { 3, 4 } } }, y)
    y:sum():backward()
    same({ { 1, 1 }, { 0, 0 }, { 0, 0 }, { 2, 2 } }, weight.grad)
    assert_fails("MG-ARGUMENT", "take: row 5, there are 4", weight.embedding, weight, tensor { 5 })
    assert_fails("MG-ARGUMENT", "entry 2 of the index is 1.5, expected a whole number", weight.embedding, weight,
      tensor { 1, 1.5 })
    assert_fails("MG-SHAPE", "embedding: expected a matrix", weight.embedding, counting(3), index)
  end)

  it("of classes are one-hot", function()
    same({ { 0, 1, 0 }, { 1, 0, 0 } }, tensor.one_hot({ 2, 1 }, 3))
    same({ { { 1, 0 } }, { { 0, 1 } } }, tensor.one_hot({ { 1 }, { 2 } }, 2))
    assert_fails("MG-ARGUMENT", "tensor.one_hot: entry 2 is 4, expected a whole number in 1..3", tensor.one_hot,
      { 2, 4 }, 3)
  end)
end)

describe("shapes", function()
  it("are stacked, split and chunked along any axis", function()
    local a, b = tensor { 1, 2 }, tensor { 3, 4 }
    same({ { 1, 2 }, { 3, 4 } }, tensor.stack { a, b })
    same({ { 1, 3 }, { 2, 4 } }, tensor.stack({ a, b }, 2))
    same({ { 1, 3 }, { 2, 4 } }, tensor.stack({ a, b }, -1))
    local x = counting(2, 5)
    local first, second, third = x:split(2, 2)
    same({ { 1, 2 }, { 6, 7 } }, first)
    same({ { 3, 4 }, { 8, 9 } }, second)
    same({ { 5 }, { 10 } }, third)
    local left, right = x:split({ 4, 1 }, -1)
    same({ { 1, 2, 3, 4 }, { 6, 7, 8, 9 } }, left)
    same({ { 5 }, { 10 } }, right)
    local parts = { x:chunk(3, 2) }
    same({ { 1, 2 }, { 6, 7 } }, parts[1])
    assert.are_same({ 2, 1 }, parts[3]:shape())
    assert_fails("MG-SHAPE", "sizes 2, 2 do not add up to the extent 5", x.split, x, { 2, 2 }, 2)
    assert_fails("MG-SHAPE", "sizes 3, 3 do not add up to the extent 5", x.split, x, { 3, 3 }, 2)
  end)

  it("lose, gain and swap axes", function()
    local x = counting(2, 1, 3)
    assert.are_same({ 2, 3 }, x:squeeze(2):shape())
    assert_fails("MG-SHAPE", "axis 1 of shape 2x1x3 is not of extent 1", x.squeeze, x, 1)
    assert.are_same({ 6 }, x:flatten():shape())
    assert.are_same({ 2, 3 }, x:flatten(2):shape())
    assert.are_same({ 2, 3 }, x:flatten(1, 2):shape())
    assert.are_same({ 1 }, tensor(3):flatten():shape())
    assert.are_same({ 3, 1, 2 }, x:transpose(1, 3):shape())
    same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, counting(2, 3):transpose())
    same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, counting(2, 3):transpose(1, 2))
  end)

  it("are expanded, not-a-number and signs of zero kept", function()
    local x = tensor { { 1 }, { -0.0 } }:expand(2, -1, 2)
    same({ { { 1, 1 }, { -0.0, -0.0 } }, { { 1, 1 }, { -0.0, -0.0 } } }, x)
    assert.are_equal(-math.huge, 1 / x:get(1, 2, 1))
    local y = tensor { 0 / 0 }:expand(3)
    assert.are_equal(0, y:eq(y):sum():item())
    assert_fails("MG-SHAPE", "expand: shape 2 cannot become 3", tensor.methods.expand, counting(2), 3)
    assert_fails("MG-SHAPE", "more axes", tensor.methods.expand, counting(2, 2), 2)
  end)

  it("are padded, rolled, flipped", function()
    local x = counting(2, 2)
    same({ { 0, 1, 2, 0, 0 }, { 0, 3, 4, 0, 0 } }, x:pad { { 1, 2 } })
    same({ { 1, 2 }, { 3, 4 }, { 9, 9 } }, x:pad({ { 0, 1 }, 0 }, 9))
    same({ { 7, 7, 7, 7 }, { 7, 1, 2, 7 }, { 7, 3, 4, 7 }, { 7, 7, 7, 7 } }, x:pad({ 1, 1 }, 7))
    same({ { 1, 2 }, { 3, 4 } }, x:pad { 0 })
    assert_fails("MG-SHAPE", "pad: amounts for 3 axes", x.pad, x, { 1, 1, 1 })
    assert_fails("MG-ARGUMENT", "pad: before", x.pad, x, { -1 })
    same({ 4, 5, 1, 2, 3 }, counting(5):roll(2))
    same({ 3, 4, 5, 1, 2 }, counting(5):roll(-2))
    same({ 2, 3, 4, 5, 1 }, counting(5):roll(-11, 1))
    same({ { 3, 4 }, { 1, 2 } }, x:roll(1, 1))
    same({ { 4, 3 }, { 2, 1 } }, x:flip(1, 2))
    same({ { 2, 1 }, { 4, 3 } }, x:flip(-1))
  end)

  it("keep a triangle", function()
    local x = counting(3, 3)
    same({ { 1, 0, 0 }, { 4, 5, 0 }, { 7, 8, 9 } }, x:tril())
    same({ { 1, 2, 3 }, { 0, 5, 6 }, { 0, 0, 9 } }, x:triu())
    same({ { 0, 2, 3 }, { 0, 0, 6 }, { 0, 0, 0 } }, x:triu(1))
    same({ { 0, 0, 0 }, { 4, 0, 0 }, { 7, 8, 0 } }, x:tril(-1))
    same({ { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, x:tril(5))
    same({ { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } }, x:triu(99))
    same({ { 1, 0, 0 }, { 4, 5, 0 } }, counting(2, 3):tril())
    same({ { { 1, 2 }, { 0, 4 } }, { { 5, 6 }, { 0, 8 } } }, counting(2, 2, 2):triu())
    assert_fails("MG-SHAPE", "no two axes", tensor.methods.tril, counting(3))
  end)
end)
