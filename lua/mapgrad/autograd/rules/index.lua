--- Rows of operations that move entries: reshaping, axes, rows, slices.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- o = shape
  add {
    name = "reshape", inputs = 1, shares = true,
    forward = function(x, o) return core.reshape(x, o) end,
    vjp = function(dy, _, x) return core.reshape(dy, core.shape(x)) end,
    sample = function()
      return { { { sample({ 2, 6 }, -2, 2) }, { 3, 4 } }, { { sample({ 1 }, -2, 2) }, {} },
        { { tensor.new(0, 2) }, { 0 } } }
    end,
  }

  -- Axis i of the inverse is where axis i went.
  local function inverse(order)
    local back = {}
    for i, axis in ipairs(order) do back[axis] = i end
    return back
  end

  --- o = order of axes, from 1
  add {
    name = "permute", inputs = 1,
    forward = function(x, o) return core.permute(x, o) end,
    vjp = function(dy, _, _, _, _, o) return core.permute(dy, inverse(o)) end,
    sample = function()
      return { { { sample({ 2, 3, 4 }, -2, 2) }, { 3, 1, 2 } }, { { sample({ 3, 2 }, -2, 2) }, { 2, 1 } },
        { { tensor.new(0, 2) }, { 2, 1 } } }
    end,
  }

  --- o = {axis from 0, rows: a list or a handle, from 1}
  add {
    name = "take", inputs = 1,
    forward = function(x, o) return core.take(x, o[1], o[2]) end,
    vjp = function(dy, _, x, _, _, o) return core.take_vjp(x, o[1], o[2], dy) end,
    sample = function()
      return { { { sample({ 4, 3 }, -2, 2) }, { 0, { 3, 1, 3 } } }, { { sample({ 2 }, -2, 2) }, { 0, { 2 } } },
        { { sample({ 2, 2 }, -2, 2) }, { 0, {} } }, { { sample({ 2, 3, 2 }, -2, 2) }, { 1, { 3, 3, 1, 2 } } },
        { { sample({ 2, 3 }, -2, 2) }, { 1, { 2, 2 } } }, { { tensor.new(0, 3) }, { 1, { 1 } } },
        { { sample({ 3, 2 }, -2, 2) }, { 0, tensor { 2, 3, 2, 2 }.handle } } }
    end,
  }

  local function zeros_like(x)
    local h = core.new(core.shape(x))
    core.fill(h, 0)
    return h
  end

  -- {shape, axis from 0, index}
  local indices = {
    { { 3, 4 }, 1, { { 1, 4, 4 }, { 2, 2, 1 }, { 3, 1, 4 } } }, { { 3, 2 }, 0, { { 3, 1 }, { 3, 2 } } },
    { { 2, 3, 2 }, 1, { { { 1, 3 } }, { { 2, 2 } } } }, { { 4 }, 0, { 4, 4, 1 } }, { { 1 }, 0, { 1, 1 } },
  }

  --- o = {axis from 0, index handle}
  add {
    name = "gather", inputs = 1,
    forward = function(x, o) return core.gather(x, o[1], o[2]) end,
    vjp = function(dy, _, x, _, _, o) return core.scatter_add(zeros_like(x), o[1], o[2], dy) end,
    sample = function()
      local samples = { { { tensor.new(0, 2) }, { 1, core.new { 0, 3 } } } }
      for i, case in ipairs(indices) do
        samples[i + 1] = { { sample(case[1], -2, 2) }, { case[2], tensor(case[3]).handle } }
      end
      return samples
    end,
  }

  --- inputs x, source; o = {axis from 0, index handle}
  add {
    name = "scatter_add", inputs = 2,
    forward = function(x, source, o) return core.scatter_add(x, o[1], o[2], source) end,
    vjp = function(dy, _, _, _, _, o, want_x, want_source)
      return want_x and dy, want_source and core.gather(dy, o[1], o[2])
    end,
    sample = function()
      local samples = { { { tensor.new(0, 2), tensor.new(0, 3) }, { 1, core.new { 0, 3 } } } }
      for i, case in ipairs(indices) do
        local index = tensor(case[3])
        samples[i + 1] = { { sample(case[1], -2, 2), sample(index:shape(), -2, 2, 1) }, { case[2], index.handle } }
      end
      return samples
    end,
  }

  --- The rows of a matrix by an index of any shape; o = {index handle, padding row from 1 or false}
  add {
    name = "embedding", inputs = 1,
    forward = function(weight, o)
      local shape = core.shape(o[1])
      shape[#shape + 1] = core.extent(weight, 1)
      return core.reshape(core.take(weight, 0, o[1]), shape)
    end,
    vjp = function(dy, _, weight, _, _, o)
      local rows = core.reshape(dy, { core.size(o[1]), core.extent(weight, 1) })
      local g = core.take_vjp(weight, 0, o[1], rows)
      if o[2] then core.fill(core.rows(g, o[2] - 1, 1), 0) end
      return g
    end,
    sample = function()
      return { { { sample({ 4, 3 }, -2, 2) }, { tensor { { 1, 4 }, { 4, 2 }, { 4, 1 } }.handle, false } },
        { { sample({ 3, 1 }, -2, 2) }, { tensor { 2 }.handle, false } },
        { { sample({ 2, 2 }, -2, 2) }, { core.new { 0, 2 }, false } } }
    end,
  }

  --- o = {whether the upper one, diagonal}
  add {
    name = "triangle", inputs = 1,
    forward = function(x, o) return core.triangle(x, o[1], o[2]) end,
    vjp = function(dy, _, _, _, _, o) return core.triangle(dy, o[1], o[2]) end,
    sample = function()
      return { { { sample({ 3, 4 }, -2, 2) }, { true, 0 } }, { { sample({ 2, 4, 3 }, -2, 2) }, { false, -1 } },
        { { sample({ 1, 1 }, -2, 2) }, { true, 1 } }, { { tensor.new(2, 0) }, { false, 0 } } }
    end,
  }

  --- Copies along axes of extent 1; o = shape
  add {
    name = "expand", inputs = 1,
    forward = function(x, o)
      local one = core.new {}
      core.fill(one, 1)
      return core.where(one, x, core.new(o))
    end,
    vjp = function(dy, _, x) return core.binary_vjp(core.binary_kinds.add, 0, x, dy, dy) end,
    sample = function()
      return { { { sample({ 3, 1 }, -2, 2) }, { 2, 3, 4 } }, { { sample({}, -2, 2) }, { 2, 2 } },
        { { sample({ 2, 3 }, -2, 2) }, { 2, 3 } }, { { sample({ 1, 2 }, -2, 2) }, { 0, 2 } } }
    end,
  }

  -- x with `before` and `after` entries of value along an axis.
  local function pad_axis(x, axis, before, after, value)
    local parts = {}
    local function margin(count)
      if count == 0 then return end
      local shape = core.shape(x)
      shape[axis + 1] = count
      parts[#parts + 1] = core.new(shape)
      core.fill(parts[#parts], value)
    end
    margin(before)
    parts[#parts + 1] = x
    margin(after)
    return core.concat(parts, axis)
  end

  --- o = {value, {axis from 0, before, after}, ...}, one at least
  add {
    name = "pad", inputs = 1,
    forward = function(x, o)
      for i = 2, #o do x = pad_axis(x, o[i][1], o[i][2], o[i][3], o[1]) end
      return x
    end,
    vjp = function(dy, _, _, _, _, o)
      for i = #o, 2, -1 do
        local axis, before, after = o[i][1], o[i][2], o[i][3]
        dy = core.slice(dy, axis, before, core.extent(dy, axis) - before - after)
      end
      return dy
    end,
    sample = function()
      return { { { sample({ 2, 3 }, -2, 2) }, { 0.5, { 1, 2, 1 }, { 0, 0, 1 } } },
        { { sample({ 1 }, -2, 2) }, { 0, { 0, 1, 0 } } }, { { tensor.new(0, 2) }, { 1, { 0, 1, 1 } } } }
    end,
  }

  local function roll(x, shift, axis)
    local extent = core.extent(x, axis)
    local first = extent > 0 and (-shift) % extent or 0
    if first == 0 then return core.affine(x, 1, 0) end
    return core.concat({ core.slice(x, axis, first, extent - first), core.slice(x, axis, 0, first) }, axis)
  end

  --- o = {shift, axis from 0}
  add {
    name = "roll", inputs = 1,
    forward = function(x, o) return roll(x, o[1], o[2]) end,
    vjp = function(dy, _, _, _, _, o) return roll(dy, -o[1], o[2]) end,
    sample = function()
      return { { { sample({ 3, 4 }, -2, 2) }, { 1, 1 } }, { { sample({ 5 }, -2, 2) }, { -7, 0 } },
        { { sample({ 1, 2 }, -2, 2) }, { 3, 0 } }, { { tensor.new(0) }, { 1, 0 } } }
    end,
  }

  --- o = {axis, first, count}, axis and first from 0
  add {
    name = "slice", inputs = 1,
    forward = function(x, o) return core.slice(x, o[1], o[2], o[3]) end,
    vjp = function(dy, _, x, _, _, o) return core.slice_vjp(x, o[1], o[2], dy) end,
    sample = function()
      return { { { sample({ 3, 4 }, -2, 2) }, { 1, 1, 2 } }, { { sample({ 3, 4, 2 }, -2, 2) }, { 0, 2, 1 } },
        { { sample({ 3 }, -2, 2) }, { 0, 1, 0 } } }
    end,
  }
end
