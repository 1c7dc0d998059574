"""What was served is compared with what the warehouse answers for the moment of serving; what came late is no fault."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from featurestore.errors import UsageError
from featurestore.server.log.feature_log import FeatureLog
from featurestore.server.log.spool import spool_of
from featurestore.store import FeatureStore
from tests.cli.logged import log_churn, serve, served, us
from tests.cli.tiny import make_tiny


@pytest.fixture
def shop(tmp_path):
    """Orders of customer 1 at June 1 (1, 10.50) and June 5 (2, 30.00), of 3 at June 3 (null); loaded an hour later."""
    tiny = make_tiny(tmp_path / "shop")
    log_churn(tiny)
    return tiny


def verify(tiny, *answers, **how):
    serve(tiny, *answers)
    assert tiny.run("log", "load").code == 0
    return FeatureStore(tiny.folder).verify_log("churn", **how)


FIRST, SECOND = "2026-06-01 10:00", "2026-06-05 10:00"
NOTHING = {"count": None, "status": "NOT_FOUND"}


@pytest.mark.parametrize(
    ("rule", "answer", "verdict"),
    [
        ("what the warehouse says", served(1, "2026-06-04 12:00", 1, "10.50", event=FIRST), "equal"),
        (
            "the newest row from when it was loaded (P8)",
            served(1, "2026-06-05 11:00", 2, "30.00", event=SECOND),
            "equal",
        ),
        (
            "a row that was loaded after the moment is not known yet (P8)",
            served(1, "2026-06-05 10:59:59.999999", 1, "10.50", event=FIRST),
            "equal",
        ),
        ("a null that is one", served(3, "2026-06-04 12:00", None, event="2026-06-03 10:00"), "equal"),
        ("nobody", served(9, "2026-06-04 12:00", None, status="NOT_FOUND"), "equal"),
        ("before the first row", served(1, "2026-05-01 12:00", None, status="NOT_FOUND"), "equal"),
        (
            "too old (P3)",
            served(1, "2026-07-05 10:00:00.000001", None, event=SECOND, status="OUTSIDE_MAX_AGE"),
            "equal",
        ),
        ("the last moment of its age (P3)", served(1, "2026-07-05 10:00", 2, "30.00", event=SECOND), "equal"),
        ("a newer row that was not synced yet", served(1, "2026-06-06 12:00", 1, "10.50", event=FIRST), "lag"),
        ("another value of the same row", served(1, "2026-06-04 12:00", 7, "10.50", event=FIRST), "mismatch"),
        ("nothing served, the row is there", served(1, "2026-06-04 12:00", None, status="NOT_FOUND"), "missing"),
        ("a null served, the value is there", served(1, "2026-06-04 12:00", None, event=FIRST), "missing"),
        ("a value that never was", served(9, "2026-06-04 12:00", 1, "1.00", event=FIRST), "extra"),
        ("a value where null is", served(3, "2026-06-04 12:00", 1, "1.00", event="2026-06-03 10:00"), "extra"),
        ("a value that is too old (P3)", served(1, "2026-07-06 12:00", 2, "30.00", event=SECOND), "extra"),
        ("the future (P2)", served(1, "2026-06-05 09:00", 2, "30.00", event=SECOND), "mismatch"),
    ],
)
def test_one_row(shop, rule, answer, verdict):
    found = verify(shop, answer)
    assert (getattr(found.rows, verdict), found.compared) == (1, 1), rule
    assert found.is_equal == (verdict in {"equal", "lag"})
    assert {each.verdict for each in found.examples} == ({verdict} if not found.is_equal else set())


@pytest.mark.parametrize(("lag", "verdict"), [(None, "missing"), ("24h", "missing"), ("25h 1s", "lag")])
def test_a_sync_takes_a_while(shop, lag, verdict):
    """The row was loaded at 11:00 the day before, 25 hours ago; an entity that is new online has no older row."""
    found = verify(shop, served(3, "2026-06-04 12:00", None, status="NOT_FOUND"), lag=lag)
    assert found.rows.equal == 1  # both are null
    found = verify(shop, served(2, "2026-06-03 12:00", None, status="NOT_FOUND"), lag=lag)
    assert getattr(found.rows, verdict) == 1


def test_each_feature_is_counted_and_a_row_is_as_bad_as_its_worst(shop):
    found = verify(
        shop,
        served(1, "2026-06-04 12:00", 1, "10.50", event=FIRST),
        served(1, "2026-06-04 12:01", 3, "10.50", event=FIRST),
        served(1, "2026-06-04 12:02", 3, None, event=FIRST),
    )
    assert (found.rows.equal, found.rows.mismatch, found.rows.missing) == (1, 2, 0)
    assert (found.features["order_count"].mismatch, found.features["amount"].missing) == (2, 1)
    assert found.smape["order_count"] == pytest.approx((0 + 1 + 1) / 3)  # 2 * |3 - 1| / (3 + 1)
    assert found.smape["amount"] == 0.0
    example = next(each for each in found.examples if each.verdict == "mismatch")
    assert (example.feature, example.keys, example.served, example.warehouse) == (
        "order_count",
        {"customer_id": 1},
        3,
        1,
    )


def test_a_range_and_a_sample_of_the_log(shop):
    answers = [served(9, f"2026-06-{day:02} 12:00", 1, event=FIRST) for day in range(1, 21)]
    assert verify(shop, *answers).compared == 20
    store = FeatureStore(shop.folder)
    assert store.verify_log("churn", start="2026-06-05 12:00", end="2026-06-06 12:00").compared == 2
    assert store.verify_log("churn", sample=7).compared == 7
    assert store.verify_log("churn", sample=7, start="2030-01-01").compared == 0
    assert store.verify_log("churn", start="2030-01-01").is_equal


def test_a_delay_is_honoured(tmp_path):
    """P7: the row of June 5 is usable only from June 6 on."""
    tiny = make_tiny(tmp_path / "shop")
    log_churn(tiny, view={"delay": "1d"})
    found = verify(
        tiny,
        served(1, "2026-06-05 12:00", 1, "10.50", event=FIRST),
        served(1, "2026-06-06 10:00", 2, "30.00", event=SECOND),
    )
    assert (found.rows.equal, found.compared) == (2, 2)


def test_what_a_lookup_answered_is_what_the_log_says(shop):
    """End to end: synced, looked up, logged, loaded, compared; then the warehouse changes its mind."""
    assert shop.run("materialize").code == 0
    store, now = FeatureStore(shop.folder), datetime(2026, 6, 6, tzinfo=timezone.utc)
    log = FeatureLog(spool_of(shop.folder))
    log.define(store.project)
    customers = [1, 2, 3, 9, 1]
    with store.online_client() as client:
        answer = client.get_online_features(entity_rows={"customer_id": customers}, feature_service="churn", now=now)
    log.note(
        "churn",
        request_id="r",
        served_us=us("2026-06-06 00:00"),
        registry_version=1,
        columns={"customer_id": customers},
        body=answer.to_feast_json(),
    )
    log.close()
    assert shop.run("log", "load").code == 0
    found = store.verify_log("churn")
    assert (found.rows.equal, found.compared, found.is_equal) == (5, 5, True)
    assert found.smape == {"order_count": 0.0, "amount": 0.0}
    shop.sql("update orders set amount = amount + 1 where customer_id = 2")
    changed = store.verify_log("churn")
    assert (changed.rows.mismatch, changed.features["amount"].mismatch) == (1, 1)
    assert changed.smape["amount"] == pytest.approx(2 / float(Decimal("5.25") + Decimal("6.25")) / 3)


def test_a_log_that_is_not_there_says_so(shop):
    with pytest.raises(UsageError, match="nothing was loaded yet into the log"):
        FeatureStore(shop.folder).verify_log("churn")


def test_no_duration_is_refused(shop):
    with pytest.raises(UsageError, match="lag: expected a duration"):
        FeatureStore(shop.folder).verify_log("churn", lag="soon")
