"""A feature view: a dbt model whose rows say what was true of an entity, and from when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A JSON value; not spelled recursively because msgspec cannot resolve the name of a recursive alias."""

AsOf = Literal["event", "knowledge"]
Boundary = Literal["inclusive", "exclusive"]


AHEAD_US = 300_000_000
"""How far clocks may differ: a row of the next five minutes is taken, a later one refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and its type in our vocabulary (`definitions.types`)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of a feature view that models and services may ask for.

    Attributes:
        name: the column's name.
        type: in our vocabulary.
        description, tags, default: for people and consumers; a value is never replaced by its default (SEMANTICS P6).
    """

    name: str
    type: str
    description: str = ""
    tags: tuple[str, ...] = ()
    default: Json = field(default=None, hash=False)  # it may be a list, which has no hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a view comes from in the dbt project; paths are relative to the project.

    Attributes:
        unique_id: dbt's id of the node.
        resource_type: ``model`` or ``snapshot``.
        path: the node's SQL file.
        yaml_path: the file that holds its metadata, empty if none.
        checksum: dbt's checksum of the node's SQL.
        upstream: one hash for all else that makes its rows: the project's macros it uses, and the SQL and macros of
            everything it reads, however far up; empty in documents of before it was kept.
    """

    unique_id: str
    resource_type: str
    path: str
    yaml_path: str = ""
    checksum: str = ""
    upstream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBinding:
    """How rows of a view are made of the events of a stream (`definitions.streams`).

    Attributes:
        source: the stream's name.
        sql: one row-level SELECT in DuckDB's dialect from the table ``events``; empty where an event's columns are the
            view's.
        ahead_us: how far ahead of the clock an event time may be, microseconds; later ones are refused.
    """

    source: str
    sql: str = ""
    ahead_us: int = AHEAD_US


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """A dbt model as a feature view. Rules of time: SEMANTICS P2-P9.

    Attributes:
        name: the model's name, without a version.
        version: dbt's model version as text (``view@v<version>``); None when the model has none.
        is_latest: False for versions that `view:feature` does not mean.
        relation: the table, rendered and quoted by dbt for the target.
        entities: names of the entities, in order.
        join_keys: their columns in this view, in order; none for a view without entity (P10).
        event_time: when a row became true; its type is a timestamp, timestamptz or date.
        created_at: when a row became known; breaks ties (P4) and gives knowledge time (P8).
        ttl_us: age in microseconds beyond which a row is no longer used (P3); None is no limit.
        delay_us: microseconds after the event time before a row is usable (P7).
        as_of, boundary, tie_breakers: P8, P2, P4.
        valid_to: end of validity of a row, for snapshots and SCD2 models (P9).
        lookback_us: how far an incremental sync reads back without a created time (O6).
        online: whether the view is synced to the online store.
        stream: the events that its rows are also made of, as they come; None for a view that is synced only.
        pushed: table of the rows that are pushed to it, as NAME or SCHEMA.NAME; empty for `<view>__pushed`.
        features: in declared order; this order is frozen in the online rows.
        description, owner, tags: for people.
        group, access: dbt's; a ``private`` view is for services of its own group.
        source: where it comes from.
    """

    name: str
    version: str | None = None
    is_latest: bool = True
    relation: str
    entities: tuple[str, ...] = ()
    join_keys: tuple[Column, ...] = ()
    event_time: Column
    created_at: Column | None = None
    ttl_us: int | None = None
    delay_us: int = 0
    as_of: AsOf = "event"
    boundary: Boundary = "inclusive"
    tie_breakers: tuple[str, ...] = ()
    valid_to: Column | None = None
    lookback_us: int | None = None
    online: bool = True
    stream: StreamBinding | None = None
    pushed: str = ""
    features: tuple[Feature, ...] = ()
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    access: str = ""
    source: Source = field(default_factory=lambda: Source(unique_id="", resource_type="model", path=""))

    @property
    def reference(self) -> str:
        """How users write it: ``view`` or ``view@v2``."""
        return self.name if self.version is None else f"{self.name}@v{self.version}"

    @property
    def online_columns(self) -> tuple[Column, ...]:
        """What an online row holds after its header, in order: the features, then `valid_to` if there is one."""
        features = tuple(Column(name=feature.name, type=feature.type) for feature in self.features)
        return features if self.valid_to is None else (*features, self.valid_to)

    @property
    def known_by(self) -> tuple[Column, ...]:
        """What tells a row from others of its view: join keys, event time, and the created time if there is one."""
        created = () if self.created_at is None else (self.created_at,)
        return (*self.join_keys, self.event_time, *created)

    @property
    def row_columns(self) -> tuple[Column, ...]:
        """What a row is made of, each column once: what it is known by, then its `online_columns`."""
        return tuple({column.name: column for column in (*self.known_by, *self.online_columns)}.values())

    @property
    def fingerprint(self) -> int:
        """32 bits that identify the layout of this view's online rows (SEMANTICS O9)."""
        layout = "\n".join(f"{column.name}\t{column.type}" for column in self.online_columns)
        return int.from_bytes(hashlib.sha256(layout.encode()).digest()[:4], "big")
