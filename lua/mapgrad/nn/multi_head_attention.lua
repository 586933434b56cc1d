--- Attention with several heads.
-- Source: Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017.
local check = require "mapgrad.check"
local dropout = require "mapgrad.nn.dropout"
local initial = require "mapgrad.nn.initial"
local linear = require "mapgrad.nn.linear"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local weight = require "mapgrad.nn.weight"

local NAME = "nn.multi_head_attention"
local FAR = 1e9 -- what is taken off the scores of masked pairs: exp(-FAR) is 0

-- x [B, n, features] as [B, heads, n, features / heads].
local function split(x, heads)
  return x:reshape(x:size(1), x:size(2), heads, x:size(3) / heads):permute(1, 3, 2, 4)
end

-- The inverse of split.
local function join(x)
  x = x:permute(1, 3, 2, 4)
  return x:reshape(x:size(1), x:size(2), x:size(3) * x:size(4))
end

-- Checks x [batch..., n, features]; returns it as [B, n, features].
local function merged(what, x, features, batch)
  check.value(("%s: %s"):format(NAME, what), x, check.tensor)
  local shape, own, count = x:shape(), {}, 1
  for axis = 1, #shape - 2 do own[axis], count = shape[axis], count * shape[axis] end
  if #shape < 2 or shape[#shape] ~= features or (batch and show.shape(own) ~= show.shape(batch)) then
    check.fail("MG-SHAPE", "%s: expected %s [%s, n, %d], got %s", NAME, what,
      batch and show.shape(batch) or "batch", features, show.shape(shape))
  end
  return x:reshape(count, shape[#shape - 1], features), own
end

-- The mask [queries, keys] or [batch..., queries, keys] as what is added to scores [B, heads, queries, keys].
local function penalty(mask, batch, count, queries, keys)
  check.value(NAME .. ": mask", mask, check.tensor)
  local shape, text = { queries, keys }, show.shape(mask:shape())
  if text ~= show.shape(shape) then
    for i = #batch, 1, -1 do table.insert(shape, 1, batch[i]) end
    if text ~= show.shape(shape) then
      check.fail("MG-SHAPE", "%s: expected a mask %dx%d or %s, got %s", NAME, queries, keys, show.shape(shape), text)
    end
    mask = mask:reshape(count, 1, queries, keys)
  end
  return (mask - 1) * FAR
end

local function with_batch(batch, ...)
  local shape = {}
  for i, extent in ipairs(batch) do shape[i] = extent end
  for _, extent in ipairs { ... } do shape[#shape + 1] = extent end
  return shape
end

local function forward(self, queries, keys, values, mask)
  keys = keys or queries
  values = values or keys
  local q, batch = merged("queries", queries, self.features)
  local k = merged("keys", keys, self.key.weight:size(2), batch)
  local v = merged("values", values, self.value.weight:size(2), batch)
  local count, rows, columns = q:size(1), q:size(2), k:size(2)
  if v:size(2) ~= columns then
    check.fail("MG-SHAPE", "%s: %d keys, but %d values", NAME, columns, v:size(2))
  end
  q, k, v = split(self.query(q), self.heads), split(self.key(k), self.heads), split(self.value(v), self.heads)
  local scores = (q * (1 / math.sqrt(self.features / self.heads))):matmul(k, false, true)
  if mask then scores = scores + penalty(mask, batch, count, rows, columns) end
  local weights = scores:softmax(-1)
  local y = self.output(join((self.dropout and self.dropout(weights) or weights):matmul(v)))
  return y:reshape(with_batch(batch, rows, self.features)),
    weights:reshape(with_batch(batch, self.heads, rows, columns))
end

--- y, weights = layer(queries, keys, values, mask): queries [batch..., n, features], keys
-- [batch..., m, keys], values [batch..., m, values] -> y [batch..., n, features], weights
-- [batch..., heads, n, m] (those before dropout). Keys default to the queries, values to the keys.
-- Each is mapped to `features` numbers, of which each head has its part; head h weighs its values by
-- softmax(q k^T / sqrt(features / heads)); the heads side by side are mapped once more, as in PyTorch,
-- whose joint weight is that of query, key and value below each other.
-- The mask [n, m], or [batch..., n, m], is 1 where a query may look at a key and 0 where not; a query
-- that may look nowhere weighs all keys about alike.
-- Weights start as in PyTorch: query, key and value uniform on +-sqrt(6 / (4 features)), Xavier's law of
-- the joint weight; output uniform on +-1/sqrt(features); biases 0.
-- @param features         of the queries and of y
-- @param heads            number of heads; divides features
-- @param options.keys     features of the keys (default features)
-- @param options.values   features of the values (default features)
-- @param options.bias     whether there are biases (default true)
-- @param options.dropout  rate of dropout on the weights, in training (default 0)
-- @param options.initial  law of the weights of query, key and value, see nn.initial
-- @return a module with the children query, key, value, output
-- @usage local y = nn.multi_head_attention(64, 4)(x)
return function(features, heads, options)
  features = check.value(NAME .. ": features", features, check.count())
  heads = check.value(NAME .. ": heads", heads, check.count())
  local o = check.options(NAME, options, {
    keys = check.count(features), values = check.count(features), bias = check.flag(true),
    dropout = check.not_negative(0), initial = check.optional(weight.option()),
  })
  if features % heads ~= 0 then
    check.fail("MG-ARGUMENT", "%s: %d features do not split into %d heads", NAME, features, heads)
  end
  local bound = math.sqrt(6 / (4 * features))
  local function joint(shape) return initial.uniform(shape, { low = -bound, high = bound }) end
  local start = { bias = o.bias, initial = o.initial or joint, bias_initial = 0 }
  local children = {
    { "query", linear(features, features, start) }, { "key", linear(o.keys, features, start) },
    { "value", linear(o.values, features, start) },
    { "output", linear(features, features, { bias = o.bias, bias_initial = 0 }) },
  }
  if o.dropout > 0 then children[5] = { "dropout", dropout(o.dropout) } end
  local self = module {
    title = ("multi_head_attention %d, %d heads"):format(features, heads), children = children, forward = forward,
  }
  self.features, self.heads = features, heads
  return self
end
