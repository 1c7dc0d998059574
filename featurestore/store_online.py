"""The online half of the facade: sync, look up, compare, measure, remove. Methods delegate."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from featurestore.definitions.references import Reference
    from featurestore.materialize.estimate import SyncEstimate
    from featurestore.materialize.run import SyncFailure
    from featurestore.materialize.sync import SyncResult
    from featurestore.operations.log_results import LogVerification
    from featurestore.operations.remove import Removed, RemovedEntity
    from featurestore.operations.results import ViewVerification
    from featurestore.operations.tables import Contents, Freshness, SyncResults, Verifications
    from featurestore.serving.client import OnlineClient
    from featurestore.serving.entities import EntityRows
    from featurestore.serving.lookup import OnError
    from featurestore.serving.response import OnlineResponse
    from featurestore.workspace import Workspace

DEFAULT_SAMPLE = 10_000


class OnlineHalf:
    """Methods of `featurestore.store.FeatureStore`."""

    workspace: Workspace

    def materialize(  # noqa: PLR0913  one call for a notebook
        self,
        views: Sequence[str] | None = None,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        full: bool = False,
        rebuild: bool = False,
        gate: bool | Path = True,
        engine: str = "local",
        workers: int = 1,
        wait_s: float = 0.0,
        on_rows: Callable[[str, int], None] | None = None,
        on_done: Callable[[SyncResult | SyncFailure], None] | None = None,
    ) -> SyncResults:
        """Copy the newest rows to the online store (`materialize.sync`).

        Args:
            views: which, by reference; None for all that are online.
            start: only rows from this event time on; the watermark does not move.
            end: only rows up to this event time, inclusive; the future is clamped to now.
            full: read everything, not only what is new since the last sync, and bury keys that vanished.
            rebuild: read everything into a new set of rows; readers turn to it when it is whole.
            gate: leave out views that failed in dbt's last run, or a test on them; or the folder of dbt's artifacts.
            engine: who carries the rows: ``local`` or ``spark``.
            workers: how many threads write.
            wait_s: seconds to wait for another sync of the same view.
            on_rows: told each view and how many rows were read so far.
            on_done: told each result or failure when it is there.

        Returns:
            A tuple of one result or failure per view, in order, that shows itself as a table; a view that fails does
            not stop the others.

        Raises:
            UsageError: an unknown view, one that is not online, or bounds that make no sense.
            WarehouseError, OnlineStoreError: one of them cannot be reached.
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.materialize.engines.open import open_engine
        from featurestore.materialize.run import Told, online_views, sync_views
        from featurestore.materialize.window import SyncRequest
        from featurestore.operations.tables import SyncResults

        chosen = online_views(self.workspace.latest().content, views)
        request = SyncRequest(
            start=parse_moment(start, where="start"),
            end=parse_moment(end, where="end"),
            full=full,
            rebuild=rebuild,
            wait_s=wait_s,
            workers=workers,
            build=self.workspace.last_run(gate),
        )
        faults = self.workspace.faults(chosen, gate)
        told = Told(on_rows=on_rows, on_done=on_done)
        with self.workspace.open_route() as route:
            done = sync_views(chosen, request, route, open_engine(engine, route), faults=faults, told=told)
            return SyncResults(done)

    def estimate_sync(
        self,
        views: Sequence[str] | None = None,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        full: bool = False,
        rebuild: bool = False,
        gate: bool | Path = True,
    ) -> tuple[SyncEstimate, ...]:
        """Say what `materialize` would read and how much room the rows would take; nothing is written.

        Arguments and errors as `materialize`; the counts are exact, the bytes those of a sample
        (`materialize.estimate`).
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.materialize.estimate import estimate_sync
        from featurestore.materialize.run import online_views
        from featurestore.materialize.window import SyncRequest

        chosen = online_views(self.workspace.latest().content, views)
        bounds = parse_moment(start, where="start"), parse_moment(end, where="end")
        request = SyncRequest(start=bounds[0], end=bounds[1], full=full, rebuild=rebuild)
        faults = self.workspace.faults(chosen, gate)
        with self.workspace.open_route() as route:
            return tuple(
                replace(estimate_sync(view, request, route), refused=faults.get(view.source.unique_id, ""))
                for view in chosen
            )

    def online_client(
        self,
        *,
        cache_entries: int | None = None,
        cache_seconds: float | None = None,
        on_error: OnError = "raise",
    ) -> OnlineClient:
        """Open the lookup client on this project's registry and online store (`serving.client.open_client`)."""
        from featurestore.serving.client import connect

        return connect(
            self.workspace.latest().content,
            self.workspace.open_online_store(),
            cache_entries=cache_entries,
            cache_seconds=cache_seconds,
            on_error=on_error,
        )

    def get_online_features(
        self,
        features: Sequence[str | Reference] | None = None,
        entity_rows: EntityRows = (),
        *,
        feature_service: str | None = None,
        full_feature_names: bool = False,
    ) -> OnlineResponse:
        """Look up the newest feature values once; for many lookups keep an `online_client` (`serving.client`).

        Args:
            features: references ``view:feature`` or ``view``, in output order.
            entity_rows: a list of rows, or a mapping of columns; order and duplicates are kept.
            feature_service: a service's name, in place of `features`.
            full_feature_names: name features ``view__feature``.

        Returns:
            Values, statuses and event times; ``.to_dict()``, ``.to_df()``, ``.to_arrow()``.

        Raises:
            UsageError: unknown names, or a missing or unknown join key.
            OnlineStoreError: the store cannot be reached.
        """
        with closing(self.online_client()) as client:
            return client.get_online_features(
                features, entity_rows, feature_service=feature_service, full_feature_names=full_feature_names
            )

    def verify(
        self,
        views: Sequence[str] | None = None,
        *,
        sample: int | str | None = DEFAULT_SAMPLE,
        at: datetime | str | None = None,
        seed: int = 0,
        on_rows: Callable[[str, int], None] | None = None,
        on_done: Callable[[ViewVerification], None] | None = None,
    ) -> Verifications:
        """Compare what is served with the warehouse's point-in-time answer (`operations.verify`, SEMANTICS P17).

        Args:
            views: which, by reference; None for all that are online.
            sample: ``"10%"`` or a number of the model's keys; None for all of them, and all keys of the store.
            at: the moment; None takes the one at which all that was synced is usable.
            seed: another seed is another sample.
            on_rows: told each view and how many keys were compared so far.
            on_done: told each result when it is there.

        Returns:
            A tuple of one result per view, in order, that shows itself as a table; ``.is_equal`` of each says whether
            no fault was found.

        Raises:
            UsageError: an unknown view, one that is not online, or no sample.
            WarehouseError, OnlineStoreError: one of them cannot be reached.
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.definitions.part import read_part
        from featurestore.operations.run import verify_views
        from featurestore.operations.sides import Sides
        from featurestore.operations.tables import Verifications
        from featurestore.operations.verify import VerifyRequest

        moment = parse_moment(at, where="at")
        request = VerifyRequest(part=read_part(sample=sample, seed=seed), at=moment, seed=seed)
        with closing(self.workspace.open_online_store()) as store:
            sides = Sides(
                project=self.workspace.latest().content, store=store, open_warehouse=self.workspace.open_warehouse
            )
            return Verifications(verify_views(views, request, sides, on_rows=on_rows, on_done=on_done))

    def verify_log(  # noqa: PLR0913  one call for a notebook
        self,
        service: str,
        *,
        sample: int | str | None = DEFAULT_SAMPLE,
        seed: int = 0,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lag: str | timedelta | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> LogVerification:
        """Compare what was served with the warehouse's point-in-time answer then (`operations.verify_log`).

        Args:
            service: a feature service that is logged.
            sample: ``"10%"`` or a number of logged rows, by a hash of keys and time; None for all.
            seed: another seed is another sample.
            start: only rows served from this moment on.
            end: only rows served up to this moment.
            lag: how long a row may take from the warehouse to the store, e.g. ``1h``: what younger ones explain is lag.
            on_rows: told how many rows were compared so far.

        Returns:
            Counts per row and per feature; ``.is_equal`` says whether no fault was found.

        Raises:
            UsageError: an unknown service, one that is not logged, or nothing loaded yet.
            WarehouseError, QueryError: the warehouse cannot be reached, or refused.
            OperationError, ObjectStoreError: a log in files cannot be read.
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.definitions.part import read_part
        from featurestore.operations.verify_log import LogRequest, LogSides, read_lag, verify_log

        request = LogRequest(
            service=service,
            part=read_part(sample=sample, seed=seed),
            start=parse_moment(start, where="start"),
            end=parse_moment(end, where="end"),
            lag_us=read_lag(lag),
        )
        workspace = self.workspace
        sides = LogSides(
            project=workspace.latest().content,
            schema=workspace.schema,
            base_dir=workspace.dbt.project_dir,
            open_warehouse=workspace.open_warehouse,
        )
        return verify_log(request, sides, on_rows=on_rows)

    def freshness(
        self,
        views: Sequence[str] | None = None,
        *,
        max_age: timedelta | str | None = None,
        online_only: bool = False,
    ) -> Freshness:
        """Say how old the newest features served are, and what waits in the warehouse (`operations.freshness`).

        Args:
            views: which, by reference; None for all that are online.
            max_age: the age from which on a view is stale, e.g. ``"2h"``; None takes each view's ttl.
            online_only: leave the warehouse alone.

        Returns:
            A tuple of one result per view, in order, that shows itself as a table.

        Raises:
            UsageError: an unknown view, one that is not online, or no duration.
            WarehouseError, OnlineStoreError: one of them cannot be reached.
        """
        from featurestore.operations.run import freshness_of
        from featurestore.operations.tables import Freshness

        opened = nullcontext(None) if online_only else closing(self.workspace.open_warehouse())
        with closing(self.workspace.open_online_store()) as store, opened as warehouse:
            return Freshness(freshness_of(self.workspace.latest().content, views, store, warehouse, max_age=max_age))

    def online_contents(self, views: Sequence[str] | None = None) -> Contents:
        """Say what the online store holds of each view, also of views long gone (`operations.contents`).

        Args:
            views: references; None for all that are online or that the store knows.

        Returns:
            A tuple of one result per view that shows itself as a table.

        Raises:
            UnknownNameError: a view that neither the registry nor the store knows.
            OnlineStoreError: the store cannot be reached.
        """
        from featurestore.operations.run import contents_of
        from featurestore.operations.tables import Contents

        with closing(self.workspace.open_online_store()) as store:
            return Contents(contents_of(self.workspace.latest().content, store, views))

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
