"""A training set into a file, a folder that the engine writes, or a table, each with its card.

Rows on their way into a file are measured as they pass; those that the warehouse keeps are read back from it.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from featurestore.definitions.views import Column
from featurestore.errors import FeatureStoreError, QueryError, UsageError
from featurestore.sql.stored import stored_query
from featurestore.storage.places import card_file_aside, place_of, write_card_file
from featurestore.training.card import WrittenTo, decode_card, encode_card, sha256
from featurestore.training.measure import measured_card
from featurestore.training.parquet import read_parquet, write_parquet
from featurestore.warehouse.names import is_table_name, quoted
from featurestore.warehouse.table_columns import already_there, refuse_other_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from featurestore.storage.places import Place
    from featurestore.training.card import Card
    from featurestore.warehouse.protocol import TableWrite, Warehouse

_QUOTED = re.compile(r'"(?:[^"]|"")+"|`(?:[^`]|``)+`')
_SAID_BY_QUOTES = re.compile(r'[."`]')
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A query that is ready to run in an open warehouse: what it needs is uploaded.

    Attributes:
        warehouse: open.
        statements: to run before.
        select: yields the rows.
        whole: writes one SELECT that yields the same rows without the statements.
    """

    warehouse: Warehouse
    statements: Iterable[str]
    select: str
    whole: Callable[[], str]

    def rows(self) -> pa.RecordBatchReader:
        """Run it; read to the end before the warehouse is closed."""
        for statement in self.statements:
            self.warehouse.execute(statement)
        return self.warehouse.read(self.select)


def write_file(path: str | Path, card: Card, *, ready: AbstractContextManager[Ready]) -> Card:
    """Write a training set to a path or an object store's URI.

    Args:
        path: where; its card is written to ``<path>.json``.
        card: what is known of it.
        ready: makes it ready to run.

    Returns:
        The card as written; of a folder, where the warehouse writes files itself.

    Raises:
        UsageError: the path is none that can be written to.
        OperationError, ObjectStoreError: it cannot be written; what was there is as it was.
    """
    place = place_of(path)
    place.check()
    card = replace(card, written_to=WrittenTo(kind="file", name=str(path)))
    with ready as query:
        return _write_folder(place, card, query) or write_parquet(place, query.rows, card)


def write_rows(path: str | Path, card: Card, rows: Callable[[], pa.RecordBatchReader]) -> Card:
    """Write rows that come to this process; arguments and errors as in `write_file`."""
    place = place_of(path)
    place.check()
    card = replace(card, written_to=WrittenTo(kind="file", name=str(path)))
    return write_parquet(place, rows, card)


def _write_folder(place: Place, card: Card, query: Ready) -> Card | None:
    """Let the warehouse write; None if it does not."""
    if "files" in query.warehouse.lacks:
        return None
    uri = place.name if "://" in place.name else str(Path(place.name).absolute())
    with place.card_aside() as is_in_place:
        if query.warehouse.write_files(uri, query.statements, query.select) is None:
            return None
        is_in_place()
    made: list[Card] = []
    card = replace(card, written_to=replace(card.written_to, kind="folder"))
    read_parquet(place, lambda rows: made.append(measured_card(card, rows)))
    place.write_card(encode_card(made[0]))
    return made[0]


def write_table(table: TableWrite, card: Card, *, ready: AbstractContextManager[Ready], cards_dir: Path) -> Card:
    """Write a training set to a table in the warehouse; its card goes to the project's state folder.

    Returns:
        The card as written, of what the table holds: all of it, or the rows of its partition.

    Raises:
        UsageError: it is not the name of a table, or a partition without append.
        QueryError: the table exists already, has other columns, or cannot be written; it is as it was.
    """
    check_table(table, dialect=card.dialect)
    path = cards_dir / card_file_name(table)
    with ready as query:
        if table.mode == "append":
            _refuse_misfit(table, query)
        elif table.mode == "create":
            _refuse_existing(table, query)
        with ExitStack() as stack:
            asides = [stack.enter_context(card_file_aside(each)) for each in (path, *_outdated(cards_dir, table))]
            query.warehouse.write_table(table, query.statements, query.select)
            for is_in_place in asides:
                is_in_place()
        names = [column.name for column in card.columns]
        sql = stored_query(table.relation, names, partition=table.partition, dialect=query.warehouse.dialect)
        rows = query.warehouse.read(sql)
        card = measured_card(card, rows)
    written = WrittenTo(kind="table", name=table.relation, mode=table.mode, partition=table.partition)
    card = replace(card, written_to=written)
    write_card_file(path, encode_card(card))
    return card


