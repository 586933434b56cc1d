--- metric.subset_precision: how well selected words match an annotation.
-- @module mapgrad.metric
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local NAME = "metric.subset_precision"

local function precision(z, annotated, o)
  check.value(NAME .. ": z", z, check.tensor)
  check.value(NAME .. ": annotated", annotated, check.tensor)
  local shape, batch = annotated:shape(), annotated:axes() > 0 and annotated:size(1) or 0
  local wanted = show.shape(shape)
  if annotated:count() == 0 or batch == 0 then
    check.fail("MG-SHAPE", "%s: no instances: the annotation has shape %s", NAME, wanted)
  end
  if z:count() ~= annotated:count() or (o.tokens and show.shape(o.tokens:shape()) ~= wanted) then
    check.fail("MG-SHAPE", "%s: z has shape %s, tokens %s, the annotation %s", NAME, show.shape(z:shape()),
      o.tokens and show.shape(o.tokens:shape()) or "none", wanted)
  end
  local marks = annotated:detach():reshape(batch, -1)
  local selected = z:detach():reshape(batch, -1)
  if o.tokens then selected = selected * o.tokens:detach():reshape(batch, -1) end
  local right, all = (selected * marks):sum():item(), 0
  for _, count in ipairs(selected:sum(2):to_list()) do all = all + math.max(count, o.k) end
  return right / all
end

--- Subset precision: the number of selected tokens inside an annotated range, over the sum over instances of the number
-- of selected tokens, k if it is fewer. Padding counts as not selected.
-- Source: Niepert, Minervini, Franceschi 2021 (L2X).
-- @function subset_precision
-- @param z               0/1, [batch, n...], one sample before it at most
-- @param annotated       0/1, [batch, n...]
-- @param options.k       number of tokens that ought to be selected
-- @param options.tokens  1 for tokens, 0 for padding, of annotated's shape (default: no padding)
-- @return number in 0..1
return {
  subset_precision = function(z, annotated, options)
    local o = check.options(NAME, options, { k = check.count(), tokens = check.optional(check.tensor) })
    return tensor.scope(precision, z, annotated, o)
  end,
}
