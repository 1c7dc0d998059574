"""Messages without a body: whom each deletes, as its key says, and when: when it was published.

The rules: a key that is a JSON object concerns the views whose join keys it names; one that is a single value concerns
those kept by a single join key, and nobody where these have different ones. What concerns no view is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.streams import PUBLISHED_AT
from featurestore.streams.message_keys import is_object, keys_of
from featurestore.streams.schema import event_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Column, FeatureView

    Names = tuple[str, ...]


class TombstoneReader:
    """Reads the keys of tombstones of one stream.

    Args:
        stream: the definition.
        views: all that are made of it.
    """

    def __init__(self, stream: Stream, views: Iterable[FeatureView]) -> None:
        views = tuple(views)
        self._columns = {column.name: column for column in stream.columns}
        self._keys = {names_of(view): view.join_keys for view in views}
        self._single = sorted(names[0] for names in self._keys if len(names) == 1)
        times = [self._columns.get(name) for name in dict.fromkeys(view.event_time.name for view in views)]
        self._times = [each for each in times if each is not None and pa.types.is_timestamp(event_type(each))]

    def unnamed(self, keys: Sequence[bytes | None]) -> tuple[dict[Names, set[int]], dict[int, str]]:
        """Find out whom keys do not name.

        Args:
            keys: of tombstones.

        Returns:
            For the join keys of each view, the tombstones that concern it not; and why some concern no view.
        """
        several = len(self._single) > 1
        unclear = {row for row, key in enumerate(keys) if several and key is not None and not is_object(key)}
        found: dict[Names, set[int]] = {}
        why = dict.fromkeys(range(len(keys)), "it deletes rows of no view: none has a join key")
        for names, columns in self._keys.items():
            _, refused = keys_of(keys, columns)
            found[names] = {*refused, *(unclear if len(names) == 1 else ())}
            why.update(refused if names else {})
        if several:
            which = " or ".join(self._single)
            said = f'is the key {which}? Views differ: send it as JSON, as in {{"{self._single[0]}": ...}}'
            why.update(dict.fromkeys(unclear, said))
        refused_by_all = set.intersection(*found.values()) if found else set(why)
        return found, {row: why[row] for row in sorted(refused_by_all)}

    def write(
        self, table: pa.Table, rows: Sequence[int], keys: Sequence[bytes | None], unnamed: dict[Names, set[int]]
    ) -> pa.Table:
        """Write whom tombstones delete, and when, into the table of events, where its columns are called so.

        Args:
            table: of events.
            rows: the places of the tombstones there.
            keys: of each.
            unnamed: as `unnamed` returned it.
        """
        for names, without in unnamed.items():
            if not self._columns.keys() >= {*names}:
                continue
            columns = [self._columns[name] for name in names]
            said, refused = keys_of(keys, columns)
            named = [place for place in range(len(rows)) if place not in without and place not in refused]
            for column in columns:
                values = said.column(column.name).take(pa.array(named, pa.int64()))
                table = _put(table, column, [rows[place] for place in named], values)
        published = table.column(PUBLISHED_AT).take(pa.array(rows, pa.int64())).combine_chunks()
        for column in self._times:
            table = _put(table, column, rows, published)
        return table


def names_of(view: FeatureView) -> tuple[str, ...]:
    """What a view's join keys are called."""
    return tuple(key.name for key in view.join_keys)


def _put(table: pa.Table, column: Column, rows: Sequence[int], values: pa.Array) -> pa.Table:
    """Replace a column's values in some rows, in their order."""
    mask: npt.NDArray[np.bool_] = np.zeros(table.num_rows, bool)
    mask[list(rows)] = True
    place = table.schema.get_field_index(column.name)
    field = table.schema.field(place)
    new = pc.replace_with_mask(table.column(place).combine_chunks(), pa.array(mask), values.cast(field.type))
    return table.set_column(place, field, new)
