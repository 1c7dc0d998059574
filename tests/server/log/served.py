"""Answers as a server gives them, of a small shop whose service `churn` is logged."""

from __future__ import annotations

from dataclasses import replace

from featurestore.definitions.services import FeatureLogging
from featurestore.serving.columns import FeatureColumn, ready_columns
from featurestore.serving.response import OnlineResponse
from tests.registry.shop import CHURN, SHOP, SPEND

NOON_US = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
MINUTE_US = 60_000_000


def shop(**logging):
    """The shop, with the service `churn` logged as said."""
    return replace(SHOP, services=(replace(CHURN, logging=FeatureLogging(**logging)), SPEND))


def column(name, value_type, values, *, event_us=NOON_US - MINUTE_US, status=None):
    """A column of an answer; a value that is None is NULL_VALUE unless another status is given."""
    statuses = [status if status and it is None else "NULL_VALUE" if it is None else "PRESENT" for it in values]
    times = [None if it == "NOT_FOUND" else event_us for it in statuses]
    return FeatureColumn(name=name, type=value_type, values=list(values), statuses=statuses, event_us=times)


def body_of(entities, features):
    """The bytes that a server sends."""
    (count,) = {len(it.values) for it in (*entities, *features)}
    answer = OnlineResponse(entities=ready_columns(entities), features=ready_columns(features), count=count)
    return answer.to_feast_json()


def churn_body(customers, *, counts=None, pages=None):
    """An answer of the service `churn`."""
    counts = [customer * 10 for customer in customers] if counts is None else counts
    return body_of(
        [column("customer_id", "int64", customers)],
        [
            column("order_count", "int32", counts, status="NOT_FOUND"),
            column("pages", "int64", [1] * len(customers) if pages is None else pages),
        ],
    )


def note_churn(log, customers, *, request_id="r1", served_us=NOON_US, version=1, **columns):
    """Note an answer for these customers."""
    log.note(
        "churn",
        request_id=request_id,
        served_us=served_us,
        registry_version=version,
        columns={"customer_id": customers},
        body=churn_body(customers, **columns),
    )
