"""The catalog as one HTML file that opens from disk: its script draws what is asked for out of the data in it.

Shape: ``data.py`` makes plain data, `docs_page` puts it beside ``docs.html``, ``docs.css`` and ``docs.js``.
The data of a large project are packed, so that its page is a file to be sent about too; the browser unpacks them.
"""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from featurestore.catalog.docs.data import catalog_data
from featurestore.catalog.pages import embedded_json, whole_page

if TYPE_CHECKING:
    from featurestore.catalog.docs.data import Catalog

PLAIN_BYTES = 200_000
"""Of data that stay as they are, to be read in the file; more are packed (gzip in base64: some 2 % of it)."""

_HERE = Path(__file__).parent


def docs_page(catalog: Catalog) -> str:
    """Write the page; equal catalogs give equal bytes."""
    data = msgspec.json.encode(catalog_data(catalog))
    if len(data) > PLAIN_BYTES:
        data = msgspec.json.encode(base64.b64encode(gzip.compress(data, mtime=0)).decode())
    return whole_page(
        title=f"{catalog.project.name} feature store",
        style=_text("docs.css"),
        body=_text("docs.html"),
        script=_text("docs.js"),
        data=embedded_json(data.decode()),
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
