"""Results of several views are tuples, and show themselves as tables: of none, of one, of many."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from featurestore.errors import QueryError
from featurestore.materialize.run import SyncFailure
from featurestore.materialize.sync import SyncResult
from featurestore.operations.contents import SetContents, ViewContents
from featurestore.operations.freshness import ViewFreshness
from featurestore.operations.results import ViewVerification
from featurestore.operations.tables import Contents, Freshness, SyncResults, Verifications
from featurestore.operations.verdicts import Counts

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
SYNCED = SyncResult(
    view="orders", mode="full", rows_read=1200, rows_written=1199, rows_skipped=1, seconds=0.5, watermark=NOON
)
WENT_ON = replace(SYNCED, rows_before=3000)
FAILED = SyncFailure(view="a<b", error=QueryError("no table", hint="run dbt build"))
VERIFIED = ViewVerification(
    view="orders", at=NOON, checked=3, model_keys=3, online_keys=None, absent=1000, rows=Counts(equal=2, missing=1)
)
UNVERIFIED = ViewVerification(view="prices", problem="never synced", hint="run featurestore materialize")
EMPTY = ViewVerification(view="nothing")
FRESH = ViewFreshness(view="orders", state="fresh", online=NOON, age_s=60, synced_at=NOON)
NEVER = ViewFreshness(view="prices", state="never synced", problem="never synced", hint="run featurestore materialize")
SET = SetContents(number=0, use="in use", keys=5000, size_bytes=2048, tombstones=3, sampled=1000)
HELD = ViewContents(view="orders", is_orphan=False, sets=(SET, replace(SET, number=1, use="retired")), synced_at=NOON)
NOT_HELD = ViewContents(view="prices", is_orphan=False)


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        (
            SyncResults([SYNCED, WENT_ON, FAILED]),
            [
                "VIEW    MODE   READ   WRITTEN  SKIPPED  REMOVED  SECONDS  REACHED",
                "orders  full   1,200  1,199    1        0        0.50     2026-06-01T12:00:00Z",
                "orders  full   1,200  1,199    1        0        0.50     2026-06-01T12:00:00Z",
                "  3,000 kept of a killed sync",
                "a<b     ERROR",
                "  no table",
                "    -> run dbt build",
            ],
        ),
        (
            Verifications([VERIFIED, UNVERIFIED, EMPTY]),
            [
                "VIEW     FOUND         KEYS  MODEL HAS  STORE HAS  ABSENT  AT",
                "orders   FAULTS        3     3          many       1,000   2026-06-01T12:00:00Z",
                "  2 equal, 1 missing",
                "prices   NOT VERIFIED",
                "  never synced",
                "    -> run featurestore materialize",
                "nothing  EMPTY",
            ],
        ),
        (
            Freshness([FRESH, NEVER]),
            [
                "VIEW    STATE         ONLINE                AGE  LIMIT  OFFLINE  WAITING  LAST SYNC",
                "orders  fresh         2026-06-01T12:00:00Z  1m   -      -        -        2026-06-01T12:00:00Z",
                "prices  never synced  -                     -    -      -        -        -",
                "  never synced",
                "    -> run featurestore materialize",
            ],
        ),
        (
            Contents([HELD, NOT_HELD]),
            [
                "VIEW    SET  KEYS   BYTES     TOMBSTONES  LAST SYNC",
                "orders  0    5,000  ~2.0 KiB  ~3          2026-06-01T12:00:00Z  in use",
                "        1    5,000  ~2.0 KiB  ~3                                retired",
                "prices  -    0      0 B       0           -                     nothing is stored",
            ],
        ),
    ],
)
def test_results_are_a_tuple_that_shows_itself_as_a_table(results, shown):
    assert repr(results).split("\n") == shown
    first, *rest = results
    assert (first, tuple(rest), results[0], len(results)) == (results[0], results[1:], first, 1 + len(rest))
    assert isinstance(results, tuple)
    assert results == (first, *rest)
    page = results._repr_html_()
    assert page.count("<tr>") >= 1 + len(results)
    assert all(f"<th>{name}</th>" in page for name in results.table().header)


@pytest.mark.parametrize("kind", [SyncResults, Verifications, Freshness, Contents])
def test_no_result_says_so(kind):
    assert (repr(kind()), kind()._repr_html_(), len(kind())) == ("no feature view", "<i>no feature view</i>", 0)


def test_one_result_is_a_table_of_one_row():
    assert repr(Freshness([FRESH])).count("\n") == 1
    assert Freshness([FRESH])._repr_html_().count("<tr>") == 2


def test_results_can_be_sent_to_another_process():
    results = Verifications([VERIFIED, EMPTY])
    again = pickle.loads(pickle.dumps(results))
    assert (again, type(again), repr(again)) == (results, Verifications, repr(results))


def test_a_notebook_shows_names_and_errors_as_they_are():
    page = SyncResults([FAILED])._repr_html_()
    assert "<td>a&lt;b</td>" in page
    assert '<td colspan="8"><pre>no table\n  -&gt; run dbt build</pre></td>' in page
