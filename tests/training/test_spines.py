"""Examples come from frames of any library, from files, patterns and folders, and from what dbt made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import arro3.core
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from featurestore.errors import NameClashError, SpineError
from featurestore.training.examples import Model, find_examples
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, make_shop, shop_warehouse

JUNE_9 = datetime(2026, 6, 9)
TABLE = pa.table({"customer_id": [1, 2, 9], "event_timestamp": pa.array([JUNE_9] * 3, pa.timestamp("us"))})
COUNTS = [2, 1, None]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask_shop(spine, **question):
    around = question.pop("around", around_shop(Path()))
    return ask(Question(spine=spine, features=question.pop("features", ("orders:order_count",)), **question), around)


def counts(job):
    """Order counts by customer."""
    table = job.to_arrow().sort_by("customer_id")
    return dict(zip(table["customer_id"].to_pylist(), table["order_count"].to_pylist(), strict=True))


class Once:
    """A stream that can be read once, as a reader of a network or a generator is."""

    def __init__(self, table):
        self.reader = table.to_reader()

    def __arrow_c_stream__(self, requested_schema=None):
        assert self.reader is not None, "read twice"
        reader, self.reader = self.reader, None
        return reader.__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": lambda table: table.to_pandas(),
    "polars": pl.from_arrow,
    "pyarrow table": lambda table: table,
    "pyarrow reader": lambda table: table.to_reader(),
    "pyarrow batch": lambda table: table.to_batches()[0],
    "duckdb relation": lambda table: duckdb.connect().from_arrow(table),
    "arro3": arro3.core.Table.from_arrow,
    "a stream": Once,
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_of_any_library_with_an_arrow_stream_is_a_spine(shop, frame):
    """It is read once, however often the training set is."""
    job = ask_shop(frame(TABLE))
    assert job.to_arrow()["order_count"].to_pylist() == COUNTS
    assert job.to_arrow()["order_count"].to_pylist() == COUNTS


def write(path, table=TABLE):
    """Write a file by its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix in {".csv", ".tsv"}:
        delimiter = "," if path.suffix == ".csv" else "\t"
        pa_csv.write_csv(table, path, pa_csv.WriteOptions(delimiter=delimiter))
    else:
        pl.from_arrow(table).write_ndjson(path)


class Elsewhere:
    """The shop's warehouse, as one that cannot read this machine's files, as a server cannot."""

    def __init__(self, folder, read_only):
        self.inner = shop_warehouse(folder, read_only)

    def scan(self, path):
        return None

    def __getattr__(self, name):
        return getattr(self.inner, name)


AROUND = {
    "read by the warehouse": around_shop,
    "uploaded": lambda folder: replace(around_shop(folder), open_warehouse=lambda only: Elsewhere(folder, only)),
}
BOTH_WAYS = pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
SUFFIXES = ("parquet", "csv", "tsv", "jsonl", "ndjson")


@BOTH_WAYS
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("given", ["day/one.{}", "day/*.{}", "d?y/**/*.{}", "day/", "./day", Path("day")])
def test_a_file_a_pattern_or_a_folder_is_a_spine(shop, around, suffix, given):
    write(shop / f"day/one.{suffix}", TABLE.slice(0, 1))
    expected = {1: 2}
    if given != "day/one.{}":
        write(shop / f"day/two.{suffix}", TABLE.slice(1))
        (shop / "day" / "_SUCCESS").touch()
        expected |= {2: 1, 9: None}
    given = given.format(suffix) if isinstance(given, str) else given
    assert counts(ask_shop(given, around=around(shop))) == expected


@BOTH_WAYS
@pytest.mark.parametrize("given", ["labels/", "labels/**/*.parquet", "labels/*/*.parquet", "labels/region=*/*.parquet"])
def test_hive_partitions_are_columns(shop, around, given):
    for number, region in enumerate(("eu", "us")):
        write(shop / f"labels/region={region}/part.parquet", TABLE.slice(number, 1))
    result = ask_shop(given, around=around(shop)).to_arrow().sort_by("customer_id")
    assert result.column_names == ["customer_id", "event_timestamp", "region", "order_count"]
    assert result["region"].to_pylist() == ["eu", "us"]
    assert result["order_count"].to_pylist() == [2, 1]


