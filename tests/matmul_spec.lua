-- Products of batches of matrices and of vectors: loops written here, gradients by sums, errors.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, tensor = mg.autograd, mg.tensor
local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

-- Entries sin(k + 1), sin(k + 2), ... of a shape.
local function waves(k, shape)
  local count, list = 1, {}
  for _, extent in ipairs(shape) do count = count * extent end
  for i = 1, count do list[i] = math.sin(k + i) end
  return count > 0 and tensor(list):reshape(shape) or tensor.new(shape)
end

local function joined(batch, rows, columns)
  local shape = {}
  for i, extent in ipairs(batch) do shape[i] = extent end
  shape[#shape + 1], shape[#shape + 2] = rows, columns
  return shape
end

-- Where the matrix at `index` (from 0, of a batch [extents]) stands in a batch that broadcasts to it.
local function place(index, extents, own)
  local at, step = 0, 1
  for i = 0, #extents - 1 do
    local extent, mine = extents[#extents - i], own[#own - i] or 1
    if mine > 1 then at = at + index % extent * step end
    step = step * mine
    index = math.floor(index / extent)
  end
  return at
end

-- op(a) op(b) of batches by loops.
local function expected(a, b, n, m, k, ta, tb, batch, batch_a, batch_b)
  local left, right, list, count = a:to_list(), b:to_list(), {}, 1
  for _, extent in ipairs(batch) do count = count * extent end
  for index = 0, count - 1 do
    local from_a, from_b = place(index, batch, batch_a) * n * m, place(index, batch, batch_b) * m * k
    for r = 0, n - 1 do
      for c = 0, k - 1 do
        local sum = 0
        for j = 0, m - 1 do
          sum = sum + left[from_a + (ta and j * n + r or r * m + j) + 1]
            * right[from_b + (tb and c * m + j or j * k + c) + 1]
        end
        list[#list + 1] = sum
      end
    end
  end
  return list
end

describe("matmul", function()
  local cases = { -- batches of a, of b, of the product
    { {}, {}, {} }, { { 3 }, { 3 }, { 3 } }, { { 3 }, {}, { 3 } }, { {}, { 3 }, { 3 } }, { { 2, 1 }, { 3 }, { 2, 3 } },
    { { 1, 3 }, { 2, 3 }, { 2, 3 } }, { { 2, 3 }, { 2, 1 }, { 2, 3 } }, { { 2, 1, 3 }, { 1, 4, 1 }, { 2, 4, 3 } },
    { { 0 }, { 1 }, { 0 } }, { { 1 }, { 0 }, { 0 } }, { { 20 }, { 20 }, { 20 } },
  }
  for _, case in ipairs(cases) do
    local a_batch, b_batch, batch = case[1], case[2], case[3]
    it(("of batches %s and %s is that of loops"):format(table.concat(a_batch, "x"),
      table.concat(b_batch, "x")), function()
      for _, sizes in ipairs { { 2, 3, 4 }, { 5, 1, 1 }, { 1, 2, 3 }, { 2, 0, 3 } } do
        local n, m, k = sizes[1], sizes[2], sizes[3]
        for turns = 0, 3 do
          local ta, tb = turns % 2 == 1, turns >= 2
          local a = waves(1, ta and joined(a_batch, m, n) or joined(a_batch, n, m))
          local b = waves(2, tb and joined(b_batch, k, m) or joined(b_batch, m, k))
          local y = a:matmul(b, ta, tb)
          assert.same(joined(batch, n, k), y:shape())
          assert_near(expected(a, b, n, m, k, ta, tb, batch, a_batch, b_batch), y:to_list())
        end
      end
    end)
  end

  it("adds gradients of what was broadcast", function()
    local a, b = waves(1, { 40, 3, 5 }):watch(), waves(2, { 5, 4 }):watch()
    local w = waves(3, { 3, 5 }):watch()
    local dy, dz = waves(4, { 40, 3, 4 }), waves(5, { 40, 3, 3 })
    a:matmul(b):backward(dy)
    w:matmul(a:detach(), false, true):backward(dz)
    local db, dw = tensor.zeros(5, 4), tensor.zeros(3, 5)
    for i = 1, 40 do
      local x = a:detach()[i]
      db = db + x:matmul(dy[i], true)
      dw = dw + dz[i]:matmul(x)
    end
    assert_near(db:to_list(), b.grad:to_list(), is_double and 1e-12 or 1e-4)
    assert_near(dw:to_list(), w.grad:to_list(), is_double and 1e-12 or 1e-4)
  end)

  it("takes vectors as rows and columns", function()
    local v, m, u = tensor { 1, 2, 3 }, tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }, tensor { 10, 20 }
    assert.same({ 22, 28 }, v:matmul(m):to_table())
    assert.same({ 50, 110, 170 }, m:matmul(u):to_table())
    assert.same({ 22, 28 }, m:matmul(v, true):to_table())
    assert.same({ 50, 110, 170 }, u:matmul(m, false, true):to_table())
    assert.equal(14, v:matmul(v):item())
    assert.same({}, v:matmul(v):shape())
    local batch = tensor.stack { m, m * 2 }
    assert.same({ { 22, 28 }, { 44, 56 } }, v:matmul(batch):to_table())
    assert.same({ { 50, 110, 170 }, { 100, 220, 340 } }, batch:matmul(u):to_table())
  end)

  it("has the gradient of vectors", function()
    if not is_double then return pending("needs double: MAPGRAD_REAL=double") end
    local function product(inputs) return inputs[1]:matmul(inputs[2]) end
    for _, shapes in ipairs { { { 3 }, { 3, 2 } }, { { 2, 3 }, { 3 } }, { { 3 }, { 3 } }, { { 4, 2, 3 }, { 3 } } } do
      assert.is_true(autograd.check(product, { waves(1, shapes[1]), waves(2, shapes[2]) }) < 1e-6)
    end
  end)

  it("has the same bits on 1 and 2 threads", function()
    local threads = mg.threads()
    local shapes = { { { 300, 70 }, { 70, 600 } }, { { 9, 50, 60 }, { 60, 70 } }, { { 9, 50, 60 }, { 9, 60, 70 } } }
    local seen = {}
    for count = 1, 2 do
      mg.threads(count)
      local list = {}
      for _, pair in ipairs(shapes) do
        local a, b = waves(1, pair[1]):watch(), waves(2, pair[2]):watch()
        local y = a:matmul(b)
        y:backward(y:detach())
        for _, t in ipairs { y, a.grad, b.grad } do list[#list + 1] = t:to_list() end
      end
      seen[count] = list
    end
    mg.threads(threads)
    assert.same(seen[1], seen[2])
  end)

  it("says what does not fit", function()
    local a, v = tensor.ones(2, 3, 4), tensor.ones(4)
    assert_fails("MG-SHAPE", "matmul: the batches of 2x3x4 and 3x4x5 do not broadcast", a.matmul, a,
      tensor.ones(3, 4, 5))
    assert_fails("MG-SHAPE", "matmul: a is 2x3x4 with 4 columns, b is 3x4 with 3 rows", a.matmul, a, tensor.ones(3, 4))
    assert_fails("MG-SHAPE", "matmul: a vector cannot be transposed (shape 4)", a.matmul, a, v, false, true)
    assert_fails("MG-SHAPE", "matmul: b has shape scalar, expected 2 axes or more", a.matmul, a, tensor.ones())
  end)
end)
