"""The spine as SQL: checked to be one SELECT, its rows numbered, its time made UTC.

Shape: ``select <spine columns>, row number, time as UTC from (<the spine's own SELECT>)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from featurestore.definitions.types import INTEGERS, family_of, is_known
from featurestore.errors import SpineError
from featurestore.sql.expressions import SPINE, SPINE_ROW, SPINE_TIME, TYPES, alias, column, nested, stopped_at, utc
from featurestore.sql.plan import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.spine import Spine
    from featurestore.sql.dialects.table import Dialect

_CHANGES_DATA = (
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Create,
    exp.Drop,
    exp.Alter,
    exp.Command,
    exp.Copy,
)


def parse_spine(text: str, dialect: str) -> exp.Query:
    """Read a spine's SQL.

    Args:
        text: one SELECT (or VALUES, UNION, WITH .. SELECT); semicolons and comments after it are allowed.
        dialect: sqlglot's name.

    Raises:
        SpineError: it cannot be read, is no query, is several statements, or changes data.
    """
    try:
        parsed = [made for made in sqlglot.parse(text, read=dialect) if made and not isinstance(made, exp.Semicolon)]
    except SqlglotError as error:
        raise SpineError(
            f"cannot read the spine's SQL as {dialect}{stopped_at(error)}",
            hint="write one SELECT with a row per example",
        ) from error
    if len(parsed) != 1:
        raise SpineError(f"the spine must be one SELECT, got {len(parsed)} statements")
    (query,) = parsed
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(query)
    if isinstance(query, (exp.Column, exp.Anonymous)):
        raise SpineError(
            f"the spine must be one SELECT, got {text.strip()}",
            hint="write `select * from <table>`; a dbt model is ref('model'), alone",
        )
    changing = query.find(*_CHANGES_DATA)
    if changing is not None or not isinstance(query, exp.Query):
        found = changing or query
        got = str(found.name if isinstance(found, exp.Command) else found.key).upper()
        raise SpineError(f"the spine must be one SELECT, got {got}", hint="a spine only reads")
    return query


def spine_step(spine: Spine, dialect: Dialect) -> Step:
    """Give each example its time in UTC, and a number where it keeps it."""
    _refuse_unusable_columns(spine)
    time = spine.column(spine.time)
    query = parse_spine(spine.sql, spine.dialect or dialect.name)
    chosen: list[exp.Expression] = [column(name, "spine") for name in spine.output_columns]
    comment = "P1: one row per example, duplicates kept"
    if spine.row_number is not None:
        chosen.append(alias(column(spine.row_number, "spine"), SPINE_ROW))
    elif dialect.has_stable_rows:
        chosen.append(alias(exp.Window(this=exp.RowNumber()), SPINE_ROW))
        comment = f"{comment} apart by a number of their own"
    chosen.append(alias(utc(column(time.name, "spine"), time.type, dialect), SPINE_TIME))
    return Step(
        name=SPINE,
        comment=f"{comment}; P14: times in UTC",
        query=exp.select(*chosen).from_(nested(query, "spine")),
        is_stored=True,
        about="the examples",
    )


def check_keys(spine: Spine, uses: Iterable[ViewUse], dialect: Dialect) -> None:
    """Refuse a spine without a join key, or with one whose type cannot equal the view's (SEMANTICS P2)."""
    for use in uses:
        for key, spine_key in zip(use.view.join_keys, use.spine_keys, strict=True):
            have = spine.column(spine_key)
            if not (is_known(have.type) and is_known(key.type)):
                continue
            are_times = family_of(key.type) == "time"
            if family_of(have.type) != family_of(key.type) or (are_times and have.type != key.type):
                raise SpineError(
                    f"join key '{have.name}' is {have.type} in the spine but {key.type} in {use.view.reference}",
                    hint=f"cast it where the spine is made, e.g. cast({have.name} as {_written(key.type, dialect)})",
                )


def _written(kind: str, dialect: Dialect) -> str:
    """A key's type as the warehouse spells it."""
    name = "BIGINT" if kind in INTEGERS else TYPES.get(kind)
    return kind if name is None else exp.DataType.build(name, dialect="duckdb").sql(dialect=dialect.name)


def text_uuids(spine: Spine, use: ViewUse) -> frozenset[str]:
    """Names of the spine's keys that are text where the view has a UUID."""
    pairs = [(spine.column(name), key) for name, key in zip(use.spine_keys, use.view.join_keys, strict=True)]
    as_text = {have.name for have, key in pairs if have.type == "string" and key.type != "uuid"}
    return frozenset(have.name for have, key in pairs if have.type == "string" and key.type == "uuid") - as_text


def _refuse_unusable_columns(spine: Spine) -> None:
    seen: dict[str, str] = {}
    for name in spine.output_columns:
        if name.startswith("__") or not name:
            raise SpineError(f"the spine's column name {name!r} is reserved", hint="rename it; '__' is ours")
        if name.casefold() in seen:
            raise SpineError(f"the spine has the column '{name}' twice", hint="give each column a name of its own")
        seen[name.casefold()] = name
