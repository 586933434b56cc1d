--- Experiments: what an experiment file returns, the options that the command line sets, and the runs of a plan.
-- @module mapgrad.experiment
-- @usage return mg.experiment {
--   title = "cheapest paths on maps", seeds = 5, metric = "regret", sense = "min",
--   options = {
--     { name = "rate", form = "positive", default = 5e-4, help = "step length of Adam" },
--     { name = "data", choices = { "terrain", "folder" }, default = "terrain", help = "where maps come from" },
--     { name = "layer.samples", form = "count", default = 1, help = "noise draws; o.layer.samples", smoke = 1 },
--     { name = "folder", form = "text", help = "data set; none: made from the seed" },
--   },
--   variants = { -- constructors, called with the options: every run gets a fresh one
--     blackbox = function() return estimator.blackbox { solver = grid, lambda = 20 } end,
--     identity = function() return estimator.identity { solver = grid } end,
--   },
--   run = function(variant, record, o)
--     for epoch in record:epochs(20, { model = net, optimizer = adam }) do
--       ...
--       record { epoch = epoch, regret = r }
--     end
--   end,
-- }
-- -- mpi = true: several ranks do a run together, `mpirun -n 4 mapgrad run exp.lua`; it trains by mapgrad.mpi, all
-- -- ranks call the record alike, the first one writes
local check = require "mapgrad.check"

local experiment = {}

local methods = {}
local Experiment = { __name = "mapgrad.experiment", __index = methods }

-- The forms that a value may have: the rule of `check` and how a text is read.
local flags = { ["true"] = true, ["false"] = false }
local forms = {
  real = { rule = check.real(), read = tonumber },
  positive = { rule = check.positive(), read = tonumber },
  not_negative = { rule = check.not_negative(), read = tonumber },
  count = { rule = check.count(), read = tonumber },
  whole = { rule = check.whole(), read = tonumber },
  flag = { rule = check.flag(), read = function(text) return flags[text] end },
  text = { rule = check.text(), read = function(text) return text end },
}
local form_names = { "real", "positive", "not_negative", "count", "whole", "flag", "text" }
local form_of_type = { number = "real", boolean = "flag", string = "text" }

-- Every experiment has these; a file may declare them itself to change the default, not the form.
local standard = {
  { name = "seed", form = "whole", default = 1, help = "seed of all random numbers" },
  { name = "threads", form = "count", help = "all processors unless given; changes no result" },
}

local form_of_standard = {}
for _, option in ipairs(standard) do form_of_standard[option.name] = option.form end

-- What the runner adds to the options: folder of the run, whether to be quiet, name of the variant.
local reserved = { out = true, quiet = true, variant = true }

local fields = {
  name = check.text(), help = check.text(""), form = check.optional(check.choice(form_names)),
  choices = check.optional(check.any()), default = check.optional(check.any()), smoke = check.optional(check.any()),
}

-- a.b.c: names joined by dots.
local function is_name(text)
  for part in (text .. "."):gmatch("([^.]*)%.") do
    if not part:find("^[%a_][%w_]*$") then return false end
  end
  return true
end

-- A checked declaration: name, help, default, and how a value is read and tested.
local function declare(given)
  local option = check.options("experiment: options", given, fields)
  local label = ("experiment: option '%s'"):format(option.name)
  if not is_name(option.name) or reserved[option.name] then
    check.fail("MG-OPTION", "%s: this name cannot be used", label)
  end
  local sample = option.default
  if sample == nil and option.choices then sample = option.choices[1] end
  local form = forms[form_of_standard[option.name] or option.form or form_of_type[type(sample)]]
  if not form and sample == nil then check.fail("MG-OPTION", "%s needs a default or a form", label) end
  if not form then
    check.fail("MG-OPTION", "%s: default: expected a number, a text, true or false, got a %s (a.b makes a table)",
      label, type(sample))
  end
  option.read = form.read
  option.rule = option.choices and check.choice(option.choices) or form.rule
  for _, field in ipairs { "default", "smoke" } do
    if option[field] ~= nil then check.value(("%s: %s"):format(label, field), option[field], option.rule) end
  end
  return option
