"""An event stream: where its events come from is a setting of the machine, what they hold is a definition.

Shape of the table that keeps them offline: the event's columns, then `ORIGIN_COLUMNS`.
The rule: a message is known by (topic, partition, offset); one that comes twice is one event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from featurestore.definitions.services import WAREHOUSE
from featurestore.definitions.views import Column

StreamFormat = Literal["json", "fields", "avro", "protobuf", "raw"]
Epoch = Literal["s", "ms", "us", "ns"]

TOPIC, PARTITION, OFFSET = "_topic", "_partition", "_offset"
PUBLISHED_AT, INGESTED_AT, DELETED = "_published_at", "_ingested_at", "_deleted"
ORIGIN_COLUMNS = (
    Column(name=TOPIC, type="string"),
    Column(name=PARTITION, type="string"),
    Column(name=OFFSET, type="string"),
    Column(name=PUBLISHED_AT, type="timestamptz"),
    Column(name=INGESTED_AT, type="timestamptz"),
    Column(name=DELETED, type="boolean"),
)
"""Where a message came from, as text in its broker's own words; when its broker got it, and we; whether it deletes."""
EVENTS = "events"
"""What a stream's SQL calls the events of a batch."""
TOPIC_PREFIX, ICEBERG_PREFIX = "topic:", "iceberg:"
"""What stands before the name of a topic for dead letters, and of an Iceberg table for events."""
COPIES = "__stream_copies"
"""What the macro `stream_rows` calls its inner query: the one place where copies of a message become one event."""
NOWHERE = "nowhere"
"""Says that events are not kept offline."""
RAW_COLUMN = Column(name="value", type="bytes")
"""What an event of format ``raw`` holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of events that feature views are made of.

    Attributes:
        name: what ``feature_view.stream.source`` calls it.
        topic: Kafka's topic, Kinesis' stream, Redis' key; empty where it is called as the stream.
        format: how an event is written; ``fields`` are the text fields of an entry of a Redis stream.
        field: of such an entry, the one that holds an event of another format.
        message: of ``protobuf`` or ``avro`` without a schema registry, the message's or record's name.
        columns: what an event holds that is read; further fields are passed over.
        epoch: the unit in which times are written as numbers; None where they are text.
        deletes: a DuckDB expression over the columns, true for an event that deletes its entity; empty for none.
        to: where events are kept offline: ``warehouse``, a folder, a bucket's URI, ``iceberg:NAME``, ``nowhere``.
        relation: their table as dbt renders it, where the stream is a source of the dbt project; else empty.
        dead_letters: where messages go that cannot be used: ``topic:NAME``, a folder or a URI; empty for our own.
        description: for people.
        unique_id, path: where it stands in the dbt project; empty for a stream of `featurestore.yml`.
    """

    name: str
    topic: str = ""
    format: StreamFormat = "json"
    field: str = "value"
    message: str = ""
    columns: tuple[Column, ...] = ()
    epoch: Epoch | None = None
    deletes: str = ""
    to: str = WAREHOUSE
    relation: str = ""
    dead_letters: str = ""
    description: str = ""
    unique_id: str = ""
    path: str = ""

    @property
    def topic_name(self) -> str:
        """What its broker calls it."""
        return self.topic or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConnection:
    """Where a stream is; of this machine, and nowhere in the registry.

    Attributes:
        url: ``kafka://host:9092``, ``kinesis://region``, ``redis://...``, ``file:PATH``; empty takes the online store's
            where that is a Redis. It may hold a password, so it is not in the repr.
        options: of the broker's client, passed through.
        schema_registry: the same of a schema registry's client; empty for none.
        schema: file of an Avro or Protobuf schema, where there is no schema registry; relative to the project.
    """

    url: str = ""
    options: tuple[tuple[str, str], ...] = ()
    schema_registry: tuple[tuple[str, str], ...] = ()
    schema: str = ""

    def __repr__(self) -> str:
        """Say nothing of what may be secret."""
        return f"<StreamConnection {self.url.partition(':')[0] or 'of the online store'}>"


def events_table_name(stream: str) -> str:
    """Return the name of the table that keeps a stream's events, where no dbt source names it."""
    return f"{stream}__events"
