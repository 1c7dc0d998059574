"""materialize and get-online: a line per view, a table of values, Feast's response as JSON."""

from __future__ import annotations

import os
import re
import sqlite3
import time

import pytest

from featurestore.materialize import slices
from featurestore.materialize.engines import local
from featurestore.store import FeatureStore
from tests.cli.tiny import labels, orders
from tests.cli_project.stand_in import run_results
from tests.manifest.manifests import columns, model

PRODUCT_TYPES = {"store_id": "bigint", "code": "varchar", "seen_at": "timestamp", "price": "double"}


@pytest.fixture
def fresh(tiny):
    """Applied, without a ttl, so that the answers do not grow old."""
    tiny.write_manifest(orders({"ttl": None}), labels())
    assert tiny.run("apply").code == 0
    return tiny


@pytest.fixture
def two_views(tiny):
    """Two views, one of them with a composite key; and one that is not online."""
    tiny.sql(
        "create table prices as "
        "select 7::bigint store_id, 'a,b' code, timestamp '2026-06-01' seen_at, 1.5::double price"
    )
    meta = {"entities": ["store_id", "code"], "event_time": "seen_at"}
    prices = model("prices", meta={"feature_view": meta}, columns=columns(PRODUCT_TYPES))
    offline = model("offline", meta={"feature_view": {**meta, "online": False}}, columns=columns(PRODUCT_TYPES))
    tiny.write_manifest(orders({"ttl": None}), labels(), prices, offline)
    assert tiny.run("apply").code == 0
    return tiny


def without_seconds(line):
    return re.sub(r"\d+\.\d\ds", "0.00s", line)


def test_a_first_sync_is_full_and_the_next_reads_what_is_new_o6(fresh):
    ran = fresh.run("materialize")
    assert (ran.code, ran.err) == (0, "")
    assert [without_seconds(line) for line in ran.lines] == [
        "orders  full  3 read  3 written  0 skipped  0.00s  -> 2026-06-05T10:00:00Z",
        "Done. OK=1 ERROR=0",
    ]
    again = fresh.run("materialize").lines
    assert without_seconds(again[0]) == "orders  incremental  0 read  0 written  0 skipped  0.00s  nothing new"


def test_a_sync_that_was_interrupted_goes_on_and_says_what_it_kept(fresh, monkeypatch):
    copy, copied = local.LocalEngine.copy, []

    def copy_one(self, load, **more):
        if copied:
            raise KeyboardInterrupt
        copied.append(load)
        return copy(self, load, **more)

    monkeypatch.setattr(slices, "FEW_CELLS", 0)
    monkeypatch.setattr(local, "KEYS_PER_SLICE", 1)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(local.LocalEngine, "copy", copy_one)
        ran = fresh.run("materialize")
    assert ran.code == 130
    assert "every row that was written is whole; run it again to finish" in ran.err
    ran = fresh.run("materialize")
    assert without_seconds(ran.lines[0]) == (
        "orders  full  2 read  2 written  0 skipped  1 kept of a killed sync  0.00s  -> 2026-06-05T10:00:00Z"
    )


def test_a_range_a_full_sync_and_a_named_view(two_views):
    ran = two_views.run("materialize", "orders", "--start", "2026-06-02", "--end", "2026-06-03")
    assert without_seconds(ran.lines[0]) == (
        "orders  range  1 read  1 written  0 skipped  0.00s  -> 2026-06-02T10:00:00Z"
    )
    full = two_views.run("materialize", "--full")
    assert [line.split()[:2] for line in full.lines] == [["orders", "full"], ["prices", "full"], ["Done.", "OK=2"]]


def test_a_registry_that_is_older_than_dbts_manifest_is_told_before_the_sync(fresh):
    fresh.write_manifest(orders({"ttl": "9d"}), labels(), metadata={"invocation_id": "another"})
    ran = fresh.run("materialize")
    assert (ran.code, ran.lines[-1]) == (0, "Done. OK=1 ERROR=0")
    assert ran.err == "Warning: the registry is older than the manifest (1 change)\n  -> run featurestore apply\n"
    assert fresh.run("materialize", "--dry-run").err == ran.err
    assert fresh.run("apply").code == 0
    assert fresh.run("materialize").err == ""


def test_after_a_rollback_a_sync_says_that_the_project_is_to_be_put_back(fresh):
    """Not that the registry is older: applying would undo the rollback."""
    fresh.write_manifest(orders({"ttl": "9d"}), labels(), metadata={"invocation_id": "another"})
    assert fresh.run("apply").code == 0
    assert fresh.run("registry", "rollback", "1").code == 0
    assert fresh.run("materialize").err == (
        "Warning: version 3 of the registry is version 1 again, and the manifest says what it said before (1 change)\n"
        "  -> put the dbt project back too; featurestore apply would bring its definitions again\n"
    )


