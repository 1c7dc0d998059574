"""The keys of ``config.meta.feature_view``, read with strict types; what they mean together is checked in `views`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.names import is_pushed_table
from featurestore.definitions.views import AHEAD_US
from featurestore.manifest.blocks import Block, open_block
from featurestore.manifest.nodes import VIEW_KEY

if TYPE_CHECKING:
    from featurestore.definitions.views import AsOf, Boundary
    from featurestore.manifest.nodes import Node
    from featurestore.manifest.problems import Problems

PATH = f"config.meta.{VIEW_KEY}"
VIEW_KEYS = (
    "entities",
    "event_time",
    "created_at",
    "ttl",
    "delay",
    "as_of",
    "boundary",
    "tie_breakers",
    "valid_from",
    "valid_to",
    "lookback",
    "online",
    "stream",
    "pushed",
    "features",
    "owner",
)
AS_OF: tuple[AsOf, ...] = ("event", "knowledge")
BOUNDARY: tuple[Boundary, ...] = ("inclusive", "exclusive")


STREAM_KEYS = ("source", "sql", "ahead")
_STREAM_FORM = "write `stream: NAME`, or `stream: {source: NAME, sql: select ... from NAME}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What a view says of the stream that feeds it; `sql` is None where it is the model's own."""

    source: str
    sql: str | None
    ahead_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """What the YAML of a feature view says; None where it says nothing. Durations are microseconds."""

    entities: tuple[str, ...] | None
    event_time: str | None
    created_at: str | None
    ttl_us: int | None
    delay_us: int | None
    as_of: AsOf
    boundary: Boundary
    tie_breakers: tuple[str, ...]
    valid_from: str | None
    valid_to: str | None
    lookback_us: int | None
    online: bool
    stream: StreamOptions | None
    pushed: str
    features: tuple[str, ...] | None
    owner: str


def read_options(node: Node, problems: Problems) -> ViewOptions | None:
    """Read the metadata of a feature view; None, with the problem noted, when it is no mapping."""
    block = open_block(node.meta[VIEW_KEY], file=node.file, path=PATH, known=VIEW_KEYS, problems=problems)
    if block is None:
        return None
    return ViewOptions(
        entities=block.names("entities"),
        event_time=block.text("event_time", "the name of a column"),
        created_at=block.text("created_at", "the name of a column"),
        ttl_us=block.duration("ttl", example="7 days", absent="values never expire"),
        delay_us=block.duration(
            "delay", example="1 hour", absent="rows are usable at their event time", zero_allowed=True
        ),
        as_of=block.choice("as_of", AS_OF, default="event"),
        boundary=block.choice("boundary", BOUNDARY, default="inclusive"),
        tie_breakers=block.names("tie_breakers") or (),
        valid_from=block.text("valid_from", "the name of a column"),
        valid_to=block.text("valid_to", "the name of a column"),
        lookback_us=block.duration("lookback", example="1 day", absent="rows never arrive late"),
        online=block.flag("online", default=True),
        stream=_read_stream(block),
        pushed=_read_pushed(block),
        features=block.names("features"),
        owner=block.text("owner") or "",
    )


def _read_pushed(view: Block) -> str:
    """The table of pushed rows: its name, or its schema's and its own; empty for the usual one."""
    wanted = "a table, as NAME or SCHEMA.NAME"
    text = view.text("pushed", wanted) or ""
    if text and not is_pushed_table(text):
        view.refuse("pushed", wanted, "write `pushed: raw.orders_pushed`; without it rows go to `<view>__pushed`")
        return ""
    return text


def _read_stream(view: Block) -> StreamOptions | None:
    values = view.values.get("stream")
    if values is None:
        return None
    if isinstance(values, str) and values.strip():
        return StreamOptions(source=values, sql=None, ahead_us=AHEAD_US)
    if not isinstance(values, dict):
        view.refuse("stream", "the name of a stream, or a mapping", _STREAM_FORM)
        return None
    block = open_block(values, file=view.file, path=f"{view.path}.stream", known=STREAM_KEYS, problems=view.problems)
    if block is None:
        return None
    source = block.text("source", "the name of a stream")
    ahead_us = block.duration("ahead", example="5 minutes", absent="clocks agree to five minutes", zero_allowed=True)
    sql = block.text("sql", "one SELECT")
    if source is None:
        if values.get("source") is None:
            block.refuse("source", "the name of a stream", _STREAM_FORM)
        return None
    return StreamOptions(source=source, sql=sql, ahead_us=AHEAD_US if ahead_us is None else ahead_us)
