"""What a worker on another machine is told, what it does, and how it says what went wrong.

It is told plain data, and needs nothing but this package: no registry, no dbt project, no warehouse. Whatever hands it
Arrow batches will do. The rules: a store's URI may hold a password, so no text that anyone reads has it; and a worker
that opens another store than the sync's own (its own "localhost", say) writes nothing.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from featurestore.definitions.views import FeatureView
from featurestore.errors import FeatureStoreError, OnlineStoreError, OperationError, UsageError
from featurestore.materialize.ahead import in_threads
from featurestore.materialize.key_hashes import as_bytes, key_hashes
from featurestore.online.batches import cut
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import ensure_generation, read_generation
from featurestore.online.open import open_online_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from featurestore.materialize.engines.protocol import Load, Route
    from featurestore.online.encode import EncodedBatch
    from featurestore.online.protocol import OnlineStore

_MARK = "featurestore worker: "
_KINDS: dict[str, type[FeatureStoreError]] = {
    each.__name__: each for each in (UsageError, OperationError, OnlineStoreError)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLoad:
    """What a worker has to know to write rows of one view.

    Attributes:
        view, row_set, keep_until_ms, expect_new, wants_keys: as in `engines.protocol.Load`.
        columns: names of the columns of the batches, in order.
        project: first part of every key.
        store_uri: how it opens the store; empty when a variable names it.
        store_variable: the variable of the worker's environment that holds the URI; empty when it is told.
        base_dir: what a relative path in the URI is relative to.
        generation: of the store that is meant (`online.layouts`).
        version: of this package; another one might write rows that are not the same.
    """

    view: FeatureView
    columns: tuple[str, ...]
    project: str
    row_set: int
    keep_until_ms: int
    expect_new: bool
    wants_keys: bool
    store_uri: str = field(default="", repr=False)
    store_variable: str = ""
    base_dir: str
    generation: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a worker did with rows.

    Attributes:
        read: how many there were.
        landed: how many of them the guard let in.
        key_hashes: of those that have a key, as `key_hashes.as_bytes` writes them; empty unless they are wanted.
    """

    read: int
    landed: int
    key_hashes: bytes


def package_version() -> str:
    """The version of this package that is installed here."""
    return version("featurestore")


def remote_load(route: Route, load: Load, *, columns: Sequence[str], store_variable: str = "") -> RemoteLoad:
    """Say to a worker what this process knows.

    Args:
        route: from where to where; the store is marked as filled, if it is not yet.
        load: what to copy.
        columns: names of the columns of the batches that the worker will get.
        store_variable: the variable of its environment that holds the store's URI; then the URI is not told.
    """
    return RemoteLoad(
        view=load.view,
        columns=tuple(columns),
        project=route.project,
        row_set=load.row_set,
        keep_until_ms=load.keep_until_ms,
        expect_new=load.expect_new,
        wants_keys=load.wants_keys,
        store_uri="" if store_variable else route.store_uri,
        store_variable=store_variable,
        base_dir=str(route.base_dir.absolute()),
        generation=ensure_generation(route.store),
        version=package_version(),
    )


class RemoteFailure(Exception):  # noqa: N818  it is no error of its own, but carries one
    """An error on its way to who started the work, through whatever shows only a text of it."""

    def __init__(self, error: FeatureStoreError) -> None:
        kind = next((name for name, known in _KINDS.items() if isinstance(error, known)), OperationError.__name__)
        parts = {"kind": kind, "what": error.what, "where": error.where, "hint": error.hint}
        super().__init__(_MARK + msgspec.json.encode(parts).decode())


def failure_in(text: str) -> FeatureStoreError | None:
    """The error that a worker met, from a text that holds it somewhere; None if there is none."""
    _, mark, behind = text.partition(_MARK)
    if not mark:
        return None
    parts: dict[str, str | None] = json.JSONDecoder().raw_decode(behind)[0]
    return _KINDS[parts["kind"] or ""](parts["what"] or "", where=parts["where"], hint=parts["hint"])


