"""A log in files is read as one in a table is: training sets as they were served, and whether that was right."""

from __future__ import annotations

import json
import shutil

import boto3
import duckdb
import pytest

from featurestore.store import FeatureStore
from featurestore.training.log_files import LogFiles
from tests.cli.logged import log_churn, logged_churn, serve, served
from tests.cli.tiny import labels, orders
from tests.moto_server import CREDENTIALS, start_moto

THREE = [
    served(1, "2026-06-04 12:00", 1, "10.50"),
    served(1, "2026-06-06 12:00", 2, "30.00"),
    served(9, "2026-06-06 12:00", None, status="NOT_FOUND"),
]
LABELS = """
select 1::bigint as customer_id, timestamp '2026-06-04 11:59:59.999999' as seen_at, 'before' as label union all
select 1, timestamp '2026-06-04 12:00', 'at the moment' union all
select 1, timestamp '2026-06-07', 'later' union all
select 5, timestamp '2026-06-07', 'never asked for'
"""


@pytest.fixture(scope="module")
def moto():
    """One server of buckets for the tests of this file."""
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture
def place(request, monkeypatch):
    """Where the log goes: a folder of the project, or a bucket."""
    if request.param == "folder":
        return "la[k]e/it's"
    server = request.getfixturevalue("moto")
    server.reset()
    settings = {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.endpoint}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1").create_bucket(Bucket="lake")
    return "s3://lake/served"


both = pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)


def loaded(tiny, place, answers=THREE):
    log_churn(tiny, logging={"to": place})
    serve(tiny, *answers)
    ran = tiny.run("log", "load")
    assert (ran.code, ran.err) == (0, "")
    return tiny


@both
def test_every_logged_row_is_an_example_and_a_range_is_a_part_of_them(tiny, place):
    asked = ["training-set", "--from-log", "churn", "--json"]
    found = loaded(tiny, place).run(*asked).json
    assert sorted((list(row.values()) for row in found["rows"]), key=str) == [
        [1, "2026-06-04T12:00:00Z", 1, "10.50"],
        [1, "2026-06-06T12:00:00Z", 2, "30.00"],
        [9, "2026-06-06T12:00:00Z", None, None],
    ]
    assert sorted(row["customer_id"] for row in tiny.run(*asked, "--start", "2026-06-05").json["rows"]) == [1, 9]
    before = tiny.run(*asked, "--end", "2026-06-04T12:00:00Z").json["rows"]
    assert [row["order_count"] for row in before] == [1]
    assert tiny.run(*asked, "--start", "2027-01-01").json["rows"] == []


def test_a_row_that_is_in_two_files_is_one_example(tiny):
    folder = loaded(tiny, "lake").folder / "lake" / "churn"
    for path in [*folder.rglob("*.parquet")]:
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    assert len(tiny.run("training-set", "--from-log", "churn", "--json").json["rows"]) == 3


@both
def test_each_label_sees_what_was_served_last_before_it(tiny, place):
    """P2, with the moment of serving as the event time."""
    asked = ["training-set", "--from-log", "churn", "--spine", LABELS, "--json"]
    found = loaded(tiny, place).run(*asked).json["rows"]
    assert {row["label"]: (row["order_count"], row["amount"]) for row in found} == {
        "before": (None, None),
        "at the moment": (1, "10.50"),
        "later": (2, "30.00"),
        "never asked for": (None, None),
    }


@both
def test_a_training_set_goes_to_a_file_and_a_table_and_can_be_made_again(tiny, place):
    asked = ["training-set", "--from-log", "churn"]
    assert loaded(tiny, place).run(*asked, "--output", "train.parquet").code == 0
    assert json.loads((tiny.folder / "train.parquet.json").read_text())["rows"] == 3
    assert tiny.run("training-set", "--replay", "train.parquet.json").code == 0
    into = tiny.run(*asked, "--into", "main.trained")
    assert (into.code, "3 rows" in into.out) == (0, True)


@both
def test_a_frame_meets_the_log(tiny, place):
    import pandas as pd

    examples = pd.DataFrame({"customer_id": [9, 1], "at": pd.to_datetime(["2026-06-07", "2026-06-05"])})
    made = FeatureStore(loaded(tiny, place).folder).get_historical_features(examples, from_log="churn").to_df()
    assert (made["order_count"].isna().tolist(), made["order_count"].tolist()[1]) == ([True, False], 1)


@both
def test_files_from_before_a_new_feature_have_null_in_it(tiny, place):
    loaded(tiny, place)
    tiny.write_manifest(
        orders(), labels(), logged_churn("orders:order_count", "orders:amount", "orders:tags", logging={"to": place})
    )
    assert tiny.run("apply").code == 0
    refused = tiny.run("training-set", "--from-log", "churn")
    assert refused.code == 2
    assert "has no column 'tags' yet" in refused.err
    tiny.write_manifest(orders(), labels(), logged_churn("orders:amount", logging={"to": place}))
    assert tiny.run("apply").code == 0
    found = tiny.run("training-set", "--from-log", "churn", "--json").json
    assert [column["name"] for column in found["columns"]] == ["customer_id", "event_timestamp", "amount"]


def test_files_with_other_columns_are_one_table_by_name(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for day, columns in (("2026-06-01", {"row_id": ["a"], "x": [1]}), ("2026-06-02", {"y": [2.5], "row_id": ["b"]})):
        folder = tmp_path / "lake" / "churn" / f"date={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / "one.parquet")
    files = LogFiles(service="churn", to="lake", base_dir=tmp_path)
    expected = [{"row_id": "a", "x": 1, "y": None}, {"row_id": "b", "x": None, "y": 2.5}]
    assert sorted(files.rows.to_pylist(), key=lambda row: row["row_id"]) == expected
    with duckdb.connect() as connection:
        read = connection.sql(f"SELECT row_id, x, y FROM {files.relation('duckdb')} ORDER BY row_id").fetchall()
    assert read == [tuple(row.values()) for row in expected]
    assert (files.is_uploaded("duckdb"), files.is_uploaded("postgres")) == (False, True)


@both
def test_verify_compares_files_with_the_warehouse(tiny, place):
    answers = [served(1, "2026-06-04 12:00", 1, "10.50"), served(1, "2026-06-04 13:00", 3, "10.50")]
    wrong = loaded(tiny, place, answers).run("verify", "--log", "churn", "--all")
    assert wrong.code == 3
    assert wrong.lines[0] == "churn  FAULTS  2 rows: 1 equal, 1 mismatch"
    fine = tiny.run("verify", "--log", "churn", "--sample", "100%", "--end", "2026-06-04T12:30:00Z")
    assert (fine.code, fine.lines[0]) == (0, "churn  OK  1 row: 1 equal")


@both
def test_before_anything_was_loaded_that_is_said(tiny, place):
    log_churn(tiny, logging={"to": place})
    for asked in (["training-set", "--from-log", "churn"], ["verify", "--log", "churn"]):
        refused = tiny.run(*asked)
        assert refused.code == 2
        assert refused.err.startswith("Error: nothing was loaded yet to ")
        assert "featurestore log load" in refused.err


@pytest.mark.parametrize("place", ["bucket"], indirect=True)
def test_a_bucket_that_is_not_there_is_said(tiny, place):
    log_churn(tiny, logging={"to": place.replace("lake", "no-such-lake")})
    refused = tiny.run("verify", "--log", "churn")
    assert refused.code != 0
    assert "no bucket 'no-such-lake'" in refused.err
