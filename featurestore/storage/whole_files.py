"""Files that are there whole or not at all, also after a loss of power; and locks that end with their process."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

HALF = ".tmp"
"""What a file is called while it is written."""


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, also after a loss of power. Raises OSError."""
    new = path.with_suffix(HALF)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def parquet_bytes(rows: pa.Table) -> bytes:
    """Write rows as a Parquet file in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with closing(pa.BufferOutputStream()) as stream:
        pq.write_table(rows, stream, compression="zstd")
        return bytes(stream.getvalue())


def sync_folder(folder: Path) -> None:
    """Force names of files to disk: those that are new, and those that are gone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file for as long as the block runs; False where another process has it, or it is not there any more."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(descriptor) and _is_still(path, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Lock a file, which is made if it is not there; False where another process has it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with locked(path) as is_ours:
        yield is_ours


def _lock(descriptor: int) -> bool:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the file that was opened still has its name: its writer may have renamed it before the lock was ours."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