class PartitionWriter:
    """Called by a worker with the Arrow batches of a partition; yields a row for each: `COLUMNS`.

    No row is huge, since a batch's hashes are not; and what a worker holds does not grow with the partition.

    Args:
        load: a `RemoteLoad` as JSON. Bytes travel through any pickle, and are shown by none.
    """

    COLUMNS = pa.schema({"read": pa.int64(), "landed": pa.int64(), "key_hashes": pa.binary()})

    __slots__ = ("_load", "_version")

    def __init__(self, load: RemoteLoad) -> None:
        self._load = msgspec.json.encode(load)
        self._version = load.version

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the batches; what is yielded is acknowledged. The rows of an attempt that failed must not be used."""
        try:
            _check_version(self._version)  # before anything is read that another version may have written otherwise
            for done in written_batches(msgspec.json.decode(self._load, type=RemoteLoad), batches):
                row = {"read": done.read, "landed": done.landed, "key_hashes": done.key_hashes}
                yield pa.RecordBatch.from_pylist([row], self.COLUMNS)
        except FeatureStoreError as error:
            raise RemoteFailure(error) from None


def write_partition(load: RemoteLoad, batches: Iterable[pa.RecordBatch]) -> Written:
    """Do what `written_batches` does, to the end, and sum up; a result that travels from process to process."""
    done = list(written_batches(load, batches))
    return Written(
        read=sum(each.read for each in done),
        landed=sum(each.landed for each in done),
        key_hashes=b"".join(each.key_hashes for each in done),
    )


def written_batches(load: RemoteLoad, batches: Iterable[pa.RecordBatch]) -> Iterator[Written]:
    """Encode and write rows under the guard; the store is opened for the first of them, and closed at the end.

    Args:
        load: what to know.
        batches: rows of `sql.newest.newest_query`, columns in the order of `load.columns`.

    Yields:
        What was done with each batch, as soon as the store has acknowledged it.

    Raises:
        UsageError: a key or value that cannot be encoded, another version of this package, or no URI.
        OnlineStoreError: the store cannot be reached, or is another one.
    """
    _check_version(load.version)
    encoder = RowEncoder(load.view, project=load.project, row_set=load.row_set, keep_until_ms=load.keep_until_ms)
    with closing(_open_store(load)) as store:

        def write(batch: EncodedBatch) -> int:
            return store.write(batch.rows, expect_new=load.expect_new)

        named = (batch.rename_columns(list(load.columns)) for batch in _checked(batches, load, store))
        encoded = (encoder.encode(part) for batch in named for part in cut(batch))
        for batch, landed in in_threads(write, encoded, threads=1):
            hashes = as_bytes(key_hashes(batch.rows.keys)) if load.wants_keys else b""
            yield Written(read=len(batch.rows) + batch.skipped, landed=landed, key_hashes=hashes)


def _check_version(wanted: str) -> None:
    hint = f"install featurestore {wanted} where the workers run"
    try:
        found = package_version()
    except PackageNotFoundError:  # sent as files: then its stores, which are found by its metadata, are missing too
        raise UsageError("a worker has files of featurestore, but it is not installed there", hint=hint) from None
    if wanted != found:
        raise UsageError(f"a worker has featurestore {found}, the sync was started by {wanted}", hint=hint)


def _open_store(load: RemoteLoad) -> OnlineStore:
    uri = os.environ.get(load.store_variable, "") if load.store_variable else load.store_uri
    if not uri:
        raise UsageError(
            f"the environment of a worker has no {load.store_variable}, which should hold the online store's URI",
            hint="set it where the workers start, or let the URI be sent to them",
        )
    return open_online_store(uri, project=load.project, base_dir=Path(load.base_dir))


def _checked(batches: Iterable[pa.RecordBatch], load: RemoteLoad, store: OnlineStore) -> Iterator[pa.RecordBatch]:
    """Yield the batches; before the first, look whether this is the store that is meant."""
    is_checked = False
    for batch in batches:
        if not is_checked and read_generation(store) != load.generation:
            raise OnlineStoreError(
                "a worker opened another online store than the sync did, or an emptied one; nothing was written",
                hint="name it so that it is the same one from every machine: a host's full name, no localhost",
            )
        is_checked = True
        yield batch
