"""Open the online store in DynamoDB, whose client is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.online.dynamodb.address import parse_dynamodb_uri

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.online.protocol import OnlineStore


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:  # noqa: ARG001 -- no path is relative
    """Open the store at ``dynamodb://TABLE``; connects on first use.

    Raises:
        UsageError: a URI that cannot be read, or the client is not installed.
    """
    address = parse_dynamodb_uri(uri)
    try:
        from featurestore.online.dynamodb.store import DynamoStore
    except ImportError as error:
        raise UsageError(
            "an online store in DynamoDB needs a client that is not installed",
            hint="pip install 'featurestore[dynamodb]'",
        ) from error
    return DynamoStore(address, project=project)
