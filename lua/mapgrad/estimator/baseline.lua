--- The baseline "loo": for each sample the mean over the others, which is independent of it. The partner of an
-- antithetic sample is no such other: samples 2i - 1 and 2i leave each other out.
local check = require "mapgrad.check"

local baseline = {}

-- Whether samples come in antithetic pairs.
local function is_paired(o)
  return not o.law and o.noise.settings.antithetic == true
end

-- Whether all samples have others.
local function has_others(o)
  if is_paired(o) then return o.samples >= 4 and o.samples % 2 == 0 end
  return o.samples >= 2
end

--- Fills in o.baseline: "loo" where samples have others, else `otherwise`; an error for a "loo" that cannot be.
-- @param o  options of a layer: baseline, samples, noise, law
function baseline.complete(name, o, otherwise)
  o.baseline = o.baseline or (has_others(o) and "loo" or otherwise)
  if o.baseline == "loo" and not has_others(o) then
    check.fail("MG-OPTION", "%s: the baseline 'loo' needs %s", name, is_paired(o)
      and "an even number of antithetic samples, 4 and more" or "2 samples and more")
  end
end

--- Of values [samples, ...] the mean of those that are independent of each.
function baseline.others(o, values)
  local S, total = o.samples, values:sum(1):unsqueeze(1)
  if not is_paired(o) then return (total - values) * (1 / (S - 1)) end
  local rows = values:reshape(S / 2, 2, -1)
  local pairs_of = (rows + rows:flip(2)):reshape(values:shape())
  return (total - pairs_of) * (1 / (S - 2))
end

--- values less the mean of the others, up to the factor that is returned.
function baseline.less_others(o, values)
  if is_paired(o) then return values - baseline.others(o, values), 1 end
  return values - values:mean(1):unsqueeze(1), o.samples / (o.samples - 1)
end

return baseline
