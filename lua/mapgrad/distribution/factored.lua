--- Independent blocks of another law, theta [batch..., blocks, shape of the law]: log-partition, entropy, divergence
-- and log-probability are sums over blocks. The temperature is the law's.
-- @function factored
-- @param options.law     law of a block
-- @param options.blocks  how many
-- @usage distribution.factored { law = distribution.one_hot { n = 20 }, blocks = 20 }
local check = require "mapgrad.check"
local law = require "mapgrad.distribution.law"
local tensor = require "mapgrad.tensor"

-- A method of the law of a block, for theta that has all blocks.
local function of_block(name)
  return function(self, theta, ...)
    theta = tensor.of(theta, self.name)
    self.solver:batch_of(theta, self.name .. ": theta")
    return self.inner[name](self.inner, theta, ...)
  end
end

-- The same, [..., blocks] summed.
local function summed(name)
  local f = of_block(name)
  return function(...) return f(...):sum(-1) end
end

return function(options)
  local o = check.options("distribution.factored", options, { law = check.instance "law", blocks = check.count() })
  local inner = o.law
  if not inner.make_plan or inner.context then
    check.fail("MG-OPTION", "distribution.factored: blocks of a %s have no law", inner.name)
  end
  local self = law.new {
    name = "factored", temperature = inner.temperature,
    solver = require("mapgrad.solver").factored { solver = inner.solver, blocks = o.blocks },
    own = {
      log_partition = summed "log_partition", entropy = summed "entropy", kl = summed "kl",
      log_prob = summed "log_prob", marginals = of_block "marginals", sample = of_block "sample",
      tangent = of_block "tangent",
      mode = of_block "mode",
    },
  }
  self.inner = inner:with_blocks(o.blocks)
  return self
end
