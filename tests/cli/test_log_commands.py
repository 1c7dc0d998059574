"""What was served, from the command line: loaded, looked at, made a training set of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from featurestore.server.log.feature_log import WORKERS, FeatureLog
from featurestore.server.log.segments import REFUSED, folder_of
from featurestore.server.log.spool import spool_of
from featurestore.store import FeatureStore
from tests.cli.logged import log_churn, logged_churn, serve, served, us
from tests.cli.tiny import labels, orders
from tests.online.servers import wait_until

THREE = [
    served(1, "2026-06-04 12:00", 1, "10.50"),
    served(1, "2026-06-06 12:00", 2, "30.00"),
    served(9, "2026-06-06 12:00", None, status="NOT_FOUND"),
]

NOTHING = "Nothing waits. What was served a moment ago may still be on its way; featurestore log status tells.\n"


@pytest.fixture
def logged(tiny):
    log_churn(tiny)
    return tiny


def test_show_and_list_say_what_is_logged(tiny):
    log_churn(tiny, logging={"sample": 0.1, "to": "lake"})
    assert "  logging   10% by entity, to lake" in tiny.run("show", "churn").lines
    assert tiny.run("list", "services").lines == [
        "SERVICE  OWNER  FEATURES  LOGGED  DESCRIPTION",
        "churn    Risk   2         10%",
    ]


def test_what_waits_is_shown_and_loaded(logged):
    serve(logged, *THREE)
    header, row = logged.run("log", "status").lines
    assert header.split() == ["SERVICE", "TO", "SEGMENTS", "FILES", "ROWS", "SIZE", "OLDEST", "(UTC)"]
    assert row.split()[:5] == ["churn", '"main"."churn__log"', "1", "0", "0"]
    loaded = logged.run("log", "load")
    assert (loaded.code, loaded.out) == (0, "churn  3 rows loaded\n")
    assert logged.run("log", "status").lines[1].split()[2:6] == ["0", "0", "0", "0"]
    again = logged.run("log", "load", "--service", "churn", "--json")
    assert [(each["rows"], each["segments"], each["problem"]) for each in again.json] == [(0, 0, "")]


def test_nothing_served_and_nothing_logged_are_said(applied):
    assert applied.run("log", "load").err == NOTHING
    said = applied.run("log", "status")
    assert (said.code, said.err) == (0, "No feature service is logged: `logging: true` in its metadata.\n")
    assert applied.run("log", "load", "--service", "chrun").code == 2


def test_rows_that_cannot_be_loaded_wait_and_the_exit_code_says_so(logged):
    serve(logged, *THREE)
    logged.sql("create view churn__log as select 1 as x")
    refused = logged.run("log", "load")
    assert refused.code == 1
    assert refused.out.startswith("churn  0 rows loaded, 1 file waiting\n")
    status = logged.run("log", "status", "--json").json["services"]
    assert [(each["waiting"], each["waiting_rows"], each["segments"]) for each in status] == [(1, 3, 0)]
    logged.sql("drop view churn__log")
    assert logged.run("log", "load").out == "churn  3 rows loaded\n"


def test_files_set_aside_are_a_warning(logged):
    serve(logged, *THREE)
    aside = folder_of(spool_of(logged.folder), "churn") / REFUSED
    aside.mkdir()
    (aside / "rows.parquet").write_bytes(b"")
    said = logged.run("log", "status")
    expected = 'Warning: churn: 1 file set aside, refused by "main"."churn__log": featurestore log load says why\n'
    assert (said.code, said.err) == (0, expected)
    assert logged.run("log", "status", "--json").json["services"][0]["refused"] == 1


def test_drops_are_a_warning(logged):
    folder = spool_of(logged.folder) / WORKERS
    folder.mkdir(parents=True)
    counts = {"noted": 9, "sampled_out": 0, "dropped": 4, "written": 5, "queued_bytes": 0, "error": "disk full"}
    (folder / "w.json").write_text(json.dumps(counts))
    said = logged.run("log", "status")
    assert (said.code, said.err) == (0, "Warning: 4 answers dropped: disk full\n")


def test_a_log_in_files_is_loaded_into_the_projects_folder(tiny):
    log_churn(tiny, logging={"to": "lake"})
    serve(tiny, *THREE)
    assert tiny.run("log", "load").code == 0
    assert len(list((tiny.folder / "lake" / "churn").rglob("*.parquet"))) == 2


def loaded(tiny):
    serve(tiny, *THREE)
    assert tiny.run("log", "load").code == 0
    return tiny


def test_every_logged_row_is_an_example_of_its_own(logged):
    found = loaded(logged).run("training-set", "--from-log", "churn", "--json").json
    assert sorted((list(row.values()) for row in found["rows"]), key=str) == [
        [1, "2026-06-04T12:00:00Z", 1, "10.50"],
        [1, "2026-06-06T12:00:00Z", 2, "30.00"],
        [9, "2026-06-06T12:00:00Z", None, None],
    ]
    assert [column["name"] for column in found["columns"]] == [
        "customer_id", "event_timestamp", "order_count", "amount",
    ]  # fmt: skip


def test_a_range_of_the_log(logged):
    asked = ["training-set", "--from-log", "churn", "--json", "--start", "2026-06-05"]
    assert [row["customer_id"] for row in loaded(logged).run(*asked).json["rows"]] in ([1, 9], [9, 1])


def test_a_row_that_came_twice_is_one_example(logged):
    loaded(logged).sql("insert into churn__log select * from churn__log")
    assert len(logged.run("training-set", "--from-log", "churn", "--json").json["rows"]) == 3


LABELS = """
select 1::bigint as customer_id, timestamp '2026-06-04 11:59:59.999999' as seen_at, 'before' as label union all
select 1, timestamp '2026-06-04 12:00', 'at the moment' union all
select 1, timestamp '2026-06-07', 'later' union all
select 9, timestamp '2026-06-07', 'served nothing' union all
select 5, timestamp '2026-06-07', 'never asked for'
"""


def test_each_label_sees_what_was_served_last_before_it(logged):
    """P2, with the moment of serving as the event time."""
    found = loaded(logged).run("training-set", "--from-log", "churn", "--spine", LABELS, "--json").json["rows"]
    assert {row["label"]: (row["order_count"], row["amount"]) for row in found} == {
        "before": (None, None),
        "at the moment": (1, "10.50"),
        "later": (2, "30.00"),
        "served nothing": (None, None),
        "never asked for": (None, None),
    }


def test_python_takes_a_frame_and_keeps_its_order(logged):
    import pandas as pd

    examples = pd.DataFrame({"customer_id": [9, 1], "at": pd.to_datetime(["2026-06-07", "2026-06-05"])})
    made = FeatureStore(loaded(logged).folder).get_historical_features(examples, from_log="churn").to_df()
    assert made["order_count"].tolist()[1] == 1
    assert made["order_count"].isna().tolist() == [True, False]


def test_a_training_set_from_a_log_has_a_card_and_can_be_made_again(logged):
    asked = ["training-set", "--from-log", "churn", "--output", "train.parquet"]
    assert loaded(logged).run(*asked).code == 0
    card = json.loads((logged.folder / "train.parquet.json").read_text())
    assert (card["question"]["from_log"], card["rows"]) == ("churn", 3)
    assert logged.run("training-set", "--verify", "train.parquet.json").code == 0
    assert logged.run("training-set", "--replay", "train.parquet.json").code == 0
    logged.sql("delete from churn__log where customer_id = 9")
    assert logged.run("training-set", "--replay", "train.parquet.json").code == 3


def test_the_sql_is_shown(logged):
    said = loaded(logged).run("training-sql", "--from-log", "churn")
    assert (said.code, '"churn__log"' in said.out) == (0, True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--from-log", "chrun"], "did you mean churn?"),
        (["--from-log", "churn", "--service", "churn"], "a log has the features of its service"),
        (["--from-log", "churn", "--features", "orders"], "a log has the features of its service"),
        (["--from-log", "churn"], "nothing was loaded yet into the log"),
    ],
)
def test_one_clear_error(logged, asked, said):
    refused = logged.run("training-set", *asked)
    assert refused.code == 2
    assert said in refused.err


def test_a_service_that_is_not_logged_says_how_to_begin(applied):
    refused = applied.run("training-set", "--from-log", "churn")
    assert refused.code == 2
    assert "feature service 'churn' is not logged\n  -> add `logging: true`" in refused.err


def test_a_feature_that_was_not_served_yet_is_said(logged):
    loaded(logged)
    logged.write_manifest(orders(), labels(), logged_churn("orders:order_count", "orders:amount", "orders:tags"))
    assert logged.run("apply").code == 0
    refused = logged.run("training-set", "--from-log", "churn")
    assert refused.code == 2
    assert "has no column 'tags' yet: nothing was loaded since the service has it" in refused.err


def test_another_folder_may_be_the_spool(logged, tmp_path):
    serve(logged, *THREE)
    elsewhere = tmp_path / "elsewhere"
    Path(spool_of(logged.folder)).rename(elsewhere)
    assert logged.run("log", "load").err == NOTHING
    assert logged.run("log", "load", "--spool", str(elsewhere)).out == "churn  3 rows loaded\n"


@pytest.mark.parametrize("command", ["load", "status"])
def test_a_spool_that_is_not_there_is_said(logged, command):
    nowhere = logged.folder / "nowhere"
    refused = logged.run("log", command, "--spool", str(nowhere))
    assert (refused.code, f"--spool: there is no folder {nowhere}" in refused.err) == (2, True)


def test_what_a_worker_still_writes_is_said(logged):
    store = FeatureStore(logged.folder)
    log = FeatureLog(spool_of(logged.folder))
    log.define(store.project)
    customer, at, body = THREE[0]
    log.note(
        "churn", request_id="r", served_us=us(at), registry_version=1, columns={"customer_id": [customer]}, body=body
    )
    wait_until(lambda: log.counts().written == 1)
    said = logged.run("log", "load")
    assert said.out == "churn  0 rows loaded, 1 segment still open: a worker closes it within 10 seconds\n"
    log.close()
    assert logged.run("log", "load").out == "churn  1 row loaded\n"


def test_verify_compares_a_log_with_the_warehouse(logged):
    serve(logged, served(1, "2026-06-04 12:00", 1, "10.50"), served(1, "2026-06-06 12:00", 1, "10.50"))
    logged.run("log", "load")
    fine = logged.run("verify", "--log", "churn", "--all")
    assert (fine.code, fine.err) == (0, "")
    assert fine.lines == [
        "churn  OK  2 rows: 1 equal, 1 lag",
        "  FEATURE      EQUAL  MISMATCH  MISSING  EXTRA  LAG  SMAPE",
        "  order_count  1      0         0        0      1    0",
        "  amount       1      0         0        0      1    0",
    ]
    serve(logged, served(1, "2026-06-04 13:00", 3, "10.50"))
    logged.run("log", "load")
    wrong = logged.run("verify", "--log", "churn", "--sample", "100")
    assert wrong.code == 3
    assert "  mismatch customer_id=1  at 2026-06-04T13:00:00Z  order_count: warehouse 1, served 3" in wrong.lines
    assert "what was served of churn is not what the warehouse says" in wrong.err
    as_json = logged.run("verify", "--log", "churn", "--json", "--lag", "1h").json
    assert (as_json["is_equal"], as_json["compared"], as_json["rows"]["mismatch"]) == (False, 3, 1)
    assert as_json["smape"]["order_count"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["orders", "--log", "churn"], "a log has views and times of its own"),
        (["--log", "churn", "--at", "2026-06-01"], "a log has views and times of its own"),
        (["--lag", "1h"], "--lag is about a log"),
        (["--start", "2026-06-01"], "--start is about a log"),
        (["--log", "chrun"], "did you mean churn?"),
        (["--log", "churn", "--lag", "soon"], "Error: --lag: expected a duration"),
        (["--log", "churn", "--start", "soon"], "Error: --start: "),
        (["--log", "churn"], "Error: nothing was loaded yet into the log"),
    ],
)
def test_one_clear_error_about_verifying_a_log(logged, asked, said):
    refused = logged.run("verify", *asked)
    assert refused.code == 2
    assert said in refused.err


def test_the_logs_are_printed_as_sources_of_dbt_and_written_anew(logged):
    printed = logged.run("log", "sources").out
    (source,) = yaml.safe_load(printed)["sources"]
    (table,) = source["tables"]
    assert (source["name"], source["schema"], table["name"]) == ("feature_log", "{{ target.schema }}", "churn__log")
    assert [column["name"] for column in table["columns"]][-3:] == ["amount", "amount__status", "amount__event_time"]
    (logged.folder / "models").mkdir()
    asked = ["log", "sources", "--write", "models/feature_log.yml"]
    for _ in range(2):
        assert logged.run(*asked).out == "models/feature_log.yml\n"
    assert (logged.folder / "models" / "feature_log.yml").read_text() == printed
    (logged.folder / "models" / "feature_log.yml").write_text("# mine\n")
    refused = logged.run(*asked)
    assert (refused.code, "is there already, and is another" in refused.err) == (2, True)


def test_a_description_is_text_whatever_is_in_it(tiny):
    described = orders()
    described["columns"]["order_count"]["description"] = 'so "many": {{ yes }}\n# and {% more %}'
    tiny.write_manifest(described, labels(), logged_churn())
    assert tiny.run("apply").code == 0
    (source,) = yaml.safe_load(tiny.run("log", "sources").out)["sources"]
    column = next(it for it in source["tables"][0]["columns"] if it["name"] == "order_count")
    assert "{{" not in column["description"]
    assert 'so "many"' in column["description"]


def test_when_a_column_is_null_is_said_without_a_contradiction(tiny):
    described = orders()
    described["columns"]["order_count"]["description"] = "Never null."
    tiny.write_manifest(described, labels(), logged_churn())
    assert tiny.run("apply").code == 0
    (source,) = yaml.safe_load(tiny.run("log", "sources").out)["sources"]
    column = next(it for it in source["tables"][0]["columns"] if it["name"] == "order_count")
    said = "As served, int64; NULL unless its status is PRESENT. In the view: Never null."
    assert column["description"] == said


def test_without_a_log_in_the_warehouse_there_are_no_sources(tiny):
    log_churn(tiny, logging={"to": "lake"})
    refused = tiny.run("log", "sources")
    assert (refused.code, "no feature service is logged to the warehouse" in refused.err) == (2, True)