def measure(card: Card, rows: AbstractContextManager[pa.RecordBatchReader]) -> Card:
    """Run a training set and keep nothing of it but its card."""
    with rows as reader:
        return measured_card(card, reader)


def _refuse_existing(table: TableWrite, query: Ready) -> None:
    """Refuse a table that is there before the work, in the same words whatever the warehouse."""
    try:
        query.warehouse.schema(stored_query(table.relation, None, dialect=query.warehouse.dialect))
    except QueryError:
        return
    raise already_there(table)


def _refuse_misfit(table: TableWrite, query: Ready) -> None:
    """Refuse other columns than the table's before the work; a table that is not there yet has none."""
    everything = stored_query(table.relation, None, dialect=query.warehouse.dialect)
    try:
        before = query.warehouse.schema(everything)
    except QueryError:
        return
    new = query.warehouse.schema(query.whole())
    if table.partition is not None:
        new = (*new, Column(name=table.partition[0], type="string"))
    refuse_other_columns(table, before=before, new=new)


def _outdated(cards_dir: Path, table: TableWrite) -> list[Path]:
    """Other cards of the same table that this write makes untrue: of its partitions, or of the whole."""
    whole = replace(table, partition=None)
    if table.partition is not None:
        return [cards_dir / card_file_name(whole)]
    found = []
    for path in sorted(cards_dir.glob("*=*.json")):
        with suppress(OSError, FeatureStoreError):
            if decode_card(path.read_bytes(), where=str(path)).written_to.name == table.relation:
                found.append(path)
    return found


def check_table(
    table: TableWrite,
    *,
    dialect: str,
    columns: Sequence[str] = (),
    owner: Callable[[str], str | None] | None = None,
) -> None:
    """Refuse a table that cannot be meant, before anything runs.

    Args:
        table: as asked for.
        dialect: of the warehouse, whose quotes its name may have.
        columns: of the training set.
        owner: finds what of dbt's has a table's name.

    Raises:
        UsageError: no table's name, or a table of dbt's; a partition without append, or called like a column.
    """
    if not is_table_name(table.relation, dialect):
        hint = f"e.g. train_v1, main.train_v1 or {quoted('my table', dialect)}"
        raise UsageError(f"expected the name of a table, got {table.relation!r}", hint=hint)
    made_by = None if owner is None else owner(table.relation)
    if made_by is not None:
        hint = "choose another name: dbt makes this table, and features or examples may come from it"
        raise UsageError(f"the table {table.relation} is dbt's: {made_by}", hint=hint)
    if table.mode not in ("create", "replace", "append"):
        raise UsageError(f"expected mode to be create, replace or append, got {table.mode!r}")
    if table.partition is not None and table.mode != "append":
        hint = 'add --append, or mode="append" in Python; a table that is replaced has no partitions to keep'
        raise UsageError("a partition says which rows an append replaces", hint=hint)
    if table.partition is not None and table.partition[0].casefold() in {name.casefold() for name in columns}:
        hint = "give the partition a name of its own; it is a column that is added"
        raise UsageError(f"the training set has a column '{table.partition[0]}' of its own", hint=hint)


def card_file_name(table: TableWrite) -> str:
    """File name of a table's card: of the whole table, or of one partition."""
    name = _QUOTED.sub(lambda found: _bare(found[0]), table.relation)
    if table.partition is not None:
        name = f"{name}.{table.partition[0]}={table.partition[1]}"
    escaped = quote(name, safe=" =")
    return f"{escaped if len(escaped) <= _LONGEST_NAME else f'{escaped[:_LONGEST_NAME]}-{sha256(name)[:16]}'}.json"


def _bare(part: str) -> str:
    """A quoted part of a name without its quotes, unless it is another name then."""
    return part if _SAID_BY_QUOTES.search(part[1:-1]) else part[1:-1]
