"""A page on disk: our colours, and a policy under which a browser runs this page's script alone and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_LIGHT = """
  color-scheme: light;
  --page: #f7f6f3; --card: #ffffff; --sunk: #f3f1ed; --line: #e2dfd8; --strong: #c9c5bb;
  --text: #23272b; --soft: #5c636b; --accent: #0b625d; --on-accent: #ffffff; --tint: #e4f0ee;
  --good: #1d6b3f; --good-bg: #e5f2e9; --warn: #85500a; --warn-bg: #faeed9; --bad: #9c2f2a; --bad-bg: #fae7e5;
  --none: #565d66; --none-bg: #eceae5; --shadow: 0 1px 2px rgb(35 39 43 / 6%), 0 6px 20px rgb(35 39 43 / 4%);
"""
_DARK = """
  color-scheme: dark;
  --page: #14171a; --card: #1b1f23; --sunk: #16191d; --line: #2d3339; --strong: #474f57;
  --text: #e4e7ea; --soft: #a2abb5; --accent: #6fcfc4; --on-accent: #0e1c1b; --tint: #1d3230;
  --good: #7fd1a0; --good-bg: #1a3024; --warn: #e9b872; --warn-bg: #362916; --bad: #f0958f; --bad-bg: #3a211f;
  --none: #aab2bb; --none-bg: #2a2f34; --shadow: none;
"""
_COLOURS = (
    f":root {{{_LIGHT}}}\n"
    f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{{_DARK}}} }}\n"
    f":root[data-theme=dark] {{{_DARK}}}\n"
)


GENERATOR = '<meta name="generator" content="featurestore">'
"""By this a page is known as one of ours."""


def whole_page(*, title: str, style: str, body: str, script: str = "", data: str = "") -> str:
    """Put a page together.

    Args:
        title: plain text.
        style: CSS; it finds our colours as variables, light and dark.
        body: HTML.
        script: a JavaScript module, run at the end; empty for none.
        data: JSON as `embedded_json` writes it, for the script to read from ``#data``; empty for none.

    Returns:
        HTML that opens from disk. Its policy lets this script and this style in by their hashes, and nothing else:
        whatever the names and descriptions of a project hold, none of it runs.
    """
    css = _COLOURS + style
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {_source(css)}; "
        f"script-src {_source(script) if script else _NO_SCRIPT}"
    )
    held = f'<script type="application/json" id="data">{data}</script>\n' if data else ""
    run = f'<script type="module">{script}</script>\n' if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="content-security-policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"{GENERATOR}\n"
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{css}</style>\n</head>\n'
        f"<body>\n{body}\n{held}{run}</body>\n</html>\n"
    )


_NO_SCRIPT = "'none'"


def embedded_json(json: str) -> str:
    """Write JSON so that it can stand inside a ``<script>``: nothing in it ends the element or opens a comment."""
    for letter in "<>&\u2028\u2029":
        json = json.replace(letter, f"\\u{ord(letter):04x}")
    return json


def _source(text: str) -> str:
    """How a policy names a text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
