-- The sequences of states as the sets of their steps.
local sequences = require("tests.oracle.chain").sequences

-- In lexicographic order of the states.
local function enumerate(settings)
  local set, states = {}, settings.states
  for i, sequence in ipairs(sequences(settings.steps + 1, states, function() return true end)) do
    local z = {}
    for j = 1, settings.steps * states * states do z[j] = 0 end
    for t = 1, settings.steps do z[((t - 1) * states + sequence[t] - 1) * states + sequence[t + 1]] = 1 end
    set[i] = z
  end
  return set
end

return {
  signed = true,

  instances = {
    { settings = { steps = 1, states = 1 } }, { settings = { steps = 1, states = 3 } },
    { settings = { steps = 2, states = 2 } }, { settings = { steps = 4, states = 2 } },
    { settings = { steps = 3, states = 3 } }, { settings = { steps = 1, states = 13 } },
  },

  enumerate = enumerate,

  -- The first best one in lexicographic order.
  choose = function(settings, _, x)
    local value, chosen = -math.huge, nil
    for _, z in ipairs(enumerate(settings)) do
      local sum = 0
      for i = 1, #z do sum = sum + z[i] * x[i] end
      if sum > value then value, chosen = sum, z end
    end
    return chosen
  end,

  draw = function(integer)
    return { steps = integer(1, 3), states = integer(1, 3) }
  end,
}
