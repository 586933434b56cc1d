-- JSON schemas: real documents of all commands fit them, and planted faults do not.
local cli_schema = require "mapgrad.cli.schema"
local command = require "tests.command"
local data = require "mapgrad.data"
local lfs = require "lfs"
local plan = require "mapgrad.experiment.plan"
local schema = require "tests.schema"
local store = require "mapgrad.experiment.store"
local work = require "mapgrad.experiment.work"

local is_thread_sanitizer = os.getenv "MAPGRAD_SANITIZER" == "thread" -- it ends processes that start others

local FOLDER = "lua/mapgrad/schema/"

local rules = {}
for _, name in ipairs(cli_schema.names) do
  rules[name] = schema.decode(assert(data.file_read(FOLDER .. name .. ".json")))
end

-- Runs of all kinds; what a run records depends on its option `kind`.
local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "All kinds", seeds = 3, metric = "loss", sense = "min",
  options = {
    { name = "kind", choices = { "good", "other", "nan", "fail", "nothing", "mixed", "exit" }, default = "good" },
    { name = "a.b", default = 0.5 }, { name = "size", form = "count", default = 2 }, { name = "flag", default = true },
    { name = "text", form = "text" },
  },
  variants = { near = function() return 1 end, far = function() return 2 end },
  run = function(factor, record, o)
    if o.kind == "nothing" then return end
    if o.kind == "exit" then os.exit(3) end
    for epoch in record:epochs(2, {}) do
      local loss = factor * o.size + mg.random.uniform()
      if o.kind == "mixed" and o.seed == 2 then loss = 1 / 0 end
      if o.kind == "nan" then loss = 0 / 0 end
      record { epoch = epoch, loss = loss, note = "é", is_good = true }
      if o.kind == "fail" then error "planted" end
    end
  end,
}
]]
local PLAIN = [[
local mg = require "mapgrad"
return mg.experiment { title = "Plain", run = function(_, record) record { x = mg.random.uniform() } end }
]]

