-- Tensors: making, shapes, indices, printing, arithmetic against plain loops, errors at the script's line.
local globals_before = {}
for name in pairs(_G) do globals_before[name] = true end

local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local mg = require "mapgrad"
local tensor = mg.tensor

local is_double = core.info().real_bytes == 8
local tolerance = is_double and 1e-12 or 1e-5

-- The line this is called from.
local function line()
  return debug.getinfo(2, "l").currentline
end

-- That f, which stands on one line, raises `text` at that line of this file. Both are plain texts.
local function assert_raises(text, at, f)
  local ok, message = pcall(f)
  assert.is_false(ok, "nothing was raised; expected: " .. text)
  local place = ("tensor_spec.lua:%d: "):format(at)
  assert.truthy(message:find(place, 1, true), ("expected the place %s in: %s"):format(place, message))
  assert.truthy(message:match "^[^:]*tensor_spec%.lua:", message)
  assert.truthy(message:find(text, 1, true), ("expected '%s' in: %s"):format(text, message))
end

-- Numbers that differ from each other, of a shape.
local function numbers(shape, salt)
  local list, count = {}, 1
  for _, extent in ipairs(shape) do count = count * extent end
  for i = 1, count do list[i] = (i * 0.6180339887 + (salt or 0) * 0.4142) % 1 * 4 - 2 end
  return #shape == 0 and tensor(list[1]) or tensor(list):reshape(shape)
end

