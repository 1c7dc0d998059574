"""Names in SQL: the parts of a relation as dbt renders it, and a name of our own beside it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_CASE_SENSITIVE = frozenset(("bigquery", "clickhouse"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationName:
    """The parts of a relation's name, unquoted; folded as the warehouse folds what is not quoted.

    Attributes:
        database: also called catalog or project; None where the name does not say it.
        schema: also called dataset or, by ClickHouse, database.
        name: of the table.
    """

    database: str | None
    schema: str | None
    name: str

    def within(self, home: RelationName) -> RelationName:
        """The same; where it leaves out its database or schema, it is in those of `home`."""
        return RelationName(database=self.database or home.database, schema=self.schema or home.schema, name=self.name)

    def names(self, other: RelationName) -> bool:
        """Whether it is a name of that table too; what it leaves unsaid is taken to be the same."""
        places = ((self.database, other.database), (self.schema, other.schema))
        said = [(ours, theirs) for ours, theirs in places if ours is not None and theirs is not None]
        is_there = all(ours.casefold() == theirs.casefold() for ours, theirs in said)
        return is_there and self.name == other.name

    def beside(self, prefix: str, dialect: str) -> str:
        """A new quoted name in the same schema, of at most 63 letters, that no other table has."""
        made = exp.table_(f"{prefix}{secrets.token_hex(8)}", db=self.schema, catalog=self.database, quoted=True)
        return made.sql(dialect=dialect)


def relation_name(text: str, dialect: str) -> RelationName:
    """Take a relation's name apart.

    Raises:
        UsageError: it is not a table's name in this dialect.
    """
    try:
        made = sqlglot.parse_one(text, into=exp.Table, dialect=dialect)
    except SqlglotError as error:
        hint = f"put what is no plain word in quotes, e.g. {quoted('my table', dialect)}"
        raise UsageError(f"cannot read the relation name {text!r} as {dialect}", hint=hint) from error
    folding = sqlglot.Dialect.get_or_raise(dialect)
    is_kept = dialect in _CASE_SENSITIVE
    parts = [part.name if is_kept else folding.normalize_identifier(part.copy()).name for part in made.parts]
    database, schema, name = (*[None] * (3 - len(parts)), *parts)[-3:]
    assert name is not None
    return RelationName(database=database, schema=schema, name=name)


def is_table_name(text: str, dialect: str) -> bool:
    """Whether a text is one table's name: parts with dots between them, each a word or in the dialect's quotes."""
    marks = sqlglot.Dialect.get_or_raise(dialect).tokenizer_class.IDENTIFIERS
    part = "|".join((r"\w+", *(f"{mark}(?:[^{mark}]|{mark}{mark})+{mark}" for mark in marks)))
    return re.fullmatch(rf"(?:{part})(?:\.(?:{part}))*", text) is not None


def quoted(name: str, dialect: str) -> str:
    """An identifier in the dialect's quotes."""
    return exp.to_identifier(name, quoted=True).sql(dialect=dialect)


def table_in(schema: str | None, name: str, dialect: str) -> str:
    """A table's name as it stands in SQL; without a schema it is in the connection's own."""
    return ".".join(quoted(part, dialect) for part in ([schema, name] if schema else [name]))


def literal(text: str, dialect: str) -> str:
    """A text in the dialect's quotes."""
    return exp.Literal.string(text).sql(dialect=dialect)


def is_one_of(places: Iterable[tuple[str, str]], dialect: str) -> str:
    """The condition that a row of ``information_schema.columns`` is about one of these (schema, table)."""
    return " OR ".join(
        f"(table_schema = {literal(schema, dialect)} AND table_name = {literal(table, dialect)})"
        for schema, table in places
    )
