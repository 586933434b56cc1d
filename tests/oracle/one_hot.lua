-- The unit vectors.
return {
  forbids = true, -- scores of -inf

  --- Small instances: settings, context, and whether theta must not be positive.
  instances = { { settings = { n = 1 } }, { settings = { n = 2 } }, { settings = { n = 7 } } },

  --- All feasible z, lists of n numbers.
  enumerate = function(settings)
    local set = {}
    for i = 1, settings.n do
      set[i] = {}
      for j = 1, settings.n do set[i][j] = i == j and 1 or 0 end
    end
    return set
  end,

  --- The answer to scores or costs x by the rule for ties that the kind documents.
  choose = function(_, _, x)
    local best, z = 1, {}
    for j = 1, #x do
      if x[j] > x[best] then best = j end
      z[j] = 0
    end
    z[best] = 1
    return z
  end,

  --- Random settings and a function that draws contexts for them, or no function.
  draw = function(integer)
    return { n = integer(1, 9) }
  end,
}
