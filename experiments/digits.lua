-- Recognise handwritten digits (MNIST) or pieces of clothing (Fashion-MNIST): an ordinary classifier, no solver in it.
--
-- A small convolutional network, cross entropy, Adam with a cosine schedule. After each epoch the whole training is
-- written to checkpoint.safetensors in the folder of the results; --set resume=FILE goes on from one.
local mg = require "mapgrad"
local checkpoint, data, loss, nn, optim, progress = mg.checkpoint, mg.data, mg.loss, mg.nn, mg.optim, mg.progress

local CLASSES = 10

-- Images [B, 1, 28, 28] -> logits [B, 10].
local function network()
  return nn.sequential {
    nn.conv2d { 1, 16, kernel = 3, pad = 1 }, nn.batch_norm(16, { relu = true }), nn.max_pool2d(2),
    nn.conv2d { 16, 32, kernel = 3, pad = 1 }, nn.batch_norm(32, { relu = true }), nn.max_pool2d(2),
    nn.flatten(), nn.linear(32 * 7 * 7, 128), nn.relu(), nn.dropout(0.25), nn.linear(128, CLASSES),
  }
end

-- Share of images whose largest logit is that of their class.
local function accuracy(net, set)
  local predicted = net:evaluate(set.image, { block = 500 }):argmax(2)
  return predicted:eq(set.class):mean():item()
end

local function train_epoch(o, epoch, net, adam, schedule, batches)
  local sum, count = 0, 0
  local bar = progress.new {
    total = batches:count(), label = ("epoch %d/%d"):format(epoch, o.epochs), quiet = o.quiet,
  }
  for batch, number in batches:batches() do
    schedule:at((epoch - 1) * batches:count() + number)
    local value = adam:step(function() return loss.cross_entropy(net(batch.image), batch.class) end)
    sum, count = sum + value, count + 1
    bar:tick(1, ("loss %.3f"):format(sum / count))
  end
  bar:finish()
  return sum / count
end

local function run(o, record)
  local train, test = data[o.data] { path = o.path }
  if not train then error(test) end
  local net = nn.sequential { nn.normalise { data = train.image }, network() }
  local adam = optim.adam(net:parameters(), { rate = o.rate })
  local batches = train:loader { size = o.batch, shuffle = true, drop_last = true }
  local schedule = optim.schedule.cosine(adam, { count = o.epochs * batches:count() })
  local parts = { model = net, optimizer = adam, schedule = schedule, loader = batches }
  if o.resume then
    local ok, message = checkpoint.resume(o.resume, parts)
    if not ok then error(message) end
  end
  print(("%s: %d images to learn from, %d unseen; %d parameters"):format(o.data, train:count(), test:count(),
    net:count()))
  for epoch = batches:epoch() + 1, math.min(o.epochs, o.stop or o.epochs) do
    local mean_loss = train_epoch(o, epoch, net, adam, schedule, batches)
    local share = accuracy(net, test)
    print(("epoch %2d  loss %.4f  unseen images right: %.2f %%"):format(epoch, mean_loss, 100 * share))
    record { epoch = epoch, loss = mean_loss, accuracy = share }
    local file = o.out .. "/checkpoint.safetensors"
    local ok, message = checkpoint.save(file, parts)
    if not ok then error(message) end
  end
end

return mg.experiment {
  title = "recognise digits",
  options = {
    { name = "data", choices = { "mnist", "fashion_mnist" }, default = "mnist", help = "set of images" },
    { name = "path", form = "text", help = "folder of its four files; none: the cache, then the system's" },
    { name = "epochs", form = "count", default = 5, help = "passes over the training images" },
    { name = "batch", form = "count", default = 100, help = "images of a step" },
    { name = "rate", form = "positive", default = 2e-3, help = "first step length of Adam; falls to 0" },
    { name = "stop", form = "count", help = "end after so many epochs, to go on later" },
    { name = "resume", form = "text", help = "checkpoint to go on from" },
  },
  run = run,
}
