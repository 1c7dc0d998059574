"""The output columns of a lookup, in order, and which of them become JSON alike, so that they are written at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from featurestore.definitions.types import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from featurestore.online.codec import Convert

    Cells: TypeAlias = Sequence[Sequence[object]]
    Arrange: TypeAlias = Callable[[list[bytes]], Sequence[bytes]]

_NUMBERS = INTEGERS | FLOATS | {"boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutput:
    """Where one output column's values come from.

    Attributes:
        name, type: of the output column.
        use: index of its `PlannedUse`.
        cell: its index among a row's cells.
        convert: what turns a stored cell into the value; None if they are the same.
    """

    name: str
    type: str
    use: int = 0
    cell: int
    convert: Convert | None = None


class Kind(Enum):
    """How cells become JSON.

    NUMBERS: as they are, but NaN and infinities, which an encoder writes as null; no cell has a comma or a bracket.
    LISTS: of numbers, alike, but with commas and brackets.
    TEXTS: as they are.
    OTHERS: value by value.
    """

    NUMBERS = auto()
    LISTS = auto()
    TEXTS = auto()
    OTHERS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Columns of one use of a view that become JSON alike.

    Attributes:
        kind: of all of them.
        pick: takes their cells out of the columns of the use's rows, a sequence per column.
        outputs: the columns, in the order of the answer.
        floats: places of those that may hold NaN.
    """

    kind: Kind
    pick: Callable[[Cells], Cells]
    outputs: tuple[PlannedOutput, ...]
    floats: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedView:
    """The columns of one use of a view.

    Attributes:
        use: index of its `PlannedUse`.
        outputs, pick: as in a group.
        groups: the same columns, group by group.
        arrange: brings one item per column from the order of the groups to that of the outputs.
        is_plain: whether all are NUMBERS or TEXTS.
    """

    use: int
    outputs: tuple[PlannedOutput, ...]
    pick: Callable[[Cells], Cells]
    groups: tuple[Group, ...]
    arrange: Arrange
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Outputs:
    """Output columns.

    Attributes:
        columns: in order.
        uses: the same, by use of a view, in the order of their indexes.
        arrange: brings one item per column from the order of the uses to that of the columns.
        names: as JSON, without brackets.
    """

    columns: tuple[PlannedOutput, ...]
    uses: tuple[UsedView, ...]
    arrange: Arrange
    names: bytes


def outputs_of(columns: Iterable[PlannedOutput]) -> Outputs:
    """Prepare columns to be written."""
    given = tuple(columns)
    parts = sorted(_parts([output.use for output in given]), key=lambda places: given[places[0]].use)
    uses = tuple(_used_view(tuple(given[place] for place in places)) for places in parts)
    return Outputs(given, uses, _arrange(parts), msgspec.json.encode([output.name for output in given])[1:-1])


def _used_view(outputs: tuple[PlannedOutput, ...]) -> UsedView:
    parts = _parts([_kind(output) for output in outputs])
    groups = tuple(_group(tuple(outputs[place] for place in places)) for places in parts)
    return UsedView(
        use=outputs[0].use,
        outputs=outputs,
        pick=_picker([output.cell for output in outputs]),
        groups=groups,
        arrange=_arrange(parts),
        is_plain={group.kind for group in groups} <= {Kind.NUMBERS, Kind.TEXTS},
    )


def _group(outputs: tuple[PlannedOutput, ...]) -> Group:
    return Group(
        kind=_kind(outputs[0]),
        pick=_picker([output.cell for output in outputs]),
        outputs=outputs,
        floats=tuple(place for place, output in enumerate(outputs) if output.type in FLOATS),
    )


def _parts(labels: Sequence[Hashable]) -> list[list[int]]:
    """The places of equal labels, in the order of the labels' first places."""
    parts: dict[Hashable, list[int]] = {}
    for place, label in enumerate(labels):
        parts.setdefault(label, []).append(place)
    return list(parts.values())


def _arrange(parts: list[list[int]]) -> Arrange:
    order = [place for places in parts for place in places]
    return _picker(sorted(range(len(order)), key=order.__getitem__))


def _picker(places: list[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what takes the items at these places out of a sequence."""
    begin = places[0] if places else 0
    if places == list(range(begin, begin + len(places))):
        return itemgetter(slice(begin, begin + len(places)))
    return itemgetter(*places)


def _kind(output: PlannedOutput) -> Kind:
    if output.convert is not None:
        return Kind.OTHERS
    if output.type in _NUMBERS:
        return Kind.NUMBERS
    if output.type == "string":
        return Kind.TEXTS
    return Kind.LISTS if output.type.startswith("list<") and output.type[len("list<") : -1] in _NUMBERS else Kind.OTHERS
