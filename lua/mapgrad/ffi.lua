--- Pointers into tensors, on LuaJIT: the same memory and the same loaded library, no copies.
-- A pointer is valid while its tensor is reachable and not freed.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"

if not compat.is_luajit then
  check.fail("MG-FFI", "mapgrad.ffi: the FFI needs LuaJIT; on Lua 5.4 use t:get, t:set and whole-tensor operations")
end

local ffi = require "ffi"
local mapgrad_ffi = {}

local pointer_type = core.info().real_bytes == 8 and "double *" or "float *"

--- A 0-based pointer to the entries of a tensor.
function mapgrad_ffi.pointer(t)
  return ffi.cast(pointer_type, core.address(t.handle))
end

--- Calls f(pointer, count) while the tensor is kept alive.
function mapgrad_ffi.pin(t, f)
  local result = f(mapgrad_ffi.pointer(t), t:count())
  core.is_alive(t.handle) -- a use after the call keeps t reachable during it
  return result
end

return mapgrad_ffi
