--- Performance profiles: the share of runs that are at least as good as a threshold.
-- @module mapgrad.plot.profile
local check = require "mapgrad.check"
local corners = require "mapgrad.plot.corners"
local curves = require "mapgrad.plot.curves"
local gnuplot = require "mapgrad.plot.gnuplot"

local group_rules = { name = check.text(), values = check.list() }

local function check_groups(given)
  local groups = {}
  for i, entry in ipairs(given) do
    groups[i] = check.options(("plot.profile: group %d"):format(i), entry, group_rules)
    for j, value in ipairs(groups[i].values) do
      if type(value) ~= "number" then
        check.fail("MG-TYPE", "plot.profile: group %d: value %d is not a number but a %s", i, j, check.type_of(value))
      end
    end
  end
  return groups
end

-- The best and the worst finite value of all groups.
local function ends(groups, sense)
  local all = {}
  for _, group in ipairs(groups) do
    for _, value in ipairs(group.values) do all[#all + 1] = value end
  end
  local _, _, list = corners(all, sense, 0, 0)
  return list[1], list[#list]
end

--- Performance profiles: for each threshold the share of a group's runs that are at least as good (Dolan and More
-- 2002; of scores: Agarwal et al. 2021). The higher curve is the better group. A figure: `?plot` has the options
-- of all.
-- @param options.groups  list of {name=, values={numbers}}; a value that is not finite is a run that never gets there
-- @param options.sense   "min" (default): small values are good; "max"
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.profile", options, gnuplot.rules {
    groups = check.list(), sense = check.choice({ "min", "max" }, "min"),
  })
  local groups = check_groups(o.groups)
  local best, worst = ends(groups, o.sense)
  if not best then check.fail("MG-ARGUMENT", "plot.profile: no group has a finite value") end
  local series = {}
  for i, group in ipairs(groups) do
    local x, y = corners(group.values, o.sense, best, worst)
    series[i] = { name = group.name, x = x, y = y }
  end
  o.groups, o.sense, o.series = nil, nil, series
  if o.y_label == "" then o.y_label = "share of runs" end
  return curves(o)
end
