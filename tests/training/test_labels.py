"""Labels are known later than the example: they stand last, are NULL until then, and no feature is made of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import ClassVar

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.definitions.labels import read_labels
from featurestore.errors import NameClashError, SpineError, UsageError
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, change_shop, make_shop

JUNE_4 = datetime(2026, 6, 4)
JUNE_9 = datetime(2026, 6, 9)
DAY = timedelta(days=1)
CUTOFF = "2026-06-20"
COLUMNS = {
    "customer_id": [1, 2, 1],
    "bought": [True, False, True],
    "asked_at": [JUNE_4, JUNE_9, JUNE_9],
    "labelled_at": [JUNE_4 + 14 * DAY, JUNE_9 + 14 * DAY, None],
}
SQL = """
    select * from (values
        (1, true, timestamp '2026-06-04', timestamp '2026-06-18'),
        (2, false, timestamp '2026-06-09', timestamp '2026-06-23'),
        (1, true, timestamp '2026-06-09', null)
    ) t(customer_id, bought, asked_at, labelled_at)
"""
SPINES = {
    "sql": SQL,
    "pandas": pd.DataFrame(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "arrow": pa.table(COLUMNS),
}
EVERY_SPINE = pytest.mark.parametrize("spine", SPINES.values(), ids=SPINES)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def ask_shop(folder, spine, *, time="asked_at", labels="bought", features=("orders:order_count",), **options):
    """Ask for a training set; what is not the question's own is said of its labels."""
    own = {name: options.pop(name) for name in ("as_of", "event_timestamps", "part") if name in options}
    question = Question(spine=spine, features=features, time=time, labels=read_labels(labels, **options), **own)
    return ask(question, around_shop(folder))


def by_example(table):
    """Its rows by customer and time."""
    return {(row["customer_id"], row["asked_at"]): row for row in table.to_pylist()}


@EVERY_SPINE
def test_labels_stand_last_and_are_named(shop, spine):
    job = ask_shop(shop, spine)
    expected = ["customer_id", "asked_at", "labelled_at", "order_count", "bought"]
    assert job.to_arrow().column_names == list(job.columns) == expected
    assert (job.feature_columns, job.label_columns) == (("order_count",), ("bought",))
    assert job.to_df().columns.to_list() == expected
    assert job.to_df()["bought"].to_list() == job.to_arrow().column("bought").to_pylist()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": "14d"}, "each from 14d after the example's time on; else NULL"),
        (
            {"at": "labelled_at", "unlabelled": "drop"},
            "each from label_at on; examples whose labels are not known are left out",
        ),
    ],
)
def test_the_sql_says_what_becomes_of_labels(shop, options, says):
    assert (
        f"/* labels as known by 2026-06-20 00:00:00 UTC, {says} */" in ask_shop(shop, SQL, cutoff=CUTOFF, **options).sql
    )


@EVERY_SPINE
def test_a_label_that_is_not_known_by_the_cutoff_is_null_and_no_example_is_lost(shop, spine):
    """P1: the label of the second became known after the cutoff, of the third nobody knows when."""
    job = ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF)
    table = job.to_arrow()
    assert table.column_names == ["customer_id", "asked_at", "order_count", "bought", "labelled_at", "label_known"]
    rows = by_example(table)
    assert {key: (row["bought"], row["label_known"], row["order_count"]) for key, row in rows.items()} == {
        (1, JUNE_4): (True, True, 1),
        (2, JUNE_9): (None, False, 1),
        (1, JUNE_9): (None, False, 2),
    }
    assert table.schema.field("bought").type == pa.bool_()


@EVERY_SPINE
@pytest.mark.parametrize(
    ("cutoff", "known"),
    [
        ("2026-06-18", [True, False, False]),
        ("2026-06-17T23:59:59.999999", [False, False, False]),
        ("2026-06-23T02:00:00+02:00", [True, True, True]),
        ("2026-06-23", [True, True, True]),
    ],
)
def test_a_horizon_counts_from_the_examples_time_to_the_microsecond(shop, spine, cutoff, known):
    job = ask_shop(shop, spine, horizon="14d", cutoff=cutoff)
    rows = by_example(job.to_arrow())
    assert [rows[key]["label_known"] for key in ((1, JUNE_4), (2, JUNE_9), (1, JUNE_9))] == known
    assert [row["bought"] is not None for row in rows.values()] == [row["label_known"] for row in rows.values()]