def test_a_manifest_that_is_older_than_what_was_applied_says_nothing(fresh):
    """Where another machine has built and applied since."""
    fresh.write_manifest(orders({"ttl": "9d"}), labels(), metadata={"generated_at": "2026-06-05T08:00:00.500000Z"})
    assert fresh.run("materialize").err == ""
    fresh.write_manifest(orders({"ttl": "9d"}), labels(), metadata={"generated_at": "some day"})
    assert "the registry is older than the manifest" in fresh.run("materialize").err


def test_a_view_that_only_the_manifest_has_is_told_too(fresh):
    late = {**orders({"ttl": None}), "name": "late", "unique_id": "model.shop.late"}
    fresh.write_manifest(orders({"ttl": None}), labels(), late)
    assert "Warning: the registry is older than the manifest (1 change)" in fresh.run("materialize").err


def test_definitions_with_problems_do_not_stop_a_sync_of_what_was_applied(fresh):
    fresh.write_manifest(orders({"ttl": 7}), labels())
    ran = fresh.run("materialize")
    assert ran.code == 0
    assert ran.err.startswith("Warning: the definitions have problems, so those of the registry are used:\n")


def test_a_model_file_that_is_newer_than_the_manifest_is_told(fresh):
    model_file = fresh.folder / "models" / "orders.sql"
    model_file.parent.mkdir(exist_ok=True)
    model_file.touch()
    os.utime(model_file, (time.time() + 60, time.time() + 60))
    ran = fresh.run("materialize")
    assert (ran.code, ran.err.splitlines()) == (
        0,
        [
            "Warning: changed after dbt wrote the manifest: models/orders.sql",
            "  -> run dbt parse or dbt build",
        ],
    )


def test_a_manifest_that_dbt_wrote_anew_and_says_the_same_asks_no_warehouse(fresh, monkeypatch):
    """Nearly every sync: dbt build, then materialize."""
    fresh.write_manifest(orders({"ttl": None}), labels(), metadata={"invocation_id": "another"})

    def refused(_store):
        raise AssertionError("nothing changed, so nothing is to be planned")

    monkeypatch.setattr(FeatureStore, "plan", refused)
    ran = fresh.run("materialize")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("damage", ["{", None])
def test_without_a_manifest_that_can_be_read_what_was_applied_is_synced(fresh, damage):
    manifest = fresh.folder / "target" / "manifest.json"
    if damage is None:
        manifest.unlink()
    else:
        manifest.write_text(damage)
    ran = fresh.run("materialize", "--no-gate")
    assert (ran.code, ran.err) == (0, "")


def test_materialize_as_json(fresh):
    (view,) = fresh.run("materialize", "--json").json["views"]
    seconds = view.pop("seconds")
    assert seconds > 0
    assert view == {
        "view": "orders",
        "mode": "full",
        "rows_read": 3,
        "rows_written": 3,
        "rows_skipped": 0,
        "rows_removed": 0,
        "rows_before": 0,
        "watermark": "2026-06-05T10:00:00Z",
    }


def test_a_view_that_fails_does_not_stop_the_others(two_views):
    two_views.sql("drop table orders")
    ran = two_views.run("materialize")
    assert ran.code == 1
    assert ran.lines[0] == "orders  ERROR"
    assert ran.lines[1].startswith("prices  full  1 read  1 written")
    assert ran.lines[2] == "Done. OK=1 ERROR=1"
    assert ran.err.startswith("Error: orders: DuckDB refused a statement: ")
    assert ran.err.splitlines()[-1] == "Error: 1 of 2 feature views not synced: orders"
    as_json = two_views.run("materialize", "--json")
    error = as_json.json["views"][0]["error"]
    assert (as_json.code, error["type"], error["where"]) == (1, "QueryError", None)
    assert error["message"].startswith("DuckDB refused a statement: ")
    assert "->" not in error["message"]
    assert error["hint"]


def test_a_row_that_cannot_be_computed_fails_its_view_only(two_views):
    two_views.sql("drop table orders")
    two_views.sql(
        "create view orders as select customer_id, label_at as placed_at, label_at as loaded_at, "
        "cast('x' || customer_id as bigint) as order_count, 1.0::decimal(10,2) as amount, [''] as tags from labels"
    )
    ran = two_views.run("materialize")
    assert (ran.code, ran.lines[0], ran.lines[2]) == (1, "orders  ERROR", "Done. OK=1 ERROR=1")
    assert "Could not convert string 'x1' to INT64" in ran.err


