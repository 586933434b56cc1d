--- Experiments: what an experiment file returns, and the options that `mapgrad run` sets.
-- @module mapgrad.experiment
-- @usage return mg.experiment {
--   title = "cheapest paths on maps",
--   options = {
--     { name = "estimator", choices = { "imle", "identity" }, default = "imle", help = "gradient" },
--     { name = "rate", form = "positive", default = 5e-4, help = "step length of Adam" },
--     { name = "folder", form = "text", help = "data set; none: made from the seed" },
--   },
--   run = function(options, record) record { loss = options.rate } end,
-- }
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

-- Every experiment has these; a file may declare them itself to change the default.
local standard = {
  { name = "seed", form = "whole", default = 1, help = "seed of all random numbers" },
  { name = "threads", form = "count", help = "all processors unless given; changes no result" },
}

-- What the runner adds to the options: folder of the results, whether to be quiet.
local reserved = { out = true, quiet = true }

local fields = {
  name = check.text(), help = check.text(""), form = check.optional(check.choice(form_names)),
  choices = check.optional(check.any()), default = check.optional(check.any()),
}

-- A checked declaration: name, help, default, and how a value is read and tested.
local function declare(given)
  local option = check.options("experiment: options", given, fields)
  local label = ("experiment: option '%s'"):format(option.name)
  if not option.name:find("^[%a_][%w_]*$") or reserved[option.name] then
    check.fail("MG-OPTION", "%s: this name cannot be used", label)
  end
  local sample = option.default
  if sample == nil and option.choices then sample = option.choices[1] end
  local form = forms[option.form or form_of_type[type(sample)]]
  if not form then check.fail("MG-OPTION", "%s needs a default or a form", label) end
  option.read = form.read
  option.rule = option.choices and check.choice(option.choices) or form.rule
  if option.default ~= nil then check.value(label .. ": default", option.default, option.rule) end
  return option
end

local function new(declaration)
  local self = check.options("experiment", declaration, {
    title = check.text(), run = check.callable(), options = check.any {},
  })
  local declared = self.options
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
  local quoted = text:match('^"(.*)"$') or text:match("^'(.*)'$")
  if not quoted and text:find(",", 1, true) then
    return nil, ("%s=%s: several values are a sweep, which this version does not run yet: give one"
      .. " value, or quote a text with a comma: '%s=\"%s\"'"):format(option.name, text, option.name, text)
  end
  local value = option.read(quoted or text)
  if value ~= nil then value = option.rule.test(value) end
  if value == nil then
    local near = option.choices and option.read ~= tonumber and check.suggest(text, option.choices)
    return nil, ("%s: expected %s, got '%s'%s"):format(option.name, option.rule.expected, text,
      near and (", did you mean '%s'?"):format(near) or "")
  end
  return value
end

--- The options of a run: defaults, and what the command line sets.
-- @tparam table texts list of {name, text}
-- @treturn table name -> value; or nil, message
function methods:settings(texts)
  local values, given = {}, {}
  for _, option in ipairs(self.options) do values[option.name] = option.default end
  for _, pair in ipairs(texts) do
    local name = pair[1]
    local option = self.by_name[name]
    if not option then
      return nil, ("unknown option '%s'%s"):format(name, check.hint(name, names_of(self.options)))
    end
    if given[name] then return nil, ("option '%s' is set twice"):format(name) end
    local value, message = read(option, pair[2])
    if value == nil then return nil, message end
    values[name], given[name] = value, true
  end
  return values
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
  return table.concat(lines, "\n")
end

--- The title as a name for a folder.
function methods:slug()
  local slug = self.title:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return slug == "" and "experiment" or slug
end

return setmetatable(experiment, { __call = function(_, declaration) return new(declaration) end })
