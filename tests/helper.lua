-- Loaded once by busted before the specs: sets the threads of this run.
local core = require "mapgrad.real"
core.threads_set(tonumber(os.getenv "MAPGRAD_THREADS" or "2"))

-- assert.has_error_matching(f, pattern): f() raises a message that matches.
local assert_ = require "luassert"
local say = require "say"
say:set("assertion.has_error_matching.positive", "Expected an error matching:\n%s\ngot:\n%s")
assert_:register("assertion", "has_error_matching", function(_, arguments)
  local ok, message = pcall(arguments[1])
  local pattern = arguments[2]
  arguments[1], arguments[2] = pattern, ok and "no error" or message
  return not ok and tostring(message):find(pattern) ~= nil
end, "assertion.has_error_matching.positive")
