-- Recurrent layers and cells: values and gradients of PyTorch, shapes, states, messages.
local mg = require "mapgrad"
local support = require "tests.support"

local autograd, nn, random, tensor = mg.autograd, mg.nn, mg.random, mg.tensor

local assert_fails, assert_near, is_double = support.assert_fails, support.assert_near, support.is_double

-- Entries sin(k + 1) / 2, sin(k + 2) / 2, ... of a shape.
local function waves(k, ...)
  local t, list = tensor.new(...), {}
  for i = 1, t:count() do list[i] = math.sin(k + i) / 2 end
  return tensor(list):reshape(...)
end

-- Parameter k becomes waves(k, ...): the fixed weights behind the numbers quoted below.
local function fill(layer)
  for k, parameter in ipairs(layer:parameters()) do parameter:copy_(waves(k, parameter:shape())) end
  return layer
end

-- PyTorch 2: torch.nn.GRU(2, 3, batch_first=True) and LSTM in double, parameter k (from 1, in the order
-- of parameters()) 0.5 sin(k + i), i = 1, 2, ...; x = 0.5 sin(i) [2, 3, 2]; states [2, layers, 3] 0.5
-- sin(1 + i) and 0.5 sin(2 + i), transposed to PyTorch's order.
local GOLDEN = {
  gru = {
    {
      layers = 1, bidirectional = false,
      y = {
        0.3244412093307, -0.1976306428534, -0.1718413496551, 0.0517476859457, -0.261848268706, -0.1288271727971,
        -0.2014031047357, -0.3116278704472, -0.03981314303485, -0.4226340014751, -0.38134850459,
        0.01031552429929, -0.4312137616443, -0.3852821937455, -0.1849226958651, -0.5168305619388,
        -0.3706132868499, -0.1403238943582,
      },
      h = {
        -0.2014031047357, -0.3116278704472, -0.03981314303485, -0.5168305619388, -0.3706132868499,
        -0.1403238943582,
      },
    },
    {
      layers = 2, bidirectional = true,
      y = {
        0.1309063690378, 0.3104872973556, 0.1683789863524, -0.3326902910016, -0.4009220817716, -0.2974544245798,
        -0.1332229273138, 0.3341948968581, 0.2508087850183, -0.3664599413524, -0.3740315875397,
        -0.1860600454856, -0.3034615179244, 0.3049692593771, 0.2831639609407, -0.4178789044288,
        -0.3317658708036, -0.02182531938547, 0.07291290400615, 0.4412822051582, 0.2033078344166,
        -0.2570157857864, -0.4043848023602, -0.3451328528144, -0.1709405931533, 0.4248260149999,
        0.2784632409173, -0.3066124089055, -0.4194195711074, -0.2972272965223, -0.3342082221675,
        0.3720224846324, 0.3253424613912, -0.343666818435, -0.4187480438273, -0.1955202208574,
      },
      h = {
        -0.2014031047357, -0.3116278704472, -0.03981314303485, 0.5345042199825, 0.241825213125,
        -0.1419182345653, -0.3034615179244, 0.3049692593771, 0.2831639609407, -0.3326902910016,
        -0.4009220817716, -0.2974544245798, -0.1758473697117, -0.2427950536971, -0.02423864151485,
        0.511423743264, 0.2727125399783, -0.2189770259126, -0.3342082221675, 0.3720224846324, 0.3253424613912,
        -0.2570157857864, -0.4043848023602, -0.3451328528144,
      },
    },
    dx = {
      -0.2151228497015, -0.152695210276, -0.06310311870392, 0.0539659324355, -0.05176927591579, 0.02173521666753,
      -0.189528866063, -0.1392233336384, -0.09019001065588, 0.03140379915464, -0.04459309840749, 0.03268864823942,
    },
  },
  lstm = {
    {
      layers = 1, bidirectional = false,
      y = {
        0.01594346096307, -0.3058976067808, -0.03443825099689, -0.1338405865662, -0.3390421943817,
        -0.06179098209399, -0.2146370511063, -0.3471712048523, -0.02757571104808, -0.2439855238062,
        -0.01021735903914, 0.022937179389, -0.2875828642485, -0.1346464065787, -0.06613341826103,
        -0.2873825462054, -0.2105440053752, -0.04847203104932,
      },
      h = {
        -0.2146370511063, -0.3471712048523, -0.02757571104808, -0.2873825462054, -0.2105440053752,
        -0.04847203104932,
      },
      c = {
        -0.3529743766325, -0.5669181938808, -0.0431374488358, -0.4959539026844, -0.3182652211055,
        -0.07517618495631,
      },
    },
    {
      layers = 2, bidirectional = true,
      y = {
        -0.06740549748834, 0.09589912864744, 0.03650680068248, -0.2383464544374, -0.1965310345953,
        -0.1826554526088, -0.1638165232737, 0.1107451070318, 0.1028208597059, -0.2247341034086,
        -0.1364053821071, -0.07408737263765, -0.216316802569, 0.1099656887094, 0.1159828131546, -0.230864258431,
        -0.01955222664661, 0.09108933638468, -0.0006596205017079, 0.1388057512911, 0.02922072725392,
        -0.284627745938, -0.22962215005, -0.2403847191077, -0.1289492244341, 0.1459446855898, 0.1059004710645,
        -0.2846888831921, -0.1921497759353, -0.1426247211755, -0.1978828709364, 0.1350719756186,
        0.1242405131725, -0.3090215683935, -0.1166011633749, 0.005612487132076,
      },
      h = {
        -0.2146370511063, -0.3471712048523, -0.02757571104808, 0.1392523797999, 0.1453243496031,
        -0.1055544323628, -0.216316802569, 0.1099656887094, 0.1159828131546, -0.2383464544374, -0.1965310345953,
        -0.1826554526088, -0.1609621194378, -0.3327269997526, -0.01139066237809, 0.1432297413474,
        0.1445612972605, -0.1145975505599, -0.1978828709364, 0.1350719756186, 0.1242405131725, -0.284627745938,
        -0.22962215005, -0.2403847191077,
      },
      c = {
        -0.3529743766325, -0.5669181938808, -0.0431374488358, 0.5945358061999, 0.2943949750101,
        -0.1717837756809, -0.4212954136857, 0.3794039123362, 0.5009156907743, -0.388718655668, -0.2864667295885,
        -0.2561369839096, -0.2715026084607, -0.5177865921292, -0.01803543152655, 0.5943379712007,
        0.2950317425402, -0.1888775553288, -0.3669577230425, 0.4653328755682, 0.5133060303265, -0.4742555340036,
        -0.3516045191039, -0.3441700909946,
      },
    },
    dx = {
      0.05289974994675, 0.2022341409531, -0.1591043092586, -0.007825602837813, -0.1846287117329,
      0.0002572667978902, 0.03419390373923, 0.1995660625805, -0.1236194633284, 0.02509635023049, -0.1893579601043,
      -0.01667753932064,
    },
  },
}

