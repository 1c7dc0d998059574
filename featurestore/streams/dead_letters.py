"""Messages that cannot be used, kept with their origin and reason: in Parquet files, or in a topic of the same broker.

The rule: they are kept before their messages are committed. One that is read again after a kill is kept again; whoever
reads them takes each origin once.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from featurestore.definitions.streams import TOPIC_PREFIX
from featurestore.errors import OperationError
from featurestore.streams.messages import DeadLetter
from featurestore.streams.offline.files import BucketRows, FolderRows
from featurestore.streams.source import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from featurestore.definitions.streams import Stream
    from featurestore.streams.offline.hour_files import Files
    from featurestore.streams.places import StreamPlaces
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


Origin = tuple[str, str, str]
"""Topic, partition and offset of the message."""
Lies = tuple[str, str]
"""Where a copy of a letter lies: an hour and a file, or a partition and an offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a place holds.

    Attributes:
        letters: each origin once, in the order in which they were given up.
        lies: where each lies, and its copies.
        others: how many messages are no dead letters of the stream.
    """

    letters: tuple[DeadLetter, ...]
    lies: dict[Origin, list[Lies]]
    others: int = 0

    def of(self, letters: Iterable[DeadLetter]) -> set[Lies]:
        """Where some of the letters lie."""
        return {each for letter in letters for each in self.lies[origin_of(letter)]}


class DeadLetters(Protocol):
    """One place for dead letters; raises FeatureStoreError when it cannot be used."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:
        """Keep letters, under a name that is the same for the same ones."""
        ...

    def read(self) -> Found:
        """Look at all that are there."""
        ...

    def replace(self, found: Found, tried: Sequence[DeadLetter], name: str, left: Sequence[DeadLetter]) -> None:
        """Keep those that are left of some that were tried again, then take those away that were tried.

        A kill in between leaves a letter twice, never none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFiles:
    """Parquet files by the hour in which the messages were given up.

    Attributes:
        rows: the folder or bucket.
        base_dir: what a relative folder is relative to.
    """

    rows: FolderRows | BucketRows
    base_dir: Path

    @property
    def name(self) -> str:
        """Where they are."""
        return self.rows.name

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:
        """Write a file."""
        self.rows.add(name, letters_table(letters))

    def read(self) -> Found:
        """Read all files."""
        files = self._files()
        return _found((letter, lies) for lies in _names(files) for letter in _letters_in(files, lies))

    def replace(self, found: Found, tried: Sequence[DeadLetter], name: str, left: Sequence[DeadLetter]) -> None:
        """Write one file of what is left and of what lies in the same files, and delete those."""
        touched, those = found.of(tried), {origin_of(letter) for letter in tried}
        others = [
            letter
            for letter in found.letters
            if origin_of(letter) not in those and not touched.isdisjoint(found.lies[origin_of(letter)])
        ]
        if others or left:
            self.add(name, [*others, *left])
        files = self._files()
        for hour in sorted({hour for hour, _ in touched}):
            files.delete(hour, sorted(name for each, name in touched if each == hour))

    def _files(self) -> Files:
        from featurestore.streams.offline.hour_files import open_files

        return open_files(self.rows.name, base_dir=self.base_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTopic:
    """A topic of the stream's own broker: body and key as they came, the rest in headers.

    Attributes:
        topic: what the broker calls it.
        source: sends and reads.
        of: the topic whose dead letters are meant; those of others may lie beside them.
    """

    topic: str
    source: Source
    of: str

    @property
    def name(self) -> str:
        """What the topic is called."""
        return f"{TOPIC_PREFIX}{self.topic}"

    def add(self, name: str, letters: Sequence[DeadLetter]) -> None:  # noqa: ARG002  a topic has no names
        """Send them."""
        self.source.send(self.topic, [_outgoing(letter) for letter in letters])

    def read(self) -> Found:
        """Read the topic to its end."""
        read = [(_letter(each.message), (each.partition, each.offset)) for each in self.source.read_all(self.topic)]
        ours = [(letter, lies) for letter, lies in read if letter is not None and letter.topic == self.of]
        return _found(ours, others=len(read) - len(ours))

    def replace(self, found: Found, tried: Sequence[DeadLetter], name: str, left: Sequence[DeadLetter]) -> None:
        """Send what is left anew, and have what was tried not come again."""
        self.add(name, left)
        gone = sorted(found.of(tried))
        self.source.remove(self.topic, [partition for partition, _ in gone], [offset for _, offset in gone])


def letters_of(stream: Stream, *, source: Source, base_dir: Path, state_dir: Path) -> DeadLetters:
    """The place that a stream names for its dead letters; the folder ``dead_letters`` of its state by default."""
    to = stream.dead_letters
    if to.startswith(TOPIC_PREFIX):
        return LetterTopic(topic=to.removeprefix(TOPIC_PREFIX), source=source, of=stream.topic_name)
    return _letter_files(stream, base_dir=base_dir, state_dir=state_dir)


@contextmanager
def open_letters(places: StreamPlaces, stream: Stream) -> Iterator[DeadLetters]:
    """The same for whoever is no worker; the broker is asked only where a topic of it holds them.

    Raises:
        UsageError: its URL or an option cannot be meant, or a package is missing.
    """
    state_dir = places.folder(stream.name)
    if not stream.dead_letters.startswith(TOPIC_PREFIX):
        yield _letter_files(stream, base_dir=places.base_dir, state_dir=state_dir)
        return
    with closing(places.source(stream, places.reader(stream))) as source:
        yield letters_of(stream, source=source, base_dir=places.base_dir, state_dir=state_dir)


def read_letters(places: StreamPlaces, name: str) -> Found:
    """Read a stream's dead letters, wherever they are.

    Args:
        places: where everything is.
        name: of the stream.

    Raises:
        UnknownNameError: no such stream.
        UsageError: a URL or an option cannot be meant, or a package is missing.
        OperationError: a file cannot be read.
        BackendError: the bucket or the broker cannot be used.
    """
    project, _ = places.project_of()
    with open_letters(places, project.stream(name)) as letters:
        return letters.read()


def is_here(stream: Stream) -> bool:
    """Whether a stream's dead letters are in a folder of this machine, and so soon read."""
    return not stream.dead_letters.startswith(TOPIC_PREFIX) and "://" not in stream.dead_letters


