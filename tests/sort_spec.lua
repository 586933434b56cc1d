-- Sorting: values and places against table.sort, ties, NaN, gradients, errors.
local mg = require "mapgrad"
local support = require "tests.support"

local tensor = mg.tensor
local assert_fails = support.assert_fails
local INF, NAN = math.huge, 0 / 0

-- The entries of a list in sorted order and their places, by table.sort.
local function sorted(list, is_descending)
  local places, values = {}, {}
  for i = 1, #list do places[i] = i end
  local function before(i, j)
    local a, b = list[i], list[j]
    local a_is_nan, b_is_nan = a ~= a, b ~= b
    if a_is_nan or b_is_nan then
      if a_is_nan and b_is_nan then return i < j end
      return b_is_nan
    end
    if a == b then return i < j end
    if is_descending then return a > b end
    return a < b
  end
  table.sort(places, before)
  for k, i in ipairs(places) do values[k] = list[i] end
  return values, places
end

local function same(expected, got)
  assert.equal(#expected, #got)
  for i, v in ipairs(expected) do
    if not (v == got[i] or (v ~= v and got[i] ~= got[i])) then
      error(("entry %d is %s, expected %s"):format(i, tostring(got[i]), tostring(v)), 2)
    end
  end
end

local function first(list, count)
  local part = {}
  for i = 1, count do part[i] = list[i] end
  return part
end

-- Pseudo-random entries with many ties, and with what is special where `special`.
local function entries(count, different, special)
  local list, seed = {}, 1
  for i = 1, count do
    seed = (seed * 16807) % 2147483647
    list[i] = (seed % different - math.floor(different / 2)) / 8
    if special and seed % 7 == 0 then list[i] = ({ NAN, INF, -INF, 0, -0.0 })[seed % 5 + 1] end
  end
  return list
end

describe("sorting", function()
  local cases = { { 1, 3 }, { 2, 1 }, { 7, 4 }, { 64, 9, true }, { 65, 9, true }, { 300, 1000, true },
    { 5000, 50, true }, { 20000, 1e6 }, { 3000, 1 } }
  for _, case in ipairs(cases) do
    for _, is_descending in ipairs { false, true } do
      it(("%d entries, %d different%s, agrees with table.sort"):format(case[1], case[2],
        is_descending and ", descending" or ""), function()
        local list = tensor(entries(case[1], case[2], case[3])):to_list()
        local expected, places = sorted(list, is_descending)
        local values, indices = tensor(list):sort(1, { descending = is_descending })
        same(expected, values:to_list())
        same(places, indices:to_list())
        same(places, tensor(list):argsort(-1, { descending = is_descending }):to_list())
      end)
    end
    it(("the largest of %d entries, %d different, agree with table.sort"):format(case[1], case[2]), function()
      local list = tensor(entries(case[1], case[2], case[3])):to_list()
      local expected, places = sorted(list, true)
      for _, k in ipairs { 0, 1, math.min(10, #list), math.min(64, #list), math.min(65, #list), #list } do
        local values, indices = tensor(list):top_k(k)
        same(first(expected, k), values:to_list())
        same(first(places, k), indices:to_list())
      end
    end)
  end

  it("goes along any axis", function()
    local x = tensor(entries(3 * 70 * 4, 40)):reshape(3, 70, 4)
    for axis = 1, 3 do
      local order = ({ { 2, 3, 1 }, { 1, 3, 2 }, { 1, 2, 3 } })[axis]
      local back = ({ { 3, 1, 2 }, { 1, 3, 2 }, { 1, 2, 3 } })[axis]
      local values, indices = x:sort(axis)
      local rows, n = x:permute(order):to_list(), x:size(axis)
      local expected, places = {}, {}
      for start = 1, #rows, n do
        local row = {}
        for i = 0, n - 1 do row[i + 1] = rows[start + i] end
        local v, p = sorted(row)
        for i = 1, n do expected[#expected + 1], places[#places + 1] = v[i], p[i] end
      end
      same(expected, values:permute(order):to_list())
      same(places, indices:permute(order):to_list())
      assert.same(x:shape(), values:permute(order):permute(back):shape())
      local top, where = x:top_k(2, axis)
      same(x:sort(axis, { descending = true }):slice(axis, 1, 2):to_list(), top:to_list())
      same(x:argsort(axis, { descending = true }):slice(axis, 1, 2):to_list(), where:to_list())
    end
  end)

  it("keeps the order of equal entries, zeros among them, and puts NaN last", function()
    local x = tensor { 0, NAN, -0.0, 3, NAN, 3, -INF, INF }
    same({ 7, 1, 3, 4, 6, 8, 2, 5 }, x:argsort():to_list())
    same({ 8, 4, 6, 1, 3, 7, 2, 5 }, x:argsort(1, { descending = true }):to_list())
    same({ INF, 3, 3 }, x:top_k(3):to_list())
    same({ NAN, NAN }, x:top_k(8):slice(1, 7, 8):to_list())
  end)

  it("leads gradients to where the entries came from", function()
    local x = tensor { { 3, 1, 2 }, { 5, 5, 4 } }:watch()
    local values, indices = x:sort()
    values:backward(tensor { { 10, 20, 30 }, { 1, 2, 3 } })
    assert.same({ { 30, 10, 20 }, { 2, 3, 1 } }, x.grad:to_table())
    assert.is_false(indices.id)
    x.grad = nil
    x:top_k(1):backward(tensor { { 7 }, { 8 } })
    assert.same({ { 7, 0, 0 }, { 8, 0, 0 } }, x.grad:to_table())
  end)

  it("takes tensors without entries", function()
    local values, indices = tensor.new(0, 3):sort()
    assert.same({ 0, 3 }, values:shape())
    assert.same({ 0, 3 }, indices:shape())
    assert.same({ 3, 0 }, tensor.new(3, 0):argsort():shape())
    local x = tensor.ones(2, 3):watch()
    x:top_k(0):sum():backward()
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, x.grad:to_table())
  end)

  it("says what is wrong", function()
    local x = tensor.ones(2, 3)
    assert_fails("MG-SHAPE", "sort: axis 3 of a tensor of shape 2x3", function() x:sort(3) end)
    assert_fails("MG-SHAPE", "sort: axis -1 of a tensor of shape", function() tensor.ones():sort() end)
    assert_fails("MG-OPTION", "argsort: unknown option 'decending'", function() x:argsort(1, { decending = true }) end)
    assert_fails("MG-ARGUMENT", "top_k: k = 4 of axis 2 of a tensor of shape 2x3", function() x:top_k(4) end)
    assert_fails("MG-ARGUMENT", "top_k: k", function() x:top_k(-1) end)
  end)
end)
