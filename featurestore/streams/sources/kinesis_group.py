"""What the workers of a group on one machine share: checkpoints, leases of shards, who lives. Kinesis keeps none of it.

Shape of the folder: ``start.json``, ``shards/ID.json`` (checkpoints), ``shards/ID.lock`` (leases), ``workers/*.lock``,
and ``group.lock``, which is held while shards are shared out.
The rule: a lease is a lock that ends with its process, so that a dead worker's shards are free at once.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

from featurestore.errors import StreamError
from featurestore.storage.whole_files import locked, only_one, write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")
_TURN_S, _LOOK_S = 10.0, 0.05


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Where the group begins in shards without a checkpoint.

    Attributes:
        since_us: from this moment on, microseconds since 1970; None for the beginning.
        rewinds: how often it was rewound; checkpoints from before the last time no longer count.
    """

    since_us: int | None = None
    rewinds: int = 0


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far the group has come in a shard.

    Attributes:
        offset: sequence number of the last record that is done; empty for none.
        published_us: when that was published, microseconds since 1970.
        is_done: whether the shard was closed and read to its end.
        rewinds: see `Start`.
    """

    offset: str = ""
    published_us: int = 0
    is_done: bool = False
    rewinds: int = 0


class Group:
    """See the module; raises StreamError where the folder cannot be used.

    Args:
        folder: of this stream and group alone; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards = folder / "shards"
        self._workers = folder / "workers"
        self._name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.lock"
        self._here = ExitStack()
        self._is_here = False
        self._leases: dict[str, ExitStack] = {}

    def start(self) -> Start | None:
        """Where it begins; None before its first worker."""
        return self._read(self._folder / "start.json", Start)

    def keep_start(self, start: Start) -> None:
        """Decide where it begins; with one more rewind all checkpoints are void, by this one write."""
        self._write(self._folder / "start.json", start)

    def checkpoint(self, shard: str) -> Checkpoint:
        """How far it has come in a shard; nowhere without a checkpoint."""
        rewinds = (self.start() or Start()).rewinds
        found = self._read(self._shards / f"{shard}.json", Checkpoint)
        return found if found is not None and found.rewinds == rewinds else Checkpoint(rewinds=rewinds)

    def keep(self, shard: str, checkpoint: Checkpoint) -> None:
        """Write down how far it has come in a shard whose lease is ours."""
        self._write(self._shards / f"{shard}.json", checkpoint)

    def has_checkpoint(self) -> bool:
        """Whether there is one of any shard."""
        return any(self.checkpoint(path.stem).offset for path in self._shards.glob("*.json"))

    @contextmanager
    def turn(self, wait_s: float = 0.0) -> Iterator[bool]:
        """Be the only one who shares out shards; False where another does just now."""
        until = time.monotonic() + wait_s
        with ExitStack() as held:
            with self._told():
                self._shards.mkdir(parents=True, exist_ok=True)
                self._workers.mkdir(exist_ok=True)
                while not (is_ours := held.enter_context(only_one(self._folder / "group.lock"))):
                    held.close()
                    if time.monotonic() >= until:
                        break
                    time.sleep(_LOOK_S)
            yield is_ours

    def share(self, count: int) -> int:
        """Of so many shards, how many are this worker's; in a turn. The oldest workers have one more each."""
        with self._told():
            if not self._is_here:
                self._is_here = self._here.enter_context(only_one(self._workers / self._name))
            living = sorted({self._name, *(path.name for path in self._workers.glob("*.lock") if self._lives(path))})
        each, more = divmod(count, len(living))
        return each + (living.index(self._name) < more)

    def take(self, shard: str) -> bool:
        """Get the lease of a shard; in a turn. False where another worker has it."""
        with ExitStack() as held, self._told():
            if not held.enter_context(only_one(self._shards / f"{shard}.lock")):
                return False
            self._leases[shard] = held.pop_all()
        return True

    def let_go(self, shard: str) -> None:
        """Give up a lease."""
        self._leases.pop(shard).close()

    def taken(self) -> tuple[str, ...]:
        """Shards whose lease another worker has; in a turn."""
        found = []
        with self._told():
            for path in sorted(self._shards.glob("*.lock")):
                with locked(path) as is_free:
                    if not is_free and path.stem not in self._leases:
                        found.append(path.stem)
        return tuple(found)

    def leave(self) -> None:
        """Give up all leases, and be no worker any more."""
        for shard in tuple(self._leases):
            self.let_go(shard)
        if self._is_here:
            with self._told():
                (self._workers / self._name).unlink(missing_ok=True)
        self._is_here = False
        self._here.close()

    def _lives(self, path: Path) -> bool:
        """Whether a worker's process is still there; what a dead one left is removed."""
        if path.name == self._name:
            return True
        with locked(path) as is_dead:
            if is_dead:
                path.unlink(missing_ok=True)
        return not is_dead and path.exists()

    def _read(self, path: Path, kind: type[T]) -> T | None:
        try:
            with self._told():
                return msgspec.json.decode(path.read_bytes(), type=kind) if path.exists() else None
        except msgspec.DecodeError as error:
            raise StreamError(
                f"cannot be read: {error}", where=str(path), hint="move it away; `replay` from when?"
            ) from error

    def _write(self, path: Path, said: Start | Checkpoint) -> None:
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, msgspec.json.encode(said))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "check the folder, its permissions and free space"
            raise StreamError(
                f"cannot be used: {error.strerror or error}", where=str(self._folder), hint=hint
            ) from error
