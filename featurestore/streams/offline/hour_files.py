"""Files of hours, to be read, written and deleted: in a folder of this machine or in an object store.

Shape: ``<place>/hour=2026-11-27T04/<name>.parquet``, as `offline.files` writes them.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.buckets.connect import Bucket, Patience, open_bucket
from featurestore.errors import ObjectStoreError, OperationError
from featurestore.storage.places import is_uri, place_of
from featurestore.storage.whole_files import HALF, only_one, sync_folder, write_durably
from featurestore.streams.offline.files import HOUR, PARQUET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

COMPACTED = "compacted-"
"""What names of compacted files begin with."""

_LOCK = ".compact.lock"
_PATIENCE = Patience(timeout_s=300, retries=10, retry_timeout_s=180)  # hours are large


class Files(Protocol):
    """Hours of files. All methods raise OperationError or ObjectStoreError when the place cannot be used.

    Attributes:
        name: how people call the place.
    """

    name: str

    def alone(self) -> AbstractContextManager[bool]:
        """Keep other compactions away while the block runs; False where another one is at work."""
        ...

    def hours(self) -> list[str]:
        """Names of the hours, in order."""
        ...

    def sizes(self, hour: str) -> dict[str, int]:
        """Bytes of each Parquet file of an hour, by name, in order."""
        ...

    def read(self, hour: str, name: str) -> pq.ParquetFile:
        """Open a file, to be closed; raises pa.ArrowException or OSError where it is no whole one."""
        ...

    def write(self, hour: str, name: str, data: pa.Buffer) -> None:
        """Write a file that is there whole or not at all, and to stay."""
        ...

    def delete(self, hour: str, names: Iterable[str]) -> None:
        """Delete files; for good when it returns."""
        ...


def open_files(place: str, *, base_dir: Path) -> Files:
    """Find the place that is meant. Raises UsageError for one that cannot be, or where a package is missing."""
    return BucketFiles(place) if is_uri(place) else LocalFiles(base_dir / place)


class LocalFiles:
    """Hours in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Lock a file beside the hours, and remove what a killed compaction did not finish."""
        if not self._folder.is_dir():
            yield True
            return
        with self._told(), only_one(self._folder / _LOCK) as is_ours:
            for half in self._folder.glob(f"{HOUR}*/{COMPACTED}*{HALF}") if is_ours else ():
                half.unlink(missing_ok=True)
            yield is_ours

    def hours(self) -> list[str]:
        """Folders."""
        return sorted(path.name for path in self._folder.glob(f"{HOUR}*") if path.is_dir())

    def sizes(self, hour: str) -> dict[str, int]:
        """Sizes as the file system says."""
        with self._told():
            found = sorted((self._folder / hour).glob(f"*{PARQUET}"))
            return {path.name: path.stat().st_size for path in found}

    def read(self, hour: str, name: str) -> pq.ParquetFile:
        """Open a file."""
        return pq.ParquetFile(self._folder / hour / name)

    def write(self, hour: str, name: str, data: pa.Buffer) -> None:
        """Write beside, and rename."""
        with self._told():
            write_durably(self._folder / hour / name, data)

    def delete(self, hour: str, names: Iterable[str]) -> None:
        """Remove files."""
        with self._told():
            for name in names:
                (self._folder / hour / name).unlink(missing_ok=True)
            sync_folder(self._folder / hour)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "check the folder, its permissions and free space"
            raise OperationError(f"cannot be used: {error.strerror or error}", where=self.name, hint=hint) from error


class BucketFiles:
    """Hours in an object store; an object is visible when it is whole. One compaction at a time may run."""

    def __init__(self, uri: str) -> None:
        place_of(f"{uri.rstrip('/')}/{HOUR}")  # refuses what is no bucket of a known kind, or holds a password
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.strip("/").partition("/")
        self.name, self._prefix = uri, prefix
        self._store = open_bucket(Bucket(scheme=scheme.lower(), name=bucket), _PATIENCE)

    def alone(self) -> AbstractContextManager[bool]:
        """Nobody is kept away."""
        return nullcontext(True)

    def hours(self) -> list[str]:
        """What stands between the prefix and the next slash."""
        import obstore

        with self._told():
            found = obstore.list_with_delimiter(self._store, self._prefix or None)["common_prefixes"]
        return sorted(name for path in found if (name := path.rstrip("/").rpartition("/")[2]).startswith(HOUR))

    def sizes(self, hour: str) -> dict[str, int]:
        """Sizes as the store lists them."""
        import obstore

        with self._told():
            listed = obstore.list_with_delimiter(self._store, self._key(hour))["objects"]
        found = {each["path"].rpartition("/")[2]: each["size"] for each in listed}
        return {name: found[name] for name in sorted(found) if name.endswith(PARQUET)}

    def read(self, hour: str, name: str) -> pq.ParquetFile:
        """Fetch an object."""
        import obstore

        with self._told():
            body = obstore.get(self._store, self._key(hour, name)).bytes()
        return pq.ParquetFile(pa.BufferReader(pa.py_buffer(body)))

    def write(self, hour: str, name: str, data: pa.Buffer) -> None:
        """Upload an object."""
        import obstore

        with self._told():
            obstore.put(self._store, self._key(hour, name), memoryview(data).cast("B"))

    def delete(self, hour: str, names: Iterable[str]) -> None:
        """Delete objects."""
        import obstore

        keys = [self._key(hour, name) for name in names]
        with self._told():
            obstore.delete(self._store, keys)

    def _key(self, *names: str) -> str:
        return "/".join(each for each in (self._prefix, *names) if each)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say which kind of error it is, and no more: answers and URLs may hold signatures."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            hint = "check the bucket's name, region and endpoint, and the credentials in the environment"
            raise ObjectStoreError(f"cannot be used: {type(error).__name__}", where=self.name, hint=hint) from None