@EVERY_SPINE
def test_examples_without_a_known_label_are_dropped_on_request(shop, spine):
    job = ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF, unlabelled="drop")
    assert [(row["customer_id"], row["bought"]) for row in job.to_arrow().to_pylist()] == [(1, True)]


@EVERY_SPINE
def test_examples_without_a_known_label_are_counted_and_refused_on_request(shop, spine):
    with pytest.raises(SpineError, match="the labels of 2 examples are not known by 2026-06-20 00:00:00 UTC"):
        ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF, unlabelled="refuse").to_arrow()


@pytest.mark.parametrize("write", [lambda job, _: job.to_arrow(), lambda job, _: job.to_table("t"),
                                   lambda job, shop: job.to_parquet(shop / "t.parquet")])  # fmt: skip
@EVERY_SPINE
def test_a_label_known_before_the_examples_time_is_an_error_that_counts(shop, spine, write):
    """Two columns mixed up: features would be taken when the label was known."""
    with pytest.raises(SpineError, match="the labels of 2 examples are known before their time: 'asked_at'"):
        write(ask_shop(shop, spine, time="labelled_at", at="asked_at", cutoff=CUTOFF), shop)
    assert not (shop / "t.parquet").exists()


@EVERY_SPINE
def test_a_label_may_be_known_at_the_very_moment(shop, spine):
    spine = spine.replace("2026-06-18", "2026-06-04") if isinstance(spine, str) else pa.table(
        {**COLUMNS, "labelled_at": [JUNE_4, JUNE_9, None]})  # fmt: skip
    assert ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF).to_arrow().num_rows == 3


def test_what_is_dated_a_day_is_known_when_the_day_is_over(shop):
    spine = pa.table(
        {
            "customer_id": [1, 1],
            "asked_at": [JUNE_4 + DAY / 2] * 2,
            "on": pa.array([date(2026, 6, 4), date(2026, 6, 5)]),
            "y": [1, 2],
        }
    )
    job = ask_shop(shop, spine, labels="y", at="on", cutoff="2026-06-05T12:00:00")
    assert job.to_arrow().column("y").to_pylist() == [1, None]
    yesterday = spine.set_column(2, "on", pa.array([date(2026, 6, 3), date(2026, 6, 5)]))
    with pytest.raises(SpineError, match="the labels of 1 examples"):
        ask_shop(shop, yesterday, labels="y", at="on")


def test_features_are_taken_at_the_examples_time_whenever_the_label_is_known(shop):
    """The order of June 5 lies between the example and its label."""
    job = ask_shop(shop, {name: values[:1] for name, values in COLUMNS.items()}, at="labelled_at")
    assert job.to_arrow().column("order_count").to_pylist() == [1]
    without = ask_shop(shop, {name: values[:1] for name, values in COLUMNS.items() if name != "labelled_at"})
    assert without.to_arrow().column("order_count").to_pylist() == [1]


@EVERY_SPINE
def test_the_time_of_a_label_is_never_chosen_as_the_examples_time(shop, spine):
    assert ask_shop(shop, spine, time=None, at="labelled_at").time == "asked_at"
    with pytest.raises(SpineError, match="got asked_at, labelled_at"):
        ask_shop(shop, spine, time=None)


def test_changing_every_label_changes_no_feature(shop):
    """Metamorphic: labels take part in nothing, whatever they hold."""
    one = pa.table(COLUMNS)
    other = one.set_column(1, "bought", pa.array([False, None, None], pa.bool_()))
    answers = [ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF) for spine in (one, other)]
    features = [job.to_arrow().select(["customer_id", "asked_at", "order_count"]) for job in answers]
    assert features[0] == features[1]
    assert answers[0].sql == answers[1].sql
    steps = answers[0].sql.partition('"__orders__time"')[2].rpartition("SELECT")[0]
    assert "bought" not in steps
    assert "labelled_at" not in steps


