-- Small integer programs: all vectors within the bounds that hold the constraints. Settings are those of the
-- kind: a matrix in coordinates, bounds of rows and variables.

-- The bound number i of a list that may be absent.
local function bound(list, i, preset)
  return list and list[i] or preset
end

-- Whether x holds all constraints, the context's bounds in place of the settings'.
local function holds(settings, context, x)
  local sums = {}
  for i = 1, settings.constraints or 0 do sums[i] = 0 end
  for k, i in ipairs(settings.rows or {}) do
    sums[i] = sums[i] + settings.values[k] * x[settings.cols[k]]
  end
  local lower = context and context.row_lower or settings.row_lower
  local upper = context and context.row_upper or settings.row_upper
  for i, sum in ipairs(sums) do
    if sum < bound(lower, i, -math.huge) or sum > bound(upper, i, math.huge) then return false end
  end
  return true
end

-- The different values of theta's variables, larger ones first.
local function enumerate(settings, context)
  local set, seen, x = {}, {}, {}
  local theta = settings.theta or {}
  local function visit()
    if not holds(settings, context, x) then return end
    local z = {}
    for j = 1, #theta > 0 and #theta or settings.variables do z[j] = x[theta[j] or j] end
    local key = table.concat(z, " ")
    if not seen[key] then set[#set + 1] = z end
    seen[key] = true
  end
  local function extend(j)
    if j > settings.variables then return visit() end
    for v = bound(settings.upper, j, 1), bound(settings.lower, j, 0), -1 do
      x[j] = v
      extend(j + 1)
    end
  end
  extend(1)
  return set
end

local inf = math.huge

-- A dense matrix in coordinates.
local function program(matrix, fields)
  fields.rows, fields.cols, fields.values = {}, {}, {}
  for i, row in ipairs(matrix) do
    for j, v in ipairs(row) do
      if v ~= 0 then
        fields.rows[#fields.rows + 1], fields.cols[#fields.cols + 1] = i, j
        fields.values[#fields.values + 1] = v
      end
    end
  end
  fields.constraints, fields.variables = #matrix, #matrix[1]
  return fields
end

local two_knapsacks = program({ { 3, 1, 4, 1, 5, 9 }, { 2, 7, 1, 8, 2, 8 } }, {
  row_upper = { 11, 14 }, ties = "first",
})

return {
  -- Why this kind cannot be tested, or nil.
  missing = function()
    if not require("mapgrad.real").cbc_version() then return "built without COIN-OR CBC" end
  end,

  -- Instead of a hundred thousand: CBC takes 0.1 to 2 ms an instance, 10 to 50 under a sanitizer.
  trials = os.getenv "MAPGRAD_SANITIZER" and 160 or 1000,
  signed = true,

  instances = {
    { settings = { variables = 1, ties = "first" } },
    { settings = { variables = 3, lower = { -1, 0, 2 }, upper = { 1, 2, 2 }, ties = "first" } },
    { settings = two_knapsacks },
    { settings = two_knapsacks, context = { row_upper = { 6, 20 } } },
    { settings = program({ { 1, 1, 1, 1 }, { 1, -1, 0, 0 } }, { row_lower = { 2, -inf }, row_upper = { 2, 0 } }) },
    { settings = program({ { 2, 3, -1 } }, {
      row_lower = { -1 }, row_upper = { 5 }, lower = { -2, -1, 0 }, upper = { 2, 2, 3 }, ties = "first",
    }) },
    { settings = program({ { 1, 1, 0, -2 }, { 0, 1, 1, -2 } }, { -- the last one is not theta's
      row_upper = { 0, 0 }, theta = { 3, 1, 2 }, ties = "first",
    }) },
    { settings = program({ { 1, 1, 0, 0, 1 }, { 0, 1, 1, 0, 1 }, { 1, 0, 1, 1, 0 } }, {
      row_upper = { 1, 1, 1 }, row_lower = { -inf, 1, -inf },
    }) },
  },

  enumerate = enumerate,

  -- The lexicographically largest optimum; nothing where the settings leave ties to CBC.
  choose = function(settings, context, x)
    if settings.ties ~= "first" then return nil end
    local chosen, most
    for _, z in ipairs(enumerate(settings, context)) do
      local sum, is_larger = 0, false
      for j = 1, #z do sum = sum + x[j] * z[j] end
      for j = 1, #z do
        if chosen and sum == most and z[j] ~= chosen[j] then
          is_larger = z[j] > chosen[j]
          break
        end
      end
      if not most or sum > most or is_larger then chosen, most = z, sum end
    end
    return chosen
  end,

  draw = function(integer)
    local variables, constraints, matrix, upper = integer(1, 5), integer(1, 3), {}, {}
    for i = 1, constraints do
      matrix[i] = {}
      for j = 1, variables do matrix[i][j] = integer(-2, 4) end
    end
    for j = 1, variables do upper[j] = integer(0, 2) end
    local settings = program(matrix, { upper = upper, ties = integer(0, 1) == 0 and "any" or "first" })
    return settings, function()
      local least, most = {}, {}
      for i = 1, constraints do
        least[i] = integer(-3, 1)
        most[i] = integer(0, 6)
      end
      return { row_lower = least, row_upper = most }
    end
  end,
}
