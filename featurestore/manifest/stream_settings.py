"""What YAML says of a stream: ``streams.NAME`` of `featurestore.yml`, ``config.meta.feature_stream`` of a dbt source.

What its events hold becomes a definition; where it is (`CONNECTION_KEYS`) is a setting of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from featurestore.definitions.names import folder_name_problem
from featurestore.definitions.streams import (
    ICEBERG_PREFIX,
    NOWHERE,
    ORIGIN_COLUMNS,
    RAW_COLUMN,
    TOPIC_PREFIX,
    Epoch,
    Stream,
    StreamConnection,
    StreamFormat,
)
from featurestore.definitions.types import is_known, parse_type
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.manifest.blocks import Block, open_block, show
from featurestore.manifest.destinations import check_destination

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.manifest.templates import Renderer

CONNECTION_KEYS = ("url", "options", "schema_registry", "schema")
DEFINITION_KEYS = (
    "topic", "format", "field", "message", "columns", "epoch", "deletes", "to", "dead_letters", "description",
)  # fmt: skip
RESERVED = frozenset((*(column.name for column in ORIGIN_COLUMNS), "__event"))
"""Columns that events get from us: where they came from, and, in a batch, which of them a row was made of."""
_TO = (
    "write `to: warehouse`, a folder such as `to: events`, s3://, gs:// or az:// with bucket and folder, "
    "`to: iceberg:NAMESPACE.TABLE`, or `to: nowhere`"
)
_DEAD = (
    "write `dead_letters: topic:NAME`, a folder such as `dead_letters: dead`, or s3://, gs:// or az:// with a bucket"
)
_FORMATS: tuple[StreamFormat, ...] = get_args(StreamFormat)
_EPOCHS: tuple[Epoch, ...] = get_args(Epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStreams:
    """The ``streams:`` of a settings file, by name: what defines each, and where it is or why that is not known."""

    definitions: Mapping[str, Block]
    connections: Mapping[str, StreamConnection | UsageError]


def open_streams(blocks: Sequence[Block], renderer: Renderer | None) -> OpenedStreams:
    """Read ``streams:`` of blocks of which the first that has a key of a stream wins.

    Args:
        blocks: of the settings file; what is wrong is noted in their problems.
        renderer: for templates; None looks at the keys only.
    """
    values: dict[str, dict[str, Any]] = {}
    for block in reversed(blocks):
        for name, one in _each(block):
            values[name] = {**values.get(name, {}), **one.values}
    file, problems = blocks[-1].file, blocks[-1].problems
    definitions: dict[str, Block] = {}
    connections: dict[str, StreamConnection | UsageError] = {}
    if renderer is None:
        return OpenedStreams(definitions=definitions, connections=connections)
    for name, its in values.items():
        path = f"streams.{name}"
        defined = {key: each for key, each in its.items() if key in DEFINITION_KEYS}
        rendered = {key: renderer.render(each, f"{path}.{key}") for key, each in defined.items()}
        definitions[name] = Block(file=file, path=path, values=rendered, problems=problems)
        try:
            placed = {k: renderer.render(v, f"{path}.{k}") for k, v in its.items() if k in CONNECTION_KEYS}
        except UsageError as error:
            connections[name] = error
        else:
            connections[name] = read_connection(Block(file=file, path=path, values=placed, problems=problems))
    return OpenedStreams(definitions=definitions, connections=connections)


def _each(block: Block) -> Iterator[tuple[str, Block]]:
    raw = block.values.get("streams")
    if raw is None:
        return
    if not isinstance(raw, dict):
        block.refuse(
            "streams", "a mapping of names to streams", "write `streams: {clicks: {url: redis://localhost:6379/0}}`"
        )
        return
    for name, values in raw.items():
        path = f"{block.path}.streams.{name}".removeprefix(".")
        if (why := folder_name_problem(str(name))) is not None:
            hint = "rename it; `topic:` is what its broker calls it"
            block.problems.error(f"'{name}' {why}", where=f"{block.file}: {path}", hint=hint)
            continue
        known = (*CONNECTION_KEYS, *DEFINITION_KEYS)
        one = open_block(
            {} if values is None else values, file=block.file, path=path, known=known, problems=block.problems
        )
        if one is not None:
            yield str(name), one


def read_stream(block: Block, base: Stream, *, dialect: str) -> Stream:
    """Read what a block says of a stream.

    Args:
        block: keys of `DEFINITION_KEYS`; what is wrong is noted in its problems.
        base: what was said before; a key that is missing leaves it as it is.
        dialect: whose type names the block writes.
    """
    kind = block.choice("format", _FORMATS, default=base.format)
    columns = _read_columns(block, dialect)
    if kind == "raw":
        columns = (RAW_COLUMN,)
    to, dead_letters = block.text("to"), block.text("dead_letters")
    if to != NOWHERE:
        _check_place(block, "to", ICEBERG_PREFIX, _TO)
    _check_place(block, "dead_letters", TOPIC_PREFIX, _DEAD)
    epoch = block.values.get("epoch")
    return replace(
        base,
        topic=block.text("topic") or base.topic,
        format=kind,
        field=block.text("field", "the name of a field") or base.field,
        message=block.text("message", "the name of a message") or base.message,
        columns=columns or base.columns,
        epoch=base.epoch if epoch is None else block.choice("epoch", _EPOCHS, default="ms"),
        deletes=block.text("deletes", "an expression, such as \"op = 'd'\"") or base.deletes,
        to=to or base.to,
        dead_letters=dead_letters or base.dead_letters,
        description=block.text("description") or base.description,
    )


def _check_place(block: Block, key: str, prefix: str, hint: str) -> None:
    """Check where rows go; what has the prefix needs a name after it."""
    text = block.text(key)
    if text is None:
        return
    if not text.startswith(prefix):
        check_destination(block, key, text, hint)
    elif not text.removeprefix(prefix).strip():
        block.refuse(key, f"a name after {prefix}", hint)


def read_connection(block: Block) -> StreamConnection:
    """Read where a stream is, of a block whose templates are rendered."""
    return StreamConnection(
        url=block.text("url", "a URL such as kafka://host:9092") or "",
        options=_read_options(block, "options"),
        schema_registry=_read_options(block, "schema_registry"),
        schema=block.text("schema", "a file") or "",
    )


def _read_options(block: Block, key: str) -> tuple[tuple[str, str], ...]:
    """Options of a client by name; numbers and true or false are written as their clients write them."""
    values = block.values.get(key)
    if values is None:
        return ()
    if isinstance(values, dict) and all(isinstance(each, (str, int, float)) for each in values.values()):
        return tuple((str(name), _as_text(value)) for name, value in values.items())
    hint = f"write `{key}: {{name: value}}`, as the client's own documentation names them"
    block.problems.error("expected a mapping of options to values", where=block.place(key), hint=hint)
    return ()


def _as_text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_columns(block: Block, dialect: str) -> tuple[Column, ...]:
    values: Any = block.values.get("columns")
    if values is None:
        return ()
    if not isinstance(values, dict) or not values:
        block.refuse(
            "columns", "a mapping of columns to types", "write `columns: {user_id: bigint, sent_at: timestamp}`"
        )
        return ()
    found: dict[str, Column] = {}
    for name, declared in values.items():
        kind = parse_type(declared, dialect=dialect) if isinstance(declared, str) else ""
        where = f"{block.place('columns')}.{name}"
        if not isinstance(name, str) or not name.strip():
            hint = "put the name in quotes: YAML reads words such as on, no and y as something else"
            block.problems.error(f"expected the name of a column, got {show(name)}", where=where, hint=hint)
        elif not kind or not is_known(kind):
            block.problems.error(f"expected a type such as bigint, got {show(declared)}", where=where)
        elif name.casefold() in RESERVED:
            what = f"'{name}' is the name of a column that the feature store adds"
            block.problems.error(what, where=where, hint="give the event's field another name")
        elif name.casefold() in found:
            what = f"'{name}' and '{found[name.casefold()].name}' are one name in SQL"
            block.problems.error(what, where=where, hint="keep one of them")
        else:
            found[name.casefold()] = Column(name=name, type=kind)
    return tuple(found.values())
