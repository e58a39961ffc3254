#pragma once

namespace leaven::samples {

/// The style sheet of Report.
inline constexpr char kReportStyle[] = R"css(
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1d2126; --soft: #565d66; --line: #d9dbd6; --accent: #0b5f9e;
  --right: #17703a; --wrong: #b3261e; --tint: #eef4f9;
  --s0: #0b62a8; --s1: #c2410c; --s2: #0f766e; --s3: #7e22ce; --s4: #8a6100; --s5: #be185d; --s6: #4b5563; --s7: #4d7c0f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16191d; --card: #1e2227; --ink: #e6e8ea; --soft: #a7afb8; --line: #3a4048; --accent: #7cb8ee;
    --right: #6fd08c; --wrong: #ff8f85; --tint: #23303c;
    --s0: #60a5fa; --s1: #fb923c; --s2: #2dd4bf; --s3: #c58cfc; --s4: #facc15; --s5: #f472b6; --s6: #cbd5e1; --s7: #a3e635;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .6rem 0; }
.summary { font-size: 1.08rem; color: var(--soft); }
a { color: var(--accent); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; list-style: none; margin: 1.1rem 0 0; padding: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.2rem 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .85rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--ink); font-size: .88rem; vertical-align: bottom; }
tbody th { font-weight: 400; }
.left { text-align: left; }
.right-side { text-align: right; white-space: nowrap; }
td.left { min-width: 13rem; color: var(--soft); font-size: .92rem; }
tr.group th { font-weight: 600; font-size: .88rem; color: var(--soft); padding-top: 1rem; }
tr.best { background: var(--tint); }
tr.best th, tr.best .right-side { font-weight: 600; }
.gain { color: var(--right); }
.loss { color: var(--wrong); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 1rem; }
figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .92rem; margin-bottom: .5rem; max-width: 46rem; }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .85rem 1rem; margin: 0; }
.chart figcaption { color: var(--ink); font-weight: 600; font-size: 1rem; margin-bottom: .4rem; }
.chart .scroll svg { display: block; width: 100%; min-width: 400px; height: auto; }
.chart text { fill: var(--soft); font-size: 13px; }
.x-tick, .x-label, .y-label { text-anchor: middle; }
.y-tick { text-anchor: end; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; }
.axis { stroke: var(--soft); stroke-width: 1; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 6 4; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
.s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); } .s6 { stroke: var(--s6); } .s7 { stroke: var(--s7); }
.dot { fill: var(--card); stroke-width: 2; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; margin: .5rem 0 0; padding: 0; font-size: .88rem; }
.legend svg { width: 26px; height: 10px; margin-right: .4rem; vertical-align: middle; }
.legend b { font-weight: 600; font-variant-numeric: tabular-nums; }
.empty { color: var(--soft); }
.images { display: grid; gap: .75rem .6rem; grid-template-columns: repeat(auto-fill, min(100%, calc(var(--side) + 6px))); }
.images figure { margin: 0; min-width: 0; }
.images img { display: block; max-width: 100%; height: auto; border-radius: 3px; }
.images .pixels { image-rendering: pixelated; }
.images figcaption { font-size: .8rem; line-height: 1.3; margin: .25rem 0 0; overflow-wrap: break-word; }
.images .right img, .images .wrong img { outline: 3px solid; outline-offset: 1px; }
.images .right img { outline-color: var(--right); }
.images .wrong img { outline-color: var(--wrong); }
.images .right b { color: var(--right); }
.images .wrong b { color: var(--wrong); }
)css";

}  // namespace leaven::samples
