"""One sync of a view at a time, on all machines: a lease in the store, prolonged while the sync lives.

A lease ends by itself when nobody prolongs it, and at once where its process is seen to be gone on this machine. It
spares work and keeps counts clear; rows and watermarks stay right without it, by the guard and `swap_note`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, OperationError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self  # only for type checkers

    from featurestore.online.protocol import OnlineStore

LEASE_S = 30.0
_PROLONGED_PER_LEASE = 4
_LOOK_AGAIN_S = 0.5
_TRIES = 2
_OWNER_PARTS = 4
_NOT_GIVEN_BACK: set[str] = set()
"""Owners of this process that ended while the store could not be reached: a notebook syncs again in the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who has a lease.

    Attributes:
        host: the machine's name; all of the text where that is none of ours.
        space: what tells machines and containers of one name apart; empty where nothing does.
        process_id: on that machine, or in its container; None where the text does not say it.
    """

    host: str
    space: str = ""
    process_id: int | None = None

    @property
    def who(self) -> str:
        """Process and host in words."""
        return self.host if self.process_id is None else f"process {self.process_id} on {self.host}"


def lease_name(view: str) -> str:
    """Name the lease on a view, given by its reference."""
    return f"sync:{view}"


def read_owner(text: str) -> Owner:
    """Read what `SyncLease` calls itself."""
    parts = text.split("|")
    if len(parts) != _OWNER_PARTS or not parts[2].isdecimal():
        return Owner(host=text)
    return Owner(host=parts[0], space=parts[1], process_id=int(parts[2]))


class SyncLease:
    """The right to sync one view; a context manager.

    Args:
        store: where the lease is kept.
        view: the view's reference.
        wait_s: how long to wait for another sync of the view to end.
        lease_s: how long the lease outlives this process if it dies.

    Attributes:
        owner: names this process.
    """

    def __init__(self, store: OnlineStore, view: str, *, wait_s: float = 0.0, lease_s: float = LEASE_S) -> None:
        self._store = store
        self._view = view
        self._name = lease_name(view)
        self.owner = _me()
        self._wait_s = wait_s
        self._lease_s = lease_s
        self._held_until = 0.0
        self._lost_to: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._prolong, name="sync-lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease. Raises OperationError if another sync has it."""
        until = time.monotonic() + self._wait_s
        while (holder := self._take()) != self.owner:
            if _is_gone(holder):
                self._store.end_lease(self._name, holder)
            elif time.monotonic() >= until:
                raise OperationError(
                    f"another sync of {self._view} is under way ({read_owner(holder).who})",
                    hint=f"wait for it (--wait), or run this one alone; {self._lease_s:.0f} s after it dies it is free",
                )
            else:
                time.sleep(_LOOK_AGAIN_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back; where the store cannot be reached it ends by itself."""
        self._ended.set()
        self._thread.join()
        self._give_back()

    def check(self) -> None:
        """Raise OperationError if the lease was lost: this process slept, or the store was away, for too long."""
        if self._lost_to is not None or time.monotonic() > self._held_until:
            to = f" to {read_owner(self._lost_to).who}" if self._lost_to else ""
            raise OperationError(
                f"the sync of {self._view} lost its lease{to}: it stood still for more than {self._lease_s:.0f} s",
                hint="run it again: rows that landed are whole",
            )

    def confirm(self) -> None:
        """Do what `check` does, and ask the store: this machine's clock may have stood still with it."""
        self.check()
        holder = self._take()
        if holder != self.owner:
            self._lost_to = holder
            self.check()

    def _give_back(self) -> None:
        for _ in range(_TRIES):
            with suppress(OnlineStoreError):
                self._store.end_lease(self._name, self.owner)
                return
        _NOT_GIVEN_BACK.add(self.owner)

    def _take(self) -> str:
        asked = time.monotonic()
        try:
            holder = self._store.take_lease(self._name, self.owner, self._lease_s)
        except OnlineStoreError:
            if not self._held_until:
                self._give_back()  # it may have been taken all the same
            raise
        if holder == self.owner:
            self._held_until = asked + self._lease_s
        return holder

    def _prolong(self) -> None:
        while not self._ended.wait(self._lease_s / _PROLONGED_PER_LEASE):
            with suppress(OnlineStoreError):
                holder = self._take()
                if holder != self.owner:
                    self._lost_to = holder
                    return


def _me() -> str:
    """Name this process so that it can be told whether it still runs: host, process space, pid, and a random part."""
    return f"{socket.gethostname()}|{_process_space()}|{os.getpid()}|{os.urandom(4).hex()}"


def _process_space() -> str:
    """What tells machines and containers of one host name apart; empty where there is no such thing."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""


def _is_gone(owner: str) -> bool:
    """Whether the owner was a sync of this process that ended, or a process of this machine that no longer runs."""
    if owner in _NOT_GIVEN_BACK:
        return True
    found = read_owner(owner)
    here = _process_space()
    if not here or found.process_id is None or (found.host, found.space) != (socket.gethostname(), here):
        return False
    if os.name == "nt":
        return False  # there, signal 0 ends the process
    try:
        os.kill(found.process_id, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
