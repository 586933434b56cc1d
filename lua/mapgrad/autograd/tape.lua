--- The tape: what recorded operations leave behind, and its replay.
--
-- A recorded tensor carries its number `id` (they grow with time), its `rule`, its inputs `a`, `b`, `c`
-- (false where there is none: looking for a missing field costs a call) and the rule's option `o`; a leaf
-- carries `id` and `leaf`. Backward replays by descending id: an operation has a larger id than its inputs,
-- so each is reached after all its uses, without recursion. Leaves take their gradients at once: the replay
-- ends at the first operation, however old the leaves.
-- Gradients are handles; a gradient is added to in place only when it is known to be nobody else's, and
-- freed as soon as the last node that waits for it has been replayed.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local tape = {}

local Tensor = tensor.metatable
local setmetatable = setmetatable
local last_id = 0
local recording = true

-- The rule of a node whose backward has been done.
local USED = { name = "used" }

local function next_id()
  last_id = last_id + 1
  return last_id
end

--- Makes a tensor a leaf: backward leaves its gradient in t.grad.
function tape.watch(t)
  if t.rule then
    check.fail("MG-AUTOGRAD", "watch: this tensor is the result of a recorded operation; watch its inputs, "
      .. "or its t:detach()")
  end
  if not t.id then
    t.id = next_id()
    t.leaf = true
  end
  return t
end

--- Whether operations are recorded now.
function tape.is_recording()
  return recording
end

--- Calls f(...) without recording.
function tape.pause(f, ...)
  local before = recording
  recording = false
  local results = compat.pack(core.call(f, ...)) -- not to be left by a yield
  recording = before
  if not results[1] then error(results[2], 0) end
  return compat.unpack(results, 2, results.n)
end

--- Applies a rule to one tensor and an option.
function tape.apply1(rule, a, o)
  local handle = rule.forward(a.handle, o)
  if recording and a.id then
    last_id = last_id + 1
    return setmetatable({
      handle = handle, id = last_id, rule = rule, a = a, b = false, c = false, o = o, leaf = false,
    }, Tensor)
  end
  return setmetatable({ handle = handle, id = false }, Tensor)
end

--- Applies a rule to two tensors and an option.
function tape.apply2(rule, a, b, o)
  local handle = rule.forward(a.handle, b.handle, o)
  if recording and (a.id or b.id) then
    last_id = last_id + 1
    return setmetatable({
      handle = handle, id = last_id, rule = rule, a = a, b = b, c = false, o = o, leaf = false,
    }, Tensor)
  end
  return setmetatable({ handle = handle, id = false }, Tensor)
end

--- Applies a rule to three tensors, the third of which may be nil, and an option.
function tape.apply3(rule, a, b, c, o)
  local handle = rule.forward(a.handle, b.handle, c and c.handle, o)
  if recording and (a.id or b.id or (c and c.id)) then
    return setmetatable({
      handle = handle, id = next_id(), rule = rule, a = a, b = b, c = c or false, o = o, leaf = false,
    }, Tensor)
  end
  return setmetatable({ handle = handle, id = false }, Tensor)
end

--- Records the result of an operation with any number of inputs.
-- @param rule    with pullback(saved, handle) -> list of gradient handles, false where there is none
-- @param result  a tensor without history
-- @param inputs  list of tensors
-- @param saved   what pullback gets
function tape.record(rule, result, inputs, saved)
  if not recording then return result end
  for _, input in ipairs(inputs) do
    if input.id then
      result.id, result.rule, result.inputs, result.o = next_id(), rule, inputs, saved
      return result
    end
  end
  return result
end

-- Gradients wait at nodes. `more` counts the nodes that hold a gradient beside the first, huge for one that
-- belongs to somebody else.
local function share(state, gradient)
  state.more[gradient] = (state.more[gradient] or 0) + 1
end

-- A node does not hold a gradient any more: it is freed if no other does.
local function release(state, gradient)
  local more = state.more[gradient]
  if not more then
    core.free(gradient)
  else
    state.more[gradient] = more > 1 and more - 1 or nil
  end
end

-- A leaf keeps its gradient, added to what it had. It outlives the scope it was computed in, as leaves do.
local function keep(state, leaf, gradient, owned)
  local grad = rawget(leaf, "grad")
  if not grad and owned then
    rawset(leaf, "grad", tensor.keep(tensor.wrap(gradient)))
    return
  end
  if grad then
    core.accumulate(grad.handle, 1, gradient, 1)
  else
    rawset(leaf, "grad", tensor.keep(tensor.wrap(core.affine(gradient, 1, 0))))
  end
  release(state, gradient)
