"""A batch of messages as a table of typed events; messages that cannot be read are told apart with their reasons.

Shape: ``Messages -> decoder -> columns -> table`` with the columns of `schema.event_schema`, in the messages' order.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurestore.definitions.streams import DELETED, EVENTS
from featurestore.errors import UsageError
from featurestore.sql.row_level import EVENT_NUMBER, row_level_expression
from featurestore.streams.decode import MOST_BYTES
from featurestore.streams.event_columns import event_column, fields_of
from featurestore.streams.messages import Messages, Problem
from featurestore.streams.schema import event_schema
from featurestore.streams.tombstones import TombstoneReader
from featurestore.streams.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import FeatureView
    from featurestore.streams.decode import Decoder, Fields
    from featurestore.streams.messages import Value


@dataclass(slots=True, kw_only=True)
class Events:
    """What a batch of messages says.

    Attributes:
        table: one row per readable event and per tombstone, in the messages' order.
        places: of each row, the place of its message in the batch.
        tombstones: places in the table of messages without a body.
        deletes: of each row, whether it deletes its entity; tombstones do.
        problems: by place in the batch, why a message cannot be used.
        unknown: how often fields were passed over, by name.
        unnamed: by the names of a view's join keys, the places in the batch of tombstones that do not concern it.
    """

    table: pa.Table
    places: npt.NDArray[np.int64]
    tombstones: list[int]
    deletes: npt.NDArray[np.bool_]
    problems: dict[int, Problem]
    unknown: Counter[str] = field(default_factory=Counter)
    unnamed: dict[tuple[str, ...], set[int]] = field(default_factory=dict)


class EventReader:
    """Reads the messages of one stream; for one thread.

    Args:
        stream: the definition.
        decoder: of its format.
        views: all that are made of it, whoever writes them; their join keys say whom a message without a body deletes.
        most_bytes: of a message; larger ones are refused.

    Raises:
        UsageError: the stream's `deletes` is none that `apply` writes.
    """

    def __init__(
        self, stream: Stream, decoder: Decoder, views: Iterable[FeatureView] = (), *, most_bytes: int = MOST_BYTES
    ) -> None:
        self._stream = stream
        self._decoder = decoder
        self._most_bytes = most_bytes
        self._schema = event_schema(stream)
        self._known = frozenset(column.name for column in stream.columns)
        self._tombstones = TombstoneReader(stream, views)
        deletes = _checked(stream) if stream.deletes else ""
        self._deletes = Transform(f"SELECT ({deletes}) AS value FROM {EVENTS}") if deletes else None

    def read(self, messages: Messages) -> Events:
        """Read a batch."""
        problems: dict[int, Problem] = {}
        bodies, places, tombstones = self._bodies(messages, problems)
        rows: list[Fields] = []
        kept: list[int] = []
        for place, fields in zip(places, self._decoder.decode(bodies), strict=True):
            if isinstance(fields, Problem):
                problems[place] = fields
            else:
                rows.append(fields)
                kept.append(place)
        unknown = self._unknown(rows)
        if tombstones:
            both = sorted(
                [*zip(kept, rows, strict=True), *((place, {}) for place in tombstones)], key=lambda each: each[0]
            )
            kept, rows = [place for place, _ in both], [fields for _, fields in both]
        events = self._typed(messages, rows, kept, problems)
        events.tombstones = np.flatnonzero(np.isin(events.places, tombstones)).tolist() if tombstones else []
        events.unknown = unknown
        self._note_deletes(events)
        if events.tombstones:
            self._name_tombstones(events, messages)
        return events

    def close(self) -> None:
        """Close what is open."""
        if self._deletes is not None:
            self._deletes.close()

    def _bodies(self, messages: Messages, problems: dict[int, Problem]) -> tuple[list[Value], list[int], list[int]]:
        most = self._most_bytes
        bodies: list[Value] = []
        places: list[int] = []
        tombstones: list[int] = []
        for place, value in enumerate(messages.values):
            if value is None:
                tombstones.append(place)
            elif type(value) is bytes and len(value) > most:
                problems[place] = Problem(
                    reason="too_large", detail=f"{len(value):,} bytes, at most {most:,} are taken"
                )
            else:
                bodies.append(value)
                places.append(place)
        return bodies, places, tombstones

    def _unknown(self, rows: list[Fields]) -> Counter[str]:
        """Count fields that no column takes; most batches have events that are alike."""
        shapes = Counter(map(tuple, rows))
        found: Counter[str] = Counter()
        for names, count in shapes.items():
            for name in names:
                if name not in self._known:
                    found[name] += count
        return found

    def _typed(self, messages: Messages, rows: list[Fields], kept: list[int], problems: dict[int, Problem]) -> Events:
        stream = self._stream
        arrays: list[pa.Array] = []
        refused: dict[int, str] = {}
        for column in stream.columns:
            array, its = event_column(
                fields_of(rows, column.name), column, epoch=stream.epoch, is_text=stream.format == "fields"
            )
            arrays.append(array)
            refused = {**its, **refused}
        arrays += _origin(messages, kept)
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        places = np.asarray(kept, np.int64)
        if refused:
            for row, detail in refused.items():
                problems[kept[row]] = Problem(reason="type_mismatch", detail=detail)
            keep = np.ones(len(kept), bool)
            keep[list(refused)] = False
            table, places = table.filter(pa.array(keep)), places[keep]
        none = np.zeros(len(places), bool)
        return Events(table=table, places=places, tombstones=[], deletes=none, problems=problems)

    def _note_deletes(self, events: Events) -> None:
        """Find out which events delete, and write it beside them."""
        deletes = events.deletes
        if self._deletes is not None and events.table.num_rows:
            made, refused = self._deletes.run(events.table)
            for row, detail in refused.items():
                place = int(events.places[row])
                events.problems[place] = Problem(reason="transform_failed", detail=f"`deletes`: {detail}")
            numbers = made.column(EVENT_NUMBER).to_numpy()
            deletes[numbers] = made.column("value").combine_chunks().fill_null(False).to_numpy(zero_copy_only=False)
        deletes[events.tombstones] = True
        if deletes.any():
            place = events.table.schema.get_field_index(DELETED)
            events.table = events.table.set_column(place, self._schema.field(DELETED), pa.array(deletes))

    def _name_tombstones(self, events: Events, messages: Messages) -> None:
        """Write whom messages without a body delete; what deletes nobody is refused."""
        places = [int(events.places[row]) for row in events.tombstones]
        keys = [messages.keys[place] for place in places]
        unnamed, refused = self._tombstones.unnamed(keys)
        events.table = self._tombstones.write(events.table, events.tombstones, keys, unnamed)
        events.unnamed = {names: {places[row] for row in rows} for names, rows in unnamed.items()}
        for row, detail in refused.items():
            events.problems[places[row]] = Problem(reason="bad_tombstone", detail=detail)


def _origin(messages: Messages, kept: list[int]) -> list[pa.Array]:
    """The columns that say where each message came from."""
    count = len(kept)
    if count == len(messages):
        partitions, offsets, published = messages.partitions, messages.offsets, messages.published_us
    else:
        partitions = [messages.partitions[place] for place in kept]
        offsets = [messages.offsets[place] for place in kept]
        published = [messages.published_us[place] for place in kept]
    utc = pa.timestamp("us", "UTC")
    return [
        pa.repeat(pa.scalar(messages.topic, pa.string()), count),
        pa.array(partitions, pa.string()),
        pa.array(offsets, pa.string()),
        pa.array(published, pa.int64()).cast(utc),
        pa.repeat(pa.scalar(time.time_ns() // 1_000, pa.int64()), count).cast(utc),
        pa.repeat(pa.scalar(False), count),
    ]


def _checked(stream: Stream) -> str:
    """Check the expression that came with the registry, where another than `apply` may have written it."""
    try:
        return row_level_expression(stream.deletes)
    except UsageError as error:
        hint = "run featurestore apply, and find out who wrote the registry"
        where = f"deletes of stream {stream.name}"
        raise UsageError(f"none that apply takes: {error.what}", where=where, hint=hint) from None
