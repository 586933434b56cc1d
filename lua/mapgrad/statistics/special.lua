--- Distribution functions in double arithmetic: normal, Student's t, the incomplete beta function.
-- Relative errors are below 1e-13 where the result is above 1e-300. No other part of the library is needed, and both
-- interpreters give the same bits.
-- @module mapgrad.statistics.special
local special = {}

local abs, exp, floor, log, sqrt = math.abs, math.exp, math.floor, math.log, math.sqrt
local huge, pi = math.huge, math.pi
local nan = 0 / 0
local EPSILON = 2 ^ -53

-- log(1 + x) without loss for small x. Source: Kahan's correction of the rounded 1 + x.
local function log1p(x)
  local u = 1 + x
  if u == 1 then return x end
  if u == huge then return huge end
  return log(u) * x / (u - 1)
end

-- p[1] + p[2] x + ... by Horner's rule.
local function polynomial(p, x)
  local value = p[#p]
  for i = #p - 1, 1, -1 do value = value * x + p[i] end
  return value
end

-- ------------------------------------------------------------------ normal

local SMALL = { -- |x| <= 0.67448975: numerator and denominator in x^2
  { 18154.981253343561249, 1067.6894854603709582, 161.02823106855587881, 2.2352520354606839287,
    0.065682337918207449113 },
  { 45507.789335026729956, 10260.932208618978205, 976.09855173777669322, 47.20258190468824187, 1 },
}
local MIDDLE = { -- up to sqrt 32, in |x|
  { 9842.7148383839780218, 11602.651437647350124, 6848.1904505362823326, 2494.5375852903726711,
    597.27027639480026226, 93.506656132177855979, 8.8831497943883759412, 0.39894151208813466764,
    1.0765576773720192317e-8 },
  { 19685.429676859990727, 38912.003286093271411, 34900.952721145977266, 18615.571640885098091,
    6485.558298266760755, 1519.377599407554805, 235.38790178262499861, 22.266688044328115691, 1 },
}
-- exp(-x^2 / 2) with x split so that its square is exact.
local function bell(x)
  local head = floor(x * 16) / 16
  return exp(-head * head / 2) * exp(-(x - head) * (x + head) / 2)
end

-- P(N > x) for x >= 0.67.
local function upper_tail(x)
  if x > 38.6 then return 0 end
  if x < sqrt(32) then return bell(x) * polynomial(MIDDLE[1], x) / polynomial(MIDDLE[2], x) end
  local fraction = x -- Laplace's continued fraction
  for k = 50, 1, -1 do fraction = x + k / fraction end
  return bell(x) / (fraction * sqrt(2 * pi))
end

--- P(N <= x) of the standard normal law.
-- Source: Cody, Rational Chebyshev approximations for the error function, 1969.
-- @tparam number x
-- @treturn number
function special.normal_cdf(x)
  x = x + 0.0 -- no integers of Lua 5.4, which wrap around
  if x ~= x then return nan end
  if abs(x) <= 0.67448975 then
    local s = x * x
    return 0.5 + x * polynomial(SMALL[1], s) / polynomial(SMALL[2], s)
  end
  return x < 0 and upper_tail(-x) or 1 - upper_tail(x)
end

--- P(N > x), exact in the far tail.
-- @tparam number x
-- @treturn number
function special.normal_sf(x) return special.normal_cdf(-x) end

local CENTRE = { -- |p - 1/2| <= 0.425
  { 3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
    45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727 },
  { 1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
    39307.89580009271061, 28729.085735721942674, 5226.495278852545925 },
}
local TAIL = { -- in sqrt(-log p) - 1.6
  { 1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4 },
  { 1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9 },
}
local FAR = { -- in sqrt(-log p) - 5
  { 6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7 },
  { 1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15 },
}

--- The x with P(N <= x) = p.
-- Source: Wichura, Algorithm AS 241, 1988.
-- @tparam number p from 0 to 1; -inf and inf at the ends, NaN outside
-- @treturn number
function special.normal_quantile(p)
  if not (p >= 0 and p <= 1) then return nan end
  if p == 0 then return -huge end
  if p == 1 then return huge end
  local q = p - 0.5
  if abs(q) <= 0.425 then
    local r = 0.180625 - q * q
    return q * polynomial(CENTRE[1], r) / polynomial(CENTRE[2], r)
  end
  local r = sqrt(-log(q < 0 and p or 1 - p))
  local part, shift = TAIL, 1.6
  if r > 5 then part, shift = FAR, 5 end
  local x = polynomial(part[1], r - shift) / polynomial(part[2], r - shift)
  return q < 0 and -x or x
end

-- ------------------------------------------------------------------ gamma and beta

-- The tail of Stirling's series: log gamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2), x >= 10.
local STIRLING = { 1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156 }
local function stirling(x) return polynomial(STIRLING, 1 / (x * x)) / x end

-- log gamma(x), 0 < x < 10, by way of x + k >= 10.
local function log_gamma_small(x)
  local product = 1.0
  while x < 10 do product, x = product * x, x + 1 end
  return (x - 0.5) * log(x) - x + 0.5 * log(2 * pi) + stirling(x) - log(product)
end

--- log of the gamma function for x > 0; relative to 1 + |result|, errors are below 1e-14.
-- @tparam number x
-- @treturn number
function special.log_gamma(x)
  if x == 0 then return huge end
  if x < 0 or x ~= x then return nan end
  x = x + 0.0
  if x == huge then return huge end
  if x < 10 then return log_gamma_small(x) end
  return (x - 0.5) * log(x) - x + 0.5 * log(2 * pi) + stirling(x)
end

--- log of the beta function for a, b > 0, without the cancellation of large gammas.
-- Source: Didonato and Morris, Algorithm 708, 1992.
-- @tparam number a
-- @tparam number b
-- @treturn number
function special.log_beta(a, b)
  local p, q = math.min(a, b) + 0.0, math.max(a, b) + 0.0
  if q < 10 then return special.log_gamma(p) + special.log_gamma(q) - special.log_gamma(p + q) end
  if p < 10 then
    return special.log_gamma(p) + stirling(q) - stirling(p + q) + p - p * log(p + q)
      + (q - 0.5) * log1p(-p / (p + q))
  end
  return -0.5 * log(q) + 0.5 * log(2 * pi) + stirling(p) + stirling(q) - stirling(p + q)
    + (p - 0.5) * log(p / (p + q)) + q * log1p(-p / (p + q))
end

-- The continued fraction of I_x(a, b), x below (a + 1) / (a + b + 2), by Lentz's method.
local function fraction(x, a, b)
  local tiny = 1e-300
  local c, d = 1, 1 - (a + b) * x / (a + 1)
  if abs(d) < tiny then d = tiny end
  d = 1 / d
  local value = d
  for m = 1, 10000 do
    for half = 1, 2 do
      local k = half == 1 and m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        or -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      d, c = 1 + k * d, 1 + k / c
      if abs(d) < tiny then d = tiny end
      if abs(c) < tiny then c = tiny end
      d = 1 / d
      value = value * (d * c)
    end
    if abs(d * c - 1) < EPSILON * 4 then break end
  end
  return value
end

-- I_x(a, b) and 1 - it, with y = 1 - x given for the sake of its digits.
local function incomplete_beta(x, y, a, b)
  if x <= 0 then return 0, 1 end
  if y <= 0 then return 1, 0 end
  local log_x = x < 0.5 and log(x) or log1p(-y)
  local log_y = y < 0.5 and log(y) or log1p(-x)
  local front = exp(a * log_x + b * log_y - special.log_beta(a, b))
  if x < (a + 1) / (a + b + 2) then
    local lower = front * fraction(x, a, b) / a
    return lower, 1 - lower
  end
  local upper = front * fraction(y, b, a) / b
  return 1 - upper, upper
end

--- The regularised incomplete beta function I_x(a, b): P(B <= x) of a beta law.
-- @tparam number x from 0 to 1
-- @tparam number a above 0
-- @tparam number b above 0
-- @treturn number
function special.beta_cdf(x, a, b)
  if not (x >= 0 and x <= 1 and a > 0 and b > 0) then return nan end
  return (incomplete_beta(x + 0.0, 1 - x, a + 0.0, b + 0.0))
end

-- ------------------------------------------------------------------ Student

--- P(|T| > |t|) of Student's law: the two-sided p-value.
-- @tparam number t
-- @tparam number freedom degrees of freedom, above 0
-- @treturn number
function special.t_two_sided(t, freedom)
  if not (t == t and freedom > 0) then return nan end
  t = t + 0.0
  local square = t * t
  if square == huge then return 0 end
  local sum = freedom + square
  return (incomplete_beta(freedom / sum, square / sum, freedom / 2, 0.5))
end

--- P(T <= t) of Student's law.
-- @tparam number t
-- @tparam number freedom degrees of freedom, above 0
-- @treturn number
function special.t_cdf(t, freedom)
  local tails = special.t_two_sided(t, freedom)
  return t < 0 and tails / 2 or 1 - tails / 2
end

-- The t >= 0 with P(|T| > t) = tails, by Newton's steps on log t inside a bracket.
local function upper_point(tails, freedom)
  local low, high = 0.0, 1.0
  while special.t_two_sided(high, freedom) > tails do
    low, high = high, high * 2
    if high > 1e300 then return huge end
  end
  local t = (low + high) / 2
  local scale = -0.5 * log(freedom) - special.log_beta(freedom / 2, 0.5)
  for _ = 1, 200 do
    local p = special.t_two_sided(t, freedom)
    if p > tails then low = t else high = t end
    local density = 2 * exp(scale - (freedom + 1) / 2 * log1p(t * t / freedom))
    local step = (p - tails) / density
    local new = t + step
    if not (new > low and new < high) then new = (low + high) / 2 end
    if abs(new - t) <= 2 * EPSILON * t or new == low or new == high then return new end
    t = new
  end
  return t
end

--- The t with P(T <= t) = p of Student's law.
-- @tparam number p from 0 to 1; -inf and inf at the ends, NaN outside
-- @tparam number freedom degrees of freedom, above 0
-- @treturn number
function special.t_quantile(p, freedom)
  if not (p >= 0 and p <= 1 and freedom > 0) then return nan end
  if p == 0 or p == 1 or freedom == huge then return special.normal_quantile(p) end
  if p == 0.5 then return 0 end
  freedom = freedom + 0.0
  if p < 0.5 then return -upper_point(2 * p, freedom) end
  return upper_point(2 * (1 - p), freedom)
end

return special
