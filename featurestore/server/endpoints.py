"""Every endpoint of the server, described for ``/openapi.json``: a new one is a line in `ENDPOINTS`.

A test compares them with the routes that the application has, and what is answered with what is described here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from featurestore.definitions.pushed import Pushed
from featurestore.server.catalog import ServiceLine, ViewLine
from featurestore.server.wire import GetOnlineFeatures, Materialize, MaterializeIncremental, Push, WriteToOnlineStore

if TYPE_CHECKING:
    from collections.abc import Mapping

Area = Literal["Lookups", "Definitions", "Operations", "Changes"]


class Result(msgspec.Struct):
    """One column of an answer, one item per entity.

    Attributes:
        values: times are ISO 8601 with Z; NaN, infinities, decimals and dates are text; bytes are base64.
        statuses: why a value is there or not.
        event_timestamps: when each value became true; 1970 where there is none.
    """

    values: list[Any]
    statuses: list[Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]]
    event_timestamps: list[datetime]


class ViewVersion(msgspec.Struct):
    """A view of an answer, and its version as Feast counts them; 0 for one that has none or no number."""

    name: str
    version: int


class Metadata(msgspec.Struct):
    """What the columns of an answer are.

    Attributes:
        feature_names: join keys first, then features in the order asked for.
        feature_types: of each column; where `include_types` is asked for.
        entity_count: how many of the columns are join keys; where `include_types` is asked for.
        feature_view_metadata: where `include_feature_view_version_metadata` is asked for.
    """

    feature_names: list[str]
    feature_types: list[str] | msgspec.UnsetType = msgspec.UNSET
    entity_count: int | msgspec.UnsetType = msgspec.UNSET
    feature_view_metadata: list[ViewVersion] | msgspec.UnsetType = msgspec.UNSET


class OnlineFeatures(msgspec.Struct):
    """An answer: one result per column."""

    metadata: Metadata
    results: list[Result]


class FeatureServices(msgspec.Struct):
    """The feature services of the registry version that is served."""

    registry_version: int
    feature_services: list[ServiceLine]


class FeatureViews(msgspec.Struct):
    """The feature views that are online, and how fresh they are."""

    registry_version: int
    feature_views: list[ViewLine]


class Ready(msgspec.Struct):
    """Whether lookups can be answered.

    Attributes:
        reason: why not; empty when they can.
        generation: the id that the store's first sync wrote; null where it holds none, or keys are asked for.
        not_synced: views of which the store knows nothing; none are named where keys are asked for.
    """

    is_ready: bool
    reason: str
    generation: str | None
    not_synced: list[str]


class Asked(msgspec.Struct):
    """A sync: of which views (none for all), between which event times, and whether everything is read."""

    views: list[str]
    start: str | None
    end: str | None
    full: bool


class Job(msgspec.Struct):
    """A sync that was asked for.

    Attributes:
        id: to ask by.
        state: ``done`` when every view was synced.
        ended_at: UTC; null while it runs.
        result: what `featurestore materialize --json` says; null while it runs.
        problem: what went wrong; empty if nothing.
    """

    id: str
    state: Literal["running", "done", "failed", "interrupted"]
    asked: Asked
    started_at: datetime
    ended_at: datetime | None
    result: Any
    problem: str


class JobList(msgspec.Struct):
    """All syncs since the server started, the newest first."""

    jobs: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint.

    Attributes:
        method, path: as a route has them.
        area: what it is listed under.
        summary: one line.
        asks: what its body must be; None for no body.
        example: of a body.
        answers: what stands in the body, by status; None for none, text for another type than JSON.
        refuses: the statuses of its errors, beside those that all have.
        is_open: whether it answers without a key.
    """

    method: Literal["get", "post"]
    path: str
    area: Area
    summary: str
    asks: type[msgspec.Struct] | None = None
    example: object = None
    answers: Mapping[int, type | str | None]
    refuses: tuple[int, ...] = ()
    is_open: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)


_ROWS = {"customer_id": [1], "event_timestamp": ["2026-06-01T12:00:00Z"], "order_count": [3]}
ENDPOINTS = (
    Endpoint(
        method="post",
        path="/get-online-features",
        area="Lookups",
        summary="Look up features of entities. Wire-compatible with Feast's feature server.",
        asks=GetOnlineFeatures,
        example={"feature_service": "churn", "entities": {"customer_id": [1, 2]}},
        answers={200: OnlineFeatures},
        refuses=(400, 404, 413, 429, 503),
    ),
    Endpoint(
        method="get",
        path="/feature-services",
        area="Definitions",
        summary="The feature services, what each asks for and answers.",
        answers={200: FeatureServices},
    ),
    Endpoint(
        method="get",
        path="/feature-views",
        area="Definitions",
        summary="The feature views that are online, their features, and how fresh they are.",
        answers={200: FeatureViews},
    ),
    Endpoint(
        method="get",
        path="/health",
        area="Operations",
        summary="Whether the process lives. For liveness probes.",
        answers={200: None},
        is_open=True,
    ),
    Endpoint(
        method="get",
        path="/ready",
        area="Operations",
        summary="Whether lookups can be answered. For readiness probes.",
        answers={200: Ready, 503: Ready},
        is_open=True,
    ),
    Endpoint(
        method="get",
        path="/metrics",
        area="Operations",
        summary="The numbers of all workers, in Prometheus' text format.",
        answers={200: "text/plain"},
    ),
    Endpoint(
        method="get",
        path="/openapi.json",
        area="Operations",
        summary="This description.",
        answers={200: "application/json"},
        is_open=True,
    ),
    Endpoint(
        method="get",
        path="/",
        area="Operations",
        summary="A page for people.",
        answers={200: "text/html"},
        is_open=True,
    ),
    Endpoint(
        method="post",
        path="/push",
        area="Changes",
        summary="Write rows of a view online, offline or both; older ones than it holds do not land online.",
        asks=Push,
        example={"push_source_name": "orders", "df": _ROWS},
        answers={200: Pushed},
        refuses=(400, 404, 409, 413, 501, 503),
    ),
    Endpoint(
        method="post",
        path="/write-to-online-store",
        area="Changes",
        summary="The same as /push, under Feast's other name.",
        asks=WriteToOnlineStore,
        example={"feature_view_name": "orders", "df": _ROWS},
        answers={200: Pushed},
        refuses=(400, 404, 409, 413, 503),
    ),
    Endpoint(
        method="post",
        path="/materialize",
        area="Changes",
        summary="Start a sync of rows between two event times; one at a time.",
        asks=Materialize,
        example={"start_ts": "2026-06-01T00:00:00Z", "end_ts": "2026-06-02T00:00:00Z", "feature_views": ["orders"]},
        answers={202: Job},
        refuses=(400, 404, 409, 413, 503),
    ),
    Endpoint(
        method="post",
        path="/materialize-incremental",
        area="Changes",
        summary="Start a sync of what is new; one at a time.",
        asks=MaterializeIncremental,
        example={"feature_views": ["orders"]},
        answers={202: Job},
        refuses=(400, 404, 409, 413, 503),
    ),
    Endpoint(
        method="get",
        path="/jobs",
        area="Changes",
        summary="All syncs since the server started, the newest first.",
        answers={200: JobList},
        refuses=(503,),
    ),
    Endpoint(
        method="get",
        path="/jobs/{id}",
        area="Changes",
        summary="What became of a sync.",
        answers={200: Job},
        refuses=(404, 503),
        parameters={"id": "A job's id."},
    ),
)
