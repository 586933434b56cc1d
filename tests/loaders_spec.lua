-- Named data sets: where they are looked for, what is checked.
local lfs = require "lfs"
local mg = require "mapgrad"
local command = require "tests.command"
local support = require "tests.support"

local data, random, tensor = mg.data, mg.random, mg.tensor
local assert_refused = support.assert_refused

local shared = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/data/mnist"
local folder

local function fresh(name)
  assert(lfs.mkdir(folder .. "/" .. name))
  return folder .. "/" .. name
end

-- The four files: 3 and 2 pictures, pixel = 10 * row of the set, labels 0, 4, 9 and 5, 6; `change` replaces some.
local function write_files(path, change, compress)
  local function picture(n)
    local list = {}
    for i = 1, n do list[i] = tensor.full({ 28, 28 }, 10 * i) end
    return tensor.stack(list)
  end
  local files = {
    ["train-images-idx3-ubyte"] = picture(3), ["train-labels-idx1-ubyte"] = tensor { 0, 4, 9 },
    ["t10k-images-idx3-ubyte"] = picture(2), ["t10k-labels-idx1-ubyte"] = tensor { 5, 6 },
  }
  for name, t in pairs(change or {}) do files[name] = t end
  for name, t in pairs(files) do
    assert(data.idx_write(path .. "/" .. name .. (compress and ".gz" or ""), t, { compress = compress }))
  end
  return path
end

setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

describe("what readers return", function()
  it("has arithmetic in a script that uses nothing else", function()
    local file = os.tmpname()
    assert(data.npy_write(file, mg.tensor { 1, 2, 3 }))
    local result = command.lua(([[
      local t = require("mapgrad").data.npy_read("%s")
      print((t * 2 + 1):sum():item())]]):format(file))
    os.remove(file)
    assert.equal(0, result.code, result.err)
    assert.matches("15", result.out)
  end)
end)

describe("data.mnist", function()
  for _, compress in ipairs { false, true } do
    it("reads the four files" .. (compress and " in gzip" or ""), function()
      local path = write_files(fresh(compress and "packed" or "plain"), nil, compress)
      local train, test = data.mnist { path = path }
      assert.same({ "class", "image", "label" }, train:fields())
      assert.same({ 3, 1, 28, 28 }, train.image:shape())
      assert.same({ 2, 1, 28, 28 }, test.image:shape())
      support.assert_near({ 20 / 255 }, { train.image:get(2, 1, 5, 6) })
      assert.same({ 0, 4, 9 }, train.label:to_list())
      assert.same({ 1, 5, 10 }, train.class:to_list())
      assert.same({ 5, 6 }, test.label:to_list())
      assert.equal(1, data.fashion_mnist({ path = path, limit = 1 }):count())
    end)
  end

  it("refuses files that do not belong together, naming them", function()
    local images = "train-images-idx3-ubyte"
    local path = fresh "wrong"
    local function refused(texts, change)
      assert_refused(texts, data.mnist { path = write_files(path, change) })
    end
    refused({ "data.mnist", images, "2x28x28", "3 labels" }, { [images] = tensor.ones(2, 28, 28) })
    refused({ images, "3x28x27" }, { [images] = tensor.ones(3, 28, 27) })
    refused({ images, "expected [n, 28, 28]" }, { [images] = tensor.ones(3) })
    refused({ "train-labels", "label 2 is 10, expected a whole number from 0 to 9" },
      { ["train-labels-idx1-ubyte"] = tensor { 0, 10, 3 } })
    refused({ "t10k-labels", "expected [n]" }, { ["t10k-labels-idx1-ubyte"] = tensor.ones(2, 1) })
    refused({ "t10k-images", "expected [n, 28, 28]" }, { ["t10k-images-idx3-ubyte"] = tensor.new(0, 28, 28) })
  end)

  it("names what is missing or damaged", function()
    assert_refused({ "data.mnist", folder .. "/none", "idx" }, data.mnist { path = folder .. "/none" })
    local path = write_files(fresh "damaged")
    local file = assert(io.open(path .. "/t10k-images-idx3-ubyte", "wb"))
    file:write("\0\0\8\3\0\0\0\2")
    file:close()
    assert_refused({ "t10k-images-idx3-ubyte", "at byte 8" }, data.mnist { path = path })
  end)

  it("raises on misuse", function()
    support.assert_fails("MG-OPTION", "did you mean 'path'", data.mnist, { pat = "x" })
    support.assert_fails("MG-ARGUMENT", "limit", data.mnist, { limit = 0 })
  end)

  -- The environment of a process of its own.
  local function in_process(variables, code)
    local lua = os.getenv "MAPGRAD_LUA" or (rawget(_G, "jit") and "luajit" or "lua5.4")
    local pipe = assert(io.popen(("%s LD_PRELOAD= %s -e '%s' 2>&1"):format(variables, lua, code)))
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  if os.getenv "MAPGRAD_SANITIZER" then
    pending "looks in the user's folders: not in an instrumented build, whose modules need their runtime first"
  else
    it("looks in the user's folders, and says how to get the files", function()
      local base = fresh "cache"
      local code = [[local a, b = require("mapgrad").data.%s() print(a, b)]]
      local text = in_process(("MAPGRAD_DATA='%s'"):format(base), code:format "mnist")
      assert.truthy(text:find(base .. "/mnist", 1, true), text)
      assert.truthy(text:find("curl", 1, true), text)
      text = in_process(("MAPGRAD_DATA= XDG_CACHE_HOME='%s'"):format(base), code:format "fashion_mnist")
      assert.truthy(text:find(base .. "/mapgrad/data/fashion-mnist", 1, true) or text:find("60000", 1, true), text)
      write_files(fresh "cache/mnist")
      text = in_process(("MAPGRAD_DATA='%s'"):format(base), code:format "mnist")
      assert.truthy(text:find("data set of 3 rows", 1, true), text)
      assert(lfs.mkdir(base .. "/.cache") and lfs.mkdir(base .. "/.cache/mapgrad")
        and lfs.mkdir(base .. "/.cache/mapgrad/data"))
      write_files(fresh "cache/.cache/mapgrad/data/mnist")
      text = in_process(("MAPGRAD_DATA= XDG_CACHE_HOME= HOME='%s'"):format(base), code:format "mnist")
      assert.truthy(text:find("data set of 3 rows", 1, true), text)
    end)
  end

  if not lfs.attributes(shared, "mode") then
    pending("the digits themselves: there is no " .. shared)
  else
    it("reads the digits themselves", function()
      local train, test = data.mnist { path = shared }
      assert.same({ 60000, 10000 }, { train:count(), test:count() })
      assert.same({ 5, 0, 4, 1, 9, 2, 1, 3, 1, 4 }, train.label:rows(1, 10):to_list())
      assert.same({ 7, 2, 1, 0, 4, 1, 4, 9, 5, 9 }, test.label:rows(1, 10):to_list())
      -- mean and deviation of the training pixels, as published with the set
      local mean = train.image:mean():item()
      assert.near(0.1307, mean, 5e-5)
      assert.near(0.3081, math.sqrt(train.image:square():mean():item() - mean * mean), 5e-5)
      random.seed(1)
      local batch = train:batches { size = 7, shuffle = true }()
      assert.same({ 7, 1, 28, 28 }, batch.image:shape())
    end)
  end
end)
