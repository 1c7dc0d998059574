"""The keys of ``config.meta.feature_view``, read with strict types; what they mean together is checked in `views`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.manifest.blocks import open_block
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
    "features",
    "owner",
)
AS_OF: tuple[AsOf, ...] = ("event", "knowledge")
BOUNDARY: tuple[Boundary, ...] = ("inclusive", "exclusive")


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
        features=block.names("features"),
        owner=block.text("owner") or "",
    )
