"""``GET /``: a page for people, one file with its own style and script, that asks the server it came from alone.

The rule: a browser runs this script alone, known by its hash, whatever the names and descriptions of a project hold.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("page.html")


@lru_cache(maxsize=1)
def page() -> tuple[bytes, dict[str, str]]:
    """Return the page and its headers."""
    html = _FILE.read_bytes()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
        f"img-src data:; script-src {_source(html, b'script')}; style-src {_source(html, b'style')}"
    )
    return html, {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }


def _source(html: bytes, tag: bytes) -> str:
    """How a policy names what stands in the page's only element of a kind."""
    inside = html.split(b"<%s>" % tag)[1].split(b"</%s>" % tag)[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'"