local function assert_near(expected, got)
  assert.equal(#expected, #got)
  for i = 1, #expected do
    local far = math.abs(expected[i] - got[i]) / (1 + math.abs(expected[i]))
    assert.is_true(far <= tolerance, ("entry %d: expected %.17g, got %.17g"):format(i, expected[i], got[i]))
  end
end

describe("requiring mapgrad", function()
  it("leaves _G as it was", function()
    local new = {}
    for name in pairs(_G) do
      if not globals_before[name] then new[#new + 1] = name end
    end
    assert.same({}, new)
  end)

end)

describe("making a tensor", function()
  it("from nested lists", function()
    local t = tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ 2, 3 }, t:shape())
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, t:to_table())
    assert.same({ 1, 2, 3, 4, 5, 6 }, t:to_list())
    assert.equal(2, t:axes())
    assert.equal(6, t:count())
    assert.same({ { { { 5 } } } }, tensor({ { { { 5 } } } }):to_table())
  end)

  it("from a number", function()
    local t = tensor(2.5)
    assert.same({}, t:shape())
    assert.equal(2.5, t:item())
    assert.equal(2.5, t:to_table())
    assert.equal(1, t:count())
    assert.equal(0, t:axes())
  end)

  it("from a shape, as numbers or as a list", function()
    assert.same({ 2, 3 }, tensor.new(2, 3):shape())
    assert.same({ 2, 3 }, tensor.new({ 2, 3 }):shape())
    assert.same({ { 0, 0 } }, tensor.zeros(1, 2):to_table())
    assert.same({ { 1 }, { 1 } }, tensor.ones({ 2, 1 }):to_table())
    assert.same({ 7, 7 }, tensor.full({ 2 }, 7):to_table())
    assert.same({}, tensor.zeros():shape())
    assert.same({ 2, 2 }, tensor.like(tensor.ones(2, 2)):shape())
  end)

  it("from random numbers, the same for the same seed", function()
    mg.random.seed(5)
    local a, b = tensor.normal(3, 2), tensor.uniform({ 100 }, "init")
    mg.random.seed(5)
    assert.is_true(a:equals(tensor.normal(3, 2)))
    assert.is_true(b:equals(tensor.uniform({ 100 }, "init")))
    assert.is_false(a:equals(tensor.normal(3, 2)))
    for _, u in ipairs(b:to_list()) do assert.is_true(u > 0 and u < 1) end
  end)

  it("without entries", function()
    local t = tensor.new(0, 3)
    assert.same({ 0, 3 }, t:shape())
    assert.equal(0, t:count())
    assert.same({}, t:to_table())
    assert.same({ 0 }, tensor({}):shape())
    assert.equal(0, t:sum():item())
    assert.same({ 0, 0, 0 }, t:sum(1):to_table())
    assert.same({ 0, 3 }, (t + 1):shape())
    assert.same({ 0, 3 }, (t * tensor { 1, 2, 3 }):shape())
    assert.same({ 3, 0 }, t:transpose():shape())
    assert.same({ 0, 2 }, t:matmul(tensor.ones(3, 2)):shape())
    assert.same({ { 0, 0 }, { 0, 0 } }, tensor.new(2, 0):matmul(tensor.new(0, 2)):to_table())
    assert.same({ 2, 3 }, tensor.concat({ t, tensor.ones(2, 3) }):shape())
    assert_raises("no entries", line(), function() local _ = t:max() end)
  end)

  it("refuses ragged lists, entries that are no numbers, deep nesting", function()
    assert_raises("tensor: ragged lists: expected 2 entries on axis 2, got 1 [MG-SHAPE]",
      line(), function() local _ = tensor { { 1, 2 }, { 3 } } end)
    assert_raises("ragged", line(), function() local _ = tensor { { 1, 2 }, 3 } end)
    assert_raises("tensor: expected a number, got a table", line(), function() local _ = tensor { 3, { 1 } } end)
    assert_raises("tensor: expected a number, got a string [MG-TYPE]", line(), function() local _ = tensor { "1" } end)
    local deep = 1
    for _ = 1, 10000 do deep = { deep } end
    assert_raises("nested deeper than 8", line(), function() local _ = tensor(deep) end)
    local knot = {}
    knot[1] = knot
    assert_raises("nested deeper than 8", line(), function() local _ = tensor(knot) end)
  end)

  it("refuses shapes that are none", function()
    assert_raises("extent -1 of axis 2 is negative [MG-SHAPE]", line(), function() local _ = tensor.new(2, -1) end)
    assert_raises("expected an integer, got 1.5", line(), function() local _ = tensor.new(1.5) end)
    assert_raises("extent 1 of the shape is a string", line(), function() local _ = tensor.new("a") end)
    assert_raises("extent 1 of the shape is a nil", line(), function() local _ = tensor.zeros(nil) end)
    assert_raises("extent 2 of the shape is a nil", line(), function() local _ = tensor.normal(2, nil) end)
    assert_raises("reshape: extent 1: expected an integer, got nil", line(), function() tensor(1):reshape(nil) end)
    local t = tensor(1)
    assert_raises("no method or field 'sofmax', did you mean 'softmax'? [MG-NAME]", line(), function() t:sofmax() end)
    assert_raises("expected a table, got number", line(), function() local _ = tensor.full(3, 1) end)
    assert_raises("9 axes, expected at most 8", line(), function() local _ = tensor.new(1, 1, 1, 1, 1, 1, 1, 1, 1) end)
    assert_raises("is too large [MG-SHAPE]", line(), function() local _ = tensor.new(2 ^ 40, 2 ^ 40) end)
    assert_raises("is too large", line(), function() local _ = tensor.new(2 ^ 52, 0, 2 ^ 52) end)
    if os.getenv "MAPGRAD_SANITIZER" then return end -- it would end the process
    assert_raises("[MG-MEMORY]", line(), function() local _ = tensor.new(2 ^ 46) end)
  end)
end)

