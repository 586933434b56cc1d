--- `mapgrad repl`, and `mapgrad` alone: the interactive prompt.
-- @module mapgrad.cli.repl
local values = require "mapgrad.cli.values"

local repl = {
  name = "repl", summary = "type Lua, see values (the default)",
  examples = {
    { "mapgrad", "?x explains x, Ctrl-C stops, Ctrl-D leaves" },
    { "mapgrad repl --double --seed 7" },
    { "mapgrad repl < lines.lua", "exit code 1 if a line failed" },
  },
}

function repl.declare(parser)
  parser:option("--seed", "seed of all random numbers (0)"):argname "<N>":convert(values.whole("--seed", 0))
  parser:option("--threads", "threads (all processors)"):argname "<N>":convert(values.threads)
  parser:flag("--double", "compute in double precision")
  parser:flag("-q --quiet", "no banner")
end

function repl.run(arguments, _, cli)
  local mg = require "mapgrad"
  if arguments.threads then mg.threads(arguments.threads) end
  if arguments.seed then mg.random.seed(arguments.seed) end
  local failed = require("mapgrad.repl").start { quiet = arguments.quiet }
  return failed and cli.codes.failed or cli.codes.ok
end

return repl
