--- Sequences of states: a linear-chain conditional random field over scores of states, theta [length, states],
--   p(z) = exp((<z, theta> + sum over steps of transitions[state][next]) / temperature - A),
-- by the forward and backward recurrences. O(length states^2). Transitions may be a recorded tensor: it gets its
-- gradient. Where each step has scores of its own: chain_edges.
-- Source: Rabiner 1989; Lafferty, McCallum, Pereira 2001.
-- @function chain
-- @param options.length       positions
-- @param options.states       states of a position
-- @param options.transitions  [states, states], the score of a state (row) being followed by another (column); -inf
--   forbids it (default: none)
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.chain { length = 3, states = 2, transitions = { { 0, 1 }, { 1, 0 } } }
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local law = require "mapgrad.distribution.law"
local tensor = require "mapgrad.tensor"

local plain = law.of_solver("chain", { "length", "states" })

-- Scores of nodes [..., length, states] as scores of steps [..., length - 1, states, states].
local function steps_of(theta, transitions)
  local shape = theta:shape()
  local length, states = shape[#shape - 1], shape[#shape]
  local t = theta:reshape(theta:count() / (length * states), length, states)
  local first = t:slice(2, 1, 1):unsqueeze(4):pad { { 0, length - 2 }, { 0, 0 }, { 0, 0 } }
  local steps = t:slice(2, 2, length):unsqueeze(3) + first
  if transitions then steps = steps + transitions end
  shape[#shape - 1], shape[#shape], shape[#shape + 1] = length - 1, states, states
  return steps:reshape(shape)
end

-- Sums of steps that meet a node.
local function nodes_of(z)
  return tensor.concat({ z:slice(-3, 1, 1):sum(-1), z:sum(-2) }, -2)
end

-- Steps [..., length - 1, states, states] of solutions [..., length, states].
local function steps_taken(z)
  local length = z:size(-2)
  return z:slice(-2, 1, length - 1):unsqueeze(-1) * z:slice(-2, 2, length):unsqueeze(-2)
end

-- Theta's steps, after looking at theta.
local function embed(self, theta, transitions)
  theta = tensor.of(theta, self.name)
  self.solver:batch_of(theta, self.name .. ": theta")
  return steps_of(theta, transitions)
end

local own = {}

for _, name in ipairs { "log_partition", "entropy" } do
  own[name] = function(self, theta) return self.inner[name](self.inner, embed(self, theta, self.transitions)) end
end

function own.kl(self, theta, other)
  return self.inner:kl(embed(self, theta, self.transitions), embed(self, other, self.transitions))
end

function own.marginals(self, theta)
  return nodes_of(self.inner:marginals(embed(self, theta, self.transitions)))
end

function own.tangent(self, theta, u)
  return autograd.pause(function()
    return nodes_of(self.inner:tangent(embed(self, theta, self.transitions), embed(self, u)))
  end)
end

function own.log_prob(self, theta, z)
  z = tensor.of(z, self.name):detach()
  self.solver:batch_of(z, self.name .. ": z")
  return self.inner:log_prob(embed(self, theta, self.transitions), steps_taken(z))
end

function own.sample(self, theta, ...)
  return autograd.pause(function(...)
    return nodes_of(self.inner:sample(embed(self, theta, self.transitions), ...))
  end, ...)
end

return function(options)
  local o = check.options("distribution.chain", options, {
    length = check.count(), states = check.count(), temperature = check.positive(1),
    transitions = check.optional(check.any()),
  })
  local transitions = o.transitions
  o.transitions = nil
  if transitions == nil then return plain(o) end
  transitions = tensor.of(transitions, "distribution.chain: transitions")
  if table.concat(transitions:shape(), "x") ~= ("%dx%d"):format(o.states, o.states) then
    check.fail("MG-SHAPE", "distribution.chain: transitions has shape %s, expected %dx%d",
      table.concat(transitions:shape(), "x"), o.states, o.states)
  end
  if o.length == 1 then return plain(o) end
  local self = law.new {
    name = "chain", temperature = o.temperature, context = { transitions = transitions:detach() }, own = own,
    solver = require("mapgrad.solver").chain { length = o.length, states = o.states },
  }
  self.transitions = transitions
  self.inner = require "mapgrad.distribution.chain_edges" {
    steps = o.length - 1, states = o.states, temperature = o.temperature,
  }
  return self
end
