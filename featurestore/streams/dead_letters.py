"""Messages that cannot be used, kept with their origin and reason: in Parquet files, or in a topic of the same broker.

The rule: they are kept before their messages are committed. One that is read again after a kill is kept again; whoever
reads them takes each origin once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from featurestore.definitions.streams import TOPIC_PREFIX
from featurestore.errors import OperationError, UsageError
from featurestore.streams.messages import DeadLetter
from featurestore.streams.offline.files import BucketRows, FolderRows
from featurestore.streams.source import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from featurestore.definitions.streams import Stream
    from featurestore.streams.offline.protocol import OfflineRows
    from featurestore.streams.source import Source

_FAILED_AT = "failed_at"
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("topic", "partition", "offset")),
        *((name, pa.binary()) for name in ("key", "value")),
        ("published_us", pa.int64()),
        *((name, pa.string()) for name in ("reason", "detail", "view")),
        ("tries", pa.int64()),
        ("failed_us", pa.int64()),
        (_FAILED_AT, pa.timestamp("us", "UTC")),
    ]
)


class DeadLetters(Protocol):
    """One place for dead letters; raises FeatureStoreError when it cannot be used."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:
        """Keep letters, under a name that is the same for the same ones."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFiles:
    """Parquet files by the hour in which the messages were given up."""

    rows: OfflineRows

    @property
    def name(self) -> str:
        """Where they are."""
        return self.rows.name

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:
        """Write a file."""
        self.rows.add(name, letters_table(letters))


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTopic:
    """A topic of the stream's own broker: body and key as they came, the rest in headers."""

    topic: str
    source: Source

    @property
    def name(self) -> str:
        """What the topic is called."""
        return f"{TOPIC_PREFIX}{self.topic}"

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:  # noqa: ARG002  a topic has no names
        """Send them."""
        self.source.send(self.topic, [_outgoing(letter) for letter in letters])


def letters_of(stream: Stream, *, source: Source, base_dir: Path, state_dir: Path) -> DeadLetters:
    """The place that a stream names for its dead letters; the folder ``dead_letters`` of its state by default."""
    to = stream.dead_letters
    if to.startswith(TOPIC_PREFIX):
        return LetterTopic(topic=to.removeprefix(TOPIC_PREFIX), source=source)
    if "://" in to:
        return LetterFiles(rows=BucketRows(uri=to, by=_FAILED_AT))
    return LetterFiles(
        rows=FolderRows(folder=letters_folder(stream, base_dir=base_dir, state_dir=state_dir), by=_FAILED_AT)
    )


def letters_folder(stream: Stream, *, base_dir: Path, state_dir: Path) -> Path:
    """The folder of a stream's dead letters, where they go to one."""
    return base_dir / stream.dead_letters if stream.dead_letters else state_dir / "dead_letters"


def letters_table(letters: Sequence[DeadLetter]) -> pa.Table:
    """Letters as rows."""
    rows = [dict(_fields(letter)) for letter in letters]
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in list(_SCHEMA)[:-1]]
    failed_at = arrays[-1].cast(_SCHEMA.field(_FAILED_AT).type)
    return pa.Table.from_arrays([*arrays, failed_at], schema=_SCHEMA)


def read_letters(stream: Stream, *, base_dir: Path, state_dir: Path) -> Iterator[DeadLetter]:
    """Read a stream's dead letters, each origin once, in the order in which they were given up.

    Raises:
        UsageError: they go to a topic, which is read as any other stream.
        OperationError: a file cannot be read.
    """
    if stream.dead_letters.startswith(TOPIC_PREFIX) or "://" in stream.dead_letters:
        what = f"the dead letters of '{stream.name}' are in {stream.dead_letters}"
        raise UsageError(what, hint="read them there; only those in a folder are listed here")
    folder = letters_folder(stream, base_dir=base_dir, state_dir=state_dir)
    found: dict[tuple[str, str, str], DeadLetter] = {}
    for letter in _letters_in(sorted(folder.glob("hour=*/*.parquet"))):
        found.setdefault((letter.topic, letter.partition, letter.offset), letter)
    yield from sorted(found.values(), key=lambda letter: letter.failed_us)


def _letters_in(paths: Iterable[Path]) -> Iterator[DeadLetter]:
    import pyarrow.parquet as pq

    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                rows = file.read().drop_columns([_FAILED_AT]).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise OperationError(f"cannot be read: {error}", where=str(path), hint="move it away") from error
        yield from (DeadLetter(**row) for row in rows)


def _fields(letter: DeadLetter) -> list[tuple[str, object]]:
    return [
        ("topic", letter.topic),
        ("partition", letter.partition),
        ("offset", letter.offset),
        ("key", letter.key),
        ("value", letter.value),
        ("published_us", letter.published_us),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("view", letter.view),
        ("tries", letter.tries),
        ("failed_us", letter.failed_us),
    ]


def _outgoing(letter: DeadLetter) -> Outgoing:
    headers = [
        (name, str(value)) for name, value in _fields(letter) if name not in {"key", "value"} and value is not None
    ]
    return Outgoing(value=letter.value, key=letter.key, headers=tuple(headers))
