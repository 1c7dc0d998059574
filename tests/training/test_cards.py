"""A card says what a training set is; it never stands beside other data, and is enough to compare and to replay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime, timezone
from decimal import Decimal

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.labels import Labels
from featurestore.definitions.part import Part
from featurestore.definitions.rules import Override
from featurestore.definitions.views import Column
from featurestore.errors import OperationError, QueryError, UsageError, without_secrets
from featurestore.storage.places import place_of
from featurestore.training.card import decode_card, encode_card
from featurestore.training.hash import hash_table
from featurestore.training.parquet import CARD_KEY
from featurestore.training.replay import question_of, replay
from featurestore.training.request import Question, asked
from featurestore.training.verify import find_card, verify
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse
from tests.shop_in_memory import around_shop, change_shop, make_shop, shop_warehouse
from tests.training.test_training_sets import JUNE_9, ask_shop

FRAME = pd.DataFrame({"customer_id": [1, 9], "event_timestamp": pd.to_datetime([JUNE_9, JUNE_9])})


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def found(shop, given):
    return find_card(given, project="shop", cards_dir=shop / "cards")


def differences(shop, given):
    """What `verify` says, line by line."""
    checked = verify(found(shop, given), open_warehouse=lambda read_only: shop_warehouse(shop, read_only))
    return [each.says for each in checked.differences]


def table_of(shop, sql):
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        return connection.sql(sql).to_arrow_table()


def test_a_card_says_what_was_asked_and_what_came_out(shop):
    card = ask_shop(shop, "labels", features=None, feature_service="churn").to_parquet(shop / "t.parquet")
    assert (card.project, card.registry_version, card.feature_service) == ("shop", 7, "churn")
    assert (card.spine.given, card.spine.columns[-1], card.time) == ("labels", "bought", "label_at")
    assert (card.interval.first, card.interval.last) == ("2026-06-04T00:00:00Z", "2026-06-04T00:00:00Z")
    of_features = [(each.name, each.type, each.feature, each.nulls, each.null_share) for each in card.columns[3:]]
    assert of_features == [
        ("order_count", "int64", "orders:order_count", 1, 0.5),
        ("amount", "decimal(10,2)", "orders:amount", 1, 0.5),
    ]
    written = pq.read_table(shop / "t.parquet")
    assert card.data_hash == hash_table(written)
    assert card.spine.hash == hash_table(written.select(["customer_id", "label_at", "bought"]))
    assert encode_card(card) == (shop / "t.parquet.json").read_bytes()


def test_a_parquet_file_carries_its_card_inside(shop):
    card = ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    assert pq.read_metadata(shop / "t.parquet").metadata[CARD_KEY.encode()] == encode_card(card)
    (shop / "t.parquet.json").unlink()
    assert differences(shop, shop / "t.parquet") == []


def test_a_card_of_a_table_has_the_hash_of_its_rows(shop):
    card = ask_shop(shop, "labels").to_table("t")
    assert card.data_hash == hash_table(table_of(shop, "select * from t"))
    assert differences(shop, "t") == []


@pytest.mark.parametrize("spine", ["labels", FRAME], ids=["table", "frame"])
def test_a_file_a_table_and_nothing_have_the_same_hash(shop, spine):
    job = ask_shop(shop, spine, features=("orders",))
    hashes = {job.to_parquet(shop / "t.parquet").data_hash, job.to_table("t").data_hash, job.measured().data_hash}
    assert len(hashes) == 1


def test_each_partition_has_a_card_of_its_own_rows(shop):
    job = ask_shop(shop, "labels")
    one = job.to_table("t", mode="append", partition=("day", "1"))
    change_shop(shop, "update orders set order_count = 77")
    two = job.to_table("t", mode="append", partition=("day", "2"))
    assert (one.rows, two.rows, one.data_hash == two.data_hash) == (2, 2, False)
    assert [differences(shop, name) for name in ("t.day=1", "t.day=2")] == [[], []]
    change_shop(shop, "delete from t where day = '1'")
    assert differences(shop, "t.day=1")[0] == "rows: expected 2, got 0"
    assert differences(shop, "t.day=2") == []


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("main.t", "did you mean main.t.day=1 or main.t.day=2?"),
        ("t.day=1", "did you mean main.t.day=1?"),
        ("others", "did you mean other?"),
        ("q", "it stands beside the training set, e.g. train.parquet.json"),
    ],
)
def test_a_card_that_is_not_there_names_what_is_near(shop, given, hint):
    job = ask_shop(shop, "labels")
    for day in ("1", "2"):
        job.to_table("main.t", mode="append", partition=("day", day))
    job.to_table("other")
    with pytest.raises(UsageError) as refused:
        found(shop, given)
    assert refused.value.hint == hint


def test_a_name_with_a_dot_in_quotes_has_another_card_than_a_schema_and_a_table(shop):
    change_shop(shop, "create schema a")
    ask_shop(shop, "labels").to_table("a.b")
    ask_shop(shop, "select * from labels limit 1").to_table('"a.b"')
    assert [found(shop, name).card.rows for name in ("a.b", '"a.b"')] == [2, 1]
    assert differences(shop, "a.b") == differences(shop, '"a.b"') == []


def test_an_append_without_a_partition_has_a_card_of_the_whole_table(shop):
    job = ask_shop(shop, "labels")
    assert [job.to_table("t", mode="append").rows for _ in range(2)] == [2, 4]
    assert differences(shop, "t") == []
    with pytest.raises(UsageError, match="its rows were added to others, and cannot be told apart"):
        question_of(found(shop, "t").card, where="t.json")


def test_cards_that_a_write_makes_untrue_go(shop):
    job = ask_shop(shop, "labels")
    job.to_table("t", mode="append", partition=("day", "1"))
    job.to_table("other", mode="append", partition=("day", "1"))
    job.to_table("t", mode="replace")
    assert sorted(path.name for path in (shop / "cards").iterdir()) == ["other.day=1.json", "t.json"]


def test_a_partition_named_like_a_column_is_refused(shop):
    with pytest.raises(UsageError, match="has a column 'BOUGHT' of its own"):
        ask_shop(shop, "labels").to_table("t", mode="append", partition=("BOUGHT", "1"))


def test_an_append_of_other_columns_is_refused_before_the_work(shop):
    ask_shop(shop, "labels").to_table("t")
    work = "select *, error('the work was done') as e from labels"
    with pytest.raises(QueryError, match="cannot append to t: the table has no column 'e'"):
        ask_shop(shop, work).to_table("t", mode="append")
    with pytest.raises(QueryError, match="cannot append to t: the table has no column 'day'"):
        ask_shop(shop, "labels").to_table("t", mode="append", partition=("day", "1"))
    assert differences(shop, "t") == []


@pytest.mark.parametrize("mode", ["create", "replace"])
def test_a_partition_is_about_an_append(shop, mode):
    with pytest.raises(UsageError, match="a partition says which rows an append replaces"):
        ask_shop(shop, "labels").to_table("t", mode=mode, partition=("day", "1"))


CHANGES = {
    "a value": ("update t set order_count = 5 where customer_id = 1", ["column 'order_count': other values"]),
    "a null": (
        "update t set order_count = null",
        ["column 'order_count': other values; NULLs: expected 1, got 2"],
    ),
    "a type": ("alter table t alter order_count type integer", ["column 'order_count': expected int64, got int32"]),
    "a name": (
        "alter table t rename order_count to n",
        ["column 'order_count': is missing", "column 'n': is new; the card does not have it"],
    ),
    "a row more": (
        "insert into t select * from t where customer_id = 9",
        [
            "rows: expected 2, got 3",
            "column 'customer_id': other values",
            "column 'label_at': other values",
            "column 'bought': other values",
            "column 'order_count': other values; NULLs: expected 1, got 2",
        ],
    ),
    "features of other rows": (
        "update t set order_count = case customer_id when 9 then 1 end",
        ["rows: every column has its values, but they are put together in other rows"],
    ),
    "examples": (
        "update t set bought = not bought",
        ["spine: every column has its values, but they are put together in other rows"],
    ),
    "an order": (
        "create or replace table t as select order_count, customer_id, label_at, bought from t",
        ["columns: expected the order customer_id, label_at, bought, order_count"],
    ),
    "nothing": ("create or replace table t as select * from t order by customer_id desc", []),
}


@pytest.mark.parametrize(("change", "says"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_named(shop, change, says):
    ask_shop(shop, "labels").to_table("t")
    change_shop(shop, change)
    assert differences(shop, "t") == says


def test_a_changed_file_is_noticed(shop):
    ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    changed = pq.read_table(shop / "t.parquet").slice(1)
    pq.write_table(changed, shop / "t.parquet")
    assert differences(shop, shop / "t.parquet.json")[0] == "rows: expected 2, got 1"


@pytest.mark.parametrize(("name", "says"), [("t.parquet", "no training set at"), ("t", "cannot read the table t: ")])
def test_a_training_set_that_is_gone_is_told(shop, name, says):
    job = ask_shop(shop, "labels")
    if name == "t":
        job.to_table("t")
        change_shop(shop, "drop table t")
    else:
        job.to_parquet(shop / name)
        (shop / name).unlink()
    with pytest.raises(OperationError, match=says):
        differences(shop, "t" if name == "t" else shop / f"{name}.json")


def test_a_file_that_is_cut_off_is_told(shop):
    ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    (shop / "t.parquet").write_bytes((shop / "t.parquet").read_bytes()[:-9])
    with pytest.raises(OperationError, match="cannot read"):
        differences(shop, shop / "t.parquet")


def again(shop, given, spine=None, write=None):
    return replay(found(shop, given), around_shop(shop), write, spine=spine)


QUESTIONS = {
    "a table": {"spine": "labels"},
    "sql": {"spine": "select * from labels where bought"},
    "a snapshot": {"at": datetime(2026, 6, 4, tzinfo=timezone.utc)},
    "a range": {
        "start": datetime(2026, 6, 1, tzinfo=timezone.utc),
        "end": datetime(2026, 6, 3, 23, 59, 59, 123456, tzinfo=timezone.utc),
    },
    "options": {
        "spine": "labels",
        "time": "label_at",
        "full_feature_names": True,
        "as_of": "knowledge",
        "event_timestamps": True,
        "overrides": (Override(name="orders", has_no_ttl=True),),
    },
    "labels": {"spine": "labels", "labels": Labels(names=("bought",), horizon_us=86_400_000_000)},
    "a part": {"spine": "labels", "part": Part(limit=1)},
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_training_set_can_be_made_again_from_its_card(shop, question):
    job = ask_shop(shop, **question)
    job.to_parquet(shop / "t.parquet")
    made = again(shop, shop / "t.parquet", write=lambda job: job.to_parquet(shop / "again.parquet"))
    assert (made.is_equal, made.made.data_hash) == (True, made.card.data_hash)
    assert hash_table(pq.read_table(shop / "again.parquet")) == made.card.data_hash
    assert made.made.sql_sha256 == made.card.sql_sha256


def test_a_replay_names_the_column_whose_data_has_changed(shop):
    ask_shop(shop, "labels", features=("orders",)).to_table("t")
    change_shop(shop, "update orders set amount = amount + 1")
    made = again(shop, "t")
    assert [each.column for each in made.differences] == ["amount"]


def test_a_frame_must_be_given_again(shop):
    ask_shop(shop, FRAME).to_parquet(shop / "t.parquet")
    with pytest.raises(UsageError) as caught:
        again(shop, shop / "t.parquet")
    assert "its examples were a frame of 2 rows, which a card does not hold" in str(caught.value)
    assert again(shop, shop / "t.parquet", spine=FRAME).is_equal
    other = again(shop, shop / "t.parquet", spine=FRAME.assign(customer_id=[1, 2]))
    assert [each.column for each in other.differences] == ["customer_id", "order_count"]


def test_a_spine_is_given_only_to_what_had_one(shop):
    ask_shop(shop, at=datetime(2026, 6, 4, tzinfo=timezone.utc)).to_parquet(shop / "t.parquet")
    with pytest.raises(UsageError, match="it was made without examples"):
        again(shop, shop / "t.parquet", spine="labels")


def test_other_definitions_under_the_same_version_are_refused(shop):
    ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    other = replace(around_shop(shop), registry_hash="another")
    with pytest.raises(OperationError, match="version 7 of the registry has other definitions"):
        replay(found(shop, shop / "t.parquet"), other, None)


def test_every_option_of_a_question_comes_back_from_its_card(shop):
    """A new option that does not is found here."""
    day = datetime(2026, 6, 4, 1, 2, 3, 4, tzinfo=timezone.utc)
    given = {
        "time": "label_at",
        "spine_columns": (Column(name="customer_id", type="int64"),),
        "full_feature_names": True,
        "as_of": "knowledge",
        "event_timestamps": True,
        "strategy": "asof",
        "overrides": (Override(name="orders", ttl_us=5, boundary="exclusive"),),
        "labels": Labels(names=("bought",), horizon_us=7, cutoff=day, unlabelled="drop"),
        "part": Part(sample_percent=Decimal("12.50"), seed=3),
        "at": day,
        "start": day,
        "end": day,
    }
    options = {each.name for each in fields(Question)} - {"spine", "features", "feature_service", "from_log"}
    assert options == set(given)
    card = ask_shop(shop, "labels").card()
    card = decode_card(encode_card(replace(card, question=asked(Question(**given)))), where="t.json")
    back = question_of(card, where="t.json")
    assert {name: value for each in fields(Question) if (value := vars_of(back)[(name := each.name)]) is not None} == {
        **given,
        "spine": "labels",
        "features": ("orders:order_count",),
    }


def vars_of(question):
    """The fields of a slotted dataclass."""
    return {each.name: object.__getattribute__(question, each.name) for each in fields(question)}


def test_an_option_of_a_later_version_is_not_passed_over(shop):
    card = replace(ask_shop(shop, "labels").card(), question={"colour": "red"})
    with pytest.raises(UsageError, match="an option this version does not know: colour"):
        question_of(card, where="t.json")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("select * from postgres_scan('host=db password=hunter2 user=x', 'a')", "hunter2"),
        ("select * from read_parquet('https://me:hunter2@host/x')", "hunter2"),
        ("create secret (type s3, secret_access_key := 'hunter2')", "hunter2"),
    ],
)
def test_what_looks_like_a_password_is_in_no_card(shop, text, kept):
    assert kept not in without_secrets(text)
    assert "***" in without_secrets(text)


def test_sql_without_a_password_is_as_it_was():
    text = "select token_count, secret_santa, a = b from t where x -> 'k' = 'password' and at = '2026-01-01'"
    assert without_secrets(text) == text


def test_examples_with_a_password_must_be_given_again(shop):
    sql = "select 1::bigint as customer_id, timestamp '2026-06-09' as at, 'pwd=hunter2' as dsn"
    card = ask_shop(shop, sql).to_parquet(shop / "t.parquet")
    assert "hunter2" not in (shop / "t.parquet.json").read_text()
    assert b"hunter2" not in encode_card(card)
    with pytest.raises(UsageError, match="its examples held a password"):
        again(shop, shop / "t.parquet")
    assert again(shop, shop / "t.parquet", spine=sql).is_equal


def test_no_times_and_endless_times_have_no_interval(shop):
    spine = "select 1::bigint as customer_id, 'infinity'::timestamp as event_timestamp"
    assert ask_shop(shop, spine).measured().interval.last is None
    none = ask_shop(shop, "select * from labels where false").measured()
    assert (none.rows, none.interval.first, none.columns[0].null_share) == (0, None, 0.0)


# A crash between data and card


STOPPED = """
import os, sys
from pathlib import Path
from tests.training.test_training_sets import ask_shop
folder, spine, stop_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
renames, rename = 0, Path.replace

