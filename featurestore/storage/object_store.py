"""An object store as a place for training sets, through `obstore`: S3, Google Cloud Storage, Azure.

A file is uploaded in parts while it is written, is visible only when it is complete, and is given up when the work
fails. Credentials come from the environment, endpoints too (AWS_ENDPOINT_URL); no message repeats what the store
answered beyond its error's code, since answers and URLs may hold signatures.
"""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, TYPE_CHECKING, Any, cast

from featurestore.buckets.connect import Bucket, Patience, open_bucket
from featurestore.buckets.explain import NO_BUCKET, code_of, explained
from featurestore.errors import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from obstore import ReadableFile
    from obstore.store import ObjectStore

_PART_BYTES = 8 * 1024 * 1024
_WAITING_PARTS = 2
_PAUSE_S = 0.2
_TIMEOUT_S = 30
_CARD_TIMEOUT_S = 5  # a card is small, and the first thing that is asked for: what does not answer is told soon
_CARD_ENDING = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """One object of a bucket, and its card beside it; a prefix, where an engine wrote a folder."""

    scheme: str
    bucket: str
    key: str

    @property
    def name(self) -> str:
        """As typed."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def check(self) -> None:
        """Ask for the card: a bucket that is not there, or is not ours, is found before the work."""
        self.card()

    def write(self, fill: Callable[[IO[bytes]], bytes]) -> None:
        """Upload in parts while `fill` writes."""
        upload = _Upload(self._store(), self.key)
        try:
            with self._told("write"):
                card = fill(cast("IO[bytes]", upload))
            with self.card_aside() as is_in_place:
                with self._told("write"):
                    upload.complete()
                is_in_place()
                self.write_card(card)
        finally:
            upload.end()

    def card(self) -> bytes | None:
        """The card beside it."""
        return self._get(f"{self.key}{_CARD_ENDING}")

    @contextmanager
    def card_aside(self) -> Iterator[Callable[[], None]]:
        """Delete the card until the new file is there; a failure brings it back."""
        import obstore

        before, placed = self.card(), []
        if before is not None:
            with self._told("write"):
                obstore.delete(self._store(), f"{self.key}{_CARD_ENDING}")
        try:
            yield lambda: placed.append(True)
        finally:
            if before is not None and not placed:
                self.write_card(before)

    def write_card(self, card: bytes) -> None:
        """Write the card alone."""
        import obstore

        with self._told("write"):
            obstore.put(self._store(), f"{self.key}{_CARD_ENDING}", card)

    def put(self, data: bytes) -> None:
        """Make it an object of these bytes, without a card; it is visible when it is whole."""
        import obstore

        with self._told("write"):
            obstore.put(self._store(), self.key, data)

    def files(self) -> list[str]:
        """The object, or those Parquet files whose names begin with it and a slash."""
        import obstore

        with self._told("read"):
            try:
                obstore.head(self._store(), self.key)
            except FileNotFoundError:
                found = [each["path"] for part in obstore.list(self._store(), f"{self.key}/") for each in part]
                return sorted(path for path in found if path.endswith(".parquet"))
            return [self.key]

    def open(self, name: str) -> IO[bytes]:
        """Open one of `files`; what is asked for is fetched when it is asked for."""
        import obstore

        with self._told("read"):
            return cast("IO[bytes]", _Download(obstore.open_reader(self._store(), name), self._told))

    def _get(self, key: str) -> bytes | None:
        import obstore

        with self._told("use"):
            try:
                return bytes(obstore.get(self._store(timeout_s=_CARD_TIMEOUT_S, retries=1), key).bytes())
            except FileNotFoundError as error:
                if code_of(error) in NO_BUCKET:
                    raise
                return None

    def _store(self, *, timeout_s: int = _TIMEOUT_S, retries: int = 3) -> ObjectStore:
        bucket = Bucket(scheme=self.scheme, name=self.bucket)
        return open_bucket(bucket, Patience(timeout_s=timeout_s, retries=retries))

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        """Say in our words what the store refused; whatever `fill` raises passes through."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError, OSError) as error:
            what, hint = explained(error, scheme=self.scheme, bucket=self.bucket)
            raise ObjectStoreError(f"cannot {verb} {self.name}: {what}", hint=hint) from None


def object_place(uri: str, *names: str) -> ObjectPlace:
    """The object of these names below a URI with a bucket."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.rstrip("/").partition("/")
    return ObjectPlace(scheme=scheme, bucket=bucket, key="/".join(each for each in (prefix, *names) if each))


class _Download(RawIOBase):
    """A stream that fetches what is asked for, in the form that Python's own streams have."""

    def __init__(self, reader: ReadableFile, told: Callable[[str], AbstractContextManager[None]]) -> None:
        self._reader, self._told = reader, told

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        """The place it is at."""
        return self._reader.tell()

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401  any buffer
        """Fetch as much as fits."""
        with self._told("read"):
            data = self._reader.read(len(buffer))
        buffer[: len(data)] = bytes(data)
        return len(data)


class _Upload(RawIOBase):
    """A stream whose bytes are uploaded by a thread of their own, so that Ctrl-C still reaches this one."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._parts: queue.Queue[bytes | None] = queue.Queue(_WAITING_PARTS)
        self._buffer = bytearray()
        self._is_given_up = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload")
        self._done: Future[Any] = self._worker.submit(self._run)
        self._size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes so far."""
        return self._size

    def write(self, data: Any, /) -> int:  # noqa: ANN401  any buffer
        """Take bytes; they are uploaded when there is a part of them."""
        added = len(memoryview(data).cast("B"))
        self._buffer += data
        self._size += added
        while len(self._buffer) >= _PART_BYTES:
            self._hand_on(bytes(self._buffer[:_PART_BYTES]))
            del self._buffer[:_PART_BYTES]
        return added

    def complete(self) -> None:
        """Upload the rest, and make the object visible."""
        self._hand_on(bytes(self._buffer))
        self._hand_on(None)
        self._done.result()

    def end(self) -> None:
        """Give up what is not complete, and wait until the store knows."""
        self._is_given_up = True
        self._worker.shutdown()

    def _hand_on(self, part: bytes | None) -> None:
        while True:
            if self._done.done():
                self._done.result()  # it failed: this says how
            try:
                self._parts.put(part, timeout=_PAUSE_S)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        import obstore

        obstore.put(self._store, self._key, self._pieces(), chunk_size=_PART_BYTES, max_concurrency=_WAITING_PARTS)

    def _pieces(self) -> Iterator[bytes]:
        while True:
            try:
                part = self._parts.get(timeout=_PAUSE_S)
            except queue.Empty:
                if self._is_given_up:
                    raise _GivenUpError from None  # obstore aborts the upload when its source fails
                continue
            if part is None:
                return
            if part:
                yield part


class _GivenUpError(Exception):
    """The rows did not come to their end."""
