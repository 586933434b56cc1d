-- Recognise handwritten digits (MNIST) or pieces of clothing (Fashion-MNIST): an ordinary classifier, no solver in it.
--
-- A small convolutional network, cross entropy, Adam with a cosine schedule. A run that was cut goes on where it was,
-- also in mid-epoch, when it is started again.
local mg = require "mapgrad"
local data, loss, nn, optim = mg.data, mg.loss, mg.nn, mg.optim

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

local function run(_, record, o)
  local train, test = data[o.data] { path = o.path, limit = o.images }
  if not train then error(test) end
  local net = nn.sequential { nn.normalise { data = train.image }, network() }
  local adam = optim.adam(net:parameters(), { rate = o.rate })
  local batches = train:loader { size = o.batch, shuffle = true, drop_last = true }
  local schedule = optim.schedule.cosine(adam, { count = o.epochs * batches:count() })
  print(("%s: %d images to learn from, %d unseen; %d parameters"):format(o.data, train:count(), test:count(),
    net:count()))
  local parts = { model = net, optimizer = adam, schedule = schedule, loader = batches }
  for epoch in record:epochs(o.epochs, parts) do
    for batch, number in batches:batches() do
      schedule:at((epoch - 1) * batches:count() + number)
      record:step(adam:step(function() return loss.cross_entropy(net(batch.image), batch.class) end))
    end
    local mean, share = record:mean(), accuracy(net, test)
    print(("epoch %2d  loss %.4f  unseen images right: %.2f %%"):format(epoch, mean, 100 * share))
    record { epoch = epoch, loss = mean, accuracy = share }
  end
end

return mg.experiment {
  title = "recognise digits", metric = "accuracy", sense = "max",
  options = {
    { name = "data", choices = { "mnist", "fashion_mnist" }, default = "mnist", help = "set of images" },
    { name = "path", form = "text", help = "folder of its four files; none: the cache, then the system's" },
    { name = "images", form = "count", help = "at most so many of each set; none: all", smoke = 1000 },
    { name = "epochs", form = "count", default = 5, help = "passes over the training images" },
    { name = "batch", form = "count", default = 100, help = "images of a step" },
    { name = "rate", form = "positive", default = 2e-3, help = "first step length of Adam; falls to 0" },
  },
  run = run,
}