def counted(path, target):
    global renames
    renames += 1
    if renames == stop_at:
        os.kill(os.getpid(), 9)
    return rename(path, target)

Path.replace = counted
ask_shop(folder, spine).to_parquet(folder / "t.parquet")
print("done")
"""


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_process_killed_between_file_and_card_leaves_no_card_of_other_data(shop, stop_at):
    """Killed before each of the renames: card aside, file in place, card in place."""
    first = ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    command = [sys.executable, "-c", STOPPED, str(shop), "select * from labels where bought", str(stop_at)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr
    data, card = shop / "t.parquet", shop / "t.parquet.json"
    assert differences(shop, data) == []  # beside it, or inside
    assert pq.read_table(data).num_rows == (2 if stop_at < 3 else 1)
    if card.exists():
        assert decode_card(card.read_bytes(), where="t").data_hash == hash_table(pq.read_table(data))
    else:
        assert (shop / "t.parquet.json.before").read_bytes() == encode_card(first)
    ask_shop(shop, "labels").to_parquet(data)
    assert sorted(path.name for path in shop.glob("t.parquet*")) == ["t.parquet", "t.parquet.json"]


def test_a_failed_table_keeps_its_card(shop):
    first = ask_shop(shop, "labels").to_table("t")
    with pytest.raises(QueryError):
        ask_shop(shop, "select *, error('no') as e from labels").to_table("t", mode="replace")
    assert (shop / "cards" / "t.json").read_bytes() == encode_card(first)
    assert differences(shop, "t") == []


def test_a_card_whose_place_is_taken_is_told_before_the_work(shop):
    (shop / "t.parquet.json").mkdir()
    with pytest.raises(OperationError, match=r"cannot write .*t\.parquet"):
        ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    assert not (shop / "t.parquet").exists()


# A warehouse that writes files itself


class WritesFolders(DuckDBWarehouse):
    """DuckDB, as an engine of many workers writes: a folder of files."""

    lacks = frozenset()

    def write_files(self, uri, statements, sql):
        for statement in statements:
            self.execute(statement)
        self.execute(f"COPY ({sql}) TO '{uri}' (FORMAT parquet, PARTITION_BY (bought), WRITE_PARTITION_COLUMNS true)")
        return self.read(f"SELECT count(*) AS n FROM read_parquet('{uri}/*/*.parquet')").read_all()[0][0].as_py()


def folder_warehouse(shop):
    return lambda _read_only: WritesFolders(duckdb.connect(str(shop / "shop.duckdb")))


def test_a_file_that_cannot_be_written_is_told_before_the_work(shop):
    (shop / "t.parquet").mkdir()
    spine = "select 1 as customer_id, timestamp '2026-06-09' as event_timestamp, error('the query ran') as x"
    with pytest.raises(OperationError, match="it is a folder"):
        ask_shop(shop, spine).to_parquet(shop / "t.parquet")


def test_a_folder_of_other_things_is_never_replaced(tmp_path):
    (tmp_path / "t.parquet").mkdir()
    (tmp_path / "t.parquet" / "part-0.parquet").touch()
    (tmp_path / "t.parquet" / "_SUCCESS").touch()
    place_of(tmp_path / "t.parquet").check()
    (tmp_path / "t.parquet" / "notes.txt").touch()
    with pytest.raises(OperationError, match=r"it is a folder that holds notes.txt\n  -> choose another name"):
        place_of(tmp_path / "t.parquet").check()


def test_a_folder_that_the_warehouse_wrote_has_its_card_beside_it(shop):
    job = replace(ask_shop(shop, "select *, bought as b from labels"), open_warehouse=folder_warehouse(shop))
    card = job.to_parquet(shop / "train.parquet")
    assert (card.written_to.kind, card.rows) == ("folder", 2)
    assert sum(1 for _ in (shop / "train.parquet").rglob("*.parquet")) == 2
    assert differences(shop, shop / "train.parquet.json") == []
    next((shop / "train.parquet").rglob("*.parquet")).unlink()
    assert differences(shop, shop / "train.parquet.json")[0] == "rows: expected 2, got 1"


def test_a_place_is_a_path_or_a_known_kind_of_uri(tmp_path):
    assert place_of("a/b.parquet").name == "a/b.parquet"
    for uri, says in {
        "ftp://host/x": "cannot write to ftp://",
        "s3://bucket": "expected s3://BUCKET/NAME",
        "s3://bucket/": "expected s3://BUCKET/NAME",
        "s3://key:hunter2@bucket/x": "a s3:// URI is a bucket and a name, nothing else",
        "az://c/x?sig=hunter2": "a az:// URI is a bucket and a name, nothing else",
    }.items():
        with pytest.raises(UsageError) as caught:
            place_of(uri)
        assert says in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", UsageError, "this is no card"),
        (b"[1]", UsageError, "this is no card"),
        (b'{"format": 1}', UsageError, "this is no card"),
        (b"\xff{}", UsageError, "this is no card"),
        (b'{"card": "training set", "format": 1}', UsageError, "the card is damaged: "),
        (b'{"card": "training set", "format": 2, "written_by": "9.1"}', OperationError, "format 2, written by .* 9.1"),
    ],
)
def test_what_is_no_card_of_ours_is_refused(data, error, says):
    with pytest.raises(error, match=says):
        decode_card(data, where="x.json")


@pytest.mark.parametrize("question", [{"at": "yesterday"}, {"labels": 5}, {"overrides": [{"ttl": 1}]}])
def test_a_card_whose_question_is_damaged_is_told(shop, question):
    card = ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    with pytest.raises(UsageError, match=r"^t.json: the card is damaged: .*\n  -> restore the file"):
        question_of(replace(card, question=question), where="t.json")


@pytest.mark.parametrize("given", ["", ".", ".json"])
def test_what_is_no_files_name_has_no_card(shop, given):
    with pytest.raises(UsageError, match="no card at"):
        found(shop, given)


def test_a_card_of_another_project_is_refused(shop):
    ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    with pytest.raises(UsageError, match="the card is of the dbt project 'shop', this is 'bank'"):
        find_card(shop / "t.parquet.json", project="bank", cards_dir=shop)


def test_a_card_is_read_by_any_json_parser(shop):
    ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    read = json.loads((shop / "t.parquet.json").read_text(encoding="utf-8"))
    assert read["written_to"]["name"] == str(shop / "t.parquet")


def test_a_table_is_found_though_a_folder_has_its_name(shop, monkeypatch):
    monkeypatch.chdir(shop)
    (shop / "t").mkdir()
    ask_shop(shop, "labels").to_table("t")
    assert found(shop, "t").place is None
    with pytest.raises(UsageError, match=r"no card at .*none\.json"):
        found(shop, "none")