describe("indices", function()
  local t = tensor { { 1, 2, 3 }, { 4, 5, 6 } }

  it("start at 1 and count from the end when negative", function()
    assert.equal(1, t:get(1, 1))
    assert.equal(6, t:get(-1, -1))
    assert.equal(4, t:get(2, -3))
    assert.same({ 4, 5, 6 }, t[2]:to_table())
    assert.same({ 1, 2, 3 }, t[-2]:to_table())
    assert.equal(5, t[2][2])
    assert.equal(3, t:size(2))
    assert.equal(3, t:size(-1))
    assert.equal(2, t:size(-2))
  end)

  it("set entries and rows", function()
    local u = t:clone()
    u:set(1, -1, 9)
    u[2] = { 7, 8, 9 }
    assert.same({ { 1, 2, 9 }, { 7, 8, 9 } }, u:to_table())
    u[1] = 0
    assert.same({ { 0, 0, 0 }, { 7, 8, 9 } }, u:to_table())
    u[-1][2] = 5 -- rows share memory
    assert.equal(5, u:get(2, 2))
    local v = tensor { 1, 2 }
    v[2] = 3
    assert.same({ 1, 3 }, v:to_table())
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, t:to_table())
  end)

  it("iterate over rows", function()
    local seen = {}
    for i, row in t:iter() do seen[i] = row:sum():item() end
    assert.same({ 6, 15 }, seen)
    local entries = {}
    for i, entry in tensor({ 3, 4 }):iter() do entries[i] = entry end
    assert.same({ 3, 4 }, entries)
  end)

  it("that do not exist raise at the script's line", function()
    assert_raises("index 0 is out of range 1..2 on axis 1 [MG-INDEX]", line(), function() local _ = t:get(0, 1) end)
    assert_raises("index 4 is out of range 1..3 on axis 2", line(), function() local _ = t:get(1, 4) end)
    assert_raises("index -3 is out of range 1..2 on axis 1", line(), function() local _ = t[-3] end)
    assert_raises("index 3 is out of range 1..2", line(), function() t[3] = 1 end)
    assert_raises("1 indices for a tensor of shape 2x3", line(), function() local _ = t:get(1) end)
    assert_raises("2 indices for a tensor of shape scalar", line(), function() local _ = tensor(1):get(1, 1) end)
    assert_raises("a scalar has no entries", line(), function() local _ = tensor(1)[1] end)
    assert_raises("size: axis 3 of a tensor of shape 2x3", line(), function() local _ = t:size(3) end)
    assert_raises("sum: axis 0 of a tensor of shape 2x3", line(), function() local _ = t:sum(0) end)
    assert_raises("sum: axis 2 is named twice", line(), function() local _ = t:sum(2, -1) end)
    assert_raises("item: expected one entry, got shape 2x3", line(), function() local _ = t:item() end)
  end)

  it("must be whole numbers on both interpreters", function()
    assert_raises("index 1.5 is out of range", line(), function() local _ = t:get(1.5, 1) end)
    assert_raises("index 1.5 is out of range", line(), function() local _ = t[1.5] end)
    assert_raises("index 1.5 is out of range", line(), function() local _ = t:take { 1.5 } end)
    assert_raises("index 1.5 is out of range", line(), function() local _ = t:rows(1, 1.5) end)
    assert_raises("index 1.5 is out of range", line(), function() local _ = t:slice(1, 1.5) end)
    assert_raises("expected an integer, got 1.5", line(), function() local _ = t:permute(1.5, 2) end)
    assert_raises("axis 1.5", line(), function() local _ = t:mean(1.5) end)
    assert.equal(2, t:get(1.0, 2.0))
    assert.same({ 2, 3 }, tensor.new(2.0, 3.0):shape())
  end)
end)

