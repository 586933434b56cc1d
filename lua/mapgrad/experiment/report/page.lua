--- The look of a report: one style sheet, light and dark, on screens of any width and on paper.
-- @module mapgrad.experiment.report.page
local html = require "mapgrad.experiment.report.html"
local style = require "mapgrad.plot.style"

local page = {}

-- The same hues on a dark page, light enough to be seen.
local on_dark = { "#4DA3E8", "#F08A3C", "#2FC79A", "#E79CC6", "#F2BC3F", "#9BD5F7", "#F2F4F6" }

local function series_colours(list)
  local parts = {}
  for i, hex in ipairs(list) do parts[i] = ("--series-%d:%s;"):format(i, hex) end
  return table.concat(parts)
end

local SHEET = [[
:root{color-scheme:light dark;--page:#fff;--text:#1c2127;--muted:#59636e;--rule:#d9dee3;--soft:#f5f7f9;--link:#0a5ca8;
--good:#1a7f4b;--bad:#b3261e;--frame:#6b7480;--grid:#e4e8ec;LIGHT}
@media screen and (prefers-color-scheme:dark){:root{--page:#12161b;--text:#e4e8ec;--muted:#9aa6b2;--rule:#2e363f;
--soft:#1a2027;--link:#7ab8f5;--good:#5cc98f;--bad:#ff8a80;--frame:#8b96a2;--grid:#29313a;DARK}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:72rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
header{padding-top:clamp(1.5rem,5vw,3rem)}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;margin:0 0 .4rem;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:3rem 0 .75rem;letter-spacing:-.01em}
h3{font-size:1rem;margin:0 0 .25rem}
p{margin:.5rem 0;max-width:46rem;overflow-wrap:anywhere}
a{color:var(--link)}
.lead{font-size:1.1rem;margin:.9rem 0 0}
.muted,figcaption{color:var(--muted)}
.muted,figcaption,.notes,footer{font-size:.9rem}
td .muted,td.muted{font-size:inherit}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:.7rem 0;margin:1.5rem 0 0;
border-block:1px solid var(--rule)}
.scroll{overflow-x:auto;margin:.75rem 0}
.scroll:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:separate;border-spacing:0;font-size:.9rem;line-height:1.4;font-variant-numeric:tabular-nums}
.wide{width:100%}
th,td{padding:.42rem .75rem;text-align:left;vertical-align:middle;border-bottom:1px solid var(--rule)}
thead th{color:var(--muted);font-weight:600;vertical-align:bottom;border-bottom:2px solid var(--rule)}
tbody th{font-weight:600;background:var(--page);position:sticky;left:0;
overflow-wrap:break-word;min-width:11rem;max-width:22rem}
table .long{overflow-wrap:anywhere}
td{white-space:nowrap}
td.text{white-space:normal;overflow-wrap:anywhere;min-width:4rem;max-width:24rem}
.number{text-align:right}
.best th,.best td{background:var(--soft)}
.best th{box-shadow:inset 3px 0 0 var(--good)}
.tag{font-size:.85em;font-weight:600;color:var(--good);white-space:nowrap}
.group{display:flex;align-items:center;gap:.6em}
.swatch{flex:none;width:38px;height:14px}
.interval{width:120px;height:18px;display:block}
.spark{width:110px;height:24px;display:block}
.runs tbody th{font-weight:400}
.spark polyline{fill:none;stroke:var(--series-1);stroke-width:1.5;stroke-linejoin:round}
.swatch,.interval{fill:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;padding:0;margin:.75rem 0;font-size:.9rem}
.legend span{overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:2rem 2.25rem;margin:1rem 0}
figure{margin:0;min-width:0}
figcaption{margin:0 0 .5rem;min-height:5.1em}
figcaption h3{color:var(--text)}
.figure{display:block;width:100%;height:auto;font-family:inherit;color:var(--text)}
.notes{margin:1rem 0;padding:.6rem 1rem .6rem 2.1rem;max-width:46rem;background:var(--soft);
border-left:3px solid var(--series-5);overflow-wrap:anywhere}
.notes li{padding:.12rem 0}
.state{white-space:nowrap}
.finished{color:var(--good)}
.failed{color:var(--bad)}
pre{background:var(--soft);border:1px solid var(--rule);border-radius:4px;padding:.7rem .9rem;overflow-x:auto;
font-size:.85rem;line-height:1.5;margin:.5rem 0 1rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
footer{margin-top:3rem;padding-block:1rem 2.5rem;color:var(--muted)}
footer p{border-top:1px solid var(--rule);padding-top:1rem;max-width:none}
.definitions{position:absolute}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 3rem}
@media (max-width:40rem){tbody th{min-width:8rem;max-width:11rem}figcaption{min-height:0}
th,td{padding:.38rem .5rem}h2{margin-top:2.25rem}}
@media print{@page{margin:16mm 14mm}body{font-size:10pt}main,header,footer{max-width:none;padding-inline:0}
nav{display:none}.figures,.pair{grid-template-columns:1fr 1fr;gap:0 1.2rem}figure,tr,.notes li,pre{break-inside:avoid}
h2,h3,p{break-after:avoid}thead{display:table-header-group}.scroll{overflow:visible}
tbody th{position:static}table{font-size:8pt}th,td{padding:.2rem .4rem}.interval{width:90px}.spark{width:70px}
pre{white-space:pre-wrap;overflow-wrap:anywhere}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
]]

--- A whole page.
-- @param title     text
-- @param contents  HTML of the body
function page.whole(title, contents)
  local sheet = SHEET:gsub("LIGHT", series_colours(style.palette)):gsub("DARK", series_colours(on_dark))
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    "<title>", html.escape(title), "</title>\n<style>\n", sheet, "</style>\n</head>\n<body>\n", contents,
    "</body>\n</html>\n",
  }
end

return page
