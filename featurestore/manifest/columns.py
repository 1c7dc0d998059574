"""The columns of a model and their types: from the warehouse, else dbt's catalog, else the model's own YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import did_you_mean, near_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.manifest.nodes import Node
    from featurestore.manifest.problems import Problems

UNTYPED = ""


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
    if known:
        return Table(node=node, columns=tuple(known))
    if any(column.data_type for column in node.columns):
        columns = tuple(
            Column(
                name=column.name, type=parse_type(column.data_type, dialect=dialect) if column.data_type else UNTYPED
            )
            for column in node.columns
        )
        return Table(node=node, columns=columns, is_certain=node.has_contract)
    what = f"the columns of {label(node)} are not known: it is not built, and its YAML gives no data_type"
    problems.error(what, where=node.file, hint=f"{_build(node)} (or add columns with data_type)")
    return None


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
