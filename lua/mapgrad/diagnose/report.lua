--- How comparisons print and are drawn.
local check = require "mapgrad.check"
local plot = require "mapgrad.plot"

local methods = {}
local Report = { __name = "mapgrad.report", __index = methods }

local LAWS = { "family", "perturbed" }
local HEADING = { "bias", "error", "variance", "norm ratio", "error x calls", "off by", "zero", "calls", "gradients" }
local INTERVALS = { "bias", "error", "variance", "norm_ratio", "call_error" }

local function half(value, interval)
  return ("%.3f +-%.3f"):format(value, (interval[2] - interval[1]) / 2)
end

local function cells(row, law)
  local line, m = { row.name }, row[law]
  for _, key in ipairs(INTERVALS) do
    line[#line + 1] = m and half(m[key], m.interval[key]) or "-"
  end
  line[#line + 1] = m and ("%.1f"):format(m.deviation) or "-"
  line[#line + 1] = ("%.3f"):format(row.zero_rate)
  line[#line + 1] = ("%.4g"):format(row.calls)
  line[#line + 1] = ("%d"):format(row.gradients)
  return line
end

-- Lines of cells in aligned columns, the first to the left.
local function align(lines)
  local widths, out = {}, {}
  for _, line in ipairs(lines) do
    for c, text in ipairs(line) do widths[c] = math.max(widths[c] or 0, #text) end
  end
  for l, line in ipairs(lines) do
    local padded = {}
    for c, text in ipairs(line) do
      local space = (" "):rep(widths[c] - #text)
      padded[c] = c == 1 and text .. space or space .. text
    end
    out[l] = table.concat(padded, "  ")
  end
  return table.concat(out, "\n")
end

Report.__tostring = function(self)
  local blocks = {}
  for _, law in ipairs(LAWS) do
    if self.laws[law] then
      local lines = { { "estimator" } }
      for _, title in ipairs(HEADING) do table.insert(lines[1], title) end
      for _, row in ipairs(self) do lines[#lines + 1] = cells(row, law) end
      blocks[#blocks + 1] = ("truth: %s\n%s"):format(self.laws[law], align(lines))
    end
  end
  blocks[#blocks + 1] = "+-: 95 %, jackknife over 20 groups of gradients; off by: the largest |mean - truth| of an "
    .. "entry in standard errors"
  return table.concat(blocks, "\n\n")
end

-- ------------------------------------------------------------------ pictures

-- A curve's numbers over its values.
local function curves(self, keys, transform)
  local series = {}
  for _, law in ipairs(LAWS) do
    for _, key in ipairs(keys) do
      local x, y = {}, {}
      for _, row in ipairs(self) do
        if row[law] then x[#x + 1], y[#y + 1] = transform(row.value), row[law][key] end
      end
      if #x > 0 then series[#series + 1] = { name = ("%s, %s"):format(key, law), x = x, y = y } end
    end
  end
  local x, y = {}, {}
  for i, row in ipairs(self) do x[i], y[i] = transform(row.value), row.zero_rate end
  series[#series + 1] = { name = "zero_rate", x = x, y = y }
  return series
end

-- A point for each estimator.
local function points(self)
  local series = {}
  for _, law in ipairs(LAWS) do
    for _, row in ipairs(self) do
      local m = row[law]
      if m then
        series[#series + 1] = { name = ("%s, %s"):format(row.name, law), x = { m.bias }, y = { m.variance } }
      end
    end
  end
  return series
end

local function same(v) return v end
local function log10(v) return math.log(v) / math.log(10) end

-- Values from afar are shown by their logarithm.
local function scale_of(self)
  local low, high = math.huge, 0
  for _, row in ipairs(self) do low, high = math.min(low, row.value), math.max(high, row.value) end
  if low > 0 and high >= 20 * low then return log10, "log10 of " .. self.label end
  return same, self.label
end

--- A picture by gnuplot: of a curve, numbers over its values; of a comparison, variance over bias, a point an
-- estimator.
-- @param options.file   "name.svg" or "name.png"; none: as text on stdout
-- @param options.keys   of a curve (default { "bias", "error", "variance" }); also norm_ratio, call_error
-- @param options.title  text
-- @return true; or nil and a message where there is no gnuplot
function methods.plot(self, options)
  local o = check.options("diagnose: plot", options, {
    file = check.optional(check.text()), keys = check.list { "bias", "error", "variance" }, title = check.text "",
  })
  local transform, label = same, "bias"
  if self.label then transform, label = scale_of(self) end
  return plot.curves {
    file = o.file, title = o.title, x_label = label, y_label = self.label and "" or "variance",
    series = self.label and curves(self, o.keys, transform) or points(self),
  }
end

--- Makes a report of rows.
return function(rows) return setmetatable(rows, Report) end
