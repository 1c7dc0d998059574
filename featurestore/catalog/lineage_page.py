"""Lineage as one HTML file: the drawing, what its colours mean, and the same as a tree for those who read it aloud."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from featurestore.catalog.diagrams import tree
from featurestore.catalog.drawing import STYLE, svg
from featurestore.catalog.pages import whole_page
from featurestore.texts import counted

if TYPE_CHECKING:
    from featurestore.catalog.lineage import Lineage

_STYLE = (
    """
* { box-sizing: border-box; }
html { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; background: var(--page);
  color: var(--text); }
body { margin: 0; }
header { border-bottom: 1px solid var(--line); background: var(--card); padding: .85rem 1.5rem; display: flex;
  gap: .3rem 1.2rem; align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1.12rem; font-weight: 650; letter-spacing: -.01em; margin: 0; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--soft); font-size: .9rem; }
main { padding: 1.5rem; display: grid; gap: 1.2rem; grid-template-columns: minmax(0, 1fr); }
.wide { overflow: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; }
.wide svg { margin: 0 auto; }
summary { cursor: pointer; color: var(--soft); }
pre { font: .84rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-x: auto; margin: .6rem 0 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
"""
    + STYLE
)


def lineage_page(lineage: Lineage, *, title: str) -> str:
    """Write the page; it holds no script."""
    said = f"{counted(len(lineage.nodes), 'node')}, data flows from left to right"
    body = (
        f"<header><h1>{escape(title)}</h1><p>{said}</p></header>\n<main>\n"
        f'<div class="wide" tabindex="0" role="region" aria-label="Drawing">{svg(lineage)}</div>\n'
        f'<details><summary>As text</summary><pre tabindex="0">{escape(tree(lineage))}</pre></details>\n</main>'
    )
    return whole_page(title=title, style=_STYLE, body=body)
