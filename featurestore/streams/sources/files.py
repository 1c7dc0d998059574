"""Events from files, to replay them: JSON lines or Parquet, one after the other by name, as fast as asked for.

The rule: the stream ends with its last file; how far a group has come is a file beside the project's other state.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.errors import StreamError, UsageError
from featurestore.online.json_values import json_value
from featurestore.streams.messages import Messages
from featurestore.streams.source import PartitionLag, refuse_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.source import Outgoing, Reader, Stored

OPTIONS = ("rate",)
_LINES = (".jsonl", ".ndjson", ".json")
_ENDINGS = (*_LINES, ".parquet")


def open_source(url: str, stream: Stream, connection: StreamConnection, reader: Reader) -> FileSource:
    """Open the files of ``file:PATH``: one, a folder, or a pattern. Option ``rate``: events a second at most.

    Raises:
        UsageError: there are no such files.
    """
    options = refuse_options(connection.options, OPTIONS, stream.name)
    where = f"featurestore.yml: streams.{stream.name}"
    try:
        rate = float(options.get("rate", "inf"))
    except ValueError:
        rate = 0.0
    if rate <= 0:
        raise UsageError(f"expected events a second, got {options['rate']!r}", where=f"{where}.options.rate")
    pattern = url.partition(":")[2].removeprefix("//")
    files = _files(reader.base_dir, pattern)
    if not files:
        hint = f"name a file, a folder or a pattern of {', '.join(_ENDINGS)}"
        raise UsageError(f"there are no files {pattern}", where=f"{where}.url", hint=hint)
    return FileSource(files, pattern, reader.state_dir / f"{reader.group}.position.json", rate)


class FileSource:
    """See `streams.source.Source`; a partition is a file, an offset the number of a line or row."""

    is_bounded = True

    def __init__(self, files: Sequence[Path], pattern: str, state: Path, rate: float) -> None:
        self.name = f"file:{pattern}"
        self._files = list(files)
        self._state = state
        self._rate = rate
        self._due_at = 0.0
        self._done = self._read_state()
        self._events: Iterator[tuple[str, int, bytes]] | None = None

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take the next events; no more than the rate allows."""
        if self._rate != float("inf"):
            most = max(1, min(most, int(self._rate * max(wait_s, 0.05))))
            time.sleep(max(0.0, self._due_at - time.monotonic()))
        if self._events is None:
            self._events = self._left()
        found = [event for _, event in zip(range(most), self._events, strict=False)]
        if self._rate != float("inf"):
            self._due_at = time.monotonic() + len(found) / self._rate
        now_us = time.time_ns() // 1_000
        return Messages(
            topic=self.name.partition(":")[2],
            values=[value for _, _, value in found],
            keys=[None] * len(found),
            partitions=[name for name, _, _ in found],
            offsets=[str(number) for _, number, _ in found],
            published_us=[now_us] * len(found),
        )

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Write down how far each file was read."""
        for partition, offset in zip(partitions, offsets, strict=True):
            self._done[partition] = int(offset) + 1
        self._write_state()

    def keep_alive(self) -> None:
        """Nobody waits for it."""

    def has_position(self) -> bool:
        """Whether a position was written down."""
        return self._state.exists()

    def lag(self) -> tuple[PartitionLag, ...]:
        """Events after the position, by file."""
        found = []
        for path in self._files:
            done = self._done.get(path.name, 0)
            found.append(
                PartitionLag(partition=path.name, committed=str(done) if done else "", waiting=_count(path) - done)
            )
        return tuple(found)

    def rewind(self, since: datetime | None) -> None:
        """Read all again: files do not say when an event was published."""
        if since is not None:
            raise UsageError("files do not say when an event was published", hint="replay from `beginning`")
        with suppress(FileNotFoundError):
            self._state.unlink()
        self._done, self._events = {}, None

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:  # noqa: ARG002  none is sent
        """Refuse: files are written by others."""
        hint = "append lines to the file; dead letters of files go to a folder or a bucket: `dead_letters: FOLDER`"
        raise UsageError(f"no messages can be sent to {self.name}", hint=hint)

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Refuse: there are no topics beside the files."""
        raise UsageError(f"{self.name} has no topic '{topic}'", hint="write `dead_letters: FOLDER` for the stream")

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:  # noqa: ARG002  none is there
        """Refuse, for the same reason."""
        raise UsageError(f"{self.name} has no topic '{topic}'", hint="write `dead_letters: FOLDER` for the stream")

    def close(self) -> None:
        """Nothing is open."""

    def _left(self) -> Iterator[tuple[str, int, bytes]]:
        for path in self._files:
            done = self._done.get(path.name, 0)
            try:
                for number, value in enumerate(_events_of(path)):
                    if number >= done:
                        yield path.name, number, value
            except OSError as error:
                raise StreamError(f"cannot be read: {error.strerror or error}", where=str(path)) from error

    def _read_state(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def _write_state(self) -> None:
        from featurestore.storage.whole_files import write_durably

        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._state, msgspec.json.encode(self._done))
        except OSError as error:
            raise StreamError(f"cannot be written: {error.strerror or error}", where=str(self._state)) from error


def _files(base_dir: Path, pattern: str) -> list[Path]:
    path = base_dir / pattern
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.suffix in _ENDINGS)
    if path.is_file():
        return [path]
    root = Path(path.anchor)
    return sorted(each for each in root.glob(str(path.relative_to(root))) if each.suffix in _ENDINGS)


def _events_of(path: Path) -> Iterator[bytes]:
    if path.suffix in _LINES:
        with path.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\r\n")
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                yield msgspec.json.encode(_as_json(row))


def _as_json(row: dict[str, Any]) -> object:
    return json_value(row)


def _count(path: Path) -> int:
    if path.suffix in _LINES:
        with path.open("rb") as lines:
            return sum(1 for _ in lines)
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
