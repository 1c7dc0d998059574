"""A part of the examples: the latest few, or a sample that is the same whenever it is drawn."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.definitions.labels import read_labels
from featurestore.definitions.part import read_part
from featurestore.errors import UsageError
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, change_shop, make_shop

ROWS = 2_000
START = datetime(2026, 6, 1)
COLUMNS = {
    "n": list(range(ROWS)),
    "customer_id": [number % 7 for number in range(ROWS)],
    "asked_at": [START + timedelta(minutes=number * 7919 % ROWS, microseconds=number) for number in range(ROWS)],
}
EXAMPLES = pa.table(COLUMNS)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    change_shop(
        tmp_path,
        f"create table examples as select range as n, range % 7 as customer_id, timestamp '2026-06-01' + "
        f"to_minutes((range * 7919) % {ROWS}) + to_microseconds(range) as asked_at from range({ROWS})",
    )
    return tmp_path


def ask_shop(folder, spine, *, features=("orders:order_count",), labels=None, **part):
    question = Question(spine=spine, features=features, time="asked_at", part=read_part(**part), labels=labels)
    return ask(question, around_shop(folder))


def numbers(job):
    return job.to_arrow()["n"].to_pylist()


@pytest.mark.parametrize("part", [{"sample": "10%"}, {"sample": 150}, {"sample": "150", "seed": 7}])
def test_the_same_examples_come_from_a_table_and_from_every_frame(shop, part):
    expected = sorted(numbers(ask_shop(shop, "examples", **part)))
    assert 100 < len(expected) < 300
    for spine in (EXAMPLES, EXAMPLES.to_pandas(), pl.from_arrow(EXAMPLES), "select * from examples order by random()"):
        assert sorted(numbers(ask_shop(shop, spine, **part))) == expected
    assert numbers(ask_shop(shop, EXAMPLES, **part)) == expected  # in the frame's order


def test_a_share_is_what_the_documented_hash_says(shop):
    """MD5 of seed, keys and microseconds, so that another system can draw the same examples."""
    bound = format(16**8 // 8, "08x")
    expected = []
    for n, key, at in zip(*COLUMNS.values(), strict=True):
        microseconds = (at - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        if hashlib.md5(f"3|{key}|{microseconds}".encode()).hexdigest()[:8] < bound:
            expected.append(n)
    assert numbers(ask_shop(shop, EXAMPLES, sample="12.5%", seed=3)) == expected


def test_a_small_sample_is_part_of_a_larger_one_and_another_seed_is_another(shop):
    small, large = (set(numbers(ask_shop(shop, "examples", sample=size))) for size in (50, 200))
    assert small < large
    assert (len(small), len(large)) == (50, 200)
    assert set(numbers(ask_shop(shop, "examples", sample=50, seed=1))) != small
    assert set(numbers(ask_shop(shop, "examples", sample="5%"))) < set(
        numbers(ask_shop(shop, "examples", sample="20%"))
    )


def test_other_features_of_the_same_entity_have_the_same_examples(shop):
    one, other = (ask_shop(shop, "examples", sample=50, features=(name,)) for name in ("orders:amount", "orders:tags"))
    assert sorted(numbers(one)) == sorted(numbers(other))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_the_zone_of_the_time_changes_nothing(shop, zone):
    aware = EXAMPLES["asked_at"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone))
    zoned = EXAMPLES.set_column(2, "asked_at", aware)
    assert numbers(ask_shop(shop, zoned, sample=50)) == numbers(ask_shop(shop, EXAMPLES, sample=50))


@pytest.mark.parametrize("part", [{"sample": "100%"}, {"sample": ROWS + 1}, {"limit": ROWS + 1}])
@pytest.mark.parametrize("spine", ["examples", EXAMPLES], ids=["table", "frame"])
def test_a_part_may_be_all(shop, spine, part):
    assert sorted(numbers(ask_shop(shop, spine, **part))) == COLUMNS["n"]


def test_a_limit_takes_a_frames_first_rows_and_else_the_latest(shop):
    assert numbers(ask_shop(shop, EXAMPLES, limit=3)) == [0, 1, 2]
    assert ask_shop(shop, EXAMPLES.to_pandas().iloc[5:], limit=2).to_df().index.to_list() == [5, 6]
    latest = sorted(COLUMNS["n"], key=lambda n: COLUMNS["asked_at"][n])[-3:]
    assert sorted(numbers(ask_shop(shop, "examples", limit=3))) == sorted(latest)
    assert sorted(numbers(ask_shop(shop, "select * from examples order by n", limit=3))) == sorted(latest)


@pytest.mark.parametrize("part", [{"sample": 5}, {"sample": "50%"}, {"limit": 5}])
@pytest.mark.parametrize("spine", ["examples", EXAMPLES], ids=["table", "frame"])
def test_the_examples_of_a_part_are_answered_as_in_the_whole(shop, spine, part):
    """P1 for the part."""
    whole = {row["n"]: row for row in ask_shop(shop, spine).to_arrow().to_pylist()}
    rows = ask_shop(shop, spine, **part).to_arrow().to_pylist()
    assert len({row["n"] for row in rows}) == len(rows) > 0
    assert all(row == whole[row["n"]] for row in rows)


def test_equal_examples_are_in_a_share_together_and_nulls_have_their_chance(shop):
    spine = pa.table({"customer_id": [None, 1, None, 1] * 500, "asked_at": [START, START, None, None] * 500})
    spine = spine.set_column(0, "customer_id", spine["customer_id"].cast(pa.int64()))
    rows = ask_shop(shop, spine, sample="50%", seed=5).to_arrow().group_by(["customer_id", "asked_at"])
    assert set(rows.aggregate([([], "count_all")])["count_all"].to_pylist()) == {500}


def test_a_pandas_frame_keeps_the_index_of_the_chosen_rows(shop):
    spine = pd.DataFrame(COLUMNS, index=[f"row {n}" for n in COLUMNS["n"]])
    made = ask_shop(shop, spine, sample=20).to_df()
    assert made.index.to_list() == [f"row {n}" for n in made["n"]]
    pd.testing.assert_frame_equal(made[list(spine.columns)], spine.loc[made.index])


@pytest.mark.parametrize("spine", ["select *, true as y from examples", EXAMPLES], ids=["sql", "frame"])
def test_unlabelled_examples_are_dropped_before_a_part_is_taken(shop, spine):
    if isinstance(spine, pa.Table):
        spine = spine.append_column("y", pa.array([True] * ROWS))
    labels = read_labels("y", horizon="1d", cutoff="2026-06-02T12:00:00", unlabelled="drop")
    job = ask_shop(shop, spine, labels=labels, sample=50)
    times = job.to_arrow()["asked_at"].to_pylist()
    assert len(times) == 50
    assert max(times) <= datetime(2026, 6, 1, 12)


def test_the_same_words_in_another_dialect(shop):
    assert "MD5(" in ask_shop(shop, "examples", sample=50).sql(dialect="postgres")
    assert "EXTRACT(epoch" in ask_shop(shop, "examples", sample="5%").sql(dialect="postgres")


def test_the_request_keeps_its_part(shop):
    assert ask_shop(shop, "examples", sample="12.50%", seed=3).request.part.sample == "12.50%"
    assert ask_shop(shop, "examples", sample=10).request.part.sample == "10"
    assert ask_shop(shop, "examples", limit=10).request.part.limit == 10


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"limit": 5, "sample": 5}, "expected either limit or sample, got both"),
        ({"limit": 0}, "limit: expected a number of examples above zero, got 0"),
        ({"limit": True}, "limit: expected a number of examples above zero, got True"),
        ({"limit": "5"}, "limit: expected a number of examples above zero, got '5'"),
        ({"sample": 0}, "sample: expected a whole number of examples above zero, got 0"),
        ({"sample": "0%"}, "sample: expected a share above 0% and at most 100%, got 0%"),
        ({"sample": "101%"}, "sample: expected a share above 0% and at most 100%, got 101%"),
        ({"sample": "0.1"}, "sample: expected a whole number of examples above zero, got 0.1"),
        ({"sample": 0.1}, "sample: expected a number of examples or a share, got 0.1"),
        ({"sample": "some"}, "sample: expected a number of examples or a share, got 'some'"),
        ({"sample": -1}, "sample: expected a number of examples or a share, got -1"),
    ],
)
def test_what_is_no_part_is_refused(given, says):
    with pytest.raises(UsageError) as caught:
        read_part(**given)
    assert says in str(caught.value)


def test_a_part_of_no_examples_says_nothing(shop):
    question = Question(features=("orders",), at=datetime(2026, 6, 4, tzinfo=timezone.utc), part=read_part(limit=3))
    with pytest.raises(UsageError, match="labels, a limit and a sample are of a spine"):
        ask(question, around_shop(shop))


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"sample": "12.5%", "seed": 3}, "a sample of 12.5%: the lowest hashes of seed 3, join keys and time"),
        ({"sample": 20}, "a sample of 20: the lowest hashes of seed 0, join keys and time"),
        ({"limit": 5}, "the latest 5 examples"),
    ],
)
def test_the_sql_says_which_part_it_takes(shop, part, says):
    assert f"/* {says} */" in ask_shop(shop, "examples", **part).sql