def origin_of(letter: DeadLetter) -> Origin:
    """Where the message stood."""
    return letter.topic, letter.partition, letter.offset


def letters_table(letters: Sequence[DeadLetter]) -> pa.Table:
    """Letters as rows."""
    rows = [dict(_fields(letter)) for letter in letters]
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in list(_SCHEMA)[:-1]]
    failed_at = arrays[-1].cast(_SCHEMA.field(_FAILED_AT).type)
    return pa.Table.from_arrays([*arrays, failed_at], schema=_SCHEMA)


def _letter_files(stream: Stream, *, base_dir: Path, state_dir: Path) -> LetterFiles:
    to = stream.dead_letters
    if "://" in to:
        return LetterFiles(rows=BucketRows(uri=to, by=_FAILED_AT), base_dir=base_dir)
    folder = base_dir / to if to else state_dir / "dead_letters"
    return LetterFiles(rows=FolderRows(folder=folder, by=_FAILED_AT), base_dir=base_dir)


def _found(read: Iterable[tuple[DeadLetter, Lies]], *, others: int = 0) -> Found:
    """Put letters in order; of one that was kept more than once the oldest counts."""
    ordered = sorted(read, key=lambda each: (each[0].failed_us, each[0].partition, len(each[0].offset), each[0].offset))
    first: dict[Origin, DeadLetter] = {}
    lies: dict[Origin, list[Lies]] = {}
    for letter, place in ordered:
        first.setdefault(origin_of(letter), letter)
        lies.setdefault(origin_of(letter), []).append(place)
    return Found(letters=tuple(first.values()), lies=lies, others=others)


def _names(files: Files) -> list[Lies]:
    return [(hour, name) for hour in files.hours() for name in files.sizes(hour)]


def _letters_in(files: Files, lies: Lies) -> list[DeadLetter]:
    names = _SCHEMA.names[:-1]
    where = f"{files.name}/{'/'.join(lies)}"
    try:
        with files.read(*lies) as file:
            table = file.read(columns=names)
    except (pa.ArrowException, OSError) as error:
        raise OperationError(f"cannot be read: {error}", where=where, hint="move it away") from error
    if table.column_names != names:
        raise OperationError("holds no dead letters", where=where, hint="move it away")
    return [DeadLetter(**row) for row in table.to_pylist()]


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


def _letter(message: Outgoing) -> DeadLetter | None:
    """What `_outgoing` wrote; None of a message that is no dead letter."""
    said = dict(message.headers)
    try:
        return DeadLetter(
            topic=said["topic"],
            partition=said["partition"],
            offset=said["offset"],
            key=message.key,
            value=message.value,
            published_us=int(said["published_us"]) if "published_us" in said else None,
            reason=said["reason"],
            detail=said["detail"],
            view=said["view"],
            tries=int(said["tries"]),
            failed_us=int(said["failed_us"]),
        )
    except (KeyError, ValueError):
        return None
