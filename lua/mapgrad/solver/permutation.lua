--- Permutation matrices of ranks.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

--- The matrices that put entries in the order of their ranks: 1 in row p, column i where entry i has rank p.
-- Entries of rank 0 (left out by a mask) have a column of zeros. matrix:matmul(x) is x in that order. Not recorded.
-- @param ranks  [batch..., n], as solver.ranking gives them
-- @return [batch..., n, n]
-- @usage local ranks = solver.ranking { n = 3 } (tensor { 5, 7, 6 })
-- print(solver.permutation(ranks):matmul(tensor { 5, 7, 6 })) -- 7 6 5
return function(ranks)
  ranks = tensor.of(ranks, "solver.permutation")
  local shape, places = ranks:shape(), {}
  local n = shape[#shape]
  if #shape == 0 then
    check.fail("MG-SHAPE", "solver.permutation: expected ranks of shape [batch..., n], got %s", show.shape(shape))
  end
  for p = 1, n do places[p] = { p } end
  table.insert(shape, #shape, 1) -- [batch..., 1, n] against [n, 1]
  if n == 0 then
    shape[#shape - 1] = 0
    return tensor.new(shape)
  end
  return tensor.wrap(core.binary(core.binary_kinds.eq, ranks:reshape(shape).handle, tensor(places).handle))
end