ONE_AND_NINE = ("--entity", "customer_id=1", "--entity", "customer_id=9")


def test_get_online_prints_value_time_age_and_status(fresh):
    fresh.run("materialize")
    ran = fresh.run("get-online", "--features", "orders:order_count,orders:amount", *ONE_AND_NINE)
    assert (ran.code, ran.err) == (0, "")
    assert [re.sub(r"\d+d \d+h|\d+d", "AGE", line).split() for line in ran.lines] == [
        ["ENTITY", "FEATURE", "VALUE", "EVENT", "TIME", "AGE", "STATUS"],
        ["customer_id=1", "order_count", "2", "2026-06-05T10:00:00Z", "AGE", "PRESENT"],
        ["customer_id=1", "amount", "30.00", "2026-06-05T10:00:00Z", "AGE", "PRESENT"],
        ["customer_id=9", "order_count", "-", "-", "-", "NOT_FOUND"],
        ["customer_id=9", "amount", "-", "-", "-", "NOT_FOUND"],
    ]


def test_get_online_as_json_is_the_response_of_feast(fresh):
    fresh.run("materialize")
    ran = fresh.run("get-online", "--features", "orders:order_count", *ONE_AND_NINE, "--json")
    assert ran.json == {
        "metadata": {"feature_names": ["customer_id", "order_count"]},
        "results": [
            {
                "values": [1, 9],
                "statuses": ["PRESENT", "PRESENT"],
                "event_timestamps": ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"],
            },
            {
                "values": [2, None],
                "statuses": ["PRESENT", "NOT_FOUND"],
                "event_timestamps": ["2026-06-05T10:00:00Z", "1970-01-01T00:00:00Z"],
            },
        ],
    }


def test_a_service_and_full_names(applied):
    applied.run("materialize")
    ran = applied.run("get-online", "--service", "churn", "--entity", "customer_id=3", "--full-feature-names", "--json")
    assert ran.json["metadata"]["feature_names"] == ["customer_id", "orders__order_count", "orders__amount"]
    assert ran.json["results"][1]["statuses"] == ["OUTSIDE_MAX_AGE"]


def test_a_composite_key_and_entities_from_a_file_or_stdin(two_views):
    two_views.run("materialize")
    (two_views.folder / "e.jsonl").write_text('{"store_id": 7, "code": "a,b"}\n\n{"store_id": 8, "code": "a,b"}\n')
    given = ("get-online", "--features", "prices:price", "--json")
    from_file = two_views.run(*given, "--entities", "e.jsonl").json
    assert [result["values"] for result in from_file["results"]] == [[7, 8], ["a,b", "a,b"], [1.5, None]]
    from_stdin = two_views.run(*given, "--entities", "-", stdin=(two_views.folder / "e.jsonl").read_text()).json
    assert from_stdin == from_file
    typed = two_views.run(*given, "--entity", "store_id=7, code=a").json
    assert [result["values"] for result in typed["results"]] == [[7], ["a"], [None]]


def test_a_view_without_entity_needs_none_p10(tiny):
    tiny.write_manifest(orders({"entities": [], "ttl": None, "features": ["amount"]}), labels())
    assert tiny.run("apply").code == 0
    assert tiny.run("materialize").code == 0
    ran = tiny.run("get-online", "--features", "orders:amount")
    assert (ran.code, ran.lines[1].split()[:3]) == (0, ["-", "amount", "30.00"])


