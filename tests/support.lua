-- What several specs need: golden files, and comparing numbers.
local json = require "dkjson"

local support = {}

--- Whether this run computes in double.
support.is_double = os.getenv "MAPGRAD_REAL" == "double"

--- The bytes of a file.
function support.read_bytes(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

--- Of a folder of runs: name of the run -> bytes of its configuration and its numbers.
function support.numbers(root)
  local data, found = require "mapgrad.data", {}
  for name in require("lfs").dir(root) do
    local folder = root .. "/" .. name
    if require("mapgrad.experiment.store").is_run(folder) then
      found[name] = data.file_read(folder .. "/config.json") .. (data.file_read(folder .. "/metrics.jsonl") or "none")
    end
  end
  return found
end

--- How many fields a table has.
function support.count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

--- The contents of a JSON file.
function support.read_json(path)
  local value, _, message = json.decode(support.read_bytes(path), 1, nil)
  return assert(value, message)
end

--- The cases of a golden file beside the checkout, such as "imle/ste"; an empty list where there is none, which
-- busted's pending is told.
function support.golden_cases(name, pending)
  local path = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/golden/" .. name .. ".json"
  local file = io.open(path)
  if not file then
    pending(path .. " is not there")
    return {}
  end
  file:close()
  return support.read_json(path).cases
end

--- Nested lists, one after the other, in one list.
function support.flat(value, into)
  into = into or {}
  if type(value) ~= "table" then
    into[#into + 1] = value
    return into
  end
  for _, entry in ipairs(value) do support.flat(entry, into) end
  return into
end

--- Asserts |x - expected| <= tolerance (1 + max |expected|) for all entries of nested lists or tensors.
function support.near(expected, got, tolerance, what)
  expected = support.flat(expected.to_table and expected:to_table() or expected)
  got = support.flat(type(got) == "table" and got.to_table and got:to_table() or got)
  assert(#expected == #got, ("%s: %d entries, expected %d"):format(what or "near", #got, #expected))
  local largest = 0
  for _, v in ipairs(expected) do largest = math.max(largest, math.abs(v)) end
  for i, v in ipairs(expected) do
    local close = math.abs(got[i] - v) <= tolerance * (1 + largest) -- false for NaN
    if not close then
      error(("%s: entry %d is %.17g, expected %.17g"):format(what or "near", i, got[i], v), 2)
    end
  end
end

--- What numbers of this run agree to, relative to 1 + |expected|.
support.TOLERANCE = support.is_double and 1e-12 or 1e-5

--- Asserts that two lists, or two numbers, agree entry by entry.
function support.assert_near(expected, got, tolerance)
  if type(expected) == "number" then expected, got = { expected }, { got } end
  assert(#expected == #got, ("expected %d entries, got %d"):format(#expected, #got))
  for i, value in ipairs(expected) do
    local close = math.abs(value - got[i]) <= (tolerance or support.TOLERANCE) * (1 + math.abs(value))
    assert(close, ("entry %d: expected %.17g, got %.17g"):format(i, value, got[i]))
  end
end

--- Asserts that f(...) raises a message that holds the code and the text.
function support.assert_fails(code, text, f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "no error was raised")
  for _, part in ipairs { code, text } do
    assert(tostring(message):find(part, 1, true), ("'%s' is not in: %s"):format(part, tostring(message)))
  end
end

--- Asserts that f(...) is ended by a time limit of `limit` seconds, within so many seconds of the processor.
function support.assert_interrupted(limit, within, f, ...)
  local core = require "mapgrad.real"
  local started = core.processor_time()
  core.time_limit(limit)
  local ok, message = pcall(f, ...)
  core.time_limit(0)
  local took = core.processor_time() - started
  assert(not ok, "no error was raised")
  assert(tostring(message):find("time limit reached [MG-INTERRUPTED]", 1, true), tostring(message))
  assert(took < within, ("it took %.3f s"):format(took))
end

--- Asserts that a call returned nil and a message that holds the texts.
function support.assert_refused(texts, value, message)
  assert(value == nil and type(message) == "string", "a file was not refused")
  for _, text in ipairs(texts) do
    assert(message:find(text, 1, true), ("'%s' is not in: %s"):format(text, message))
  end
end

--- Gradient of sum(layer(x) * weight) for x, and the samples; weight [batch, n] counts for each sample alike.
function support.gradient(layer, x, weight, context)
  local tensor = require "mapgrad.tensor"
  local leaf = x:clone():watch()
  local z = layer(leaf, context)
  z:backward(weight:axes() == z:axes() and weight or (tensor.zeros(z:shape()) + weight) * (1 / z:size(1)))
  return leaf.grad, z
end

--- The inner product of two lists.
function support.dot(a, b)
  local sum = 0
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return sum
end

--- The first best entry of a set, argmax <theta, z>, and its value.
function support.argmax(set, theta)
  local best, value
  for _, z in ipairs(set) do
    local v = support.dot(theta, z)
    if not value or v > value then best, value = z, v end
  end
  return best, value
end

--- A case of solvers_identity_blackbox.json: the solution, blackbox and Identity gradients.
-- @param s  solver of the case's structure
function support.replay_flat(case, s)
  local estimator, tensor = require "mapgrad.estimator", require "mapgrad.tensor"
  local exact = support.is_double and 1e-10 or 1e-5
  local upstreams, shape = {}, {}
  local function shaped(values) return tensor(values):reshape(s.shape) end
  for i, extent in ipairs(s.shape) do shape[i] = extent end
  table.insert(shape, 1, 1) -- of one sample
  local x = shaped(case.omega)
  assert(s.sense == case.sense)
  local answer = s:solve(x)
  support.near(case.solution, answer.z, 0, case.id .. ": solution")
  support.assert_near(case.objective, answer.objective[1])
  local function gradient(layer, u)
    local watched = shaped(case.omega):watch()
    layer(watched):backward(tensor(u):reshape(shape))
    return watched.grad
  end
  for _, row in ipairs(case.upstreams) do
    upstreams[row.name] = row.upstream_grad
    for _, step in ipairs(row.blackbox) do
      local u = shaped(row.upstream_grad) * (s.sense == "min" and step.lambda or -step.lambda)
      support.near(step.perturbed_solution, s(x + u), 0, case.id .. ": perturbed")
      support.near(step.grad, gradient(estimator.blackbox { solver = s, lambda = step.lambda }, row.upstream_grad),
        exact, case.id .. ": blackbox")
    end
  end
  for _, row in ipairs(case.identity) do
    for _, g in ipairs(row.projection ~= "plane" and row.grads or {}) do
      local layer = estimator.identity { solver = s, projection = row.projection }
      support.near(g.grad, gradient(layer, upstreams[g.upstream]), 10 * exact, case.id .. ": " .. row.projection)
    end
  end
end

--- The 0/1 vectors of n entries that a predicate accepts, the lexicographically largest first.
function support.zero_ones(n, accepts)
  local set = {}
  for code = 2 ^ n - 1, 0, -1 do
    local z = {}
    for i = 1, n do z[i] = math.floor(code / 2 ^ (n - i)) % 2 end
    if accepts(z) then set[#set + 1] = z end
  end
  return set
end

--- Of the best z of a set for the values x that takes nothing of value 0 and less: the lexicographically largest
-- once entries stand in this order.
function support.largest_best(set, x, order)
  local value, chosen = -1, nil
  for _, z in ipairs(set) do
    local sum, is_allowed, is_larger = 0, true, false
    for i = 1, #z do
      sum = sum + z[i] * x[i]
      if z[i] == 1 and x[i] <= 0 then is_allowed = false end
    end
    for _, i in ipairs(order) do
      if chosen and chosen[i] ~= z[i] then
        is_larger = z[i] > chosen[i]
        break
      end
    end
    if is_allowed and (sum > value or (sum == value and is_larger)) then value, chosen = sum, z end
  end
  return chosen
end

--- The edges {{1, 2}, {1, 3}, ...} of the complete graph.
function support.complete_edges(nodes)
  local edges = {}
  for i = 1, nodes do
    for j = i + 1, nodes do edges[#edges + 1] = { i, j } end
  end
  return edges
end

--- The edges of a grid whose nodes are counted row by row: of each node to the right, then down.
function support.grid_edges(rows, cols)
  local edges = {}
  for v = 1, rows * cols do
    if v % cols ~= 0 then edges[#edges + 1] = { v, v + 1 } end
    if v + cols <= rows * cols then edges[#edges + 1] = { v, v + cols } end
  end
  return edges
end

--- Nested lists of indices from 0, counted from 1.
function support.from_one(list)
  local copy = {}
  for i, v in ipairs(list) do copy[i] = type(v) == "table" and support.from_one(v) or v + 1 end
  return copy
end

--- All permutations of 1..n, as lists.
function support.permutations(n)
  local found, used, list = {}, {}, {}
  local function extend(i)
    if i > n then
      local copy = {}
      for j = 1, n do copy[j] = list[j] end
      found[#found + 1] = copy
      return
    end
    for v = 1, n do
      if not used[v] then
        used[v], list[i] = true, v
        extend(i + 1)
        used[v] = nil
      end
    end
  end
  extend(1)
  return found
end

return support
