"""The frame of the report: style, script, and a policy that lets the browser load nothing from anywhere."""

import base64
import hashlib

from afl_core.report.parts import escape, script_json

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b636c; --paper: #ffffff; --line: #dfe3e8; --tint: #f5f7f9;
  --accent: #0072b2; --warn: #fff6e0; --warn-line: #e69f00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3abb5; --paper: #14171a; --line: #343a41;
  --tint: #1d2125; --accent: #56b4e9; --warn: #2b2412; --warn-line: #e69f00; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 28px; overflow-wrap: anywhere; }
header { padding-top: 36px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 21px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 24px 0 6px; }
p { margin: 8px 0; max-width: 82ch; }
.lead { font-size: 19px; line-height: 1.45; border-left: 4px solid var(--accent); padding: 2px 0 2px 16px;
  margin: 20px 0; }
.soft, figcaption, .note { color: var(--soft); font-size: 14px; }
.warn { background: var(--warn); border-left: 4px solid var(--warn-line); padding: 10px 14px; border-radius: 4px;
  max-width: none; }
ul { padding-left: 20px; margin: 8px 0; } li { margin: 4px 0; max-width: 82ch; }
.wide { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
th, td { padding: 6px 10px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--line); }
th:first-child, td:first-child { padding-left: 4px; min-width: 128px; }
td { white-space: pre-line; color: var(--soft); } td::first-line { color: var(--ink); }
.number { text-align: right; } td.number { white-space: pre; }
tbody tr:hover { background: var(--tint); }
dl { display: grid; grid-template-columns: minmax(140px, max-content) 1fr; gap: 4px 18px; font-size: 14px;
  margin: 10px 0; }
dt { color: var(--soft); } dd { margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 14px; margin: 14px 0; }
a { color: var(--accent); }
.charts, .tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 18px; }
.chart { min-height: 320px; min-width: 0; }
.pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 18px; }
figure { margin: 10px 0; min-width: 0; } figure img { width: 100%; height: auto; display: block; border-radius: 4px; }
figcaption { margin-top: 6px; } figcaption strong { color: var(--ink); }
.missing { background: var(--tint); border-radius: 4px; padding: 24px 16px; color: var(--soft); }
.keys { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 14px; margin: 8px 0; }
.keys svg { vertical-align: middle; margin-right: 6px; }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--accent); font-size: 14px; }
code { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--tint);
  padding: 2px 5px; border-radius: 3px; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; padding-top: 20px; padding-bottom: 40px; }
@media (max-width: 800px) { .pictures, .charts, .tables { grid-template-columns: 1fr; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #ccc; --tint: #f5f7f9; --warn: #fff6e0;
  --accent: #004d80; color-scheme: light; }
  body { font-size: 12px; } .lead { font-size: 15px; } .note, .soft, figcaption, dl { font-size: 11px; }
  table { font-size: 10px; } th, td { padding: 3px 5px; } nav { display: none; }
  main, header, footer { max-width: none; padding: 0; } .charts { grid-template-columns: 1fr; }
  figure, tr, .chart { break-inside: avoid; } h2, h3 { break-after: avoid; } .wide { overflow: visible; } }
"""

SCRIPT = """
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = [...document.querySelectorAll("script[data-chart]")].map(
  (data) => [document.getElementById(data.dataset.chart), JSON.parse(data.textContent)]);
function template(isDark) {
  const ink = isDark ? "#e8eaed" : "#1c2024", line = isDark ? "#343a41" : "#dfe3e8", clear = "rgba(0,0,0,0)";
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return { layout: { font: { color: ink, family: "system-ui, sans-serif", size: 13 }, paper_bgcolor: clear,
    plot_bgcolor: clear, xaxis: axis, yaxis: axis } };
}
function draw([target, figure], isDark, width) {
  const layout = { ...figure.layout, template: template(isDark), autosize: !width };
  if (width) layout.width = width;
  Plotly.react(target, figure.data, layout, { displaylogo: false, responsive: true, displayModeBar: "hover" });
}
async function drawAll() {
  for (const chart of charts) {
    draw(chart, dark.matches);
    await new Promise((next) => setTimeout(next));
  }
  document.body.dataset.drawn = charts.length;
}
drawAll();
dark.addEventListener("change", drawAll);
let folds = [];
addEventListener("beforeprint", () => {
  folds = [...document.querySelectorAll("details:not([open])")];
  folds.forEach((fold) => { fold.open = true; });
  charts.forEach((chart) => draw(chart, false, 680));
});
addEventListener("afterprint", () => { folds.forEach((fold) => { fold.open = false; }); drawAll(); });
"""


def frame(*, title: str, html: str, document: str) -> str:
    """The whole file as HTML.

    Args:
        title: Title of the window.
        html: Content of the page.
        document: JSON that is embedded for scripts and people to read back.
    """
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - reads 5 MB

    scripts = [get_plotlyjs().replace("\r\n", "\n"), SCRIPT]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy(scripts))}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{html}"
        f'<script type="application/json" id="breakdown">{script_json(document)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def policy(scripts: list[str]) -> str:
    """What the browser may do: run these scripts and no other, show embedded pictures, and load nothing."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
