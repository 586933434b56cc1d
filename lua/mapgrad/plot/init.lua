--- Pictures: figures through gnuplot, and solutions as PNG.
-- Files are written whole or not at all. What the outside world does (gnuplot missing, a folder that
-- cannot be written) gives nil and a message.
--
-- Figures (bars, curves, heat, profile, scatter) take these options beside their own: `title`, `x_label`,
-- `y_label` (texts), `file` ("name.svg" or "name.png"; none: as text on stdout), `script` (a folder for the data
-- and the gnuplot script, to restyle a figure; needs no gnuplot), `format` ("svg" or "text": the picture is the
-- answer, no file), `width`, `height` (pixels, or characters of text), `key = false` (no legend), `x_log`,
-- `y_log`. They answer true, or nil and a message, and no file.
-- @usage plot.curves { file = "loss.svg", series = { { name = "loss", x = { 1, 2, 3 }, y = { 3, 2, 1 } } } }
-- @module mapgrad.plot
local check = require "mapgrad.check"

local names = { "bars", "curves", "heat", "paths", "profile", "scatter", "sparkline", "structure" }

return check.registry("plot", names, function(name)
  return require("mapgrad.plot." .. name)
end)