def test_a_dry_run_counts_and_writes_nothing(fresh):
    ran = fresh.run("materialize", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    view, mode, *room = ran.lines[0].split()
    assert (view, mode, room[:2]) == ("orders", "full", ["3", "rows"])
    assert re.fullmatch(r"orders  full  3 rows  \d+ B at \d+ bytes a row", ran.lines[0])
    assert ran.lines[1].startswith("Nothing was written. About ")
    assert not (fresh.folder / ".featurestore" / "online.sqlite").exists()
    fresh.run("materialize")
    assert fresh.run("materialize", "--dry-run").lines[0] == "orders  incremental  0 rows  nothing new"
    (again,) = fresh.run("materialize", "--dry-run", "--full", "--json").json["views"]
    assert (again["mode"], again["rows"], again["store_bytes"]) == ("full", 3, 3 * again["row_bytes"])


def test_a_dry_run_is_not_far_from_what_the_store_then_says(fresh):
    fresh.sql("insert into orders select 100 + range, '2026-06-06', '2026-06-06', range, 1, ['a'] from range(5000)")
    (view,) = fresh.run("materialize", "--dry-run", "--json").json["views"]
    fresh.run("materialize")
    size = (fresh.folder / ".featurestore" / "online.sqlite").stat().st_size
    assert 0.5 < view["store_bytes"] / size < 2


def test_what_dbts_last_run_says_failed_is_not_served_and_what_was_served_stays(two_views):
    two_views.run("materialize")
    two_views.sql("update orders set order_count = -1, loaded_at = '2026-06-30'")
    failed = {"unique_id": "model.shop.orders", "status": "error"}
    (two_views.folder / "target" / "run_results.json").write_text(run_results("this-run", [failed]))
    ran = two_views.run("materialize")
    assert (ran.code, ran.lines[0], ran.lines[2]) == (1, "orders  ERROR", "Done. OK=1 ERROR=1")
    assert ran.err.splitlines()[:2] == [
        "Error: orders: not synced, what was served before stays: its model failed (dbt build)",
        "  -> mend it and run dbt again; or sync it as it is with --no-gate",
    ]
    asked = ("get-online", "--features", "orders:order_count", "--entity", "customer_id=1", "--json")
    assert two_views.run(*asked).json["results"][1]["values"] == [2]
    assert two_views.run("materialize", "--no-gate").code == 0
    assert two_views.run(*asked).json["results"][1]["values"] == [-1]


def test_a_rebuild_is_served_when_it_is_whole(fresh):
    fresh.run("materialize")
    fresh.sql("update orders set placed_at = placed_at - interval 1 year, order_count = 7")
    ran = fresh.run("materialize", "--rebuild", "--workers", "3")
    assert ran.lines[0].startswith("orders  rebuild  3 read  3 written  0 skipped")
    asked = ("get-online", "--features", "orders:order_count", "--entity", "customer_id=1", "--json")
    assert fresh.run(*asked).json["results"][1]["values"] == [7]


def test_keys_that_vanished_are_counted(fresh):
    fresh.run("materialize")
    fresh.sql("delete from orders where customer_id = 3")
    ran = fresh.run("materialize", "--full")
    assert ran.lines[0].startswith("orders  full  2 read  2 written  0 skipped  1 removed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--full", "--start", "2026-06-01"), "--full reads everything up to the end, so it takes no start"),
        (("--rebuild", "--start", "2026-06-01"), "--rebuild reads everything up to the end, so it takes no start"),
        (("--engine", "sparc"), "no engine backend 'sparc' is installed\n  -> "),
        (("--workers", "0"), "Invalid value for '--workers'"),
        (("--wait", "-1"), "Invalid value for '--wait'"),
    ],
)
def test_options_that_cannot_be_meant(fresh, arguments, said):
    ran = fresh.run("materialize", *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_two_syncs_at_once_one_is_told_to_wait(fresh):
    fresh.run("materialize")
    with sqlite3.connect(fresh.folder / ".featurestore" / "online.sqlite") as connection:
        ends = (time.time() + 3600) * 1000
        connection.execute("insert into lease values ('shop', 'sync:orders', 'far-away|1|99|abc', ?)", (ends,))
    ran = fresh.run("materialize")
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "Error: orders: another sync of orders is under way (process 99 on far-away)"


def test_a_command_of_dbts_that_tests_nothing_judges_nothing_and_that_is_said(fresh):
    (fresh.folder / "target" / "run_results.json").write_text(run_results("this-run", [], which="generate"))
    ran = fresh.run("materialize")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "Warning: dbt's last command here was docs generate, which tests nothing, so it speaks against no model",
        "  -> sync right after dbt build, or by featurestore run -- build",
    ]
    assert fresh.run("materialize", "--no-gate").err == ""


def test_a_dry_run_says_what_would_be_left_out(fresh):
    failed = {"unique_id": "model.shop.orders", "status": "error"}
    (fresh.folder / "target" / "run_results.json").write_text(run_results("this-run", [failed]))
    ran = fresh.run("materialize", "--dry-run")
    assert ran.code == 0
    assert ran.err.startswith("Warning: orders would be left out: its model failed (dbt build)\n  -> mend it")
    (view,) = fresh.run("materialize", "--dry-run", "--json").json["views"]
    assert view["refused"] == "its model failed (dbt build)"


def test_a_service_named_where_a_view_is_meant_is_told_so(applied):
    ran = applied.run("materialize", "churn")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "Error: no feature view 'churn' in the registry, but a feature service of that name",
        '  -> name its views: orders; or ask for features by feature_service="churn", --service churn',
    ]
