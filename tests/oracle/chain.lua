-- The sequences of states whose transitions are allowed.
local function sequences(length, states, allowed)
  local list, own = {}, {}
  local function extend(t)
    if t > length then
      local copy = {}
      for i = 1, length do copy[i] = own[i] end
      list[#list + 1] = copy
      return
    end
    for a = 1, states do
      if t == 1 or allowed(own[t - 1], a) then
        own[t] = a
        extend(t + 1)
      end
    end
  end
  extend(1)
  return list
end

local function transition(context, a, b)
  return context and context.transitions and context.transitions[a][b] or 0
end

local function one_hot(sequence, states)
  local z = {}
  for t, a in ipairs(sequence) do
    for b = 1, states do z[(t - 1) * states + b] = a == b and 1 or 0 end
  end
  return z
end

-- In lexicographic order of the states.
local function enumerate(settings, context)
  local set = {}
  local function allowed(a, b) return transition(context, a, b) > -math.huge end
  for i, sequence in ipairs(sequences(settings.length, settings.states, allowed)) do
    set[i] = one_hot(sequence, settings.states)
  end
  return set
end

-- The transitions' part of a solution's value.
local function extra(settings, context, z)
  local sum, last = 0, nil
  for t = 1, settings.length do
    for a = 1, settings.states do
      if z[(t - 1) * settings.states + a] == 1 then
        if last then sum = sum + transition(context, last, a) end
        last = a
      end
    end
  end
  return sum
end

local inf = math.huge

return {
  signed = true,
  sequences = sequences,

  instances = {
    { settings = { length = 1, states = 1 } }, { settings = { length = 1, states = 4 } },
    { settings = { length = 3, states = 3 } }, { settings = { length = 4, states = 1 } },
    { settings = { length = 5, states = 2 }, context = { transitions = { { 0, 1 }, { -1, 2 } } } },
    { settings = { length = 4, states = 3 },
      context = { transitions = { { 0, -inf, 1 }, { 2, 0, -inf }, { -1, 0, 0 } } } },
    { settings = { length = 3, states = 3 },
      context = { transitions = { { -inf, 0, 0 }, { 0, -inf, 0 }, { 0, 0, -inf } } } },
    { settings = { length = 2, states = 17 } }, -- more states than lanes
  },

  enumerate = enumerate,
  extra = extra,

  -- The first best one in lexicographic order.
  choose = function(settings, context, x)
    local value, chosen = -inf, nil
    for _, z in ipairs(enumerate(settings, context)) do
      local sum = extra(settings, context, z)
      for i = 1, #z do sum = sum + z[i] * x[i] end
      if sum > value then value, chosen = sum, z end
    end
    return chosen
  end,

  draw = function(integer)
    local length, states = integer(1, 4), integer(1, 3)
    return { length = length, states = states }, function()
      local transitions = {}
      for a = 1, states do
        transitions[a] = {}
        for b = 1, states do transitions[a][b] = integer(1, 3) == 1 and -inf or integer(-2, 2) end
      end
      return { transitions = transitions }
    end
  end,
}
