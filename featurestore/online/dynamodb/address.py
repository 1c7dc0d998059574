"""Read the URI of an online store in DynamoDB; credentials come from where all AWS tools find them, never from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from featurestore.errors import UsageError
from featurestore.online.uri_options import read_options

_FORMS = "write dynamodb://table?region=eu-central-1; a table's name has 3 to 255 letters, digits, _ - or ."
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}", re.ASCII)
_KNOWN = (
    "region", "endpoint", "create", "consistent", "max_connections", "connect_timeout", "read_timeout", "write_timeout",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoAddress:
    """Which table, where, and how long to wait for it.

    Attributes:
        table: its name.
        region: None for the one of the environment.
        endpoint: URL of another server than AWS's own; None for theirs.
        creates: whether the first write makes the table.
        is_consistent: whether a lookup sees every acknowledged write; without, it costs half.
        max_connections: requests at once, of lookups and of writes.
        connect_timeout_s, read_timeout_s: for lookups.
        write_timeout_s: how long one row may be refused for its rate before the write fails.
    """

    table: str
    region: str | None
    endpoint: str | None
    creates: bool
    is_consistent: bool
    max_connections: int
    connect_timeout_s: float
    read_timeout_s: float
    write_timeout_s: float

    @property
    def place(self) -> str:
        """How errors name it."""
        return f"dynamodb://{self.table}"


def parse_dynamodb_uri(uri: str) -> DynamoAddress:
    """Read ``dynamodb://TABLE`` with options after ``?``.

    Args:
        uri: options: ``region``, ``endpoint``, ``create``, ``consistent``, ``max_connections``, ``connect_timeout``,
            ``read_timeout``, ``write_timeout`` (seconds).

    Raises:
        UsageError: the URI or an option cannot be read.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise UsageError("cannot read the online store's URI", hint=_FORMS) from None
    if not _TABLE.fullmatch(parts.netloc) or parts.path.strip("/"):
        raise UsageError("the online store's URI names no table of DynamoDB", hint=_FORMS)
    options = read_options(parts.query, _KNOWN, store="DynamoDB")
    return DynamoAddress(
        table=parts.netloc,
        region=options.text("region", "") or None,
        endpoint=options.text("endpoint", "") or None,
        creates=options.flag("create", default=False),
        is_consistent=options.flag("consistent", default=True),
        max_connections=options.count("max_connections", 32),
        connect_timeout_s=options.seconds("connect_timeout", 0.5),
        read_timeout_s=options.seconds("read_timeout", 0.2),
        write_timeout_s=options.seconds("write_timeout", 30.0),
    )