end

-- The variants as a list of {name, constructor}: by name, or as the file lists them.
local function variants_of(given)
  local list = {}
  if given == nil then return nil end
  if #given > 0 then
    for i, row in ipairs(given) do list[i] = type(row) == "table" and row or {} end
  else
    for name, make in pairs(given) do list[#list + 1] = { name, make } end
    table.sort(list, function(a, b) return tostring(a[1]) < tostring(b[1]) end)
  end
  for _, row in ipairs(list) do
    if type(row[1]) ~= "string" or not row[1]:find("^[%w_][%w_.+-]*$") then
      check.fail("MG-OPTION", "experiment: variants: expected names of letters, digits and _ . + -, got '%s'",
        tostring(row[1]))
    end
    check.value("experiment: variant " .. row[1], row[2], check.callable())
  end
  if #list == 0 then check.fail("MG-OPTION", "experiment: variants: there is none; leave the field out") end
  return list
end

local function new(declaration)
  local self = check.options("experiment", declaration, {
    title = check.text(), run = check.callable(), options = check.list {}, seeds = check.count(1),
    variants = check.optional(check.list()), metric = check.optional(check.text()),
    sense = check.optional(check.choice { "min", "max" }), mpi = check.flag(false),
  })
  local declared = self.options
  self.variants = variants_of(self.variants)
  self.options, self.by_name = {}, {}
  local function add(option)
    self.options[#self.options + 1] = option
    self.by_name[option.name] = option
  end
  for _, given in ipairs(declared) do
    local option = declare(given)
    if self.by_name[option.name] then
      check.fail("MG-OPTION", "experiment: option '%s' is declared twice", option.name)
    end
    for name in pairs(self.by_name) do
      if (name .. "."):sub(1, #option.name + 1) == option.name .. "."
        or (option.name .. "."):sub(1, #name + 1) == name .. "." then
        check.fail("MG-OPTION", "experiment: options '%s' and '%s': one cannot be both a value and a table", name,
          option.name)
      end
    end
    add(option)
  end
  for _, given in ipairs(standard) do
    if not self.by_name[given.name] then add(declare(given)) end
  end
  return setmetatable(self, Experiment)
end

--- Whether a value is an experiment.
function experiment.is(value)
  return getmetatable(value) == Experiment
end

local function names_of(options)
  local names = {}
  for i, option in ipairs(options) do names[i] = option.name end
  return names
end

-- The value of an option given as text; nil and a message if it is not one.
local function read(option, text)
  local value = option.read(text:match('^"(.*)"$') or text:match("^'(.*)'$") or text)
  if value ~= nil then value = option.rule.test(value) end
  if value == nil then
    local near = option.choices and option.read ~= tonumber and check.suggest(text, option.choices)
    return nil, ("%s: expected %s, got '%s'%s"):format(option.name, option.rule.expected, text,
      near and (", did you mean '%s'?"):format(near) or "")
  end
  return value
end

-- The texts between the commas of one; commas within quotes do not count.
local function pieces(text)
  local list, from, quote = {}, 1, nil
  for i = 1, #text do
    local c = text:sub(i, i)
    if quote then
      if c == quote then quote = nil end
    elseif i == from and (c == '"' or c == "'") then
      quote = c
    elseif c == "," then
      list[#list + 1], from = text:sub(from, i - 1), i + 1
    end
  end
  list[#list + 1] = text:sub(from)
  return list
end

-- The values that a text sets an option to: several are a sweep.
local function values_of(option, text)
  local list, seen, parts = {}, {}, pieces(text)
  for i, piece in ipairs(parts) do
    local value, message = read(option, piece)
    if value == nil then
      if #parts > 1 then
        message = ("%s; '%s' was read as %d values of a sweep; a text with a comma is quoted: '%s=\"%s\"'"):format(
          message, text, #parts, option.name, text)
      end
      return nil, message
    end
    if seen[value] then return nil, ("%s: the value %s is given twice"):format(option.name, piece) end
    list[i], seen[value] = value, true
  end
  return list
end

--- What the command line sets.
-- @tparam table texts list of {name, text}; a text with commas is a sweep over several values
-- @treturn table name -> list of values; or nil, message
function methods:settings(texts)
  local given = {}
  for _, pair in ipairs(texts) do
    local name = pair[1]
    local option = self.by_name[name]
    if not option then
      return nil, ("unknown option '%s'%s"):format(name, check.hint(name, names_of(self.options)))
    end
    if given[name] then return nil, ("option '%s' is set twice"):format(name) end
    local values, message = values_of(option, pair[2])
    if not values then return nil, message end
    given[name] = values
  end
  return given
end

--- All combinations of what is set with the defaults of the rest: the grid of a sweep, the last option fastest.
-- @tparam table given name -> list of values, of :settings
-- @tparam boolean smoke whether options without a value take their `smoke`
-- @treturn table list of flat tables name -> value
function methods:grid(given, smoke)
  local rows = { {} }
  for _, option in ipairs(self.options) do
    local values = given[option.name]
    if not values then
      local preset = option.default
      if smoke and option.smoke ~= nil then preset = option.smoke end
      values = { preset }
    end
    local longer = {}
    for _, row in ipairs(rows) do
      for i = 1, math.max(#values, 1) do
        local copy = i < #values and {} or row
        if copy ~= row then
          for name, value in pairs(row) do copy[name] = value end
        end
        copy[option.name] = values[i]
        longer[#longer + 1] = copy
      end
    end
    rows = longer
  end
  return rows
end

--- Options as the file's functions see them: "a.b" becomes o.a.b.
function experiment.nested(flat)
  local o = {}
  for name, value in pairs(flat) do
    local place, last = o, nil
    for part in name:gmatch "[^.]+" do
      if last then
        place[last] = place[last] or {}
        place = place[last]
      end
      last = part
    end
    place[last] = value
  end
  return o
end

--- The constructor of a variant; nil if there is none of that name.
function methods:variant(name)
  for _, row in ipairs(self.variants or {}) do
    if row[1] == name then return row[2] end
  end
end

--- The names of the variants, or {}.
function methods:variant_names()
  local names = {}
  for i, row in ipairs(self.variants or {}) do names[i] = row[1] end
  return names
end

-- name=default
local function label_of(option)
  local default = option.default
  if default == nil then return option.name .. "=" end
  return ("%s=%s"):format(option.name,
    type(default) == "number" and ("%.14g"):format(default) or tostring(default))
end

--- The options as lines of text: name=default, help, choices; at most 80 columns for short helps.
function methods:describe()
  local labels, width = {}, 0
  for i, option in ipairs(self.options) do
    labels[i] = label_of(option)
    width = math.max(width, #labels[i])
  end
  local lines = {}
  for i, option in ipairs(self.options) do
    local head = ("  %-" .. math.min(width, 99) .. "s  "):format(labels[i])
    local choices = option.choices and table.concat(option.choices, ", ")
    lines[#lines + 1] = head .. option.help
    if choices and #lines[#lines] + #choices + 4 <= 80 then
      lines[#lines] = ("%s (%s)"):format(lines[#lines], choices)
    elseif choices then
      lines[#lines + 1] = (" "):rep(#head) .. "(" .. choices .. ")"
    end
  end
  if self.variants then
    lines[#lines + 1] = "\nVariants, for --variants: " .. table.concat(self:variant_names(), ", ")
  end
  return table.concat(lines, "\n")
end

--- The title as a name for a folder.
function methods:slug()
  local slug = self.title:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return slug == "" and "experiment" or slug
end

return setmetatable(experiment, { __call = function(_, declaration) return new(declaration) end })
