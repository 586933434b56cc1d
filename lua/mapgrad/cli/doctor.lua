--- `mapgrad doctor`: what is installed, and what each missing part costs.
-- @module mapgrad.cli.doctor
local compat = require "mapgrad.compat"

local doctor = {
  name = "doctor", summary = "show what is installed and what is missing",
  examples = { { "mapgrad doctor" }, { "mapgrad doctor --json" } },
}

function doctor.declare(parser)
  parser:flag("--double", "look at the module for double precision")
  parser:flag("--json", "one JSON document")
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
    { "Slurm", first_line "command -v sbatch",
      "no `mapgrad run --slurm`; sbatch is on the nodes of a cluster" },
    { "GNU parallel", first_line "parallel --version",
      "`mapgrad run --jobs` and --shard do without; Debian: apt-get install parallel" },
    { "luafilesystem", module_version "lfs",
      "no `mapgrad run`; Debian: apt-get install lua-filesystem" },
  }
end

local function show(name, value)
  print(("  %-14s %s"):format(name, value))
end

-- What there is: rows {name, value}.
local function required_parts(mg, core)
  local info = core.info()
  return {
    { "interpreter", compat.name }, { "version", info.version },
    { "numbers", info.real_bytes == 8 and "double" or "float" }, { "threads", mg.threads() },
    { "built with", info.build },
  }
end

local function print_json(required, optional)
  local document = { optional = require("mapgrad.data.json").list {} }
  for _, row in ipairs(required) do document[row[1]:gsub(" ", "_")] = row[2] end
  document.mapgrad, document.version = document.version, nil -- that of the document stands there
  for i, part in ipairs(optional) do
    document.optional[i] = { name = part[1], found = part[2], cost = not part[2] and part[3] or nil }
  end
  require("mapgrad.cli.show_runs").print_json(document)
end

function doctor.run(arguments, _, cli)
  local ok, mg = pcall(require, "mapgrad")
  if not ok then
    io.stderr:write(("error: the C module cannot be loaded on %s; `make` builds it\n%s\n"):format(compat.name,
      tostring(mg)))
    return cli.codes.failed
  end
  local core = require "mapgrad.real"
  local required, optional = required_parts(mg, core), optional_parts(core)
  if arguments.json then
    print_json(required, optional)
    return cli.codes.ok
  end
  local missing = 0
  print "mapgrad"
  for _, row in ipairs(required) do show(row[1], type(row[2]) == "number" and ("%d"):format(row[2]) or row[2]) end
  print "optional"
  for _, part in ipairs(optional) do
    show(part[1], part[2] or "missing: " .. part[3])
    missing = missing + (part[2] and 0 or 1)
  end
  print(missing == 0 and "nothing is missing" or ("%d missing; all else works without"):format(missing))
  return cli.codes.ok
end

return doctor
