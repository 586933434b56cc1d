--- Statistics of a few numbers, such as the results of runs over seeds: intervals, tests, effect sizes.
--
-- Plain lists of numbers in, plain numbers out; everything is computed in double whatever the build, with the same bits
-- on both interpreters. Random resamples have streams of their own with fixed seeds. Closed forms agree with SciPy 1.10
-- to 1e-12 (tests/golden/statistics.py).
-- @module mapgrad.statistics
-- @usage local statistics = mg.statistics
-- local a, b = { 0.31, 0.28, 0.35, 0.30, 0.29, 0.33 }, { 0.36, 0.35, 0.37, 0.33, 0.36, 0.38 }
-- print(statistics.mean(a), statistics.t_interval(a))
-- print(statistics.paired(a, b).sign_flip, statistics.improvement(a, b))
local effect = require "mapgrad.statistics.effect"
local interval = require "mapgrad.statistics.interval"
local sample = require "mapgrad.statistics.sample"
local special = require "mapgrad.statistics.special"
local test = require "mapgrad.statistics.test"

local statistics = {}

-- What is public, file by file.
local public = {
  { sample, "mean", "std", "median", "iqm", "quantile", "summary" },
  { interval, "t_interval", "bootstrap", "difference", "aggregate" },
  { test, "sign_flip", "wilcoxon", "welch", "mann_whitney", "holm", "paired", "cohen_d", "paired_d" },
  { effect, "improvement", "improvement_interval", "profile", "optimality_gap" },
  { special, "normal_cdf", "normal_sf", "normal_quantile", "log_gamma", "log_beta", "beta_cdf", "t_cdf", "t_two_sided",
    "t_quantile" },
}

for _, row in ipairs(public) do
  for i = 2, #row do statistics[row[i]] = row[1][row[i]] end
end

return statistics
