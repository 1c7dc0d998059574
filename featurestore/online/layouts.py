"""What a store says about itself in notes: the layouts of its rows, and that it was filled at all.

The rules: a row of another layout is read by column name and type, never by position (SEMANTICS O9);
a store without a generation was emptied or never filled (O8).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.views import Column
from featurestore.online.codec import HEADER_CELLS
from featurestore.online.keys import NO_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore

GENERATION = "generation"
Positions = tuple[int | None, ...]


def layout_note(view: FeatureView, fingerprint: int) -> str:
    """Name the note that describes a layout of a view's rows."""
    return f"layout:{view.name}@{view.version or NO_VERSION}:{fingerprint:08x}"


def write_layout(store: OnlineStore, view: FeatureView) -> None:
    """Describe the view's layout in the store; a sync or push does this before its first row."""
    columns = [[column.name, column.type] for column in view.online_columns]
    store.write_note(layout_note(view, view.fingerprint), msgspec.json.encode(columns))


def parse_layout(note: bytes | None) -> tuple[Column, ...] | None:
    """Read the description of a layout; None for one that is absent or unreadable."""
    if note is None:
        return None
    try:
        pairs = msgspec.json.decode(note, type=list[tuple[str, str]])
    except msgspec.DecodeError:
        return None
    return tuple(Column(name=name, type=value_type) for name, value_type in pairs)


def ensure_generation(store: OnlineStore) -> str:
    """Return the store's generation, a random id; the first sync into an empty store writes it."""
    made = os.urandom(8).hex()
    found = read_generation(store)
    if found is None and store.swap_note(GENERATION, None, made.encode()):
        return made
    return found or ensure_generation(store)  # another sync was first


def read_generation(store: OnlineStore) -> str | None:
    """Return the store's generation; None if it was emptied or never filled (O8)."""
    note = store.read_note(GENERATION)
    return None if note is None else note.decode(errors="replace")


def positions(stored: Sequence[Column], wanted: Sequence[Column]) -> Positions:
    """Find each wanted column, by name and type, in a stored row; positions count the header's cells too."""
    places = {column: HEADER_CELLS + index for index, column in enumerate(stored)}
    return tuple(places.get(column) for column in wanted)
