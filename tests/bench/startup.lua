-- startup.lua LUA WHAT: wall time of whole processes. WHAT: require (the module), gradient (the first one).
local core = require "mapgrad.real"

local scripts = {
  require = 'require "mapgrad"',
  gradient = 'local mg = require "mapgrad"; local x = mg.tensor.ones(1, 10):watch(); '
    .. 'local w = mg.tensor.ones(10, 10):watch(); x:matmul(w):sum():backward(); assert(w.grad)',
}

local lua, what = arg[1], arg[2]
local times = {}
for i = 0, 25 do
  local started = core.clock()
  assert(os.execute(("exec %s -e '%s'"):format(lua, scripts[what])))
  if i > 0 then times[i] = core.clock() - started end -- the first warms up
end
table.sort(times)
local pipe = io.popen(("%s -e '%s; for l in io.lines \"/proc/self/status\" do print(l) end'"):format(lua,
  scripts[what]))
local peak = pipe:read("*a"):match "VmHWM:%s*(%d+)"
pipe:close()
print(('{"workload": "startup", "impl": "mapgrad-%s-%s", "n": 1, "batch": 1, "threads": 1, "median_s": %.6f, '
  .. '"min_s": %.6f, "max_s": %.6f, "reps": 25, "per_instance_us": %.1f, "peak_rss_mb": %.1f}'):format(lua, what,
  times[13], times[1], times[25], times[13] * 1e6, tonumber(peak) / 1024))
