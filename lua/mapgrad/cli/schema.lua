--- JSON schemas (draft 2020-12) of what --json and --jsonl print and of the files of a run; they lie in
-- lua/mapgrad/schema. They say what this version writes: no field is left out of them.
-- @module mapgrad.cli.schema
local schema = {
  --- What there is a schema of: documents that commands print, then files of a run.
  names = { "list", "show", "diff", "compare", "plan", "doctor", "config", "meta", "metrics", "times" },
}

--- The names as a text.
function schema.listing()
  return table.concat(schema.names, ", ")
end

--- The text of a schema, one of the names.
function schema.text(name)
  local own = assert(package.searchpath("mapgrad.cli.schema", package.path))
  local path = own:gsub("cli([/\\])schema%.lua$", "schema%1" .. name .. ".json")
  return assert(require("mapgrad.experiment.source").read(path))
end

return schema
