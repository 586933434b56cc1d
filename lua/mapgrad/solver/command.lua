--- Solvers that are programs of one's own, fed by .npy files.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local lfs = require "lfs"
local new_solver = require "mapgrad.solver.base"
local own = require "mapgrad.solver.own"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

-- A fresh folder, of this process alone.
local function make_folder()
  for _ = 1, 100 do
    local name = os.tmpname()
    os.remove(name)
    if lfs.mkdir(name .. ".mapgrad") then return name .. ".mapgrad" end
  end
  return check.fail("MG-FILE", "solver.command: no folder can be made beside %s", os.tmpname())
end

local function remove_folder(folder)
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then os.remove(folder .. "/" .. name) end
  end
  lfs.rmdir(folder)
end

-- The last lines of what the program printed.
local function last_words(path)
  local file = io.open(path, "rb")
  local text = file and file:read(1e6) or ""
  if file then file:close() end
  text = text:gsub("%s+$", "")
  return text == "" and "it printed nothing" or "it ended with: " .. text:sub(-300)
end

local function write(self, path, t)
  local done, message = core.npy_write(path, t.handle, core.info().real_bytes == 8 and "f8" or "f4")
  if not done then check.fail("MG-FILE", "%s: %s", self.name, message) end
end

-- The answers of the whole batch, checked.
local function read_answers(self, path, theta, period)
  local handle, message = core.npy_read(path)
  if not handle then check.fail("MG-SOLVER", "%s: no answers: %s", self.name, message) end
  local z = tensor.wrap(handle)
  if show.shape(z:shape()) ~= show.shape(theta:shape()) then
    check.fail("MG-SOLVER", "%s: the answers have shape %s, expected %s", self.name, show.shape(z:shape()),
      show.shape(theta:shape()))
  end
  for i, v in ipairs(z:to_list()) do
    local instance = math.floor((i - 1) / self.n) % period + 1
    own.check_answer(self, instance, v, (i - 1) % self.n + 1)
  end
  return z
end

local function run(self, folder, given, context, period)
  local arguments = {}
  for i, word in ipairs(self.command) do arguments[i] = word end
  arguments[#arguments + 1] = folder .. "/theta.npy"
  arguments[#arguments + 1] = folder .. "/z.npy"
  write(self, folder .. "/theta.npy", given)
  for name, value in pairs(context or {}) do
    write(self, ("%s/%s.npy"):format(folder, name), tensor.of(value, self.name .. ": context " .. tostring(name)))
  end
  local code, message = core.process_run(arguments, folder .. "/output")
  if not code then check.fail("MG-FILE", "%s: %s", self.name, message) end
  if code ~= 0 then
    check.fail("MG-SOLVER", "%s: the program %s exited with %d; %s", self.name, self.command[1], code,
      last_words(folder .. "/output"))
  end
  return read_answers(self, folder .. "/z.npy", given, period)
end

local function own_argmax(self, theta, context, period)
  self:expect_context(context)
  local _, batch = self:batch_of(theta)
  if batch == 0 then return tensor.full(theta:shape(), 0), 0, 0 end
  for name in pairs(context or {}) do
    if type(name) ~= "string" or not name:match "^[%w_]+$" or name == "theta" or name == "z" then
      check.fail("MG-NAME", "%s: a context cannot be named '%s': it names a file", self.name, tostring(name))
    end
  end
  local given = self.sense == "min" and tensor.wrap(core.affine(theta.handle, -1, 0)) or theta
  for i, v in ipairs(given:to_list()) do
    own.check_entry(self, math.floor((i - 1) / self.n) % (period or batch) + 1, v, (i - 1) % self.n + 1)
  end
  local folder = make_folder()
  local ok, z = core.call(run, self, folder, given, context, period or batch)
  remove_folder(folder)
  if not ok then error(z, 0) end
  return z, batch, 0
end

-- A list of texts.
local words = {
  required = true, expected = "a list of texts: the program and its arguments",
  test = function(v)
    if type(v) ~= "table" or #v == 0 then return nil end
    for _, word in ipairs(v) do
      if type(word) ~= "string" then return nil end
    end
    return { compat.unpack(v) }
  end,
}

--- A program as a solver, called once for each batch.
-- It is run with two more arguments: the .npy file of scores [batch..., shape] (costs if the sense is "min"),
-- and the .npy file to write the answers to, of the same shape. A context is beside the first as NAME.npy. An exit
-- code other than 0, missing answers, wrong shapes and answers that are not finite are errors; Ctrl-C ends
-- the program. Starting a program takes milliseconds: give it batches.
-- @param options.command       the program and its arguments; no shell is involved
-- @param options.name          for messages
-- @param options.n             entries of one theta; or shape, a list of extents
-- @param options.sense         "max" (default) or "min": then the program gets costs
-- @param options.exact         whether answers are optimal (default true)
-- @param options.constant_sum  whether all solutions have the same sum
-- @usage local s = solver.command { name = "mine", n = 10, command = { "python3", "mine.py" } }
-- -- mine.py: t = numpy.load(sys.argv[1]); ...; numpy.save(sys.argv[2], z)
return function(options)
  local o = own.options("solver.command", options, { command = words })
  return new_solver {
    name = o.name, sense = o.sense, shape = o.shape, exact = o.exact, constant_sum = o.constant_sum,
    settings = { { "command", table.concat(o.command, " ") } }, context_rows = {}, command = o.command,
    own_argmax = own_argmax,
  }
end
