local lfs = require "lfs"
-- Whole trainings: the same bits for any number of threads; the digits experiment from files to checkpoint.
local mg = require "mapgrad"
local command = require "tests.command"
local data, estimator, loss, nn, noise, optim = mg.data, mg.estimator, mg.loss, mg.nn, mg.noise, mg.optim
local random, solver, target, tensor = mg.random, mg.solver, mg.target, mg.tensor

-- Convolutions of both ways, norms, pools, dropout, a recurrent layer, attention, embeddings' sums and a solver.
local function network()
  return nn.sequential {
    nn.conv2d { 2, 16, kernel = 5, pad = 2 }, nn.batch_norm(16, { relu = true }), nn.max_pool2d(2),
    nn.conv2d { 16, 20, kernel = 3, pad = 1 }, nn.group_norm(4, 20), nn.gelu(), nn.mean_pool2d(2),
    nn.reshape(20, 9), nn.layer_norm(9), nn.dropout(0.2),
    function(x) return x:permute(1, 3, 2) end, nn.gru(20, 24),
    nn.multi_head_attention(24, 3), nn.linear(24, 1), nn.reshape(9),
  }
end

local function train(threads)
  local before = mg.threads()
  mg.threads(threads)
  random.seed(3)
  local set = data.set { image = tensor.normal(90, 2, 12, 12), mask = tensor.uniform(90, 9):lt(0.3) }
  local net = network()
  local layer = estimator.imle {
    solver = solver.top_k { n = 9, k = 3 }, noise = noise.gumbel(), target = target.fixed { lambda = 5 }, samples = 3,
  }
  local adam = optim.adamw(net:parameters(), { rate = 1e-2, clip_norm = 1 })
  local schedule = optim.schedule.cosine(adam, { count = 6 })
  local losses = {}
  for epoch = 1, 2 do
    schedule:epoch(epoch)
    for batch in set:batches { size = 40, shuffle = true } do
      losses[#losses + 1] = adam:step(function() return loss.hamming(layer(net(batch.image)), batch.mask) end)
    end
  end
  mg.threads(before)
  return net:state(), losses
end

describe("a training", function()
  it("has the same bits with 1, 2 and 4 threads", function()
    local state, losses = train(1)
    assert.are_equal(6, #losses)
    for _, threads in ipairs { 2, 4 } do
      local other, other_losses = train(threads)
      assert.are_same(losses, other_losses)
      for name, t in pairs(state) do
        assert.is_true(t:equals(other[name]), ("%s differs with %d threads"):format(name, threads))
      end
    end
  end)
end)

describe("experiments/digits.lua", function()
  -- Images of class c are bright in row 2 c + 2: learnt in a few steps.
  local function write_set(folder, part, count)
    local image, label = tensor.zeros(count, 28, 28), tensor.zeros(count)
    for i = 1, count do
      label:set(i, i % 10)
      image[i][2 * (i % 10) + 2] = 255
    end
    assert(data.idx_write(("%s/%s-images-idx3-ubyte"):format(folder, part), image))
    assert(data.idx_write(("%s/%s-labels-idx1-ubyte"):format(folder, part), label))
  end

  it("learns, and goes on in mid-epoch after it was cut, to the same bytes", function()
    if os.getenv "MAPGRAD_SANITIZER" == "thread" then
      pending "the thread sanitizer ends processes that start others while threads run"
      return
    end
    local folder = command.folder()
    write_set(folder, "train", 200)
    write_set(folder, "t10k", 50)
    local function run(name, ...)
      local result = command.mapgrad { "run", "experiments/digits.lua", "--quiet", "--out", folder .. "/" .. name,
        "--set", "path=" .. folder, "--set", "batch=20", "--set", "epochs=3", ... }
      local numbers
      for found in lfs.dir(folder .. "/" .. name) do
        if found:find "^run" then numbers = data.file_read(("%s/%s/%s/metrics.jsonl"):format(folder, name, found)) end
      end
      return result, assert(numbers)
    end
    local result, whole = run "whole"
    assert.are_equal(0, result.code, result.err)
    assert.matches("unseen images right: 100.00 %%", result.out)
    assert.are_equal(75, run("cut", "--time-limit", "0.001").code) -- saved after its first step
    local again, joined = run "cut"
    assert.are_equal(0, again.code, again.err)
    command.remove(folder)
    assert.is_true(joined == whole)
  end)
end)
