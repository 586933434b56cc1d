--- How series look: colours that people with any colour vision tell apart (Okabe and Ito 2008); each has its
-- own dash and marker too, so that a print in grey can be read.
-- @module mapgrad.plot.style
local style = {}

--- Colours by series; after the last they start again.
style.palette = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000" }
--- gnuplot's markers by series: disc, square, up, down, diamond, ring, open square.
style.markers = { 7, 5, 9, 11, 13, 6, 4 }

--- Lines of the frame and the grid.
style.frame, style.grid = "#555555", "#DDDDDD"

--- Perceptually even from dark blue to yellow (viridis), for heat maps.
style.heat = { { 68, 1, 84 }, { 59, 82, 139 }, { 33, 145, 140 }, { 94, 201, 98 }, { 253, 231, 37 } }

--- The place of a series in the lists.
function style.place(index)
  return (index - 1) % #style.palette + 1
end

--- The colour of a share from 0 to 1: red, green, blue from 0 to 255.
function style.heat_colour(share)
  local heat = style.heat
  local place = share * (#heat - 1)
  local i = math.min(math.floor(place), #heat - 2)
  local a, b, t = heat[i + 1], heat[i + 2], place - i
  return { a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2]), a[3] + t * (b[3] - a[3]) }
end

--- gnuplot's words for the colour of a series.
function style.colour(index)
  return ("linecolor rgb '%s'"):format(style.palette[style.place(index)])
end

--- gnuplot's words for its marker and colour.
function style.marker(index)
  return ("pointtype %d %s"):format(style.markers[style.place(index)], style.colour(index))
end

--- gnuplot's words for its dash, marker and colour.
function style.line(index)
  return ("dashtype %d %s"):format((index - 1) % 5 + 1, style.marker(index))
end

return style
