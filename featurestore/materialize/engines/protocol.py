"""What an engine must do: read each key's newest row of a window, write all of them under the guard, and count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from featurestore.definitions.views import FeatureView
    from featurestore.materialize.vanished import KeysSeen
    from featurestore.online.protocol import OnlineStore
    from featurestore.sql.newest import SyncWindow
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From where to where.

    Attributes:
        project: name of the project, first part of every key.
        warehouse: read from, open.
        store: written to, open.
        store_uri: how a worker elsewhere opens the store; may hold a password, so it is never shown.
        base_dir: what relative paths in that URI are relative to.
    """

    project: str
    warehouse: Warehouse
    store: OnlineStore
    store_uri: str
    base_dir: Path

    def __repr__(self) -> str:
        return f"<Route of project {self.project}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The rows of one view to be copied.

    Attributes:
        view: the definition.
        window: which of its rows.
        rows: how many rows the window has, those of one key counted apart; of all slices together.
        keys: about how many keys it has, of all slices together; None where nobody asked.
        row_set: number of the set that they go into (`online.state`).
        keep_until_ms: Unix milliseconds before which the store may forget none of them.
        expect_new: whether the store holds hardly any of their keys; for speed alone.
        workers: how many write at once.
        wants_keys: whether the keys are to be remembered, so that vanished ones can be found.
    """

    view: FeatureView
    window: SyncWindow
    rows: int
    keys: int | None = None
    row_set: int
    keep_until_ms: int
    expect_new: bool = False
    workers: int = 1
    wants_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What an engine did; every row that was read is written or was refused by the guard.

    Attributes:
        read: newest rows, one per key, that came out of the warehouse.
        written: of these, how many landed.
        keys: what was read, if it was wanted and this engine can tell.
    """

    read: int
    written: int
    keys: KeysSeen | None = None

    def and_also(self, more: Copied) -> Copied:
        """Put two slices together; the keys of the first are used up."""
        keys = more.keys if self.keys is None else self.keys
        if self.keys is not None and more.keys is not None:
            self.keys.update(more.keys)
        return Copied(read=self.read + more.read, written=self.written + more.written, keys=keys)


class Engine(Protocol):
    """Copies rows from a warehouse to an online store.

    Attributes:
        keys_per_slice: of how many keys a load should have at most: more are copied slice by slice.
    """

    keys_per_slice: int

    def copy(self, load: Load, *, on_rows: Callable[[int], None] | None = None) -> Copied:
        """Copy the rows of one view; returns when all of them are acknowledged.

        Args:
            load: what to copy.
            on_rows: told how many rows were read so far; raises to stop the work.

        Raises:
            UsageError: a key or a value that cannot be encoded.
            QueryError: the warehouse refused a statement.
            OnlineStoreError: the store cannot be reached; what landed is whole.
        """
        ...