def test_the_moment_of_asking_is_the_cutoff_if_none_is_named(shop):
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    spine = {"customer_id": [1, 1], "asked_at": [now - 20 * DAY, now - 3 * DAY], "bought": [False, False]}
    job = ask_shop(shop, spine, horizon=timedelta(days=14))
    assert job.to_arrow().column("bought").to_pylist() == [False, None]
    assert ask_shop(shop, spine, horizon="14d", cutoff=datetime.now(timezone.utc)).to_arrow().num_rows == 2
    assert now.replace(tzinfo=timezone.utc, microsecond=0) <= job.request.labels.cutoff <= datetime.now(timezone.utc)


@EVERY_SPINE
def test_a_frame_of_any_library_splits_into_features_and_labels(shop, spine):
    job = ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF)
    for made, names in (
        (job.to_df(), lambda frame: frame.columns.to_list()),
        (job.to_polars(), lambda frame: frame.columns),
        (job.to_arrow(), lambda frame: frame.column_names),
    ):
        features, labels = job.split(made)
        assert type(features) is type(labels) is type(made)
        assert names(features) == ["customer_id", "asked_at", "order_count"]
        assert names(labels) == ["bought", "labelled_at", "label_known"]
    with pytest.raises(UsageError, match="no labels were named"):
        ask_shop(shop, spine, labels=None).split(made)


def test_a_pandas_frame_keeps_its_index_when_labels_are_guarded_and_examples_dropped(shop):
    spine = pd.DataFrame(COLUMNS, index=["a", "b", "c"]).rename(columns={"bought": 7})
    kept = ask_shop(shop, spine, labels="7", at="labelled_at", cutoff=CUTOFF).to_df()
    assert kept.index.to_list() == ["a", "b", "c"]
    assert kept.columns.to_list() == ["customer_id", "asked_at", "order_count", "7", "labelled_at", "label_known"]
    assert kept["7"].isna().to_list() == [False, True, True]
    dropped = ask_shop(shop, spine, labels="7", at="labelled_at", cutoff="2026-06-30", unlabelled="drop").to_df()
    assert dropped.index.to_list() == ["a", "b"]
    assert dropped["order_count"].to_list() == [1, 1]


def test_columns_that_are_not_called_by_text_are_split_too(shop):
    spine = pd.DataFrame(COLUMNS).rename(columns={"labelled_at": 3})
    job = ask_shop(shop, spine)
    features, labels = job.split(job.to_df())
    assert (features.columns.to_list(), labels.columns.to_list()) == (
        ["customer_id", "asked_at", 3, "order_count"],
        ["bought"],
    )


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["x", "y", "x"]).dictionary_encode(),
        pa.array([[1], [], None], pa.list_(pa.int64())),
        pa.array([{"a": 1}, None, {"a": None}]),
        pa.array([1, 2, 3], pa.uint8()),
    ],
    ids=["dictionary", "list", "struct", "uint8"],
)
def test_a_label_of_any_type_keeps_it(shop, values):
    spine = pa.table({**COLUMNS, "bought": values})
    table = ask_shop(shop, spine, at="labelled_at", cutoff=CUTOFF).to_arrow()
    assert table.schema.field("bought").type == values.type
    assert table.column("bought").to_pylist() == [values[0].as_py(), None, None]


def test_the_request_keeps_what_was_asked(shop):
    labels = ask_shop(shop, SQL, labels=["BOUGHT"], at="LABELLED_AT", cutoff=CUTOFF).request.labels
    assert (labels.names, labels.at) == (("bought",), "labelled_at")
    assert labels.cutoff == datetime(2026, 6, 20, tzinfo=timezone.utc)


def test_a_table_made_in_the_warehouse_has_its_labels_last_and_null(shop):
    change_shop(shop, f"create table examples as {SQL}")
    ask_shop(shop, "examples", at="labelled_at", cutoff=CUTOFF).to_table("train")
    made = ask(Question(spine="train", time="asked_at", features=("orders:amount",)), around_shop(shop)).to_arrow()
    assert made.column_names[:6] == ["customer_id", "asked_at", "order_count", "bought", "labelled_at", "label_known"]
    assert sorted(made.column("bought").to_pylist(), key=str) == [None, None, True]