describe("printing", function()
  local function prints(expected, t)
    assert.equal(expected, tostring(t))
  end

  it("right-aligns rows below the shape", function()
    prints("tensor 2x3\n   0   0   0\n  -1   0   1", tensor { { 0, 0, 0 }, { -1, 0, 1 } })
    prints("tensor 2x2\n    1    2\n    3  4.5", tensor { { 1, 2 }, { 3, 4.5 } })
    prints("tensor 3\n  1  2  3", tensor { 1, 2, 3 })
  end)

  it("shows scalars, what is empty, what is watched", function()
    prints("tensor scalar\n  4", tensor(4))
    prints("tensor 0x3 (empty)", tensor.new(0, 3))
    prints("tensor 2 (watched)\n  1  2", tensor({ 1, 2 }):watch())
  end)

  it("shows special and long numbers alike on both interpreters", function()
    prints("tensor 5\n      nan      inf     -inf    1e+10  0.12346",
      tensor { 0 / 0, math.huge, -math.huge, 1e10, 0.123456789 })
  end)

  it("shortens long axes", function()
    local wide = tensor.zeros(2, 1000)
    prints("tensor 2x1000\n   0   0   0  ..   0   0   0\n   0   0   0  ..   0   0   0", wide)
    local text = tostring(tensor.ones(40, 40))
    assert.equal(8, select(2, text:gsub("\n", "\n")) + 1)
    assert.truthy(text:find("\n   1   1   1  ..   1   1   1\n  ..  ..  ..  ..  ..  ..  ..\n", 1, true))
    assert.is_true(#tostring(tensor.zeros(100, 50, 60, 70)) < 4000)
  end)

  it("names the place of each matrix", function()
    prints("tensor 2x1x2\n [1]\n  1  2\n [2]\n  3  4", tensor { { { 1, 2 } }, { { 3, 4 } } })
    assert.truthy(tostring(tensor.zeros(2, 3, 1, 1)):find("\n [2, 3]\n", 1, true))
  end)
end)

-- ---------------------------------------------------------------- arithmetic

-- Offsets into a broadcast operand: the plain loop that the kernels are held against.
local function broadcast(a, b, f)
  local p, q = a:shape(), b:shape()
  local axes, shape = math.max(#p, #q), {}
  local function extent(s, i) return s[#s - axes + i] or 1 end
  for i = 1, axes do
    local x, y = extent(p, i), extent(q, i)
    shape[i] = x == 1 and y or x
  end
  local x, y, result = a:to_list(), b:to_list(), {}
  local function visit(i, offset_a, offset_b)
    if i > axes then
      result[#result + 1] = f(x[offset_a + 1], y[offset_b + 1])
      return
    end
    local m, n = extent(p, i), extent(q, i)
    for k = 0, shape[i] - 1 do
      visit(i + 1, offset_a * m + (m > 1 and k or 0), offset_b * n + (n > 1 and k or 0))
    end
  end
  visit(1, 0, 0)
  return result, shape
end

local pairs_of_shapes = {
  { {}, {} }, { { 3 }, {} }, { {}, { 2, 3 } }, { { 2, 3 }, { 2, 3 } }, { { 2, 3 }, { 3 } }, { { 2, 3 }, { 2, 1 } },
  { { 3, 1 }, { 1, 4 } }, { { 2, 3, 4 }, { 3, 1 } }, { { 4, 1, 3 }, { 2, 1 } }, { { 1 }, { 5 } }, { { 0, 2 }, { 2 } },
  { { 1, 2 }, { 0, 1 } }, { { 70, 33 }, { 33 } }, { { 70, 1 }, { 70, 33 } }, { { 2, 1, 1, 5 }, { 3, 4, 1 } },
  { { 40000 }, { 40000 } },
}

local operators = {
  { "+", function(a, b) return a + b end }, { "-", function(a, b) return a - b end },
  { "*", function(a, b) return a * b end }, { "/", function(a, b) return a / b end },
}

local comparisons = {
  lt = function(a, b) return a < b end, le = function(a, b) return a <= b end, gt = function(a, b) return a > b end,
  ge = function(a, b) return a >= b end, eq = function(a, b) return a == b end,
}

describe("arithmetic", function()
  for _, row in ipairs(operators) do
    it("broadcasts " .. row[1] .. " as plain loops do", function()
      for _, shapes in ipairs(pairs_of_shapes) do
        local a, b = numbers(shapes[1]), numbers(shapes[2], 1)
        local expected, shape = broadcast(a, b, row[2])
        local got = row[2](a, b)
        assert.same(shape, got:shape())
        assert_near(expected, got:to_list())
      end
    end)

    it("takes numbers on either side of " .. row[1], function()
      local t = tensor { { 1, 2 }, { -4, 0.5 } }
      local right, left = {}, {}
      for i, v in ipairs(t:to_list()) do right[i], left[i] = row[2](v, 3), row[2](3, v) end
      assert_near(right, row[2](t, 3):to_list())
      assert_near(left, row[2](3, t):to_list())
    end)
  end

  for _, name in ipairs { "lt", "le", "gt", "ge", "eq" } do
    it("compares by " .. name, function()
      local a, b = tensor { { 1, 2, 3 }, { 3, 2, 1 } }, tensor { 2, 2, 2 }
      local expected = broadcast(a, b, function(x, y) return comparisons[name](x, y) and 1 or 0 end)
      assert.same(expected, a[name](a, b):to_list())
      local one = {}
      for i, v in ipairs(a:to_list()) do one[i] = comparisons[name](v, 2) and 1 or 0 end
      assert.same(one, a[name](a, 2):to_list())
    end)
  end

  it("takes the larger and the smaller", function()
    local a, b = numbers { 3, 4 }, numbers({ 4 }, 2)
    assert_near(broadcast(a, b, math.max), a:maximum(b):to_list())
    assert_near(broadcast(a, b, math.min), a:minimum(b):to_list())
  end)

  it("has powers and signs", function()
    local t = tensor { 1, 4, 0.25 }
    assert_near({ 1, 16, 0.0625 }, (t ^ 2):to_list())
    assert_near({ 1, 2, 0.5 }, (t ^ 0.5):to_list())
    assert_near({ 1, 0.25, 4 }, (t ^ -1):to_list())
    assert.same({ -1, -4, -0.25 }, (-t):to_list())
    assert.same({ -1, 0, 1 }, tensor({ -7, 0, 0.1 }):sign():to_list())
    assert_near({ 1, 64, 0.015625 }, (t ^ 3):to_list())
    assert_near({ 2, 16, 2 ^ 0.25 }, (2 ^ t):to_list())
    assert_raises("pow: expected a tensor or a number, got a string", line(), function() local _ = t ^ "3" end)
  end)

  it("follows math on single entries", function()
    local list = { 0.5, 1, 2, 7 }
    local functions = {
      abs = math.abs, exp = math.exp, log = math.log, sqrt = math.sqrt,
      square = function(x) return x * x end, relu = function(x) return math.max(x, 0) end,
      sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
      softplus = function(x) return math.log(1 + math.exp(x)) end,
      tanh = function(x) return 1 - 2 / (math.exp(2 * x) + 1) end,
    }
    for _, name in ipairs { "abs", "exp", "log", "sqrt", "square", "relu", "sigmoid", "softplus", "tanh" } do
      local expected, t = {}, tensor(list)
      for i, x in ipairs(list) do expected[i] = functions[name](x) end
      assert_near(expected, t[name](t):to_list())
    end
    assert.same({ 0, 1 }, tensor({ -1000, 1000 }):sigmoid():to_list())
    assert.same({ 0, 1000 }, tensor({ -1000, 1000 }):softplus():to_list())
  end)

  it("names both shapes when they do not fit", function()
    local t = tensor.zeros(2, 3)
    assert_raises("add: shapes 2x3 and 2 do not broadcast [MG-SHAPE]",
      line(), function() local _ = t + tensor { 1, 2 } end)
    assert_raises("divide: shapes 2x3 and 3x2", line(), function() local _ = t / tensor.ones(3, 2) end)
    assert_raises("maximum: shapes 2x3 and 4", line(), function() local _ = t:maximum(tensor.ones(4)) end)
    assert_raises("2x3", line(), function() local _ = t:matmul(tensor.ones(2, 3)) end)
    assert_raises("reshape: shape 2x3 has 6 entries, 4 has 4", line(), function() local _ = t:reshape(4) end)
    assert_raises("expected shape 2x3, got 3x2", line(), function() local _ = t:add_(tensor.ones(3, 2)) end)
    assert_raises("expected shape 2x3, got 6", line(), function() local _ = t:copy_(tensor.ones(6)) end)
  end)

  it("refuses what is no tensor", function()
    local t = tensor { 1, 2 }
    assert_raises("add: expected a tensor or a number, got a string [MG-TYPE]",
      line(), function() local _ = t + "1" end)
    assert_raises("multiply: expected a tensor or a number, got a table", line(), function() local _ = t * {} end)
    assert_raises("subtract: expected a tensor or a number, got a nil", line(), function() local _ = t - nil end)
    assert_raises("divide: expected a tensor or a number, got a boolean", line(), function() local _ = true / t end)
    assert_raises("lt: expected a tensor or a number", line(), function() local _ = t:lt(print) end)
    assert_raises("expected a number, got string", line(), function() local _ = t:fill_("1") end)
    assert_raises("expected a number, got nil", line(), function() local _ = t:set(1, nil) end)
  end)
end)

describe("reductions", function()
  local t = numbers { 3, 4, 5 }
  local list = t:to_list()

  -- The entries of t over which each entry of the result runs, for a set of reduced axes.
  local function groups(reduced)
    local found, order = {}, {}
    for i = 0, 59 do
      local place = { math.floor(i / 20), math.floor(i / 5) % 4, i % 5 }
      local key = {}
      for axis = 1, 3 do key[axis] = reduced[axis] and "*" or place[axis] end
      key = table.concat(key, ",")
      if not found[key] then
        found[key] = {}
        order[#order + 1] = found[key]
      end
      table.insert(found[key], list[i + 1])
    end
    return order
  end

  local folds = {
    sum = function(values)
      local s = 0
      for _, v in ipairs(values) do s = s + v end
      return s
    end,
    max = function(values) return math.max(compat.unpack(values)) end,
    min = function(values) return math.min(compat.unpack(values)) end,
  }
  folds.mean = function(values) return folds.sum(values) / #values end

  for _, name in ipairs { "sum", "mean", "max", "min" } do
    it("take the " .. name .. " over any axes", function()
      for _, axes in ipairs { {}, { 1 }, { 2 }, { 3 }, { 1, 2 }, { 3, 1 }, { -1, -2 }, { 1, 2, 3 } } do
        local reduced = {}
        for _, axis in ipairs(axes) do reduced[axis > 0 and axis or 4 + axis] = true end
        if #axes == 0 then reduced = { true, true, true } end
        local expected = {}
        for i, group in ipairs(groups(reduced)) do expected[i] = folds[name](group) end
        assert_near(expected, t[name](t, compat.unpack(axes)):to_list())
      end
    end)
  end
end)

describe("shapes", function()
  local t = tensor { { 1, 2, 3 }, { 4, 5, 6 } }

  it("reshape to one open extent", function()
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, t:reshape(3, -1):to_table())
    assert.same({ 6 }, t:reshape(-1):shape())
    assert.same({ 1, 6, 1 }, t:reshape({ 1, 6, 1 }):shape())
    assert_raises("reshape", line(), function() local _ = t:reshape(4, -1) end)
  end)

  it("share memory in reshape and rows, and outlive their source", function()
    local u = t:clone()
    local flat, row = u:reshape(6), u:rows(2, 2)
    flat[5] = 50
    assert.equal(50, u:get(2, 2))
    assert.same({ { 4, 50, 6 } }, row:to_table())
    u:free()
    assert.same({ { 4, 50, 6 } }, row:to_table())
    assert.equal(1, flat[1])
  end)

  it("permute and transpose as index loops do", function()
    local x = numbers { 2, 3, 4 }
    for _, order in ipairs { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } } do
      local y = x:permute(order)
      for i = 1, 2 do
        for j = 1, 3 do
          for k = 1, 4 do
            local at = { i, j, k }
            assert.equal(x:get(i, j, k), y:get(at[order[1]], at[order[2]], at[order[3]]))
          end
        end
      end
    end
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, t:transpose():to_table())
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, t:permute(2, 1):to_table())
    assert_raises("permute: axis 1 twice", line(), function() local _ = t:permute(1, 1) end)
    assert_raises("permute: 1 axes named, the tensor has 2", line(), function() local _ = t:permute(1) end)
    assert_raises("transpose: shape 3 has no two axes",
      line(), function() local _ = tensor({ 1, 2, 3 }):transpose() end)
  end)

  it("concat and stack", function()
    local u = tensor { { 7, 8, 9 } }
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, tensor.concat({ t, u }):to_table())
    assert.same({ { 1, 2, 3, 1, 2, 3 }, { 4, 5, 6, 4, 5, 6 } }, tensor.concat({ t, t }, 2):to_table())
    assert.same({ { 1, 2, 3, 1, 2, 3 }, { 4, 5, 6, 4, 5, 6 } }, tensor.concat({ t, t }, -1):to_table())
    assert.same({ 2, 2, 3 }, tensor.stack({ t, t }):shape())
    assert.same({ { 1, 2 }, { 3, 4 } }, tensor.stack({ tensor { 1, 2 }, tensor { 3, 4 } }):to_table())
    assert_raises("part 1 has shape 2x3, part 2 has 2x2",
      line(), function() local _ = tensor.concat { t, tensor.ones(2, 2) } end)
    assert_raises("concat: no tensors", line(), function() local _ = tensor.concat {} end)
    assert_raises("concat: part 2 is a number", line(), function() local _ = tensor.concat { t, 1 } end)
  end)

  it("take, slice and rows", function()
    assert.same({ { 4, 5, 6 }, { 1, 2, 3 }, { 4, 5, 6 } }, t:take({ 2, 1, -1 }):to_table())
    assert.same({ 0, 3 }, t:take({}):shape())
    assert.same({ { 2, 3 }, { 5, 6 } }, t:slice(2, 2):to_table())
    assert.same({ { 1, 2 }, { 4, 5 } }, t:slice(2, 1, -2):to_table())
    assert.same({ { 3 }, { 6 } }, t:slice(-1, 3, 3):to_table())
    assert.same({ { 4, 5, 6 } }, t:rows(2):to_table())
    assert_raises("index 3 is out of range 1..2", line(), function() local _ = t:take { 3 } end)
    assert_raises("index 4 is out of range 1..3", line(), function() local _ = t:slice(2, 4) end)
  end)

  it("unsqueeze before an axis", function()
    assert.same({ 1, 2, 3 }, t:unsqueeze(1):shape())
    assert.same({ 2, 3, 1 }, t:unsqueeze(3):shape())
    assert.same({ 2, 3, 1 }, t:unsqueeze(-1):shape())
  end)

  it("multiply matrices as loops do, with either side transposed", function()
    for _, extents in ipairs { { 1, 1, 1 }, { 2, 3, 4 }, { 17, 5, 9 }, { 65, 70, 3 } } do
      local m, k, n = extents[1], extents[2], extents[3]
      local a, b = numbers { m, k }, numbers({ k, n }, 3)
      local x, y, expected = a:to_table(), b:to_table(), {}
      for i = 1, m do
        for j = 1, n do
          local sum = 0
          for l = 1, k do sum = sum + x[i][l] * y[l][j] end
          expected[#expected + 1] = sum
        end
      end
      assert_near(expected, a:matmul(b):to_list())
      assert_near(expected, a:transpose():matmul(b, true):to_list())
      assert_near(expected, a:matmul(b:transpose(), false, true):to_list())
      assert_near(expected, a:transpose():matmul(b:transpose(), true, true):to_list())
    end
  end)
end)

describe("in-place methods", function()
  it("change the tensor and return it", function()
    local t = tensor { 1, 2 }
    assert.equal(t, t:fill_(3))
    assert.same({ 3, 3 }, t:to_list())
    assert.equal(t, t:copy_(tensor { 4, 5 }))
    assert.equal(t, t:add_(tensor { 1, 1 }, 2))
    assert.same({ 6, 7 }, t:to_list())
    assert.equal(t, t:scale_(-1))
    assert.same({ -6, -7 }, t:to_list())
    assert.equal(t, t:blend_(0.5, tensor { 2, 2 }, 3))
    assert.same({ 3, 2.5 }, t:to_list())
    t:add_(t)
    assert.same({ 6, 5 }, t:to_list())
  end)

  it("refuse tensors that overlap but are not the same", function()
    local v = tensor { 1, 2, 3, 4 }
    assert.has_error_matching(function() v:rows(2, 4):add_(v:rows(1, 3)) end, "overlap")
    assert.has_error_matching(function() v:rows(2, 4):copy_(v:rows(1, 3)) end, "overlap")
    assert.same({ 2, 4, 6, 8 }, v:add_(v):to_list())
    assert.same({ 6, 8, 6, 8 }, v:rows(1, 2):copy_(v:rows(3, 4)) and v:to_list())
  end)

  it("leave clones alone", function()
    local t = tensor { 1, 2 }
    local u = t:clone()
    t:fill_(0)
    assert.same({ 1, 2 }, u:to_list())
    assert.is_false(t:equals(u))
    assert.is_false(t:equals(tensor { { 0, 0 } }))
    assert.is_false(tensor({ 0 / 0 }):equals(tensor { 0 / 0 }))
  end)
end)

describe("a freed tensor", function()
  it("raises wherever it is used", function()
    local t = tensor { 1, 2 }
    t:free()
    t:free()
    for _, use in ipairs {
      function() return t + 1 end, function() return 1 - t end, function() return tensor { 1, 2 } * t end,
      function() return t:sum() end, function() return t:shape() end, function() return t[1] end,
      function() t[1] = 2 end, function() return t:to_list() end, function() return t:fill_(0) end,
      function() return t:reshape(2) end, function() return tensor.concat { t, t } end,
      function() return t:matmul(t) end, function() return t:clone() end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok)
      assert.truthy(message:find("this tensor was freed", 1, true))
      assert.truthy(message:find("[MG-FREED]", 1, true))
      assert.truthy(message:match "^[^:]*tensor_spec%.lua:%d+:")
    end
    assert.equal("tensor (freed)", tostring(t))
  end)
end)

describe("errors", function()
  it("stand at the script's line also through helpers and coroutines", function()
    local function helper(t) return t + tensor { 1, 2, 3, 4 } end
    local at = line() - 1
    assert_raises("add: shapes 2 and 4", at, function() local _ = (helper(tensor { 1, 2 })) end)
    local co = coroutine.create(function() return tensor { 1, 2 } + tensor { 1, 2, 3 } end)
    at = line() - 1
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(message:find(("tensor_spec.lua:%d: "):format(at), 1, true))
  end)

  it("of misspelt parts suggest the name", function()
    assert_raises("mapgrad.tensr does not exist, did you mean 'tensor'? [MG-NAME]",
      line(), function() local _ = mg.tensr end)
  end)
end)

describe("the C module", function()
  local samples = { 0, -1, 1.5, 2 ^ 60, 0 / 0, "x", true, {}, { 1 }, { { 1 } }, tostring, io.stdout,
    coroutine.create(tostring) }
  local skipped = { -- what changes the process, reads the terminal, or frees all tensors there are
    edit_line = true, scope_end = true, repl_interrupt_begin = true, repl_interrupt_end = true,
    memory_fail = true, memory_cache_set = true, threads_set = true, time_limit = true, root = true,
    pause = true, stop_signals = true, process_follow = true, file_claim = true, -- waits, changes signals, makes files
  }
  local names = {}
  for name, value in pairs(core) do
    local writes_files = name:find("_write$")
    if type(value) == "function" and not skipped[name] and not writes_files then names[#names + 1] = name end
  end
  table.sort(names)

  it("survives every type in every argument", function()
    local calls = 0
    local s = mg.solver.top_k { n = 4, k = 1 }
    for _, name in ipairs(names) do
      local t = tensor { { 1, 2 }, { 3, 4 } }
      local good = { t.handle, s.plan, mg.noise.gumbel().law, 1, "noise", {} }
      for _, first in ipairs(good) do
        for _, value in ipairs(samples) do
          local f = core[name]
          pcall(f)
          pcall(f, value)
          pcall(f, first, value)
          pcall(f, first, first, value)
          pcall(f, value, first, first, first, value, value, first)
          pcall(f, first, value, first, value, first, 1, 1, 1, 1, 1, 1, value, value)
          calls = calls + 6
        end
      end
    end
    assert.is_true(calls > 10000)
    assert.equal(10, tensor({ 1, 2, 3, 4 }):sum():item())
  end)
end)
