"""Which messages of a topic are done, remembered on this machine, where the broker cannot delete one of them.

The rule: a message is known by where it lies and when it was published, so that those of a topic that was deleted and
made again are other ones. What the topic itself has forgotten is forgotten here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from featurestore.errors import StreamError
from featurestore.storage.whole_files import write_durably

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Lies = tuple[str, str, int | None]
"""A partition, an offset, and when the message there was published, microseconds since 1970."""


class Removed:
    """What is done of one topic.

    Args:
        state_dir: of the stream.
        topic: its name.

    Raises:
        StreamError: the folder cannot be used.
    """

    def __init__(self, state_dir: Path, topic: str) -> None:
        self._path = state_dir / f"{quote(topic, safe='')}.removed.json"
        self._done = self._read()
        self._there: dict[tuple[str, str], Lies] = {}

    def is_done(self, partition: str, offset: str, published_us: int | None) -> bool:
        """Whether a message that lies in the topic is done."""
        message = (partition, offset, published_us)
        self._there[partition, offset] = message
        return message in self._done

    def add(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Note that messages are done about which it was asked, since the whole topic was read. Raises StreamError."""
        done = {self._there[place] for place in zip(partitions, offsets, strict=True)}
        self._done = self._done.intersection(self._there.values()) | done
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._path, msgspec.json.encode(sorted(self._done)))
        except OSError as error:
            raise StreamError(f"cannot be written: {error.strerror or error}", where=str(self._path)) from error

    def _read(self) -> set[Lies]:
        try:
            return set(msgspec.json.decode(self._path.read_bytes(), type=list[Lies]))
        except (FileNotFoundError, msgspec.DecodeError):
            return set()
        except OSError as error:
            raise StreamError(f"cannot be read: {error.strerror or error}", where=str(self._path)) from error
