--- What the command's manual says beside its commands, and the manual as a page for `man`.
-- @module mapgrad.cli.manual
local manual = {}

local EXIT_CODES = {
  { "0", "ok" },
  { "1", "the run failed" },
  { "2", "wrong usage" },
  { "66", "a file is missing" },
  { "70", "a bug in mapgrad" },
  { "73", "a file or folder cannot be made" },
  { "74", "output or a run's files cannot be written, as on a full disk" },
  { "75", "stopped before the end: the same command goes on" },
  { "130", "stopped by Ctrl-C" },
}

local ENVIRONMENT = {
  { "MAPGRAD_DATA", "folder of data sets (~/.cache/mapgrad/data)" },
  { "MAPGRAD_REAL", "double: compute in double precision, as --double does" },
  { "MAPGRAD_LUA", "interpreter of build/mapgrad in a checkout (luajit)" },
  { "XDG_CACHE_HOME", "in place of ~/.cache" },
  { "XDG_STATE_HOME", "in place of ~/.local/state, where the prompt's history is" },
  { "SLURM_ARRAY_TASK_*", "in a task of an array `run` and `plan` take that part of the runs" },
  { "SLURM_CPUS_PER_TASK", "threads that `run` and `work` use; else SLURM_CPUS_ON_NODE" },
  { "PARALLEL_SEQ", "in a job of GNU parallel `run` and `work` use one thread" },
  { "NO_COLOR", "nothing is ever coloured, with or without it" },
}

--- The topics of `mapgrad help` that are no commands: name -> {title, rows}.
manual.topics = {
  ["exit-codes"] = { "Exit codes", EXIT_CODES },
  environment = { "Environment", ENVIRONMENT },
}

--- A topic as lines of text.
function manual.text(name)
  local rows, lines, width = manual.topics[name][2], {}, 0
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  for i, row in ipairs(rows) do lines[i] = ("  %-" .. width .. "s  %s"):format(row[1], row[2]) end
  return table.concat(lines, "\n")
end

local ESCAPES = {
  ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["~"] = "\\(ti", ["^"] = "\\(ha",
}

-- Text as roff takes it: characters that stand for themselves, no line that starts a request.
local function roff(text)
  return (("\n" .. text:gsub("[\\'`~^-]", ESCAPES)):gsub("\n%.", "\n\\&."):sub(2))
end

-- A help text without its first line, which repeats the heading.
local function as_typed(help)
  local text = help:gsub("^[^\n]*\n\n", "")
  return ".EX\n" .. roff(text) .. "\n.EE\n"
end

local function listed(rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = (".TP\n.B %s\n%s\n"):format(roff(row[1]), roff(row[2])) end
  return table.concat(lines)
end

local HEAD = [=[
.TH MAPGRAD 1 "" "mapgrad %s" "User Commands"
.SH NAME
mapgrad \- discrete solvers inside gradient learning
.SH SYNOPSIS
.B mapgrad
.RI [ command
.RI [ argument ...]]
.SH DESCRIPTION
.B mapgrad
trains networks that end in a discrete solver (a shortest path, the k best of n, an assignment) and compares the
estimators that replace the solver's missing derivative.
Without a command it is a prompt for Lua.
Results go to the standard output, all else to the standard error.
]=]

--- The manual page.
-- @param version  of mapgrad
-- @param main     text of `mapgrad --help`
-- @param entries  list of {name, summary, help}: the commands
function manual.page(version, main, entries)
  local parts = { HEAD:format(roff(version)), ".SH OPTIONS AND COMMANDS\n", as_typed(main) }
  for _, entry in ipairs(entries) do
    parts[#parts + 1] = (".SH MAPGRAD %s\n%s.\n"):format(roff(entry.name:upper()), roff(entry.summary))
    parts[#parts + 1] = ".PP\n" .. as_typed(entry.help)
  end
  parts[#parts + 1] = ".SH EXIT STATUS\n" .. listed(EXIT_CODES)
  parts[#parts + 1] = ".SH ENVIRONMENT\n" .. listed(ENVIRONMENT)
  parts[#parts + 1] = ".SH FILES\n" .. listed {
    { "build/results/TITLE/RUN", "the folder of a run: config.json, metrics.jsonl, meta.json, log.txt" },
    { "~/.local/state/mapgrad", "history of the prompt" },
    { "~/.cache/mapgrad/data", "data sets" },
  }
  return table.concat(parts)
end

return manual
