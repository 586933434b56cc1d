--- Pictures: figures through gnuplot, and solutions as PNG.
-- Files are written whole or not at all. What the outside world does (gnuplot missing, a folder that
-- cannot be written) gives nil and a message.
--
-- Figures take these options beside their own: `title`, `x_label`, `y_label` (texts), `file` ("name.svg" or
-- "name.png"; none: as text on stdout), `script` (a folder for the data and the gnuplot script, to restyle a
-- figure; needs no gnuplot), `format` ("svg" or "text": the picture is the value, no file), `width`,
-- `height` (pixels, or characters of text), `key = false` (no legend), `x_log`, `y_log`. Answers are true, or
-- nil and a message, and no file.
-- @module mapgrad.plot
local plot = {}

--- Lines with markers, and bands around them.
-- @param options.series  list of {name=, x={numbers}, y={numbers}, low={numbers}, high={numbers}}; low and
-- high, the borders of a band, may be absent; a point that is not finite breaks the line
-- @param options.steps   true: each value holds until the next x (default false)
-- @return true; or nil and a message, and no file
plot.curves = require "mapgrad.plot.curves"

--- Maps, true paths, predicted paths and learned costs side by side, a row for each instance. On a
-- predicted path, white dots are cells of the true one, orange dots are not. Costs run from dark (low) to
-- yellow (high), each map by its own range.
-- @param options.file   name of the PNG
-- @param options.rows   list of {image=[3,h,w], truth=[r,c], predicted=[r,c], costs=[r,c]}, tensors; image
-- entries in 0..1, or in 0..255 if any is above 1
-- @param options.scale  pixels for one of the image (default: panels about 300 high)
-- @return true; or nil and a message, and no file
plot.paths = require "mapgrad.plot.paths"

return plot