end

-- Passes a gradient that somebody holds on to a node: it is added to what the node has got so far.
-- owned: nobody else has this handle's storage.
local function give(state, node, gradient, owned)
  if node.leaf then return keep(state, node, gradient, owned) end
  local id = node.id
  local sum = state.gradient[id]
  if not sum then
    state.gradient[id], state.owned[id] = gradient, owned
    state.node[id], state.open = node, state.open + 1
    return
  end
  if state.owned[id] then
    core.accumulate(sum, 1, gradient, 1)
  else
    state.gradient[id], state.owned[id] = core.binary(core.binary_kinds.add, sum, gradient), true
    release(state, sum)
  end
  release(state, gradient)
end

-- What an operation of many inputs passes back; its gradients and the one it gets are the operation's own.
local function pull_back(state, node, gradient)
  state.more[gradient] = math.huge
  for i, g in ipairs(node.rule.pullback(node.o, gradient)) do
    if g and node.inputs[i].id then
      state.more[g] = math.huge
      give(state, node.inputs[i], g, false)
    end
  end
end

-- Passes a node's gradient to its inputs. owned: nobody else has the gradient, a vjp may write into it.
local function replay(state, node, gradient, owned)
  local rule = node.rule
  if rule.pullback then return pull_back(state, node, gradient) end
  local a, b, c = node.a, node.b, node.c
  local want_a, want_b, want_c = a.id, b and b.id, c and c.id
  local da, db, dc = rule.vjp(gradient, node.handle, a.handle, b and b.handle or nil, c and c.handle or nil,
    node.o, want_a, want_b, want_c, owned)
  local is_same = want_a and want_b and da == db
  if want_a and da == gradient then share(state, da) end
  if want_b and (db == gradient or is_same) then share(state, db) end
  if want_a then give(state, a, da, da ~= gradient and not is_same and not rule.shares) end
  if want_b then give(state, b, db, db ~= gradient and not is_same) end
  if want_c then give(state, c, dc, true) end
end

local function forget(node)
  node.rule, node.a, node.b, node.c, node.o = USED, false, false, false, false
  if rawget(node, "inputs") then node.inputs = false end
end

-- Replays the nodes from id down. spare: if given, the results of replayed nodes made after `mark` are
-- freed but for those in it.
local function run(state, id, spare, mark)
  while state.open > 0 do
    local node = state.node[id]
    if node then
      local gradient, owned = state.gradient[id], state.owned[id]
      state.node[id], state.gradient[id], state.owned[id] = nil, nil, nil
      state.open = state.open - 1
      if node.rule == USED then
        check.fail("MG-AUTOGRAD", "backward: this graph was already used; compute the result anew")
      else
        replay(state, node, gradient, owned)
        forget(node)
        release(state, gradient)
        if spare and not spare[node.handle] then core.free_made(node.handle, mark) end
      end
    end
    id = id - 1
  end
end

--- Gradients of <dy, y> for all watched tensors that y depends on, added to their grad. Each recorded
-- operation is used once. Second derivatives are not offered: gradients have no history.
-- @param y   a recorded tensor
-- @param dy  tensor of y's shape; may be left out if y has one entry
-- @param spare  nil, or a set of handles: the results of all other operations of the graph that were made
--               after mark are freed as the replay passes them
-- @param mark   as core.scope_begin returns it
function tape.backward(y, dy, spare, mark)
  if not y.id then
    check.fail("MG-AUTOGRAD", "backward: this tensor has no history; watch an input before computing it "
      .. "(gradients have none: second derivatives are not offered)")
  end
  if not dy then
    if y:count() ~= 1 then
      check.fail("MG-AUTOGRAD", "backward: a tensor of %d entries needs a gradient: y:backward(dy)", y:count())
    end
    dy = tensor.full(y:shape(), 1)
  elseif not tensor.is(dy) then
    check.fail("MG-TYPE", "backward: expected a tensor as the gradient, got a %s", check.type_of(dy))
  elseif table.concat(dy:shape(), "x") ~= table.concat(y:shape(), "x") then
    check.fail("MG-SHAPE", "backward: the gradient has shape %s, the tensor %s",
      table.concat(dy:shape(), "x"), table.concat(y:shape(), "x"))
  end
  local state = { gradient = {}, owned = {}, more = { [dy.handle] = math.huge }, node = {}, open = 0 }
  give(state, y, dy.handle, false)
  tape.pause(run, state, y.id, spare, mark)
end

return tape
