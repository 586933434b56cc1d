local progress = require "mapgrad.progress"

-- A bar that writes into a list and takes the time from `now`.
local function bench(options)
  local world = { now = 0, written = {}, looks = 0 }
  local file = {}
  function file.write(_, ...)
    world.written[#world.written + 1] = table.concat { ... }
    return file
  end
  options.file = file
  options.clock = function()
    world.looks = world.looks + 1
    return world.now
  end
  world.bar = progress.new(options)
  function world.text() return table.concat(world.written) end
  return world
end

-- Ticks that take `seconds` each.
local function advance(world, ticks, seconds, message)
  for _ = 1, ticks do
    world.now = world.now + seconds
    world.bar:tick(1, message)
  end
end

describe("progress", function()
  it("draws at most every 0.1 s on a terminal", function()
    local world = bench { total = 10000, terminal = true, columns = 80 }
    advance(world, 10000, 0.001) -- 10 s
    assert.is_true(#world.written <= 100, #world.written)
    assert.is_true(#world.written >= 50, #world.written)
  end)

  it("looks at the clock every 16th time when ticks are fast", function()
    local world = bench { total = 1e5, terminal = true, columns = 80 }
    advance(world, 100000, 1e-6)
    assert.is_true(world.looks <= 100000 / 16 + 10, world.looks)
  end)

  it("finds its pace again when ticks become slow", function()
    local world = bench { total = 2e5, terminal = true, columns = 80 }
    advance(world, 100000, 1e-6)
    local before = #world.written
    advance(world, 20000, 1e-3) -- 20 s
    assert.is_true(#world.written - before >= 100, #world.written - before)
  end)

  it("shows bar, count, rate, time left and message, in the width there is", function()
    local world = bench { total = 100, label = "epoch 1/2", terminal = true, columns = 80 }
    advance(world, 50, 0.2, "loss 0.250, solver 40 %")
    local line = world.written[#world.written]
    assert.equal(80, #line) -- \r and 79 columns
    for _, part in ipairs { "\repoch 1/2", "[##########..........]", "50% 50/100", "5/s", "eta 0:10", "loss 0.250" } do
      assert.is_truthy(line:find(part, 1, true), line)
    end
    assert.is_nil(line:find("\n"))
  end)

  it("calls a message function only when it draws", function()
    local calls = 0
    local world = bench { total = 1000, terminal = true, columns = 80, message = function()
      calls = calls + 1
      return "m"
    end }
    advance(world, 1000, 0.001)
    assert.equal(#world.written, calls)
  end)

  it("writes a plain line every 30 s when there is no terminal", function()
    local world = bench { total = 1000, label = "train", terminal = false }
    advance(world, 1000, 0.1) -- 100 s
    assert.equal(3, #world.written)
    world.bar:finish()
    assert.equal(4, #world.written)
    assert.is_nil(world.text():gsub("\n", ""):find("%c"))
    assert.is_truthy(world.written[4]:find("^train  100%% 1000/1000  10/s  in 1:40\n$"), world.written[4])
  end)

  it("finishes once, with a line end", function()
    local world = bench { total = 2, terminal = true, columns = 40 }
    advance(world, 2, 1)
    world.bar:finish()
    world.bar:finish()
    local _, count = world.text():gsub("\n", "")
    assert.equal(1, count)
  end)

  it("ends the line of a bar that was given up", function()
    local world = bench { total = 2, terminal = true, columns = 40 }
    advance(world, 1, 1)
    progress.break_line()
    progress.break_line()
    assert.equal("\n", world.written[#world.written])
    assert.equal(2, #world.written)
  end)

  it("counts without a total", function()
    local world = bench { terminal = true, columns = 60 }
    advance(world, 10, 1)
    assert.is_truthy(world.text():find("10  1/s", 1, true))
    assert.is_nil(world.text():find("eta", 1, true))
  end)

  it("writes nothing when quiet", function()
    local world = bench { total = 10, terminal = true, columns = 80, quiet = true }
    advance(world, 10, 1)
    world.bar:finish()
    assert.equal("", world.text())
  end)
end)
