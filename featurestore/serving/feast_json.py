"""An answer as the JSON of Feast's feature server, written straight to bytes.

Shape: ``{"metadata": {"feature_names": [...]}, "results": [{"values", "statuses", "event_timestamps"}, ...]}``, one
result per column, entities first. The rules: statuses and times of a view's rows are written once for all its columns;
the columns of numbers of a view are written in one call of the encoder, whose nulls tell where each has none; value by
value only those with NaN or infinities, which JSON has not.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from featurestore.online.codec import instant
from featurestore.online.json_values import iso, json_value
from featurestore.serving.columns import values_of
from featurestore.serving.judged import NULL_VALUE, PRESENT, JudgedRows
from featurestore.serving.outputs import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.serving.columns import Columns
    from featurestore.serving.judged import Status
    from featurestore.serving.outputs import Group, PlannedOutput, UsedView


_NO_TIME = "1970-01-01T00:00:00Z"  # what Feast answers where there is no event time
_TIMES_KEPT = 65_536
_SHORT = 20
"""What is written of nulls among ten rows or so is kept: there are few patterns."""
_KEPT_ROWS = 100
"""What follows the keys of more entities than this is not kept: it is long."""
_NEXT = b',{"values":['
_JSON_TYPES = frozenset((int, str, bool, type(None)))
_UNMARKED = bytes(set(range(256)) - set(b"n,[]"))
"""Without these, the JSON of numbers is commas, and an n for each null."""
_encoder = msgspec.json.Encoder()
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines


class ViewVersion(msgspec.Struct, omit_defaults=True):
    """A view of an answer, and its version as Feast counts them; 0, which is not written, has none or no number."""

    name: str
    version: int = 0


def feast_json(
    entities: Columns, features: Columns, *, has_types: bool = False, views: list[ViewVersion] | None = None
) -> bytes:
    """Write the columns of an answer.

    Args:
        entities: the join keys.
        features: what was found.
        has_types: tell each column's type, and how many are join keys: what `RemoteClient` asks for.
        views: told too, where somebody asked for them.

    Returns:
        UTF-8 JSON; values as `json_value` says, event times ISO with Z, 1970 where there was no row.
    """
    values, tails = _given(entities)
    found, ends = _found(features)
    values += found
    tails += ends
    if tails:
        tails[-1] = tails[-1][: -len(_NEXT)]
        values[0] = _NEXT[1:] + values[0]
    names = b",".join(filter(None, (entities.outputs.names, features.outputs.names)))
    more = _metadata(entities, features, views, has_types=has_types)
    head = b'{"metadata":{"feature_names":[', names, b"]", more, b'},"results":['
    return b"".join((*head, *chain.from_iterable(zip(values, tails, strict=True)), b"]}"))


def _metadata(entities: Columns, features: Columns, views: list[ViewVersion] | None, *, has_types: bool) -> bytes:
    more = b""
    if has_types:
        given = entities.outputs.columns
        types = [output.type for output in (*given, *features.outputs.columns)]
        more += b',"feature_types":%b,"entity_count":%d' % (_encode(types), len(given))
    if views is not None:
        more += b',"feature_view_metadata":' + _encode(views)
    return more


def _given(columns: Columns) -> tuple[list[bytes], list[bytes]]:
    """Write the join keys, whose values may be of any type: their values, and what follows each."""
    written, tails = [], []
    for output in columns.outputs.columns:
        rows = columns.rows[output.use]
        values = rows.columns[output.cell]
        kinds = set(map(type, values))
        nulls = _nulls(values) if type(None) in kinds else b"," * (len(values) - 1)
        written.append(_encode(values if kinds <= _JSON_TYPES else list(map(json_value, values)))[1:-1])
        is_plain = rows.statuses is None and not any(rows.event_us)
        is_kept = is_plain and len(values) <= _KEPT_ROWS
        tails.append(_tail_without_times(nulls, len(values)) if is_kept else _Tails(rows)[nulls])
    return written, tails


@lru_cache(maxsize=512)
def _tail_without_times(nulls: bytes, count: int) -> bytes:
    return _Tails(JudgedRows((), None, [None] * count))[nulls]


def _found(columns: Columns) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Write the features: their values, and what follows those of each."""
    uses = columns.outputs.uses
    if len(uses) == 1:
        return _of_use(uses[0], columns.rows[0])
    written: list[bytes] = []
    tails: list[bytes] = []
    for used in uses:
        values, ends = _of_use(used, columns.rows[used.use])
        written += values
        tails += ends
    arrange = columns.outputs.arrange
    return arrange(written), arrange(tails)


