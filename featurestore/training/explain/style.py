"""The style of a timeline and of its page: light and dark by the reader's system, on a ground of its own.

A notebook's theme does not tell a figure what it is, so the figure brings its own ground and never stands dark on dark.
Every rule is bound to the class of the figure, since an inline style holds for the whole page around it.
"""

from __future__ import annotations

_LIGHT = (
    "--page:#fff;--lane:#f6f8fa;--ink:#1f2328;--muted:#59636e;--line:#d1d9e0;"
    "--taken:#1a7f37;--later:#9a6700;--passed:#c4242e;--other:#59636e;--window:#0969da"
)
_DARK = (
    "--page:#0d1117;--lane:#151b23;--ink:#f0f6fc;--muted:#9198a1;--line:#3d444d;"
    "--taken:#3fb950;--later:#d29922;--passed:#ff7b72;--other:#9198a1;--window:#4493f8"
)
_RULES = {
    "": "max-width:1040px;width:100%;height:auto;font:13px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif",
    " text": "fill:var(--ink)",
    " .page": "fill:var(--page);stroke:var(--line)",
    " .lane": "fill:var(--lane);stroke:var(--line)",
    " .name": "font-size:19px;font-weight:600",
    " .title": "font-size:15px;font-weight:600",
    " .muted": "fill:var(--muted);font-size:12px",
    " .time": "font:11.5px ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace",
    " .value": "font:11.5px ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace;fill:var(--muted)",
    " .verdict": "font-size:12px",
    " .verdict.taken": "fill:var(--taken);font-weight:600",
    " .verdict.later": "fill:var(--later)",
    " .verdict.passed": "fill:var(--passed)",
    " .time.taken": "font-weight:700",
    " .tick": "fill:var(--muted);font-size:11px",
    " .tick.here": "fill:var(--ink);font-weight:600",
    " .grid": "stroke:var(--line);stroke-dasharray:2 4",
    " .guide": "stroke:var(--line);stroke-opacity:.55",
    " .now": "stroke:var(--ink);stroke-width:2",
    " .window": "fill:var(--window);fill-opacity:.13",
    " .edge": "stroke:var(--window);stroke-dasharray:4 3",
    " .delay": "fill:none;stroke:var(--later);stroke-opacity:.6",
    " .hatch": "stroke:var(--later);stroke-opacity:.45;fill:none",
    " .age": "stroke:var(--taken);stroke-width:3;stroke-opacity:.7",
    " .known": "stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 2",
    " .known.end": "stroke-dasharray:none;stroke-width:2",
    " .mark": "fill:var(--lane);stroke:var(--other);stroke-width:2",
    " .mark.taken": "fill:var(--taken);stroke:var(--lane);stroke-width:2",
    " .mark.later": "fill:var(--lane);stroke:var(--later)",
    " .mark.passed": "fill:none;stroke:var(--passed);stroke-width:2.5",
    " .bar": "fill:var(--other);fill-opacity:.35",
    " .open": "fill:var(--other);fill-opacity:.6",
    " .bar.taken,.fs-explain .open.taken": "fill:var(--taken);fill-opacity:.45",
    " .bar.later,.fs-explain .open.later": "fill:var(--later);fill-opacity:.35",
    " .bar.passed,.fs-explain .open.passed": "fill:var(--passed);fill-opacity:.3",
}
STYLE = f".fs-explain{{{_LIGHT}}}@media(prefers-color-scheme:dark){{.fs-explain{{{_DARK}}}}}" + "".join(
    f".fs-explain{selector}{{{rule}}}" for selector, rule in _RULES.items()
)
DRAWING = ".fs-draw{overflow-x:auto;max-width:1040px}.fs-draw svg{min-width:860px}"
"""Where a figure has less room than its text can be read in, it scrolls sideways."""

TABLES = (
    f".fs-rows{{{_LIGHT};color:var(--ink);background:var(--page);font:13px system-ui,sans-serif;max-width:1040px}}"
    f"@media(prefers-color-scheme:dark){{.fs-rows{{{_DARK}}}}}"
    ".fs-rows details{margin:10px 4px}.fs-rows summary{cursor:pointer;padding:4px}"
    ".fs-rows .scroll{overflow-x:auto}.fs-rows table{border-collapse:collapse;margin:6px 0 14px}"
    ".fs-rows caption{text-align:left;font-weight:600;padding:4px 0}"
    ".fs-rows th,.fs-rows td{border-bottom:1px solid var(--line);padding:3px 10px;text-align:left;white-space:nowrap;"
    "font-weight:400;background:none;color:inherit}.fs-rows thead th{color:var(--muted)}"
    ".fs-rows tr.taken>*{font-weight:700}.fs-rows pre{overflow-x:auto;padding:8px;border:1px solid var(--line)}"
)
PAGE = (
    "html{color-scheme:light dark}body{margin:24px auto;padding:0 16px;max-width:1040px;background:#fff}"
    "@media(prefers-color-scheme:dark){body{background:#010409}}"
)
