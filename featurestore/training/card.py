"""The card of a training set: what was asked, of which definitions, by which SQL, and what came out.

Shape: JSON that stands beside a file as ``<file>.json``; a table's is in the project's state folder. The card is data
(no secrets, no path that the user did not type) and enough to compare the training set with itself later
(`training.verify`) and to make it again (`training.replay`). The format: docs/training-card.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from featurestore.errors import OperationError, UsageError

FORMAT = 1
"""The format written, and the newest one that can be read."""

KIND = "training set"

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardColumn:
    """One column of the training set.

    Attributes:
        name, type: as docs/training-card.md names types.
        feature: the reference it answers, e.g. ``orders:amount_7d``; None for a column of the spine.
        nulls: how many rows have no value.
        null_share: the same, from 0 to 1.
        hash: of the values, in any order.
    """

    name: str
    type: str
    feature: str | None
    nulls: int
    null_share: float
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSpine:
    """The examples.

    Attributes:
        given: a file, a table, a model or SQL, as typed; None for a frame, which must be given again.
        label: how to speak of them.
        columns: names of theirs.
        hash: of their rows, in any order.
    """

    given: str | None
    label: str
    columns: tuple[str, ...]
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The first and the last time of the examples, UTC, as ISO text; None where there is none that a calendar has."""

    column: str
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTo:
    """Where the training set is.

    Attributes:
        kind: ``file`` or ``folder``, beside the card; ``table``, in the warehouse; ``nowhere``, only measured.
        name: as typed.
        mode: what became of the rows that were there.
        partition: column and value that these rows have in a table, None if they have none of their own.
    """

    kind: Literal["file", "folder", "table", "nowhere"]
    name: str
    mode: Literal["create", "replace", "append"] = "replace"
    partition: tuple[str, str] | None = None

    @property
    def label(self) -> str:
        """The name that ``--verify`` takes: as typed, with the partition if there is one."""
        return self.name if self.partition is None else f"{self.name}.{self.partition[0]}={self.partition[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """How a training set was made, and what it is.

    Attributes:
        card: always `KIND`.
        format: see `FORMAT`.
        project: name of the dbt project.
        registry_version, registry_hash: of the definitions.
        features: references, as asked or as the service names them.
        feature_service: where they came from, None if named one by one.
        question: all options of the request, the spine apart.
        spine: the examples; None without.
        time: the column with the examples' times; None if there is none.
        dialect: of the warehouse it ran in.
        sql, sql_sha256: the legible SELECT, passwords in it blotted out, and its hash, before that.
        rows: how many there are.
        columns: in order.
        interval: of the examples' times.
        data_hash: of all rows, in any order.
        written_to: where it is.
        written_at: UTC.
        written_by: version of this package.
    """

    card: str = KIND
    format: int = FORMAT
    project: str
    registry_version: int
    registry_hash: str
    features: tuple[str, ...]
    feature_service: str | None
    question: dict[str, Any]
    spine: CardSpine | None
    time: str | None
    dialect: str
    rows: int = 0
    columns: tuple[CardColumn, ...] = ()
    interval: Interval | None = None
    data_hash: str = ""
    written_to: WrittenTo
    written_at: datetime
    written_by: str
    sql_sha256: str
    sql: str

    def __repr__(self) -> str:
        what = self.written_to.label or "a training set that was not written"
        return f"<card of {what}: {self.rows:,} rows, {len(self.columns)} columns, {self.data_hash or 'not run yet'}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    card: str = ""
    format: int = 0
    written_by: str = "a newer version"


def blank_column(name: str, feature: str | None) -> CardColumn:
    """A column of which nothing is known but its name and what it answers."""
    return CardColumn(name=name, type="", feature=feature, nulls=0, null_share=0.0, hash="")


def encode_card(card: Card) -> bytes:
    """Write a card as JSON, indented by two, with a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decode_card(data: bytes, *, where: str) -> Card:
    """Read a card.

    Args:
        data: the file's bytes.
        where: names the file in errors.

    Raises:
        UsageError: it is no card.
        OperationError: it is a card of a newer format.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except _UNREADABLE as error:
        raise _no_card(where) from error
    if head.card != KIND:
        raise _no_card(where)
    if head.format > FORMAT:
        raise OperationError(
            f"a card of format {head.format}, written by featurestore {head.written_by}; this reads up to {FORMAT}",
            where=where,
            hint=f"upgrade to featurestore {head.written_by} or later",
        )
    try:
        return msgspec.json.decode(data, type=Card)
    except _UNREADABLE as error:
        hint = "restore the file; a training set in Parquet also carries its card inside"
        raise UsageError(f"the card is damaged: {error}", where=where, hint=hint) from error


def sha256(text: str) -> str:
    """The hash of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def utc_now() -> datetime:
    """The current time to the second, UTC."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def own_version() -> str:
    """The version of this package, asked of the installation."""
    from importlib.metadata import version

    return version("featurestore")


def _no_card(where: str) -> UsageError:
    return UsageError(
        "this is no card of a training set",
        where=where,
        hint="give the .json that stands beside the training set, e.g. train.parquet.json",
    )