@BOTH_WAYS
def test_what_another_engine_hides_is_not_read(shop, around):
    write(shop / "labels/part.parquet", TABLE.slice(0, 1))
    write(shop / "labels/_temporary/part.parquet", TABLE.slice(1, 1))
    write(shop / "labels/.part.parquet", TABLE.slice(2, 1))
    for given in ("labels/", "labels/*.parquet"):
        assert counts(ask_shop(given, around=around(shop))) == {1: 2}


def test_a_file_with_the_letters_of_a_pattern_in_its_name_is_one_file(shop):
    write(shop / "a[1].parquet", TABLE.slice(0, 1))
    write(shop / "a1.parquet", TABLE.slice(1, 1))
    assert counts(ask_shop("a[1].parquet")) == {1: 2}
    write(shop / "in [here]/b.parquet", TABLE.slice(1, 1))
    assert counts(ask_shop(Path("in [here]"))) == {2: 1}


def test_a_name_without_a_slash_is_a_table_even_where_a_folder_has_it(shop):
    write(shop / "labels/part.parquet")
    assert counts(ask_shop("labels")) == {1: 1, 9: None}


def test_json_lines_of_several_files_may_lack_a_column(shop):
    write(shop / "day/a.jsonl", TABLE.slice(0, 1).append_column("note", pa.array(["x"])))
    write(shop / "day/b.jsonl", TABLE.slice(1, 1))
    assert ask_shop("day/*.jsonl").to_arrow()["note"].to_pylist() == ["x", None]


def longer(table):
    return table.append_column("more", pa.array([1] * table.num_rows))


def narrower(table):
    return table.set_column(0, "customer_id", table["customer_id"].cast(pa.int32()))


