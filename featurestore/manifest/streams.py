"""The streams of a project: sources of the dbt project that say so, and those of `featurestore.yml`, which wins.

A view that names a stream gets its SQL: its own ``stream.sql``, else the model's as dbt compiled it if that reads the
stream's table, else none: an event's columns are the view's then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from featurestore.definitions.names import folder_name_problem
from featurestore.definitions.streams import COPIES, Stream
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column, StreamBinding
from featurestore.errors import UsageError, did_you_mean
from featurestore.manifest.blocks import open_block
from featurestore.manifest.nodes import STREAM_KEY, as_mapping, file_of, project_path, yaml_columns
from featurestore.manifest.options import PATH
from featurestore.manifest.stream_settings import (
    CONNECTION_KEYS,
    DEFINITION_KEYS,
    RESERVED,
    read_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.nodes import Node
    from featurestore.manifest.options import StreamOptions
    from featurestore.manifest.problems import Problems
    from featurestore.manifest.settings import Settings

META_PATH = f"config.meta.{STREAM_KEY}"
_META_KEYS = ("name", *DEFINITION_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSql:
    """SQL that makes rows of a view of a stream's events, as a person or dbt wrote it; empty for none.

    Attributes:
        sql: one SELECT; empty where an event's columns are the view's.
        dialect: sqlglot's name of its language.
        names: what it may call the events.
        is_own: whether it is the stream's own, and not the model's, which dbt runs too.
    """

    sql: str
    dialect: str
    names: tuple[str, ...]
    is_own: bool = False


Compile = Callable[[StreamSql, Stream, "FeatureView"], str]
"""Checks a view's SQL against the stream and the view; returns it in DuckDB's dialect, or raises UsageError."""


def as_written(sql: StreamSql, stream: Stream, view: FeatureView) -> str:  # noqa: ARG001  as `Compile`
    """Take the SQL as it is: for readers who only ask what the metadata says."""
    return sql.sql


def stream_relations(manifest: Manifest) -> tuple[str, ...]:
    """Tables of the dbt sources that are streams, as dbt renders them."""
    return tuple(str(raw["relation_name"]) for _, raw, _ in _sources(manifest) if raw.get("relation_name"))


def read_streams(
    manifest: Manifest,
    settings: Settings,
    *,
    warehouse: Mapping[str, tuple[Column, ...]],
    dialect: str,
    problems: Problems,
) -> dict[str, Stream]:
    """Read all streams by name; what is wrong is noted.

    Args:
        manifest: for sources of the dbt project.
        settings: for those of `featurestore.yml`.
        warehouse: columns by relation, as the warehouse says them.
        dialect: sqlglot's name of the warehouse.
        problems: gets a note for each that cannot be one.
    """
    found: dict[str, Stream] = {}
    for unique_id, raw, values in _sources(manifest):
        stream = _of_source(unique_id, raw, values, manifest, warehouse, dialect, problems)
        if stream is None:
            continue
        if stream.name in found:
            what = f"two streams are named '{stream.name}': also {found[stream.name].unique_id}"
            problems.error(what, where=f"{file_of(raw, manifest)}: {META_PATH}", hint="give one of them a `name`")
        found[stream.name] = stream
    for name, block in settings.streams.items():
        one = replace(block, problems=problems)
        found[name] = read_stream(one, found.get(name, Stream(name=name)), dialect="duckdb")
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A view that names a stream, before it is known whether that can feed it."""

    view: FeatureView
    options: StreamOptions
    node: Node

    def place(self, key: str = "") -> str:
        """Where it says so."""
        return self.node.place(f"{PATH}.stream{key}")


def bind_streams(
    bound: Sequence[Bound], streams: dict[str, Stream], compiled: Compile, *, dialect: str, problems: Problems
) -> dict[str, FeatureView]:
    """Give each view the stream that it names; what stands against one is noted.

    Args:
        bound: the views.
        streams: by name; one whose columns nobody declares gets those of the views that are made of it as it is.
        compiled: checks SQL.
        dialect: sqlglot's name of the language of the models.
        problems: gets the notes.

    Returns:
        By reference, the views with their streams.
    """
    usable = []
    for each in bound:
        stream = streams.get(each.options.source)
        if stream is None:
            problems.error(f"no stream '{each.options.source}'", where=each.place(), hint=_declare(each, streams))
        elif (why := _unsuited(each)) is not None:
            problems.error(why[0], where=each.place(), hint=why[1])
        else:
            usable.append((each, stream.name, _sql_of(each, stream, dialect, problems)))
    for _, name, sql in usable:
        if sql is not None and not sql.sql and not streams[name].columns:
            same = [other.view for other, of, its in usable if of == name and its is not None and not its.sql]
            streams[name] = replace(streams[name], columns=_as_the_views(same))
    found: dict[str, FeatureView] = {}
    for each, name, sql in usable:
        if sql is None:
            continue
        text = _compiled(each, sql, streams[name], compiled, problems)
        if text is not None:
            if each.view.created_at is None:
                what = (
                    "of two events of one key at the same time the one read last is served, and the warehouse takes "
                    "the one with the greater values (SEMANTICS P4): no created time tells them apart"
                )
                hint = "select `_published_at as published_at` in the model, and write `created_at: published_at`"
                problems.warn(what, where=each.place(), hint=hint)
            binding = StreamBinding(source=name, sql=text, ahead_us=each.options.ahead_us)
            found[each.view.reference] = replace(each.view, stream=binding)
    return found


