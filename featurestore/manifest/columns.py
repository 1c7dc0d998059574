"""The columns of a model and their types: from the warehouse, else dbt's catalog, else the model's own YAML.

A table that is not what an enforced contract says was built before the contract was changed: dbt will build what the
contract says, so that is what a plan looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.types import FLOATS, INTEGERS, TIMES, parse_type
from featurestore.definitions.views import Column
from featurestore.errors import did_you_mean, near_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.manifest.nodes import Node
    from featurestore.manifest.problems import Problems

UNTYPED = ""
_TYPES_ARE_KEPT = frozenset(("duckdb", "postgres"))
"""Dialects where a column has the very type that its contract names; elsewhere ``int`` may be a decimal, say."""
_KEPT = INTEGERS | FLOATS | TIMES | {"boolean", "string", "bytes", "uuid", "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns of one model.

    Attributes:
        node: the model.
        columns: in table order; the type is `UNTYPED` where only the YAML is known and does not say it.
        is_certain: False when the columns come from YAML that no contract enforces.
    """

    node: Node
    columns: tuple[Column, ...]
    is_certain: bool = True

    def match(self, name: str) -> Column | None:
        """Find a column, exactly, else the only one that differs in upper and lower case only."""
        for column in self.columns:
            if column.name == name:
                return column
        folded = [column for column in self.columns if column.name.casefold() == name.casefold()]
        return folded[0] if len(folded) == 1 else None

    def find(self, name: str, *, where: str, problems: Problems) -> Column | None:
        """Find a column; if it is not there, note that with near names."""
        column = self.match(name)
        if column is None:
            names = [known.name for known in self.columns]
            hint = did_you_mean(name, names)
            if not self.is_certain and not near_names(name, names):
                hint = f"{_build(self.node)}, or describe the column with its data_type; {hint}"
            problems.error(f"no column '{name}' in {label(self.node)}", where=where, hint=hint)
        return column


def read_table(
    node: Node,
    *,
    warehouse: Mapping[str, tuple[Column, ...]],
    catalog: Mapping[str, tuple[Column, ...]],
    dialect: str,
    problems: Problems,
) -> Table | None:
    """Find out a model's columns.

    Args:
        node: the model or snapshot.
        warehouse: columns by relation, as the warehouse says them.
        catalog: columns by unique id, as dbt's catalog says them.
        dialect: to read the type names in the YAML.
        problems: gets a note when the columns are known nowhere.
    """
    known = warehouse.get(node.relation or "") or catalog.get(node.unique_id)
    if known and not node.has_contract:
        return Table(node=node, columns=tuple(known))
    written = tuple(
        Column(name=column.name, type=parse_type(column.data_type, dialect=dialect) if column.data_type else UNTYPED)
        for column in node.columns
    )
    if known:
        columns = _as_promised(known, written, dialect)
        _warn_if_older(node, known, columns, problems)
        return Table(node=node, columns=tuple(columns))
    if any(column.type for column in written):
        return Table(node=node, columns=written, is_certain=node.has_contract)
    what = f"the columns of {label(node)} are not known: it is not built, and its YAML gives no data_type"
    problems.error(what, where=node.file, hint=f"{_build(node)} (or add columns with data_type)")
    return None


def _as_promised(known: Sequence[Column], promised: Sequence[Column], dialect: str) -> Sequence[Column]:
    """The columns that dbt will build: those there are, unless the contract has other names, or clearly other types."""
    if not promised or not all(column.type for column in promised):
        return known
    there = {column.name.casefold(): column for column in known}

    def built(column: Column) -> Column:
        found = there.get(column.name.casefold())
        if found is None:
            return column
        is_other = dialect in _TYPES_ARE_KEPT and found.type != column.type and {found.type, column.type} <= _KEPT
        return Column(name=found.name, type=column.type) if is_other else found

    columns = [built(column) for column in promised]
    return known if set(columns) == set(known) else columns


def _warn_if_older(node: Node, known: Sequence[Column], columns: Sequence[Column], problems: Problems) -> None:
    if columns is known:
        return
    is_there, will_be = set(known), set(columns)
    other = [f"no {it.name} {it.type}" for it in known if it not in will_be]
    other += [f"{it.name} {it.type}" for it in columns if it not in is_there]
    what = f"{label(node)} was built before its contract was changed; the contract says: {', '.join(other)}"
    problems.warn(what, where=node.place("columns"), hint=f"{_build(node)} before apply")


def note_untyped(table: Table, names: tuple[str, ...], problems: Problems) -> None:
    """Note, all at once, the columns that a view uses and whose types nobody says."""
    if names:
        what = f"no type is known for {', '.join(dict.fromkeys(names))}"
        problems.error(what, where=table.node.place("columns"), hint=f"{_build(table.node)} (or add data_type)")


def label(node: Node) -> str:
    """Name a node in a message, e.g. ``model customer_orders``."""
    return f"{node.resource_type} {node.name}{'' if node.version is None else f' v{node.version}'}"


def _build(node: Node) -> str:
    return f"run dbt build --select {node.name}{'' if node.version is None else f'.v{node.version}'}"