def _of_use(used: UsedView, rows: JudgedRows) -> tuple[Sequence[bytes], Sequence[bytes]]:
    if used.is_plain and len(rows.event_us) == 1:
        return _of_one_row(used, rows)
    tails = _Tails(rows)
    written: list[bytes] = []
    ends: list[bytes] = []
    for group in used.groups:
        is_numbers = group.kind is Kind.NUMBERS
        values, nulls = _numbers(group, rows) if is_numbers else _others(group, rows, tails.no_nulls)
        written += values
        ends += map(tails.__getitem__, nulls)
    return used.arrange(written), used.arrange(ends)


def _of_one_row(used: UsedView, rows: JudgedRows) -> tuple[list[bytes], list[bytes]]:
    """Write the columns of one entity: a value each, and two kinds of what may follow it."""
    status = PRESENT if rows.statuses is None else rows.statuses[0]
    time = _time(rows.event_us[0])
    tail = _tail_of_one(status, time)
    cells = list(chain.from_iterable(used.pick(rows.columns)))
    written = _encode_lines(cells).split(b"\n")[:-1]
    nulls = cells.count(None)
    if written.count(b"null") != nulls:  # NaN or an infinity
        written = _encode_lines(list(map(json_value, cells))).split(b"\n")[:-1]
    if not nulls or status != PRESENT:
        return written, [tail] * len(cells)
    null_tail = _tail_of_one(NULL_VALUE, time)
    return written, [null_tail if cell is None else tail for cell in cells]


def _tail_of_one(status: Status, time: str) -> bytes:
    return f'],"statuses":["{status}"],"event_timestamps":["{time}"]}},{{"values":['.encode()


def _numbers(group: Group, rows: JudgedRows) -> tuple[list[bytes], list[bytes]]:
    """Write columns of numbers, and where each has nulls; value by value those with NaN or infinities."""
    columns = group.pick(rows.columns)
    whole = _encode(columns)
    marks = whole.translate(None, _UNMARKED)
    written, nulls = whole[2:-2].split(b"],["), marks[2:-2].split(b"],[")
    if b"n" in marks:
        for place in group.floats:
            marked, cells = nulls[place].count(b"n"), columns[place]
            if marked and marked != cells.count(None):
                written[place], nulls[place] = _encode(list(map(json_value, cells)))[1:-1], _nulls(cells)
    return written, nulls


def _others(group: Group, rows: JudgedRows, no_nulls: bytes) -> tuple[list[bytes], list[bytes]]:
    """Write columns one by one, and where each has nulls."""
    columns = group.pick(rows.columns)
    nulls = [_nulls(cells) if None in cells else no_nulls for cells in columns]
    if group.kind is Kind.TEXTS:
        return [line[1:-1] for line in _encode_lines(columns).split(b"\n")[:-1]], nulls
    return [_cells(output, rows, group.kind)[1:-1] for output in group.outputs], nulls


def _cells(output: PlannedOutput, rows: JudgedRows, kind: Kind) -> bytes:
    if kind is Kind.LISTS:
        cells = rows.columns[output.cell]
        written = _encode(cells)
        if written.count(b"null") == cells.count(None):
            return written
    return _encode(list(map(json_value, values_of(output, rows))))


def _nulls(cells: Sequence[object]) -> bytes:
    return b",".join([b"n" if cell is None else b"" for cell in cells])


class _Tails(dict[bytes, bytes]):
    """What follows the values of a column of one use of a view, up to the next column's values.

    Keys say where the column has no values: commas between rows, an n for each null; `no_nulls` is the plainest.
    """

    __slots__ = ("_statuses", "_times", "no_nulls")

    def __init__(self, rows: JudgedRows) -> None:
        super().__init__()
        self._statuses = rows.statuses
        self._times = _times(rows.event_us)
        self.no_nulls = b"," * (len(rows.event_us) - 1)

    def __missing__(self, nulls: bytes) -> bytes:
        if self._statuses is not None:
            each = zip(nulls.split(b","), self._statuses, strict=False)  # of no rows there is still a key
            statuses = _encode([NULL_VALUE if null and status == PRESENT else status for null, status in each])
        elif self._times == b"[]":
            statuses = b"[]"
        else:
            statuses = _short_statuses(nulls) if len(nulls) <= _SHORT else _statuses(nulls)
        tail = self[nulls] = b'],"statuses":%b,"event_timestamps":%b}%b' % (statuses, self._times, _NEXT)
        return tail


def _statuses(nulls: bytes) -> bytes:
    """Write the statuses of a column of present rows, given where it has nulls."""
    quoted = b'["' + nulls.replace(b",", b'","') + b'"]'
    return quoted.replace(b'""', b'"PRESENT"').replace(b'"n"', b'"NULL_VALUE"')


_short_statuses = lru_cache(maxsize=4_096)(_statuses)


def _times(event_us: Sequence[int | None]) -> bytes:
    texts = '","'.join(map(_time, event_us))
    return f'["{texts}"]'.encode() if event_us else b"[]"


@lru_cache(maxsize=_TIMES_KEPT)
def _time(us: int | None) -> str:
    return _NO_TIME if us is None else iso(instant(us))
