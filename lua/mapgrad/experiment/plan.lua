--- Plans: the runs that a command asks for, each with what makes its numbers and a name made of that.
-- @module mapgrad.experiment.plan
local check = require "mapgrad.check"
local core = require "mapgrad.real"

local plan = {}

local VERSION = 1 -- of config.json

-- Fields of the configuration that make the numbers of a run, beside its options.
local naming = { "title", "variant", "seed", "options", "budget", "limit", "real" }

-- 16 digits: the same for the same configuration and code, whatever the threads, the folder and the number of runs.
local function identify(config, code)
  local part = { code = code, version = core.info().version }
  for _, name in ipairs(naming) do part[name] = config[name] end
  return core.text_hash(core.json_encode(part, 0))
end

local function copy_without(flat, names)
  local copy = {}
  for name, value in pairs(flat) do
    if not names[name] then copy[name] = value end
  end
  return copy
end

local function chosen(subject, names)
  if not names then return subject.variants and subject:variant_names() or { false } end
  local known, seen = subject:variant_names(), {}
  for _, name in ipairs(names) do
    if not subject:variant(name) then
      return nil, #known == 0 and "--variants: this file has no variants"
        or ("unknown variant '%s'%s"):format(name, check.hint(name, known))
    end
    if seen[name] then return nil, ("--variants: %s is given twice"):format(name) end
    seen[name] = true
  end
  return names
end

-- The seeds: those that are set, or so many from the first on.
local function seeds_of(subject, given, o)
  local set = given.seed
  if set and #set > 1 then
    if o.seeds then return nil, "--seeds and several seeds in --set seed= are given: leave one out" end
    return set
  end
  local first, list = set and set[1] or subject.by_name.seed.default, {}
  local count = o.smoke and 1 or o.seeds or (set and 1 or subject.seeds)
  for i = 1, count do list[i] = first + i - 1 end
  return list
end

--- The runs: every variant with every combination of options and every seed, seeds slowest, so that a table over
-- few seeds is there early.
-- @param subject    experiment
-- @param o.path     its file
-- @param o.source   the file's text
-- @param o.set      list of {name, text}
-- @param o.seeds    number of seeds (default: the file's)
-- @param o.variants list of names (default: all)
-- @param o.budget   {solver_calls = n} in place of epochs, or nil
-- @param o.limit    batches of a pass over data: a count, or a share below 1; or nil
-- @param o.smoke    one short run of each variant
-- @return list of configurations {version, id, title, file, variant, seed, options, budget, limit, real, metric,
--   sense};
--   or nil and a message
function plan.runs(subject, o)
  local given, message = subject:settings(o.set or {})
  if not given then return nil, message end
  local variants, reason = chosen(subject, o.variants)
  if not variants then return nil, reason end
  local seeds, wrong = seeds_of(subject, given, o)
  if not seeds then return nil, wrong end
  if given.threads and #given.threads > 1 then return nil, "threads: one value is expected, it changes no result" end
  given.seed = nil
  local rows, list = subject:grid(given, o.smoke), {}
  local code = core.text_hash(o.source)
  local real = core.info().real_bytes == 8 and "double" or "float"
  for i, row in ipairs(rows) do rows[i] = copy_without(row, { seed = true, threads = true }) end
  for _, seed in ipairs(seeds) do
    for _, options in ipairs(rows) do
      for _, variant in ipairs(variants) do
        local config = {
          version = VERSION, title = subject.title, file = o.path, variant = variant or nil, seed = seed,
          options = options, budget = o.budget, limit = o.smoke and (o.limit or 2) or o.limit,
          real = real, metric = subject.metric, sense = subject.sense, smoke = o.smoke or nil,
        }
        config.id = identify(config, code)
        list[#list + 1] = config
      end
    end
  end
  return list, given.threads and given.threads[1]
end

--- The runs of one shard: each run is in one of them.
-- @param list   of plan.runs
-- @param index  from 1
-- @param count  number of shards
function plan.shard(list, index, count)
  local part = {}
  for i = index, #list, count do part[#part + 1] = list[i] end
  return part
end

--- The name of a run's folder.
function plan.name(config)
  return ("%s-s%.0f-%s"):format(config.variant or "run", config.seed, config.id:sub(1, 8))
end

return plan
