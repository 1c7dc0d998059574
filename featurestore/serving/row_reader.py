"""Read the stored rows of one view, many at once: bytes in, cells in the view's own layout out.

The rule: a row of another layout is read by column name and type, never by position (SEMANTICS O9).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, cast

import msgspec

from featurestore.online.codec import FINGERPRINT, HEADER_CELLS, RowDecoder
from featurestore.online.layouts import layout_note, parse_layout, positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.layouts import Positions

    Row = list[object]

# Without a type it decodes a quarter faster than for `list[object]`; `read` checks what it was not told.
_decode = msgspec.msgpack.Decoder().decode
_decode_with_care = RowDecoder().cells
_fingerprint_of = itemgetter(FINGERPRINT)


class RowReader:
    """Reads rows of one view; the description of another layout is asked for once.

    Attributes:
        width: cells of a row in the view's layout, those of the header included.
    """

    def __init__(self, view: FeatureView) -> None:
        self._view = view
        self._fingerprint = view.fingerprint
        self._places: dict[int, Positions] = {view.fingerprint: positions(view.online_columns, view.online_columns)}
        self.width = HEADER_CELLS + len(view.online_columns)

    def read(self, values: Sequence[bytes | None]) -> tuple[list[Row | None], list[int]]:
        """Decode rows.

        Returns:
            The rows, in the view's layout; None for one that is absent, a tombstone, or of an unknown layout.
            And the fingerprints of unknown layouts.

        Raises:
            OnlineStoreError: the bytes are not a row.
        """
        present = [value for value in values if value is not None]
        rows = self._current(present)
        unknown: list[int] = []
        if rows is None:
            cells = [_decode_with_care(value) for value in present]
            rows = [self._arranged(each) for each in cells]
            unknown = self._unknown(cells)
        return (rows if len(present) == len(values) else fill_gaps(values, rows)), unknown

    def note(self, fingerprint: int) -> str:
        """Name the note that describes a layout."""
        return layout_note(self._view, fingerprint)

    def learn(self, fingerprint: int, note: bytes | None) -> None:
        """Take a layout's description; without a readable one its rows stay unknown."""
        stored = parse_layout(note)
        if stored is not None:
            self._places[fingerprint] = positions(stored, self._view.online_columns)

    def _current(self, values: Sequence[bytes]) -> list[Row | None] | None:
        """Decode rows if all are whole ones of the view's layout, as they nearly always are; else return None."""
        try:
            rows: list[Row] = list(map(_decode, values))
            if set(map(len, rows)) == {self.width} and set(map(_fingerprint_of, rows)) == {self._fingerprint}:
                return list(rows)
        except (msgspec.DecodeError, TypeError, LookupError):
            pass
        return None

    def _unknown(self, rows: Sequence[Row]) -> list[int]:
        fingerprints = dict.fromkeys(cast("int", row[FINGERPRINT]) for row in rows if len(row) > HEADER_CELLS)
        return [each for each in fingerprints if each not in self._places]

    def _arranged(self, cells: Row) -> Row | None:
        """Bring a row into the view's layout; None if it is a tombstone, or nobody can say what it holds."""
        fingerprint = cells[FINGERPRINT]
        assert isinstance(fingerprint, int), cells[:HEADER_CELLS]
        places = self._places.get(fingerprint)
        if places is None or len(cells) == HEADER_CELLS:
            return None
        columns = [None if place is None or place >= len(cells) else cells[place] for place in places]
        return [*cells[:HEADER_CELLS], *columns]


def fill_gaps(places: Sequence[object], rows: Iterable[Row | None]) -> list[Row | None]:
    """Return the next row at each place that is not None, None at the others."""
    following = iter(rows)
    return [None if place is None else next(following) for place in places]
