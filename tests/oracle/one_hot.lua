-- The unit vectors.
return {
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

  --- The answer where optima tie, by the rule that the kind documents: the smaller index.
  tie = function(settings)
    local z = {}
    for j = 1, settings.n do z[j] = j == 1 and 1 or 0 end
    return z
  end,
}
