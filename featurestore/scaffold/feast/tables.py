"""Where a table source's rows are: database, schema and name, or a query; other people's text, so checked as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

if TYPE_CHECKING:
    from featurestore.scaffold.feast.objects import FeastSource

_PLAIN = re.compile(r"^[\w $.%@#~+-]+$")
_WORD = re.compile(r"^\w+$")
_UNQUOTED_BY_DBT = frozenset(("athena", "databricks", "spark"))
_FOLDED_BY = frozenset(("postgres", "redshift"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """A table's parts as the warehouse stores them; empty where the source does not say them."""

    database: str = ""
    schema: str = ""
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that are said, the outermost first."""
        return tuple(part for part in (self.database, self.schema, self.name) if part)

    def is_plain(self, adapter: str) -> bool:
        """Whether dbt, which does not escape what it puts in quotes, can name it."""
        form = _WORD if adapter in _UNQUOTED_BY_DBT else _PLAIN
        return all(form.match(part) for part in self.parts)

    def sql(self, dialect: str) -> str:
        """The table in the warehouse's quotes."""
        made = [exp.to_identifier(part, quoted=True) for part in self.parts]
        return ".".join(part.sql(dialect=dialect) for part in made)


def table_name(source: FeastSource, dialect: str) -> TableName:
    """Read the name of a source's table; text that is no name in this warehouse is one name as a whole."""
    if source.iceberg_table:
        return TableName(schema=source.namespace, name=source.iceberg_table)
    if source.kind in {"SnowflakeSource", "RedshiftSource"}:
        return TableName(database=source.database, schema=source.schema, name=source.table)
    if source.kind == "AthenaSource":
        return TableName(schema=source.database, name=source.table)
    if source.kind == "BigQuerySource":
        parts = ["", "", *source.table.strip("`").replace(":", ".", 1).rsplit(".", 2)][-3:]
        return TableName(database=parts[0], schema=parts[1], name=parts[2])
    return _parsed(source.table, dialect) or TableName(name=source.table)


def tables_of_query(text: str, dialect: str) -> frozenset[str] | None:
    """Name the tables that one SELECT reads, without their schemas; None for anything else than one SELECT."""
    try:
        found = [each for each in sqlglot.parse(text, dialect=dialect) if each is not None]
    except (SqlglotError, RecursionError):
        return None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        return None
    return frozenset(table.name for table in found[0].find_all(exp.Table))


def _parsed(text: str, dialect: str) -> TableName | None:
    try:
        found = exp.to_table(text, dialect=dialect)
    except (SqlglotError, RecursionError):
        return None
    parts = found.parts
    is_bare = isinstance(found, exp.Table) and not found.alias and not found.args.get("joins")
    if not is_bare or not 0 < len(parts) <= 3 or not all(isinstance(part, exp.Identifier) for part in parts):
        return None
    names = [
        part.name.lower() if dialect in _FOLDED_BY and not part.args.get("quoted") else part.name for part in parts
    ]
    database, schema, name = ["", "", *names][-3:]
    return TableName(database=database, schema=schema, name=name)
