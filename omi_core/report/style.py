"""The page's style sheet: light, dark and print, with colours that stay apart for colour-blind readers.

Charts draw with the classes k0 to k6; k0 is the quiet grey of plans and remainders. The colours are those
of Okabe and Ito ("Color Universal Design", 2008), made lighter or darker to stand out from the background.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --soft: #5b6470; --rule: #dde1e6;
  --k0: #9aa3ae; --k1: #1f6fb4; --k2: #c8501e; --k3: #d99a00; --k4: #9b5a9a; --k5: #0b8a66; --k6: #4aa3d8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1d2126; --ink: #e6e9ed; --soft: #9ca6b2; --rule: #343b44;
    --k0: #6f7985; --k1: #5aa9e6; --k2: #ee8152; --k3: #e8b53a; --k4: #c88ec6; --k5: #3cc29a; --k6: #a3d5f5;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 20px; margin: 44px 0 4px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 0; }
p { margin: 0; }
.soft, figcaption p { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.warn { border-left: 4px solid var(--k3); padding-left: 10px; margin: 10px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(200px, 45%), 1fr)); gap: 10px;
  margin: 14px 0; }
.tile, figure, .row { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
.tile { padding: 9px 13px; }
.tile b { display: block; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 12.5px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(470px, 100%), 1fr)); gap: 14px;
  margin: 14px 0; }
figure { margin: 0; padding: 14px 16px 12px; break-inside: avoid; min-width: 0; }
figcaption { margin-bottom: 8px; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .axis text { fill: var(--soft); font-size: 11.5px; }
svg .end text { text-anchor: end; } svg .middle text { text-anchor: middle; }
svg text.note { fill: var(--soft); }
.grid { stroke: var(--rule); stroke-width: 1; }
.moment { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 6 5; stroke-width: 1.5; }
.hit { fill: var(--ink); fill-opacity: 0; } .column:hover .hit { fill-opacity: .07; }
.mark:hover { opacity: .75; }
.spot { stroke: transparent; stroke-width: 10; }
.hidden { fill-opacity: 0; } .hidden:hover { fill-opacity: 1; }
rect.thin { opacity: .55; }
.k0 { --c: var(--k0); } .k1 { --c: var(--k1); } .k2 { --c: var(--k2); } .k3 { --c: var(--k3); }
.k4 { --c: var(--k4); } .k5 { --c: var(--k5); } .k6 { --c: var(--k6); }
.mark, .spot { fill: var(--c); } .line { stroke: var(--c); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; padding: 0; margin: 4px 0 0;
  font-size: 12.5px; color: var(--soft); overflow-wrap: anywhere; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; background: var(--c);
  margin-right: 6px; }
details { margin-top: 8px; font-size: 13px; } summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { text-align: right; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule); }
td { white-space: nowrap; }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
th:first-child, td:first-child, td.left, th.left { text-align: left; }
a { color: var(--k1); }
.row { padding: 12px 16px; margin: 10px 0; break-inside: avoid; }
.row pre { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; margin: 4px 0 10px;
  font: 13px/1.45 ui-monospace, monospace; }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc;
    --k0: #9aa3ae; --k1: #1f6fb4; --k2: #c8501e; --k3: #d99a00; --k4: #9b5a9a; --k5: #0b8a66; --k6: #4aa3d8; }
  body { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .charts { grid-template-columns: 1fr 1fr; } .tiles { grid-template-columns: repeat(5, 1fr); }
  .tile b { font-size: 14px; } h2 { break-after: avoid; }
  details { display: none; }
  .scroll { overflow: visible; } .compared { font-size: 7px; width: 100%; }
  .compared th, .compared td { padding: 3px 4px 3px 0; white-space: normal; }
  .compared td:first-child { overflow-wrap: anywhere; }
  section:has(h2) { break-before: page; }
  @page { margin: 14mm; }
}
"""