def test_other_dialects_say_the_same(shop):
    job = ask_shop(shop, SQL, at="labelled_at", cutoff=CUTOFF)
    for dialect in ("duckdb", "postgres"):
        assert "\"labelled_at\" <= CAST('2026-06-20 00:00:00' AS TIMESTAMP)" in job.sql(dialect=dialect)


class Refused:
    """What each question about labels is told."""

    OPTIONS: ClassVar = [
        ({"labels": None, "at": "labelled_at"}, "not which columns are labels"),
        ({"labels": None, "cutoff": CUTOFF}, "not which columns are labels"),
        ({"labels": None, "unlabelled": "drop"}, "not which columns are labels"),
        ({"at": "labelled_at", "horizon": "14d"}, "expected either label_at or label_horizon, got both"),
        ({"cutoff": CUTOFF}, "needs to know when labels become known"),
        ({"unlabelled": "drop"}, "needs to know when labels become known"),
        ({"at": "labelled_at", "unlabelled": "hide"}, "expected unlabelled to be keep, drop, refuse, got 'hide'"),
        ({"horizon": "0s"}, "label_horizon: expected more than zero"),
        ({"horizon": timedelta(days=-1)}, "label_horizon: expected more than zero and at most 1000 years, got -1d"),
        ({"horizon": "soon"}, "label_horizon: expected a duration, got 'soon'"),
        ({"horizon": 14}, "label_horizon: expected a duration, got 14"),
        ({"horizon": "400000 days"}, "label_horizon: expected more than zero and at most 1000 years"),
    ]
    COLUMNS: ClassVar = [
        ({"labels": "boght"}, SpineError, "the spine has no column 'boght'\n  -> did you mean bought?"),
        ({"labels": "customer_id"}, SpineError, "the label 'customer_id' is a join key"),
        ({"labels": "asked_at"}, SpineError, "the label 'asked_at' is the examples' time"),
        ({"at": "asked_at"}, SpineError, "label_at 'asked_at' is the examples' time: features would be taken when"),
        ({"at": "bought"}, SpineError, "label_at 'bought' is a label or a join key too"),
        ({"at": "labelled_at", "cutoff": "2999-01-01"}, UsageError, "2999-01-01T00:00:00+00:00 lies in the future"),
        ({"at": "later"}, SpineError, "the spine has no column 'later'"),
        ({"at": "customer_id"}, SpineError, "label_at 'customer_id' is a label or a join key too"),
    ]


@pytest.mark.parametrize(("options", "says"), Refused.OPTIONS)
def test_options_that_make_no_sense_are_refused(options, says):
    with pytest.raises(UsageError) as caught:
        read_labels(options.pop("labels", "bought"), **options)
    assert says in str(caught.value)


@EVERY_SPINE
@pytest.mark.parametrize(("options", "error", "says"), Refused.COLUMNS)
def test_columns_that_cannot_be_labels_are_refused(shop, spine, options, error, says):
    with pytest.raises(error) as caught:
        ask_shop(shop, spine, **options)
    assert says in str(caught.value)


def test_a_text_does_not_say_when_a_label_is_known(shop):
    with pytest.raises(SpineError, match="label_at 'when' is string, expected a timestamp"):
        ask_shop(shop, {**COLUMNS, "when": ["a", "b", "c"]}, at="when")


def test_a_column_of_the_examples_never_meets_label_known(shop):
    with pytest.raises(NameClashError, match="two output columns would be named 'label_known'"):
        ask_shop(shop, {**COLUMNS, "Label_Known": [1, 2, 3]}, at="labelled_at")


def test_labels_without_examples_say_nothing(shop):
    day = datetime(2026, 6, 4, tzinfo=timezone.utc)
    with pytest.raises(UsageError, match="labels, a limit and a sample are of a spine, and there is none"):
        ask(Question(features=("orders",), at=day, labels=read_labels("bought")), around_shop(shop))
