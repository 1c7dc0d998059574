"""The catalog as one HTML file that opens from disk: its script draws what is asked for out of the data in it.

Shape: ``data.py`` makes plain data, `page` puts it beside ``docs.html``, ``docs.css`` and ``docs.js``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from featurestore.catalog.docs.data import catalog_data
from featurestore.catalog.pages import embedded_json, whole_page

if TYPE_CHECKING:
    from featurestore.catalog.docs.data import Catalog

_HERE = Path(__file__).parent


def docs_page(catalog: Catalog) -> str:
    """Write the page; equal catalogs give equal bytes."""
    data = msgspec.json.encode(catalog_data(catalog)).decode()
    return whole_page(
        title=f"{catalog.project.name} feature store",
        style=_text("docs.css"),
        body=_text("docs.html"),
        script=_text("docs.js"),
        data=embedded_json(data),
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