@pytest.mark.parametrize(
    ("suffix", "change", "says"),
    [
        ("parquet", longer, "b.parquet has 'more' int64, but day/a.parquet has no column 'more'"),
        (
            "parquet",
            lambda table: table.drop(["customer_id"]),
            "b.parquet has no column 'customer_id', but day/a.parquet",
        ),
        ("parquet", narrower, "b.parquet has 'customer_id' int32, but day/a.parquet has 'customer_id' int64"),
        ("csv", longer, "b.csv has 'more', but day/a.csv has no column 'more'"),
        ("tsv", longer, "b.tsv has 'more', but day/a.tsv has no column 'more'"),
        ("csv", lambda table: table.select([1, 0]), "b.csv has the columns of day/a.csv in another order"),
    ],
)
def test_files_of_several_schemas_are_refused_by_name(shop, suffix, change, says):
    write(shop / f"day/a.{suffix}")
    write(shop / f"day/b.{suffix}", change(TABLE))
    with pytest.raises(SpineError) as caught:
        ask_shop(f"day/*.{suffix}")
    assert f"files of several schemas: day/{says}" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nowhere/*.parquet", "no file matches nowhere/*.parquet\n  -> check the pattern"),
        ("nowhere/", "no file or folder at nowhere/"),
        ("nowhere.jsonl", "no file at nowhere.jsonl"),
        ("empty/", "no file with examples in the folder empty"),
        ("mixed/", "mixed means files of several kinds: .csv, .parquet\n  -> give a pattern, e.g. mixed/*.csv"),
        ("mixed/*", "mixed/* means files of several kinds: .csv, .parquet\n  -> give a pattern, e.g. mixed/*.csv"),
        (Path("notes.txt"), "cannot read notes.txt as examples\n  -> give a file ending in .parquet, .csv"),
        (
            "https://example.com/labels.parquet",
            "is on the web, and examples are never fetched from there\n  -> download",
        ),
        ("HTTP://example.com/labels", "is on the web"),
        ("https://me:hunter2@example.com/labels.csv", "https://me:***@example.com/labels.csv is on the web"),
        ("s3://me:hunter2@bucket/labels.xlsx", "does not read s3://me:***@bucket/labels.xlsx as examples"),
        ("file:///tmp/labels.parquet", "does not read file:///tmp/labels.parquet as examples\n  -> give a path"),
        ("s3://bucket/labels.xlsx", "a duckdb warehouse does not read s3://bucket/labels.xlsx"),
        ("source('raw', 'nowhere')", "no dbt source 'raw.nowhere' in the manifest"),
    ],
)
def test_what_holds_no_examples_is_one_clear_error(shop, given, says):
    (shop / "empty").mkdir()
    (shop / "notes.txt").touch()
    write(shop / "mixed/a.csv")
    write(shop / "mixed/b.parquet")
    with pytest.raises(SpineError) as caught:
        ask_shop(given)
    assert says in str(caught.value)
    assert "\n  -> " in str(caught.value)


@BOTH_WAYS
@pytest.mark.parametrize("name", ["broken.parquet", "broken.jsonl"])
def test_a_damaged_file_is_one_clear_error(shop, around, name):
    (shop / name).write_bytes(b"{not what it says")
    with pytest.raises(SpineError, match="broken"):
        ask_shop(name, around=around(shop))


@pytest.mark.parametrize("others", ["whole", "broken"])
def test_a_damaged_file_among_others_is_named(shop, others):
    write(shop / "june/a.parquet")
    (shop / "june/b.parquet").write_bytes(b"{not what it says")
    if others == "broken":
        (shop / "june/a.parquet").write_bytes(b"")
    with pytest.raises(SpineError, match=r"cannot read june/[ab].parquet as examples: .*\n  -> check the files"):
        ask_shop("june/")


def test_an_object_stores_uri_is_read_by_the_warehouse(shop):
    """Without its credentials the SELECT is what can be looked at."""
    found = find_examples("s3://bucket/a'b/*.parquet", model=lambda _: None, warehouse=lambda: shop_warehouse(shop))
    assert found.sql == "SELECT * FROM read_parquet('s3://bucket/a''b/*.parquet')"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("ref('labels')", "labels"),
        ("ref('labels', v=2)", "labels@v2"),
        ('{{ ref("labels", version="2") }}', "labels@v2"),
        ("source('raw', 'labels')", "raw.labels"),
        ('{{ source("raw", "labels") }}', "raw.labels"),
    ],
)
def test_a_version_of_a_model_and_a_source_are_spines(shop, given, asked):
    model = Model(relation='"shop"."main"."labels"')
    around = replace(around_shop(shop), model={asked: model}.get)
    assert counts(ask_shop(given, around=around)) == {1: 1, 9: None}


@pytest.mark.parametrize("spine", [TABLE, "labels"], ids=["frame", "table"])
def test_a_column_called_like_a_feature_is_refused(shop, spine):
    spine = spine.append_column("AMOUNT", pa.array([1, 2, 3])) if isinstance(spine, pa.Table) else (
        "select *, 1 as \"AMOUNT\" from labels")  # fmt: skip
    with pytest.raises(NameClashError, match="column 'AMOUNT' of the spine and orders:amount"):
        ask_shop(spine, features=("orders",))


def test_a_key_of_another_kind_is_named_with_both_types(shop):
    spine = TABLE.set_column(0, "customer_id", pa.array(["1", "2", "9"]))
    with pytest.raises(SpineError, match="join key 'customer_id' is string in the spine but int64 in orders"):
        ask_shop(spine)


@pytest.mark.parametrize("made", [pa.Table.to_pandas, pl.from_arrow, lambda table: table])
def test_keys_that_are_all_null_match_nothing_and_are_kept(shop, made):
    """P1, P2."""
    spine = TABLE.set_column(0, "customer_id", pa.array([None] * 3, pa.int64()))
    assert ask_shop(made(spine)).to_arrow()["order_count"].to_pylist() == [None] * 3


def test_columns_of_one_name_are_refused(shop):
    twice = pa.Table.from_arrays([*TABLE.columns, TABLE["customer_id"]], [*TABLE.column_names, "Customer_ID"])
    with pytest.raises(SpineError, match="the spine has the column 'Customer_ID' twice"):
        ask_shop(twice)


def test_an_empty_frame_of_pandas_works(shop):
    spine = pd.DataFrame(
        {"customer_id": pd.Series(dtype="int64"), "event_timestamp": pd.Series(dtype="datetime64[us]")}
    )
    assert ask_shop(spine).to_df().columns.to_list() == ["customer_id", "event_timestamp", "order_count"]