def _compiled(each: Bound, sql: StreamSql, stream: Stream, compiled: Compile, problems: Problems) -> str | None:
    if not stream.columns:
        what = f"the columns of stream '{stream.name}' are not known"
        hint = (
            f"give its source's columns a data_type, or write `streams: {{{stream.name}: {{columns: {{NAME: TYPE}}}}}}`"
        )
        problems.error(what, where=each.place(), hint=hint)
        return None
    try:
        return compiled(sql, stream, each.view)
    except UsageError as error:
        if each.options.sql is not None or not sql.sql:
            problems.error(
                error.what, where=each.place(".sql" if each.options.sql is not None else ""), hint=error.hint
            )
        else:
            hint = f"{error.hint or 'change the model'}; or write `stream: {{source: ..., sql: ...}}`"
            problems.error(f"the model's own SQL cannot make its rows: {error.what}", where=each.place(), hint=hint)
    return None


def _declare(each: Bound, streams: Mapping[str, Stream]) -> str:
    if streams:
        return did_you_mean(each.options.source, streams)
    return (
        f"write `streams: {{{each.options.source}: {{url: redis://localhost:6379/0}}}}` in featurestore.yml, "
        f"or `config: {{meta: {{{STREAM_KEY}: true}}}}` on a dbt source"
    )


def _sources(manifest: Manifest) -> list[tuple[str, dict[str, Any], Any]]:
    found = []
    for unique_id in sorted(manifest.sources):
        raw = manifest.sources[unique_id]
        values = as_mapping(as_mapping(raw.get("config")).get("meta")).get(STREAM_KEY)
        if values is not None and values is not False:
            found.append((unique_id, raw, values))
    return found


def _of_source(  # noqa: PLR0913, PLR0917
    unique_id: str,
    raw: dict[str, Any],
    values: Any,  # noqa: ANN401
    manifest: Manifest,
    warehouse: Mapping[str, tuple[Column, ...]],
    dialect: str,
    problems: Problems,
) -> Stream | None:
    file, relation = file_of(raw, manifest), str(raw.get("relation_name") or "")
    if values is True:
        values = {}
    if isinstance(values, dict):
        for key in CONNECTION_KEYS:
            if key in values:
                hint = f"write it in featurestore.yml: `streams: {{{raw.get('name')}: {{{key}: ...}}}}`"
                problems.error(
                    "belongs to the machine, not to the model", where=f"{file}: {META_PATH}.{key}", hint=hint
                )
        values = {key: value for key, value in values.items() if key not in CONNECTION_KEYS}
    block = open_block(values, file=file, path=META_PATH, known=_META_KEYS, problems=problems)
    if block is None:
        return None
    described = tuple(
        Column(name=each.name, type=parse_type(each.data_type, dialect=dialect))
        for each in yaml_columns(raw)
        if each.data_type is not None
    )
    name = block.text("name") or str(raw.get("name"))
    if (why := folder_name_problem(name)) is not None:
        problems.error(f"'{name}' {why}", where=block.place("name"), hint="give the stream a `name`")
        return None
    base = Stream(
        name=name,
        relation=relation,
        columns=_without_origin(described or warehouse.get(relation, ())),
        description=str(raw.get("description") or "").strip(),
        unique_id=unique_id,
        path=project_path(raw, "original_file_path", manifest),
    )
    return read_stream(block, base, dialect=dialect)


def _without_origin(columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.name.casefold() not in RESERVED)


def _unsuited(each: Bound) -> tuple[str, str] | None:
    """Why no events can feed a view, and what to do; None if they can."""
    if each.node.resource_type == "snapshot":
        return "dbt alone writes a snapshot", "stream into a model that selects from the events"
    if not each.view.online:
        return "the view is not online, so a stream would lead nowhere", "remove `online: false`, or the stream"
    if each.view.delay_us:
        what = "a row of a stream is served at once, and this view's are usable only after its delay (SEMANTICS P7)"
        return what, "remove `delay`; or remove the stream, and sync the view"
    return None


def _sql_of(each: Bound, stream: Stream, dialect: str, problems: Problems) -> StreamSql | None:
    """The SQL that makes the view's rows; None, with the problem noted, where dbt has not compiled it."""
    names = (stream.name, *((stream.relation,) if stream.relation else ()))
    if each.options.sql is not None:
        return StreamSql(sql=each.options.sql, dialect="duckdb", names=names, is_own=True)
    if not stream.unique_id and COPIES in (each.node.compiled or ""):
        what = (
            f"the model reads the events of '{stream.name}' by the stream's name, which says too little about its table"
        )
        hint = (
            f"make a dbt source of it (`feature_stream: true`), or write `stream: {{source: {stream.name}, sql: ...}}`"
        )
        problems.error(what, where=each.place(), hint=hint)
        return None
    if not stream.unique_id or stream.unique_id not in each.node.depends_on:
        if stream.unique_id:
            what = "the model does not read the stream itself: its SQL is not used, and events are taken as its rows"
            hint = "select from the source here, or write `stream: {source: ..., sql: ...}`"
            problems.warn(what, where=each.place(), hint=hint)
        return StreamSql(sql="", dialect="duckdb", names=names)
    if each.node.compiled is None:
        what = "the model makes rows of the stream's events, and the manifest does not hold its SQL"
        problems.error(what, where=each.place(), hint="run dbt build or dbt compile, and try again")
        return None
    return StreamSql(sql=each.node.compiled, dialect=dialect, names=names)


def _as_the_views(views: Sequence[FeatureView]) -> tuple[Column, ...]:
    """An event's columns, where they are the views'."""
    found: dict[str, Column] = {}
    for view in views:
        for column in view.row_columns:
            found.setdefault(column.name, column)
    return _without_origin(found.values())
