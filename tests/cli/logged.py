"""The tiny project with its service `churn` logged, and a worker that serves what it is told."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from featurestore.server.log.feature_log import FeatureLog
from featurestore.server.log.spool import spool_of
from featurestore.store import FeatureStore
from tests.cli.tiny import churn, labels, orders
from tests.server.log.served import body_of, column


def logged_churn(*features, logging=True):
    """The service, logged."""
    node = churn(*features)
    node["config"]["meta"]["feature_service"]["logging"] = logging
    return node


def log_churn(tiny, *, logging=True, view=None):
    """Apply the project with the service logged."""
    tiny.write_manifest(orders(view), labels(), logged_churn(logging=logging))
    assert tiny.run("apply").code == 0


def us(text):
    """A moment in UTC as microseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp() * 1_000_000)


def served(customer, at, count, amount=None, *, event="2026-06-01 10:00", status="NULL_VALUE"):
    """One answer: of whom, when, what, and since when that was true."""
    body = body_of(
        [column("customer_id", "int64", [customer])],
        [
            column("order_count", "int64", [count], event_us=us(event), status=status),
            column("amount", "decimal(10,2)", [amount and Decimal(amount)], event_us=us(event), status=status),
        ],
    )
    return customer, at, body


def serve(tiny, *answers):
    """Let a worker give these answers, and end."""
    log = FeatureLog(spool_of(tiny.folder))
    store = FeatureStore(tiny.folder)
    log.define(store.project)
    for number, (customer, at, body) in enumerate(answers):
        log.note(
            "churn",
            request_id=f"r{number}",
            served_us=us(at),
            registry_version=store.document.version,
            columns={"customer_id": [customer]},
            body=body,
        )
    log.close()
    assert log.counts().written == len(answers)