describe("the validator", function()
  -- schema, documents that fit, documents that do not
  local cases = {
    { '{"type": "object"}', { "{}", '{"a": 1}' }, { "[]", "1", '"a"', "null", "true" } },
    { '{"type": "array"}', { "[]", "[1]" }, { "{}", "1" } },
    { '{"type": "integer"}', { "1", "-3", "1.0" }, { "1.5", '"1"', "null" } },
    { '{"type": ["number", "null"]}', { "1.5", "null" }, { '"x"', "true", "[]" } },
    { '{"type": ["string", "boolean"]}', { '"x"', "false" }, { "0", "null" } },
    { '{"required": ["a"]}', { '{"a": null}', "3" }, { "{}", '{"b": 1}' } },
    { '{"properties": {"a": {"type": "number"}}}', { "{}", '{"a": 1, "b": ""}' }, { '{"a": ""}', '{"a": null}' } },
    { '{"properties": {"a": {}}, "additionalProperties": false}', { "{}", '{"a": 1}' }, { '{"b": 1}' } },
    { '{"properties": {"a": {}}, "additionalProperties": {"type": "null"}}', { '{"a": 1, "b": null}' },
      { '{"b": 1}' } },
    { '{"items": {"type": "number"}}', { "[]", "[1, 2]", "{}" }, { '[1, ""]', "[null]" } },
    { '{"enum": ["a", "b"]}', { '"a"', '"b"' }, { '"c"', "1", "null" } },
    { '{"const": 1}', { "1" }, { "2", '"1"', "null" } },
    { '{"minimum": 0}', { "0", '"x"' }, { "-1", "-0.5" } },
    { '{"minItems": 2, "maxItems": 2}', { "[1, 2]" }, { "[1]", "[1, 2, 3]" } },
  }
  for _, case in ipairs(cases) do
    it("knows " .. case[1], function()
      local rule = schema.decode(case[1])
      for _, text in ipairs(case[2]) do assert.same({}, schema.complaints(rule, schema.decode(text)), text) end
      for _, text in ipairs(case[3]) do
        assert.is_true(#schema.complaints(rule, schema.decode(text)) > 0, text)
        local nested = schema.decode(('{"items": {"properties": {"x": %s}}}'):format(case[1]))
        assert.is_true(#schema.complaints(nested, schema.decode(('[{"x": %s}]'):format(text))) > 0, text)
      end
    end)
  end

  it("refuses words that it does not know", function()
    assert.has_error_matching(function() schema.complaints({ pattern = "x" }, "x") end, "'pattern', which is not known")
  end)
end)

describe("a schema", function()
  it("lies in a file for each name, and help prints it", function()
    local names, files = {}, {}
    for _, name in ipairs(cli_schema.names) do names[name .. ".json"] = true end
    for name in lfs.dir(FOLDER) do
      if name:sub(1, 1) ~= "." then files[name] = true end
    end
    assert.same(files, names)
    for _, name in ipairs { "compare", "metrics" } do
      local result = command.mapgrad { "help", "--schema", name }
      assert.equal(0, result.code, result.err)
      assert.equal(data.file_read(FOLDER .. name .. ".json"), result.out)
    end
    local wrong = command.mapgrad { "help", "--schema", "compar" }
    assert.equal(2, wrong.code)
    assert.matches("'compare'", wrong.err, 1, true)
  end)

  it("describes each field that it requires, and says no to others", function()
    local function walk(part, place)
      for _, name in ipairs(part.required or {}) do assert.is_truthy(part.properties[name], place .. "/" .. name) end
      if part.properties then assert.is_not_nil(part.additionalProperties, place) end
      for name, below in pairs(part.properties or {}) do walk(below, place .. "/" .. name) end
      for _, word in ipairs { "items", "additionalProperties" } do
        if type(part[word]) == "table" then walk(part[word], place .. "/" .. word) end
      end
    end
    for name, rule in pairs(rules) do
      assert.equal("https://json-schema.org/draft/2020-12/schema", rule["$schema"], name)
      assert.is_truthy(rule.title and rule.description, name)
      walk(rule, name)
    end
  end)

  it("is there for every command with --json or --jsonl, and these have a version", function()
    local _, by_name = require("mapgrad.cli").new_parser()
    local count = 0
    for name, entry in pairs(by_name) do
      if entry.parser:get_help():find "%-%-jsonl?%f[%s]" then
        count = count + 1
        assert.is_truthy(rules[name], name)
        assert.equal(1, rules[name].properties.version.const)
      end
    end
    assert.equal(6, count)
  end)

  it("of list and show is the same for what both have", function()
    for name, part in pairs(rules.list.properties.runs.items.properties) do
      assert.same(part, rules.show.properties[name], name)
    end
  end)
end)

describe("documents", function()
  if is_thread_sanitizer then
    pending "the thread sanitizer ends processes that start others while threads run"
    return
  end
  local root
  local seen = {} -- name of a schema -> documents that fitted it

  local function assert_fits(name, text)
    local document = schema.decode(text)
    assert.same({}, schema.complaints(rules[name], document), text)
    seen[name] = seen[name] or {}
    table.insert(seen[name], document)
    return document
  end

  -- The document that a command prints.
  local function document_of(name, ...)
    local result = command.mapgrad { name, ... }
    assert.equal(0, result.code, result.err)
    return assert_fits(name, result.out)
  end

  local function lines_of(name, text)
    local list = {}
    for line in text:gmatch "[^\n]+" do list[#list + 1] = assert_fits(name, line) end
    return list
  end

  -- The folder of the run of a store that is so.
  local function find(out, test)
    for _, one in ipairs(assert(store.runs(root .. "/" .. out))) do
      if test(one) then return one.folder end
    end
    assert(false, "no such run")
  end

  local function of_kind(kind)
    return find("kinds", function(one) return one.options.kind == kind end)
  end

  -- Runs of EXPERIMENT in this process, which is quicker than many.
  local function run_here(out, o)
    local subject = assert(work.load(EXPERIMENT, "kinds.lua"))
    o.path, o.source = "kinds.lua", EXPERIMENT
    for _, config in ipairs(assert(plan.runs(subject, o))) do
      local folder = assert(store.create(root .. "/" .. out, config, EXPERIMENT))
      assert.equal("finished", (work.run(folder, { subject = subject, command = "none", quiet = true })))
    end
  end

  setup(function()
    root = command.folder()
    command.write(root .. "/kinds.lua", EXPERIMENT)
    command.write(root .. "/plain.lua", PLAIN)
    local results = command.mapgrad_all {
      { "", { "run", root .. "/kinds.lua", "-q", "--out", root .. "/kinds", "--variants", "near", "--seeds", "1",
        "--set", "kind=good,nan,fail,nothing,exit", "--limit", "0.5" } },
      { "", { "run", root .. "/plain.lua", "-q", "--out", root .. "/plain" } },
      { "", { "run", root .. "/kinds.lua", "-q", "--out", root .. "/cut", "--variants", "far", "--seeds", "1",
        "--time-limit", "0.000001" } },
    }
    for i, code in ipairs { 1, 0, 75 } do assert.equal(code, results[i].code, results[i].err) end
    run_here("groups", { set = { { "size", "1,2" }, { "kind", "mixed,other" }, { "text", "a" } },
      budget = { solver_calls = 5 } })
    assert.equal(0, command.mapgrad({ "plan", root .. "/kinds.lua", "--out", root .. "/new" }).code)
  end)
  teardown(function() command.remove(root) end)

  it("of list", function()
    local all = document_of("list", root .. "/kinds", root .. "/plain", root .. "/cut", root .. "/new", "--json")
    local states = {}
    for _, one in ipairs(all.runs) do states[one.state] = true end
    assert.same({ finished = true, failed = true, cut = true, new = true }, states)
    assert.equal(0, #document_of("list", root .. "/plain", "--json", "--state", "failed").runs)
    assert(store.claim(find("new", function() return true end)))
    assert.equal(1, #document_of("list", root .. "/new", "--json", "--state", "running").runs)
  end)

  it("of show", function()
    for _, kind in ipairs { "good", "nan", "fail", "nothing", "exit" } do
      local document = document_of("show", of_kind(kind), "--json")
      assert.same({}, schema.complaints(rules.config, document.config))
      assert.same({}, schema.complaints(rules.meta, document.meta))
      if kind == "nan" then assert.equal(schema.null, document.last.loss) end
    end
    for _, out in ipairs { "plain", "cut" } do
      document_of("show", find(out, function() return true end), "--json")
    end
    local new = document_of("show", find("new", function(one) return one.state == "new" end), "--json")
    assert.is_nil(next(new.meta))
  end)

  it("of diff", function()
    local good = of_kind "good"
    assert.is_nil(document_of("diff", good, good, "--json").first_record_apart)
    for _, kind in ipairs { "nan", "fail", "nothing" } do document_of("diff", good, of_kind(kind), "--json") end
    local document = document_of("diff", good, find("plain", function() return true end), "--json")
    assert.is_false(document.same_code)
    document_of("diff", of_kind "nothing", of_kind "nothing", "--json")
    document_of("diff", good, find("groups", function() return true end), "--json")
  end)

  it("of compare", function()
    local groups = root .. "/groups"
    local function compare(...) return document_of("compare", ..., "--json", "--resamples", "50") end
    local function with(...)
      local words = { "compare", groups, "--json", "--resamples", "50", ... }
      local result = command.mapgrad(words)
      assert.equal(0, result.code, result.err)
      return assert_fits("compare", result.out)
    end
    assert.equal(8, #with().groups)
    with("--unpaired", "--by", "variant,flag", "--interval", "t")
    with("--target", "2.5", "--axis", "solves", "--problem", "size", "--at", "best", "--where", "kind=other")
    with("--target", "-9", "--problem", "kind", "--level", "0.5", "--sort", "name")
    assert.equal(schema.null, with("--where", "variant=far", "--where", "seed=1").groups[1].std) -- of one run
    local few = with("--where", "kind=mixed", "--where", "variant=far", "--by", "seed", "--sort=-n")
    assert.equal(0, #few.groups[3].values)
    assert.equal(1, #compare(root .. "/plain").groups)
    assert.equal(24, with("--unfinished").runs)
    local some = compare(root .. "/kinds")
    assert.same({ failed = 2, cut = 0, running = 0, new = 0, rowless = 1, unreadable = 0 },
      setmetatable(some.left_out, nil))
    assert.equal(2, command.mapgrad({ "compare", groups, "--json", "--metric", "nothing" }).code)
  end)

  it("of plan", function()
    local result = command.mapgrad { "plan", root .. "/kinds.lua", "-q", "--jsonl", "--out", root .. "/kinds", "--set",
      "kind=good,nan,fail,nothing,other", "--limit", "0.5" }
    assert.equal(30, #lines_of("plan", result.out))
    result = command.mapgrad { "plan", root .. "/plain.lua", "-q", "--jsonl", "--out", root .. "/plain" }
    local line = lines_of("plan", result.out)[1]
    assert.is_nil(line.variant)
    assert.equal("finished", line.state)
  end)

  it("of doctor", function()
    document_of("doctor", "--json")
    assert.equal("double", document_of("doctor", "--json", "--double").numbers)
  end)

  it("in the folders of runs", function()
    local count = 0
    for _, out in ipairs { "kinds", "groups", "plain", "cut", "new" } do
      for _, one in ipairs(assert(store.runs(root .. "/" .. out))) do
        for _, name in ipairs { "config", "meta" } do
          local text = data.file_read(("%s/%s.json"):format(one.folder, name))
          if text then assert_fits(name, text) end
        end
        for _, name in ipairs { "metrics", "times" } do
          local text = data.file_read(("%s/%s.jsonl"):format(one.folder, name))
          if text then count = count + #lines_of(name, text) end
        end
      end
    end
    assert.is_true(count > 100)
  end)

  -- Marks the places of a schema that a value has, and those that it could have.
  local function cover(rule, value, place, has, could)
    could[place] = true
    if value == nil then return end
    has[place] = true
    for name, below in pairs(rule.properties or {}) do
      cover(below, value[name], ("%s/%s"):format(place, name), has, could)
    end
    for _, entry in ipairs(rule.items and value or {}) do cover(rule.items, entry, place .. "[]", has, could) end
  end

  it("have every field that the schemas describe", function()
    local has, could, lacking = {}, {}, {}
    for name, documents in pairs(seen) do
      for _, document in ipairs(documents) do cover(rules[name], document, name, has, could) end
    end
    for place in pairs(could) do
      local is_special = place == "config/smoke" or place == "meta/ranks" or place:find "^doctor/optional%[%]/"
      if not has[place] and not is_special then lacking[#lacking + 1] = place end
    end
    assert.same({}, lacking)
  end)

  -- Values of every type that a value is not, and of those its rules exclude.
  local function wrong_values(rule, value)
    local list, null = {}, schema.null
    local is_fine = {}
    for _, name in ipairs(type(rule.type) == "table" and rule.type or { rule.type }) do is_fine[name] = true end
    if next(is_fine) or rule.const then
      if not is_fine.string then list[#list + 1] = "planted" end
      if not is_fine.number and not is_fine.integer then list[#list + 1] = 3.25 end
      if not is_fine.number then list[#list + 1] = 3.25 end
      if not is_fine.boolean then list[#list + 1] = true end
      if not is_fine.null then list[#list + 1] = null end
      if not is_fine.object then list[#list + 1] = schema.decode '{"planted": 1}' end
      if not is_fine.array then list[#list + 1] = schema.decode "[1]" end
    end
    if rule.enum then list[#list + 1] = "planted" end
    if rule.const then list[#list + 1] = rule.const + 1 end
    if rule.minimum then list[#list + 1] = rule.minimum - 1 end
    if rule.minItems and type(value) == "table" then list[#list + 1] = schema.decode "[1]" end
    if rule.maxItems and type(value) == "table" then list[#list + 1] = schema.decode "[1, 2, 3]" end
    return list
  end

  -- Plants faults, one at a time, in all places of a document but of lists the first two entries alone: try(place) is
  -- called with each.
  local function plant(rule, value, try, place)
    if schema.type(value) == "object" then
      for name in pairs(rule.properties or {}) do
        local own = value[name]
        local is_needed = false
        for _, required in ipairs(rule.required or {}) do is_needed = is_needed or required == name end
        if is_needed then
          value[name] = nil
          try(("%s without %s"):format(place, name))
          value[name] = own
        end
      end
      if rule.additionalProperties == false then
        value.planted = 1
        try(place .. " with a field")
        value.planted = nil
      end
    end
    if type(value) ~= "table" or value == schema.null then return end
    local names = {}
    for name in pairs(value) do
      if type(name) == "string" or name <= 2 then names[#names + 1] = name end
    end
    for _, name in ipairs(names) do
      local below = schema.type(value) == "array" and rule.items or (rule.properties or {})[name]
        or rule.additionalProperties
      if type(below) == "table" then
        local own = value[name]
        for _, wrong in ipairs(wrong_values(below, own)) do
          value[name] = wrong
          try(("%s/%s as %s"):format(place, name, tostring(wrong)))
        end
        value[name] = own
        plant(below, own, try, ("%s/%s"):format(place, name))
      end
    end
  end

  it("with a planted fault are refused", function()
    local planted, kinds = 0, 0
    for name, documents in pairs(seen) do
      local function try_in(document)
        plant(rules[name], document, function(place)
          planted = planted + 1
          if #schema.complaints(rules[name], document) == 0 then error(("%s%s: nobody saw it"):format(name, place)) end
        end, "")
        assert.same({}, schema.complaints(rules[name], document)) -- as it was
      end
      kinds = kinds + 1
      -- of compare those with problems, a target and two groups
      local first, last = 1, math.min(#documents, 2)
      if name == "compare" then first, last = 3, 3 end
      for i = first, last do try_in(documents[i]) end
    end
    assert.equal(#cli_schema.names, kinds)
    assert.is_true(planted > 1000, planted)
  end)
end)
