"""Check at `apply` that a stream can feed a view: its SQL is row-level, runs in DuckDB, makes the view's columns.

And it makes the same rows in each time zone, where the warehouse runs it too.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from featurestore.definitions.streams import EVENTS
from featurestore.definitions.types import family_of, is_known, parse_type
from featurestore.errors import UsageError, did_you_mean
from featurestore.sql.row_level import row_level_expression, row_level_sql
from featurestore.streams.schema import event_schema
from featurestore.streams.session_zone import refuse_session_zone
from featurestore.streams.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Column, FeatureView

_UNCHECKED = ("struct<", "map<", "unknown:")


def compile_sql(
    view: FeatureView, stream: Stream, sql: str, *, dialect: str, names: Collection[str], is_own: bool = False
) -> str:
    """Check what makes rows of a view of a stream's events.

    Args:
        view: the definition.
        stream: with the columns of its events.
        sql: one SELECT; empty where an event's columns are the view's.
        dialect: sqlglot's name of its language.
        names: what it may call the events.
        is_own: whether it is the stream's own, and no warehouse runs it in a session of another time zone.

    Returns:
        The SELECT in DuckDB's dialect, its events called ``events``; empty as it was.

    Raises:
        UsageError: it is not row-level, does not run, makes other columns than the view has, or other rows in another
            time zone.
    """
    if stream.deletes:
        _check_deletes(stream)
    if not sql:
        _check_columns(view, {column.name: column.type for column in stream.columns}, f"an event of '{stream.name}'")
        return ""
    text = row_level_sql(sql, dialect=dialect, names=names)
    with closing(Transform(text)) as transform:
        made = transform.columns(event_schema(stream))
        _check_columns(
            view, {name: parse_type(kind, dialect="duckdb") for name, kind in made.items()}, "the SQL's result"
        )
        if not is_own:
            refuse_session_zone(transform.plan(event_schema(stream)))
    return text


def wanted_columns(view: FeatureView) -> tuple[Column, ...]:
    """The columns that make a row of a view, each once; a created time that is not there is when it was published."""
    needed = {column.name for column in (*view.join_keys, view.event_time, *view.online_columns)}
    return tuple(column for column in view.row_columns if column.name in needed)


def _check_columns(view: FeatureView, have: Mapping[str, str], what: str) -> None:
    for column in wanted_columns(view):
        found = have.get(column.name)
        if found is None:
            raise UsageError(
                f"{what} has no column '{column.name}', which the view has", hint=did_you_mean(column.name, have)
            )
        if not _fits(found, column.type):
            raise UsageError(
                f"column '{column.name}' is {column.type} in the view, and {found} in {what}", hint="cast it in the SQL"
            )


def _fits(have: str, wanted: str) -> bool:
    if have == wanted or wanted.startswith(_UNCHECKED) or not is_known(have):
        return True
    texts = {"json", "string", "uuid"}
    return family_of(have) == family_of(wanted) or (have in texts and wanted in texts)


def _check_deletes(stream: Stream) -> None:
    expression = row_level_expression(stream.deletes)
    with closing(Transform(f"SELECT ({expression}) AS value FROM {EVENTS}")) as transform:
        kind = transform.columns(event_schema(stream))["value"]
    if kind != "BOOLEAN":
        raise UsageError(
            f"`deletes` of stream '{stream.name}' is {kind.lower()}, and no boolean", hint="e.g. deletes: \"op = 'd'\""
        )
