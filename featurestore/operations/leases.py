"""Who is at work on a view's rows: what the lease says that every sync and removal takes (`materialize.lease`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from featurestore.materialize.lease import Owner, lease_name, read_owner

if TYPE_CHECKING:
    from featurestore.online.protocol import OnlineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Syncing:
    """A sync, or a removal of rows, that is under way.

    Attributes:
        host: the machine's name; the owner as it is where that is none of ours.
        process_id: on that machine, or in its container; None where the owner does not say it.
        until: when the lease ends unless it is prolonged, which a living process does all the time, UTC; None where
            the store does not tell this user.
    """

    host: str
    process_id: int | None
    until: datetime | None

    @property
    def who(self) -> str:
        """Process and host in words."""
        return Owner(host=self.host, process_id=self.process_id).who


def syncing(store: OnlineStore, reference: str) -> Syncing | None:
    """Say who works on a view's rows; None if nobody does. Nothing is taken or prolonged.

    Raises:
        OnlineStoreError: the store cannot be reached, or does not tell this user.
    """
    lease = store.read_lease(lease_name(reference))
    if lease is None:
        return None
    until = None
    if lease.ends_in_s is not None:
        until = datetime.now(timezone.utc) + timedelta(seconds=lease.ends_in_s)
    owner = read_owner(lease.owner)
    return Syncing(host=owner.host, process_id=owner.process_id, until=until)
