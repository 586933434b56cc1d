-- The simple paths between two cells of a grid, as the sets of their cells.
local function steps(neighbours)
  local list = {}
  for r = -1, 1 do
    for c = -1, 1 do
      local straight = r == 0 or c == 0
      if not (r == 0 and c == 0) and (neighbours == 8 or straight) then list[#list + 1] = { r, c } end
    end
  end
  return list
end

return {
  instances = {
    { settings = { rows = 1, cols = 1 } }, { settings = { rows = 1, cols = 2 } },
    { settings = { rows = 2, cols = 1, neighbours = 4 } }, { settings = { rows = 2, cols = 2 } },
    { settings = { rows = 2, cols = 2, neighbours = 4 } }, { settings = { rows = 3, cols = 3 } },
    { settings = { rows = 3, cols = 3, neighbours = 4 } }, { settings = { rows = 4, cols = 4, neighbours = 4 } },
    { settings = { rows = 2, cols = 4 } }, { settings = { rows = 4, cols = 2, neighbours = 8 } },
    { settings = { rows = 3, cols = 3 }, context = { start = { 2, 2 }, goal = { 1, 3 } } },
    { settings = { rows = 3, cols = 4, neighbours = 4 }, context = { start = { 3, 4 }, goal = { 1, 1 } } },
    { settings = { rows = 3, cols = 3 }, context = { start = { 2, 1 }, goal = { 2, 1 } } },
  },

  enumerate = function(settings, context)
    local rows, cols, set, visited = settings.rows, settings.cols, {}, {}
    local start = context and context.start or { 1, 1 }
    local goal = context and context.goal or { rows, cols }
    local moves = steps(settings.neighbours or 8)
    local function walk(r, c)
      local cell = (r - 1) * cols + c
      visited[cell] = true
      if r == goal[1] and c == goal[2] then
        local z = {}
        for i = 1, rows * cols do z[i] = visited[i] and 1 or 0 end
        set[#set + 1] = z
      else
        for _, move in ipairs(moves) do
          local y, x = r + move[1], c + move[2]
          local inside = y >= 1 and y <= rows and x >= 1 and x <= cols
          if inside and not visited[(y - 1) * cols + x] then walk(y, x) end
        end
      end
      visited[cell] = nil
    end
    walk(start[1], start[2])
    return set
  end,
}
