-- The simple paths between two cells of a grid, as the sets of their cells. Cells are numbered by rows.

-- The neighbours of a cell, in ascending order.
local function neighbours(settings, cell)
  local rows, cols, list = settings.rows, settings.cols, {}
  local r, c = math.floor((cell - 1) / cols) + 1, (cell - 1) % cols + 1
  for y = math.max(r - 1, 1), math.min(r + 1, rows) do
    for x = math.max(c - 1, 1), math.min(c + 1, cols) do
      local is_diagonal = y ~= r and x ~= c
      local is_own = y == r and x == c
      if not is_own and not (is_diagonal and settings.neighbours == 4) then
        list[#list + 1] = (y - 1) * cols + x
      end
    end
  end
  return list
end

-- The numbers of both end cells.
local function ends(settings, context)
  local cols = settings.cols
  local start = context and context.start or { 1, 1 }
  local goal = context and context.goal or { settings.rows, cols }
  return (start[1] - 1) * cols + start[2], (goal[1] - 1) * cols + goal[2]
end

-- Cost of the cheapest way from the start to each cell, by relaxing until nothing changes.
local function distances(settings, start, costs)
  local d, changed = {}, true
  for cell = 1, #costs do d[cell] = math.huge end
  d[start] = costs[start]
  while changed do
    changed = false
    for cell = 1, #costs do
      for _, u in ipairs(neighbours(settings, cell)) do
        local way = d[u] + costs[cell]
        if way < d[cell] then d[cell], changed = way, true end
      end
    end
  end
  return d
end

return {
  instances = {
    { settings = { rows = 1, cols = 1 } }, { settings = { rows = 1, cols = 2 } },
    { settings = { rows = 2, cols = 1, neighbours = 4 } }, { settings = { rows = 2, cols = 2 } },
    { settings = { rows = 2, cols = 2, neighbours = 4 } }, { settings = { rows = 3, cols = 3 } },
    { settings = { rows = 3, cols = 3, neighbours = 4 } }, { settings = { rows = 4, cols = 4, neighbours = 4 } },
    { settings = { rows = 2, cols = 4 } }, { settings = { rows = 4, cols = 2, neighbours = 8 } },
    { settings = { rows = 3, cols = 3 }, context = { start = { 2, 1 }, goal = { 2, 1 } } },
    { settings = { rows = 3, cols = 3 }, context = { start = { 2, 2 }, goal = { 1, 3 } } },
    { settings = { rows = 3, cols = 4, neighbours = 4 }, context = { start = { 3, 4 }, goal = { 1, 1 } } },
  },

  enumerate = function(settings, context)
    local set, visited, seen = {}, {}, {}
    local start, goal = ends(settings, context)
    local function walk(cell)
      visited[cell] = true
      if cell == goal then
        local z = {}
        for i = 1, settings.rows * settings.cols do z[i] = visited[i] and 1 or 0 end
        local key = table.concat(z)
        if not seen[key] then set[#set + 1] = z end -- two paths may visit the same cells
        seen[key] = true
      else
        for _, u in ipairs(neighbours(settings, cell)) do
          if not visited[u] then walk(u) end
        end
      end
      visited[cell] = nil
    end
    walk(start)
    return set
  end,

  -- Costs above 0: back from the goal, always to the predecessor of smallest index.
  choose = function(settings, context, costs)
    local start, cell = ends(settings, context)
    local d, z = distances(settings, start, costs), {}
    for i = 1, #costs do z[i] = 0 end
    z[cell] = 1
    while cell ~= start do
      for _, u in ipairs(neighbours(settings, cell)) do
        if d[u] + costs[cell] == d[cell] then
          cell = u
          break
        end
      end
      z[cell] = 1
    end
    return z
  end,

  draw = function(integer)
    local rows, cols = integer(1, 3), integer(1, 3)
    return { rows = rows, cols = cols, neighbours = 4 * integer(1, 2) }, function()
      return { start = { integer(1, rows), integer(1, cols) }, goal = { integer(1, rows), integer(1, cols) } }
    end
  end,
}
