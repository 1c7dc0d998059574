"""Whether a training set is still what its card says: rows, columns, NULLs and hashes, counted again.

What differs is named as closely as the hashes allow: a column whose values are others, or, where every column has
its own values still, that they are put together in other rows.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from featurestore.errors import OperationError, QueryError, UsageError, near_names
from featurestore.sql.stored import stored_query
from featurestore.storage.places import CARD_ENDING, LocalPlace, is_uri, place_of
from featurestore.training.card import Card, decode_card
from featurestore.training.measure import measured_card
from featurestore.training.parquet import card_inside, read_parquet
from featurestore.training.write import card_file_name
from featurestore.warehouse.protocol import TableWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from featurestore.storage.places import Place
    from featurestore.training.card import CardColumn
    from featurestore.warehouse.protocol import Warehouse

_DATA_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way in which a training set is not what a card says.

    Attributes:
        what: ``rows``, ``column``, ``order``; or ``spine`` or ``data``, whose rows are put together in another way.
        column: its name, where it is one column's.
        says: one line for people: expected and got.
    """

    what: str
    says: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a comparison found.

    Attributes:
        card: as read.
        found: the card that the training set would have now.
        differences: none when it is what the card says.
    """

    card: Card
    found: Card
    differences: tuple[Difference, ...] = field(default=())

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __repr__(self) -> str:
        same = "as its card says" if self.is_equal else "not as its card says"
        return told(f"{self.card.written_to.label}: {self.found.rows:,} rows, {same}", self.differences)


def told(line: str, differences: Sequence[Difference]) -> str:
    """Write a comparison for people: one line, and one per difference."""
    return "\n".join([line, *(f"  {each.says}" for each in differences)])


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCard:
    """A card, and the place of the file or folder that it stands beside; None for a table's.

    Attributes:
        card: as read.
        place: of the data.
        where: names the card in messages.
    """

    card: Card
    place: Place | None
    where: str


def find_card(given: str | Path, *, project: str, cards_dir: Path) -> FoundCard:
    """Read a card.

    Args:
        given: the card's path or URI; or that of the training set, whose card stands beside it or is inside; or the
            name of a table.
        project: the dbt project it must be of.
        cards_dir: where cards of tables are.

    Raises:
        UsageError: there is none, it is no card, or it is one of another project.
        OperationError: it is of a newer format, or cannot be read.
    """
    text = str(given)
    if text.lower().endswith(CARD_ENDING):
        place = place_of(text[: -len(CARD_ENDING)] if is_uri(text) else Path(text[: -len(CARD_ENDING)]))
        data = place.card()
    elif is_uri(text) or text.lower().endswith(_DATA_ENDINGS):
        place = place_of(text)
        data = place.card() or card_inside(place)
        text = f"{text}{CARD_ENDING}"
    else:
        of_table = cards_dir / card_file_name(TableWrite(relation=text))
        place = LocalPlace(Path(text) if Path(text).exists() and not of_table.is_file() else of_table.with_suffix(""))
        data = place.card()
        text = f"{place.name}{CARD_ENDING}"
    if data is None:
        raise UsageError(f"no card at {text}", hint=_where_else(str(given), cards_dir))
    card = decode_card(data, where=text)
    if card.project != project:
        hint = "change to that project's folder, or name it: --project-dir"
        raise UsageError(f"the card is of the dbt project '{card.project}', this is '{project}'", where=text, hint=hint)
    return FoundCard(card=card, place=None if card.written_to.kind == "table" else place, where=text)


def _where_else(given: str, cards_dir: Path) -> str:
    """Where a card may be that was not found: a table's by another name, or of one of its partitions."""
    known = sorted(unquote(path.name.removesuffix(CARD_ENDING)) for path in cards_dir.glob(f"*{CARD_ENDING}"))
    of_table = [name for name in known if name.startswith(f"{given}.") or name.endswith(f".{given}")]
    near = of_table[-3:] or near_names(given, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "it stands beside the training set, e.g. train.parquet.json"


def verify(found: FoundCard, *, open_warehouse: Callable[[bool], Warehouse]) -> Verification:
    """Read the training set that a card is about, and compare.

    Raises:
        OperationError: it is not there, or cannot be read.
        WarehouseError: the table's warehouse cannot be opened.
    """
    card = found.card
    measured: list[Card] = []

    def use(rows: pa.RecordBatchReader) -> None:
        measured.append(measured_card(card, rows))

    if found.place is not None:
        read_parquet(found.place, use)
    else:
        _read_table(card, open_warehouse, use)
    return Verification(card=card, found=measured[0], differences=differences(card, measured[0]))


def differences(expected: Card, got: Card) -> tuple[Difference, ...]:
    """Compare two cards of what should be the same training set; where they are and when they were made is left out."""
    theirs = {column.name: column for column in got.columns}
    found: list[Difference] = []
    if got.rows != expected.rows:
        found.append(Difference(what="rows", says=f"rows: expected {expected.rows:,}, got {got.rows:,}"))
    for column in expected.columns:
        says = _column_says(column, theirs.pop(column.name, None))
        if says is not None:
            found.append(Difference(what="column", column=column.name, says=f"column '{column.name}': {says}"))
    found += [
        Difference(what="column", column=name, says=f"column '{name}': is new; the card does not have it")
        for name in theirs
    ]
    names, now = [column.name for column in expected.columns], [column.name for column in got.columns]
    if names != now and sorted(names) == sorted(now):
        found.append(Difference(what="order", says=f"columns: expected the order {', '.join(names)}"))
    if not any(each.what in ("rows", "column") for each in found):
        together = "every column has its values, but they are put together in other rows"
        if expected.spine is not None and got.spine is not None and got.spine.hash != expected.spine.hash:
            found.append(Difference(what="spine", says=f"spine: {together}"))
        elif got.data_hash != expected.data_hash:
            found.append(Difference(what="data", says=f"rows: {together}"))
    return tuple(found)


def _column_says(expected: CardColumn, got: CardColumn | None) -> str | None:
    if got is None:
        return "is missing"
    if got.type != expected.type:
        return f"expected {expected.type}, got {got.type}"
    if got.hash == expected.hash:
        return None
    if got.nulls != expected.nulls:
        return f"other values; NULLs: expected {expected.nulls:,}, got {got.nulls:,}"
    return "other values"


def _read_table(
    card: Card, open_warehouse: Callable[[bool], Warehouse], use: Callable[[pa.RecordBatchReader], None]
) -> None:
    written = card.written_to
    with closing(open_warehouse(True)) as warehouse:
        sql = stored_query(written.name, None, partition=written.partition, dialect=warehouse.dialect)
        try:
            present = [column.name for column in warehouse.schema(sql)]
        except QueryError as error:
            hint = "was it dropped or renamed? its card is still there"
            raise OperationError(f"cannot read the table {written.name}: {error.what}", hint=hint) from error
        own = [name for name in present if written.partition is None or name != written.partition[0]]
        rows = stored_query(written.name, own, partition=written.partition, dialect=warehouse.dialect)
        use(warehouse.read(rows))
