--- MNIST and the sets that share its files: handwritten digits, pieces of clothing.
-- Sources: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; H. Xiao, K. Rasul,
-- R. Vollgraf 2017, "Fashion-MNIST".
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_set = require "mapgrad.data.set"
local search = require "mapgrad.data.search"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local files = {
  train_image = "train-images-idx3-ubyte", train_label = "train-labels-idx1-ubyte",
  test_image = "t10k-images-idx3-ubyte", test_label = "t10k-labels-idx1-ubyte",
}

local side, classes = 28, 10
local limit = 2 ^ 34 -- bytes of a file once inflated

local sets = {
  mnist = {
    name = "mnist", files = files, system = "/usr/share/datasets/mnist",
    step = "To get them: mkdir -p %s && cd %s && for f in train-images-idx3 train-labels-idx1 t10k-images-idx3 "
      .. "t10k-labels-idx1; do curl -O https://ossci-datasets.s3.amazonaws.com/mnist/$f-ubyte.gz; done",
  },
  fashion_mnist = {
    name = "fashion-mnist", files = files, system = "/usr/share/datasets/fashion-mnist",
    step = "To get them: apt-get install dataset-fashion-mnist (Debian's section non-free), or put "
      .. "{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz of github.com/zalandoresearch/fashion-mnist into %s",
  },
}

-- Reads one file, whose array must have that many axes and rows; rows beyond `most` are dropped.
local function read(name, path, axes, most)
  local handle, message = core.idx_read(path, limit)
  if not handle then return nil, ("%s: %s"):format(name, message) end
  local t = tensor.wrap(handle)
  if t:axes() ~= axes or t:count() == 0 then
    return nil, ("%s: %s has shape %s, expected %s"):format(name, path, show.shape(t:shape()),
      axes == 3 and "[n, 28, 28]" or "[n]")
  end
  if most and t:size(1) > most then t = t:rows(1, most):clone() end
  return t
end

-- The message if labels are not whole numbers from 0 to 9.
local function wrong_label(name, path, label)
  for i, value in ipairs(label:to_list()) do
    if not (value >= 0 and value < classes and value == math.floor(value)) then
      return ("%s: %s: label %d is %g, expected a whole number from 0 to %d"):format(name, path, i, value, classes - 1)
    end
  end
end

local function read_set(name, image_path, label_path, most)
  local image, label, message
  label, message = read(name, label_path, 1, most)
  if not label then return nil, message end
  image, message = read(name, image_path, 3, most)
  if not image then return nil, message end
  local shape = image:shape()
  if shape[2] ~= side or shape[3] ~= side or shape[1] ~= label:size(1) then
    return nil, ("%s: %s has shape %s, expected [%d, 28, 28] as there are %d labels in %s"):format(name, image_path,
      show.shape(shape), label:size(1), label:size(1), label_path)
  end
  message = wrong_label(name, label_path, label)
  if message then return nil, message end
  image = image:reshape(shape[1], 1, side, side):scale_(1 / 255)
  return new_set { image = image, label = label, class = label + 1 }
end

-- The reader of one of the sets.
return function(key)
  local name, set = "data." .. key, sets[key]
  return function(options)
    local o = check.options(name, options, {
      path = check.optional(check.text()), limit = check.optional(check.count()),
    })
    local paths, message = search(name, set, o.path)
    if not paths then return nil, message end
    return autograd.pause(function()
      local train, test
      train, message = tensor.scope(read_set, name, paths.train_image, paths.train_label, o.limit)
      if not train then return nil, message end
      test, message = tensor.scope(read_set, name, paths.test_image, paths.test_label, o.limit)
      if not test then return nil, message end
      return train, test
    end)
  end
end
