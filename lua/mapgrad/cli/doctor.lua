--- `mapgrad doctor`: what is installed, and what each missing part costs.
-- @module mapgrad.cli.doctor
local compat = require "mapgrad.compat"

local doctor = {
  name = "doctor", summary = "show what is installed and what is missing",
  examples = { { "mapgrad doctor" } },
}

function doctor.declare(parser)
  parser:flag("--double", "look at the module for double precision")
end

-- The first line that a shell command prints; nil if there is none.
local function first_line(command)
  local pipe = io.popen(command .. " 2>/dev/null", "r")
  if not pipe then return nil end
  local line = pipe:read("*l")
  pipe:close()
  return line ~= "" and line or nil
end

local function freeciv_folder()
  local file = io.open("/usr/share/games/freeciv/trident.tilespec", "r")
  if not file then return nil end
  file:close()
  return "/usr/share/games/freeciv"
end

local function module_version(name)
  local ok, part = pcall(require, name)
  return ok and type(part) == "table" and (part._VERSION or part.version or "yes") or nil
end

-- What mapgrad can do without: name, how it is found, what its absence costs.
local function optional_parts(core)
  return {
    { "COIN-OR CBC", core.cbc_version(),
      "no solver.ilp and what is made of it; install coinor-libcbc-dev and rebuild" },
    { "Open MPI", require("mapgrad.mpi").version(),
      "training on one process only; install libopenmpi-dev, openmpi-bin and rebuild" },
    { "gnuplot", first_line "gnuplot --version",
      "no curves; Debian: apt-get install gnuplot-nox" },
    { "line editing", core.edit_line and "libedit" or nil,
      "the prompt has no history; rebuild with libedit-dev" },
    { "freeciv-data", freeciv_folder(),
      "no data=freeciv; Debian: apt-get install freeciv-data" },
    { "luafilesystem", module_version "lfs",
      "no `mapgrad run`; Debian: apt-get install lua-filesystem" },
  }
end

local function show(name, value)
  print(("  %-14s %s"):format(name, value))
end

function doctor.run(_, _, cli)
  print "mapgrad"
  show("interpreter", compat.name)
  local ok, mg = pcall(require, "mapgrad")
  if not ok then
    show("C module", "MISSING")
    io.stderr:write(tostring(mg), "\n")
    return cli.codes.failed
  end
  local core = require "mapgrad.real"
  local info = core.info()
  show("version", info.version)
  show("numbers", info.real_bytes == 8 and "double" or "float")
  show("threads", ("%d"):format(mg.threads()))
  show("built with", info.build)
  local missing = 0
  print "optional"
  for _, part in ipairs(optional_parts(core)) do
    show(part[1], part[2] or "missing: " .. part[3])
    missing = missing + (part[2] and 0 or 1)
  end
  print(missing == 0 and "nothing is missing" or ("%d missing; all else works without"):format(missing))
  return cli.codes.ok
end

return doctor
