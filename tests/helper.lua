-- Loaded once by busted before the specs: sets the threads of this run.
local core = require "mapgrad.real"
core.threads_set(tonumber(os.getenv "MAPGRAD_THREADS" or "2"))
