"""The part of the facade that looks after what is online: compare, measure, remove. Methods delegate (`operations`)."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from featurestore.operations.contents import ViewContents
    from featurestore.operations.freshness import ViewFreshness
    from featurestore.operations.remove import Removed, RemovedEntity
    from featurestore.operations.results import ViewVerification
    from featurestore.workspace import Workspace

DEFAULT_SAMPLE = 10_000


class StoreOperations:
    """Methods of `featurestore.store.FeatureStore`."""

    workspace: Workspace

    def verify(
        self,
        views: Sequence[str] | None = None,
        *,
        sample: int | str | None = DEFAULT_SAMPLE,
        at: datetime | str | None = None,
        seed: int = 0,
        on_rows: Callable[[str, int], None] | None = None,
        on_done: Callable[[ViewVerification], None] | None = None,
    ) -> tuple[ViewVerification, ...]:
        """Compare what is served with the warehouse's point-in-time answer (`operations.verify`, SEMANTICS P17).

        Args:
            views: which, by reference; None for all that are online.
            sample: ``"10%"`` or a number of the model's keys; None for all of them, and all keys of the store.
            at: the moment; None takes the one at which all that was synced is usable.
            seed: another seed is another sample.
            on_rows: told each view and how many keys were compared so far.
            on_done: told each result when it is there.

        Returns:
            One result per view, in order; ``.is_equal`` says whether no fault was found.

        Raises:
            UsageError: an unknown view, one that is not online, or no sample.
            WarehouseError, OnlineStoreError: one of them cannot be reached.
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.definitions.part import read_part
        from featurestore.operations.run import verify_views
        from featurestore.operations.sides import Sides
        from featurestore.operations.verify import VerifyRequest

        request = VerifyRequest(part=read_part(sample=sample, seed=seed), at=parse_moment(at), seed=seed)
        with closing(self.workspace.open_online_store()) as store:
            sides = Sides(
                project=self.workspace.latest().content, store=store, open_warehouse=self.workspace.open_warehouse
            )
            return verify_views(views, request, sides, on_rows=on_rows, on_done=on_done)

    def freshness(
        self,
        views: Sequence[str] | None = None,
        *,
        max_age: timedelta | str | None = None,
        online_only: bool = False,
    ) -> tuple[ViewFreshness, ...]:
        """Say how old the newest features served are, and what waits in the warehouse (`operations.freshness`).

        Args:
            views: which, by reference; None for all that are online.
            max_age: the age from which on a view is stale, e.g. ``"2h"``; None takes each view's ttl.
            online_only: leave the warehouse alone.

        Raises:
            UsageError: an unknown view, one that is not online, or no duration.
            WarehouseError, OnlineStoreError: one of them cannot be reached.
        """
        from featurestore.operations.run import freshness_of

        opened = nullcontext(None) if online_only else closing(self.workspace.open_warehouse())
        with closing(self.workspace.open_online_store()) as store, opened as warehouse:
            return freshness_of(self.workspace.latest().content, views, store, warehouse, max_age=max_age)

    def online_contents(self, views: Sequence[str] | None = None) -> tuple[ViewContents, ...]:
        """Say what the online store holds of each view, also of views long gone (`operations.contents`).

        Args:
            views: references; None for all that are online or that the store knows.

        Raises:
            UnknownNameError: a view that neither the registry nor the store knows.
            OnlineStoreError: the store cannot be reached.
        """
        from featurestore.operations.run import contents_of

        with closing(self.workspace.open_online_store()) as store:
            return contents_of(self.workspace.latest().content, store, views)

    def delete_online_entity(
        self, entity: Mapping[str, object], *, dry_run: bool = False, wait_s: float = 0.0
    ) -> RemovedEntity:
        """Remove an entity's rows from all views that have exactly these join keys (`operations.remove`).

        A sync brings them back while the warehouse has them. Arguments and errors as `operations.remove.delete_entity`.
        """
        from featurestore.operations.remove import delete_entity

        with closing(self.workspace.open_online_store()) as store:
            return delete_entity(self.workspace.latest().content, store, entity, dry_run=dry_run, wait_s=wait_s)

    def drop_online_view(self, view: str, *, wait_s: float = 0.0) -> Removed:
        """Remove all rows of a view and the notes about it (`operations.remove.drop_view`), also of one long gone."""
        from featurestore.operations.remove import drop_view

        with closing(self.workspace.open_online_store()) as store:
            return drop_view(self.workspace.latest().content, store, view, wait_s=wait_s)