local KINDS = { gru = { "h" }, lstm = { "h", "c" } }
local PRECISION = is_double and 1e-11 or 1e-5

for _, name in ipairs { "gru", "lstm" } do
  local states = KINDS[name]

  describe(name, function()
    before_each(function() random.seed(1) end)

    for _, case in ipairs(GOLDEN[name]) do
      it(("computes what PyTorch computes with %d layers"):format(case.layers), function()
        local layer = fill(nn[name](2, 3, { layers = case.layers, bidirectional = case.bidirectional }))
        local places = case.layers * (case.bidirectional and 2 or 1)
        local given = {}
        for k in ipairs(states) do given[k] = waves(k, 2, places, 3) end
        local results = { layer(waves(0, 2, 3, 2), given[1], given[2]) }
        assert.same({ 2, 3, case.bidirectional and 6 or 3 }, results[1]:shape())
        assert_near(case.y, results[1]:to_list(), PRECISION)
        for k, label in ipairs(states) do
          assert.same({ 2, places, 3 }, results[k + 1]:shape())
          assert_near(case[label], results[k + 1]:to_list(), PRECISION)
        end
      end)
    end

    it("has PyTorch's gradient for its input", function()
      local layer, x = fill(nn[name](2, 3)), waves(0, 2, 3, 2):watch()
      layer(x):sum():backward()
      assert_near(GOLDEN[name].dx, x.grad:to_list(), PRECISION)
    end)

    it("has gradients that equal central differences, through all results", function()
      if not is_double then return end
      local layer = nn[name](2, 2, { layers = 2, bidirectional = true })
      local inputs = { tensor.normal(2, 5, 2) }
      for k in ipairs(states) do inputs[k + 1] = tensor.normal(2, 4, 2) end
      local count = #inputs
      for _, parameter in ipairs(layer:parameters()) do inputs[#inputs + 1] = parameter end
      assert.equal(count + 16, #inputs)
      local err = autograd.check(function(list)
        local y, h, c = layer(list[1], list[2], count > 2 and list[3] or nil)
        return tensor.concat({ y:reshape(-1), h:reshape(-1) * 2, (c or h):reshape(-1) }, 1)
      end, inputs)
      assert.truthy(err < 1e-6)
    end)

    it("takes any number of leading axes, and starts at 0", function()
      local layer, x = nn[name](2, 3, { layers = 2 }), tensor.normal(2, 3, 4, 2)
      local zero = tensor.zeros(2, 3, 2, 3)
      local y, h = layer(x)
      assert.same({ 2, 3, 4, 3 }, y:shape())
      assert.same({ 2, 3, 2, 3 }, h:shape())
      assert.is_true(y:equals((layer(x, zero, zero))))
      local single, last = layer(x[1][1])
      assert.same({ 4, 3 }, single:shape())
      assert.same({ 2, 3 }, last:shape())
      assert_near(y[1][1]:to_list(), single:to_list())
    end)

    it("goes on from the state it returns", function()
      local layer, x = nn[name](2, 3, { layers = 2 }), tensor.normal(2, 6, 2)
      local y = layer(x)
      local first, h, c = layer(x:slice(2, 1, 4))
      local second = layer(x:slice(2, 5, 6), h, c)
      assert_near(y:to_list(), tensor.concat({ first, second }, 2):to_list())
    end)

    it("is its cell, step by step", function()
      local layer, x = nn[name](2, 3), tensor.normal(4, 3, 2)
      local y, h, c = layer(x), nil, nil
      for t = 1, 3 do
        h, c = layer.layer1(x:slice(2, t, t):reshape(4, 2), h, c)
        assert_near(y:slice(2, t, t):to_list(), h:to_list())
      end
    end)

    it("reads backwards with the second cell", function()
      local layer, x = nn[name](2, 3, { bidirectional = true }), tensor.normal(1, 3, 2)
      local forward = nn[name](2, 3)
      for i, parameter in ipairs(forward:parameters()) do parameter:copy_(layer:parameters()[4 + i]) end
      local turned = tensor.concat({ x:slice(2, 3, 3), x:slice(2, 2, 2), x:slice(2, 1, 1) }, 2)
      local y, expected = layer(x), forward(turned)
      for t = 1, 3 do
        assert_near(expected:slice(2, 4 - t, 4 - t):to_list(), y:slice(2, t, t):slice(3, 4, 6):to_list())
      end
    end)

    it("starts uniform on +-1/sqrt(hidden), or by a law", function()
      local layer = nn[name](3, 25)
      for _, parameter in ipairs(layer:parameters()) do
        local largest = parameter:abs():max():item()
        assert.truthy(largest <= 0.2 and largest > 0.15)
      end
      layer = nn[name](3, 4, { initial = "zeros", bias = false })
      assert.equal(2, #layer:parameters())
      assert.equal(0, layer.layer1.weight_state:abs():max():item())
    end)

    it("drops between its layers, in training only", function()
      local layer, x = nn[name](2, 8, { layers = 2, dropout = 0.5 }), tensor.normal(1, 3, 2)
      assert.is_false(layer(x):equals((layer(x))))
      assert.is_true(layer:evaluate(x):equals(layer:evaluate(x)))
      local single = nn[name](2, 8, { dropout = 0.5 })
      assert.is_true(single(x):equals((single(x))))
    end)

    it("can be cloned, and printed", function()
      local layer, x = nn[name](2, 3, { layers = 2, bidirectional = true }), tensor.normal(1, 3, 2)
      assert.is_true(layer(x):equals((layer:clone()(x))))
      assert.truthy(tostring(layer):find(name .. " 2 -> 3, both directions", 1, true))
    end)

    it("says what is wrong", function()
      local layer, cell = nn[name](2, 3, { layers = 2 }), nn[name .. "_cell"](2, 3)
      assert_fails("MG-SHAPE", "expected [batch, time, 2] with a time of 1 or more, got 4x3", layer, tensor.zeros(4, 3))
      assert_fails("MG-SHAPE", "time of 1 or more, got 4x0x2", layer, tensor.zeros(4, 0, 2))
      assert_fails("MG-SHAPE", "state h of shape 4x2x3, got 2x4x3", layer, tensor.zeros(4, 5, 2), tensor.zeros(2, 4, 3))
      assert_fails("MG-SHAPE", "state h of shape 4x3, got 3", cell, tensor.zeros(4, 2), tensor.zeros(3))
      assert_fails("MG-SHAPE", "expected features [batch, 2], got 4x3", cell, tensor.zeros(4, 3))
      assert_fails("MG-OPTION", "did you mean 'layers'?", nn[name], 2, 3, { layer = 2 })
    end)
  end)
end

describe("gru_cell", function()
  it("interpolates: an update gate of 1 keeps the state", function()
    local cell = nn.gru_cell(1, 1, { initial = "zeros" })
    cell.bias_input:copy_(tensor { 0, 50, 3 })
    cell.bias_state:fill_(0)
    assert_near({ 0.7 }, cell(tensor { { 5 } }, tensor { { 0.7 } }):to_list())
    cell.bias_input:copy_(tensor { 0, -50, 3 })
    local tanh_of_3 = (1 - math.exp(-6)) / (1 + math.exp(-6))
    assert_near({ tanh_of_3 }, cell(tensor { { 5 } }, tensor { { 0.7 } }):to_list())
  end)
end)
