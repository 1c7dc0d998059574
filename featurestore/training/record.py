"""The record of a written training set: what was asked, of which definitions, by which SQL, when."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import OperationError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a training set was made; stands beside it as JSON.

    Attributes:
        features: references, as asked.
        feature_service: where they came from, None if named one by one.
        registry_version: of the definitions.
        sql_sha256: of the legible SELECT.
        rows: how many it has.
        columns: their names, in order.
        dialect: of the warehouse it ran in.
        spine: how the examples were given; None without a spine.
        written_to: file name or table.
        written_at: UTC.
    """

    features: tuple[str, ...]
    feature_service: str | None
    registry_version: int
    sql_sha256: str
    rows: int
    columns: tuple[str, ...]
    dialect: str
    spine: str | None
    written_to: str
    written_at: datetime


def write_record(record: Record, path: Path) -> None:
    """Write a record as indented JSON, whole or not at all; raises OperationError when the file cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        partial.replace(path)
    except OSError as error:
        hint = "the training set itself is whole; check the folder, its permissions and free space"
        raise OperationError(f"cannot write {path}: {error.strerror}", hint=hint) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def utc_now() -> datetime:
    """The current time to the second, UTC."""
    return datetime.now(timezone.utc).replace(microsecond=0)
