"""verify, freshness and online: tables for people, JSON for machines, exit code 3 when something is wrong."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from contextlib import closing

import pytest

from featurestore.store import FeatureStore
from tests.cli.tiny import ORDER_TYPES, labels, orders
from tests.manifest.manifests import columns, model

KEYS = "3 keys (3 in the model, 3 online) at 2026-06-05T10:00:00Z"
ABSENT = "and 1,000 that nobody has"


@pytest.fixture
def synced(tiny):
    """Applied and synced, without a ttl, so that nothing grows old."""
    tiny.write_manifest(orders({"ttl": None}), labels())
    assert tiny.run("apply").code == 0
    assert tiny.run("materialize").code == 0
    return tiny


def in_store(tiny, statement):
    with closing(sqlite3.connect(tiny.folder / ".featurestore" / "online.sqlite")) as connection, connection:
        return connection.execute(statement).fetchall()


def test_verify_says_ok_in_one_line_per_view(synced):
    for options in ((), ("--all",), ("--sample", "50%"), ("orders", "--sample", "2", "--seed", "7")):
        ran = synced.run("verify", *options)
        assert (ran.code, ran.err) == (0, "")
        assert ran.lines == [f"orders  OK  {KEYS}: 3 equal; {ABSENT}"]


def test_verify_names_what_is_wrong_with_examples_and_exits_with_3(synced):
    in_store(synced, "delete from kv where cast(key as text) like '%{2}'")
    ran = synced.run("verify")
    assert ran.code == 3
    assert ran.lines == [
        f"orders  FAULTS  {KEYS.replace('3 online', '2 online')}: 2 equal, 1 missing; {ABSENT}",
        "  FEATURE      EQUAL  MISSING",
        "  order_count  2      1",
        "  amount       2      1",
        "  tags         2      1",
        (
            "  missing customer_id=2  warehouse 2026-06-02T10:00:00Z (created 2026-06-02T11:00:00Z), online none  "
            "order_count: 1 | NOT_FOUND; amount: 5.25 | NOT_FOUND; tags: NULL_VALUE | NOT_FOUND"
        ),
    ]
    assert ran.err == (
        "Error: 1 of 1 feature view not as the warehouse says: orders\n"
        "  -> run featurestore materialize --full, and verify again\n"
    )
    assert synced.run("materialize", "--full").code == 0
    assert synced.run("verify").code == 0


def test_verify_as_json(synced):
    in_store(synced, "delete from kv where cast(key as text) like '%{2}'")
    ran = synced.run("verify", "--all", "--at", "2026-06-04", "--json")
    assert (ran.code, ran.json["equal"]) == (3, False)
    (view,) = ran.json["views"]
    assert (view["view"], view["at"], view["checked"], view["is_equal"]) == (
        "orders",
        "2026-06-04T00:00:00Z",
        3,
        False,
    )
    assert (view["model_keys"], view["online_keys"], view["absent"]) == (3, 2, 1_000)
    assert (view["problem"], view["hint"]) == (None, None)
    assert (view["rows"]["equal"], view["rows"]["missing"], view["rows"]["newer"]) == (1, 1, 1)
    assert view["features"]["amount"] == view["rows"]
    (example,) = view["examples"]
    assert (example["verdict"], example["keys"], example["values"][1]["offline"]) == (
        "missing",
        {"customer_id": 2},
        "5.25",
    )


def test_a_view_that_was_never_synced_is_not_verified(applied):
    ran = applied.run("verify")
    assert (ran.code, ran.out) == (3, "orders  not verified: never synced\n  -> run featurestore materialize\n")
    (view,) = applied.run("verify", "--json").json["views"]
    assert (view["problem"], view["hint"]) == ("never synced", "run featurestore materialize")
    (view,) = applied.run("freshness", "--json").json["views"]
    assert (view["problem"], view["hint"]) == ("never synced", "run featurestore materialize")


def test_an_empty_model_has_nothing_to_verify(applied):
    applied.sql("delete from orders")
    ran = applied.run("verify")
    assert (ran.code, ran.out) == (0, "orders  empty: the model has no row, and none was synced\n")


def columns_of(ran):
    return [re.split(r"  +", line.strip()) for line in ran.lines]


def test_freshness_is_a_table_with_what_to_do(synced):
    ran = synced.run("freshness")
    assert (ran.code, ran.err) == (0, "")
    header, row = columns_of(ran)
    assert header == ["VIEW", "STATE", "ONLINE", "AGE", "LIMIT", "OFFLINE", "WAITING", "LAST SYNC"]
    assert row[:3] == ["orders", "fresh", "2026-06-05T10:00:00Z"]
    assert row[4:7] == ["-", "2026-06-05T10:00:00Z", "0"]
    synced.sql("insert into orders values (2, '2026-06-07', '2026-06-07', 9, 1, null)")
    behind = synced.run("freshness")
    assert (behind.code, columns_of(behind)[1][1]) == (0, "behind")
    assert behind.lines[2:] == ["  1 row waits for a sync", "    -> run featurestore materialize"]


def test_freshness_exits_with_3_when_a_view_is_stale(synced):
    ran = synced.run("freshness", "--max-age", "2h")
    assert (ran.code, columns_of(ran)[1][1], columns_of(ran)[1][4]) == (3, "stale", "2h")
    assert ran.err == "Error: 1 of 1 feature view not fresh: orders\n"
    assert synced.run("freshness", "--max-age", "90000d").code == 0


def test_freshness_without_a_warehouse(synced):
    (synced.folder / "shop.duckdb").unlink()
    ran = synced.run("freshness", "--online-only", "--json")
    assert (ran.code, ran.json["fresh"]) == (0, True)
    (view,) = ran.json["views"]
    assert (view["state"], view["online"], view["offline"], view["waiting"]) == (
        "fresh",
        "2026-06-05T10:00:00Z",
        None,
        None,
    )
    assert synced.run("freshness").code == 4


def test_freshness_before_the_first_sync(applied):
    ran = applied.run("freshness")
    assert (ran.code, columns_of(ran)[1][1:3]) == (3, ["never synced", "-"])


def test_online_stats(synced):
    ran = synced.run("online", "stats")
    assert (ran.code, ran.err) == (0, "")
    header, row = columns_of(ran)[:2]
    assert header == ["VIEW", "SET", "KEYS", "BYTES", "TOMBSTONES", "LAST SYNC"]
    assert (row[:3], row[4], row[-1]) == (["orders", "0", "3"], "0", "in use")
    assert re.fullmatch(r"3 keys, about \d+ B in all\.", ran.lines[-1])
    (view,) = synced.run("online", "stats", "orders", "--json").json["views"]
    assert (view["view"], view["keys"], view["is_orphan"]) == ("orders", 3, False)


def test_orphans_are_named_and_can_be_dropped(synced):
    synced.write_manifest(orders({"online": False}), labels())
    assert synced.run("apply").code == 0
    ran = synced.run("online", "stats")
    assert columns_of(ran)[1][-1] == "orphan"
    assert ran.err == "Not in the registry as online views: orders\n  -> remove one: featurestore online drop VIEW\n"
    assert synced.run("online", "drop", "orders", "--yes").out == "orders  3 rows removed\n"


def test_a_drop_has_to_be_confirmed(synced):
    ran = synced.run("online", "drop", "orders")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "Error: Remove 3 rows of orders from the online store? Nobody can be asked here\n  -> add --yes\n"
    assert in_store(synced, "select count(*) from kv") == [(3,)]
    ran = synced.run("online", "drop", "orders", "--yes", "--json")
    assert (ran.code, ran.json) == (0, {"view": "orders", "rows": 3, "is_orphan": False})
    assert in_store(synced, "select count(*) from kv") == [(0,)]
    assert synced.run("online", "drop", "ordrs", "--yes").err == (
        "Error: no feature view 'ordrs' in the registry or the online store\n  -> did you mean orders?\n"
    )


def test_an_entity_is_deleted_with_a_word_about_the_next_sync(synced):
    help_text = " ".join(synced.run("online", "delete-entity", "--help").out.split())
    assert "a sync brings back what the warehouse still has" in help_text
    dry = synced.run("online", "delete-entity", "--entity", "customer_id=1", "--dry-run")
    assert dry.lines == ["orders  1 row", "Nothing was removed; it would be 1 row."]
    asked = synced.run("online", "delete-entity", "--entity", "customer_id=1")
    assert (asked.code, asked.err.splitlines()[-1]) == (2, "  -> add --yes")
    ran = synced.run("online", "delete-entity", "--entity", '{"customer_id": 1}', "--yes")
    assert (ran.code, ran.lines) == (0, ["orders  1 row", "Removed 1 row."])
    assert in_store(synced, "select count(*) from kv") == [(2,)]
    again = synced.run("online", "delete-entity", "--entity", "customer_id=1", "--yes", "--json")
    assert again.json == {
        "dry_run": False,
        "rows": 0,
        "views": [{"view": "orders", "rows": 0, "is_orphan": False}],
        "others": [],
    }


def test_views_of_the_entity_and_more_are_named(synced):
    meta = {"entities": ["customer_id", "amount"], "event_time": "placed_at", "features": ["order_count"]}
    by_amount = model("by_amount", meta={"feature_view": meta}, columns=columns(ORDER_TYPES))
    synced.sql("create table by_amount as from orders")
    synced.write_manifest(orders({"ttl": None}), labels(), by_amount)
    assert synced.run("apply").code == 0
    assert synced.run("materialize").code == 0
    ran = synced.run("online", "delete-entity", "--entity", "customer_id=1", "--yes")
    assert (ran.code, ran.lines) == (0, ["orders  1 row", "Removed 1 row."])
    assert ran.err.startswith(
        "Warning: rows of this entity may be left in views with further join keys: by_amount\n  -> name all their keys;"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 3), ("y", 0, 0)])
def test_on_a_terminal_a_drop_asks(synced, answer, code, left):
    ours, theirs = os.openpty()
    with synced.start("online", "drop", "orders", stdin=theirs) as process:
        os.write(ours, f"{answer}\n".encode())
        _, err = process.communicate(timeout=120)
    os.close(theirs)
    os.close(ours)
    assert "Remove 3 rows of orders from the online store? [y/N]: " in err
    assert (process.returncode, in_store(synced, "select count(*) from kv")) == (code, [(left,)])


BAD = [
    (("verify", "ordrs"), 2, "no feature view 'ordrs' in the registry\n  -> did you mean orders?"),
    (("verify", "--sample", "lots"), 2, "sample: expected a number of examples or a share, got 'lots'"),
    (("verify", "--sample", "5", "--all"), 2, "expected either --sample or --all, got both"),
    (("verify", "--at", "noon"), 2, "--at: expected a time such as 2026-06-01"),
    (("materialize", "--start", "noon"), 2, "--start: expected a time such as 2026-06-01"),
    (("materialize", "--dry-run", "--end", "noon"), 2, "--end: expected a time such as 2026-06-01"),
    (("training-sql", "--features", "orders", "--start", "2026-06-01", "--end", "x"), 2, "--end: expected a time"),
    (("freshness", "--max-age", "soon"), 2, 'max_age: expected a duration such as "7 days"'),
    (("online", "stats", "ordrs"), 2, "no feature view 'ordrs' in the registry or the online store"),
    (("online", "delete-entity", "--entity", "customer_id"), 2, "--entity: expected KEY=VALUE, got 'customer_id'"),
    (("online", "delete-entity", "--entity", "customer_id=1,customer_id=2"), 2, "the key 'customer_id' is given twice"),
    (("online", "delete-entity", "--entity", "{1", "--yes"), 2, "--entity: expected a JSON object, got '{1'"),
    (("online", "delete-entity", "--entity", "name=1", "--yes"), 2, "no feature view has exactly the join keys name"),
    (("online", "delete-entity", "--entity", "customer_id=x", "--yes"), 2, "join key 'customer_id' (int64): expected"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), BAD)
def test_a_wrong_call_is_one_clear_error(synced, arguments, code, says):
    ran = synced.run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("Error: ")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_notebook_asks_the_same(synced, monkeypatch):
    monkeypatch.chdir(synced.folder)
    store = FeatureStore()
    (synced_again,) = done = store.materialize()
    assert repr(done).splitlines()[1].split()[:3] == ["orders", synced_again.mode, "0"]
    (verified,) = store.verify()
    assert verified.is_equal
    assert repr(verified) == "<orders: 3 keys at 2026-06-05 10:00:00+00:00, no difference>"
    (fresh,) = store.freshness(max_age="90000d")
    assert fresh.state == "fresh"
    contents = store.online_contents()
    assert contents[0].keys == 3
    assert repr(contents).splitlines() == synced.run("online", "stats").lines[:-1]
    header = synced.run("freshness").lines[0]
    assert repr(store.freshness()).splitlines()[0].split() == header.split()  # an age may have grown wider meanwhile
    assert store.delete_online_entity({"customer_id": 1}).rows == 1
    assert repr(store.verify()[0]) == "<orders: 3 keys at 2026-06-05 10:00:00+00:00, 1 missing>"
    assert store.drop_online_view("orders").rows == 2
    assert repr(store.verify()[0]).startswith("<orders: not verified, never synced")
