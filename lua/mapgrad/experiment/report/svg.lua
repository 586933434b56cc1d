--- gnuplot's SVG as a part of a page: colours that follow the page's, no ids of its own, nothing that draws nothing.
-- The markers that all pictures use are defined once for the page.
-- @module mapgrad.experiment.report.svg
local html = require "mapgrad.experiment.report.html"
local style = require "mapgrad.plot.style"

local svg = {}

-- "rgb(  0, 114, 178)" -> the name of a colour of the page.
local names = {}
local function name_colour(hex, name)
  local red, green, blue = hex:match "#(%x%x)(%x%x)(%x%x)"
  names[("%d,%d,%d"):format(tonumber(red, 16), tonumber(green, 16), tonumber(blue, 16))] = name
end
for i, hex in ipairs(style.palette) do name_colour(hex, ("--series-%d"):format(i)) end
name_colour(style.frame, "--frame")
name_colour(style.grid, "--grid")

local function colour(text)
  local name = names[(text:gsub("%s", ""))]
  return name and ("var(%s)"):format(name) or ("rgb(%s)"):format(text:gsub("%s", ""))
end

-- Groups without contents, again and again, since one may hold another.
local function without_empty(text)
  local count
  repeat text, count = text:gsub("<g[^>]*>%s*</g>%s*", "") until count == 0
  return text
end

-- A tag in the page's colours, without ids and what is so anyway. Texts are not touched.
local function tag(text)
  return (text:gsub('^(<g.-)%s+id="[^"]*"', "%1"):gsub("xlink:href", "href"):gsub(" = '", "='")
    :gsub("rgb%(([%d%s,]+)%)", colour):gsub("=(['\"])black%1", '="currentColor"')
    :gsub(' stroke%-linecap="butt"', ""):gsub(' stroke%-linejoin="miter"', ""):gsub(' stroke%-width="1%.00"', "")
    :gsub(' font%-family="[^"]*"', ""):gsub(' color="%a+"', ""):gsub(' class="gridline"', "")
    :gsub("(%d)%.00%f[^%d]", "%1"):gsub("%s+", " "):gsub("%s>", ">"):gsub("%s/>", "/>"))
end

--- The markers of a picture, for a page's one definition of them.
function svg.markers(text)
  local definitions = (text:match "<defs>(.-)</defs>" or ""):gsub("<filter.-</filter>", "")
    :gsub("xlink:href", "href"):gsub("%s*\n%s*", "\n"):gsub("'", '"')
  return ('<svg class="definitions" aria-hidden="true" width="0" height="0"><defs>%s</defs></svg>'):format(definitions)
end

--- A picture for a page.
-- @param text   gnuplot's SVG
-- @param label  what it shows, for those who do not see it
function svg.inline(text, label)
  local box, body = text:match 'viewBox="([^"]*)"', html.valid(text):match "<svg.->(.*)</svg>"
  body = body:gsub("<defs>.-</defs>", ""):gsub("<title>.-</title>", ""):gsub("<desc>.-</desc>", "")
    :gsub("<rect[^>]*/>", "", 1):gsub("<text></text>", "") -- the background, and titles that were not given
  body = without_empty(body):gsub("<[^>]*>", tag):gsub("%s*\n%s*", "\n")
  return ('<svg class="figure" viewBox="%s" role="img" aria-label="%s">%s</svg>'):format(box, html.escape(label), body)
end

return svg
