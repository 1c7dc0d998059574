"""training-sql prints SQL and nothing else; training-set writes it, or shows the first rows."""

from __future__ import annotations

import json

import duckdb
import pyarrow.parquet as pq
import pytest

CHOSEN = "The examples' time is their column 'label_at', the only timestamp; --time names another one.\n"
NEITHER_WRITTEN = "Nothing was written: add --output FILE.parquet or --into TABLE.\n"
ANSWER = [(1, 1, "10.50"), (9, None, None)]


def answer(applied, sql):
    """What the SQL gives in the shop: customer, order_count, amount."""
    with duckdb.connect(str(applied.folder / "shop.duckdb"), read_only=True) as connection:
        rows = connection.sql(sql).fetchall()
        names = [column[0] for column in connection.sql(sql).description]
    wanted = [names.index(name) for name in ("customer_id", "order_count", "amount")]
    found = [tuple(row[at] for at in wanted) for row in rows]
    return sorted((key, count, None if amount is None else str(amount)) for key, count, amount in found)


def test_training_sql_prints_one_select_that_runs(applied):
    ran = applied.run("training-sql", "--spine", "labels", "--features", "orders:order_count,orders:amount")
    assert (ran.code, ran.err) == (0, CHOSEN)
    assert answer(applied, ran.out) == ANSWER


def test_the_time_is_not_talked_about_when_it_is_the_usual_one_or_was_named(applied):
    named = applied.run("training-sql", "--spine", "labels", "--service", "churn", "--time", "label_at")
    assert (named.code, named.err) == (0, "")
    spine = "select 1::bigint as customer_id, now()::timestamp as event_timestamp, now() as other_at"
    usual = applied.run("training-sql", "--spine", spine, "--service", "churn")
    assert (usual.code, usual.err) == (0, "")


SPINE = "select customer_id, label_at from labels"


def write_csv(applied):
    (applied.folder / "x.csv").write_text("customer_id,label_at\n1,2026-06-04 00:00:00\n9,2026-06-04 00:00:00\n")
    return "x.csv"


def write_sql(applied):
    (applied.folder / "x.sql").write_text(SPINE)
    return "x.sql"


@pytest.mark.parametrize(
    "spine",
    [
        lambda _applied: "labels",
        lambda _applied: "ref('labels')",
        lambda _applied: "main.labels",
        lambda _applied: SPINE,
        lambda _applied: f"{SPINE};",
        write_csv,
        write_sql,
    ],
    ids=["model", "ref", "table", "select", "semicolon", "csv", "sql file"],
)
def test_examples_may_be_a_model_a_table_a_file_or_sql(applied, spine):
    ran = applied.run("training-sql", "--spine", spine(applied), "--service", "churn")
    assert ran.code == 0, ran.err
    assert answer(applied, ran.out) == ANSWER


def test_a_dash_reads_the_examples_from_stdin(applied):
    ran = applied.run("training-sql", "--spine", "-", "--service", "churn", stdin=SPINE)
    assert answer(applied, ran.out) == ANSWER


@pytest.mark.parametrize(
    ("arguments", "connects"),
    [
        (("--spine", "labels"), False),
        (("--spine", SPINE, "--spine-columns", "customer_id:bigint, label_at:timestamp"), False),
        (("--at", "2026-06-04"), False),
        (("--spine", SPINE), True),
    ],
    ids=["a model with a contract", "given columns", "without examples", "sql alone"],
)
def test_nothing_is_connected_to_when_the_columns_are_known(applied, arguments, connects):
    (applied.folder / "shop.duckdb").rename(applied.folder / "away.duckdb")
    ran = applied.run("training-sql", *arguments, "--service", "churn")
    assert ran.code == (4 if connects else 0), ran.err
    assert ran.out.startswith("WITH") is not connects


def test_commas_inside_brackets_belong_to_the_reference(applied):
    spine = "select 1::bigint as a_id, 2::bigint as b_id, timestamp '2026-06-04' as event_timestamp"
    references = "orders[customer_id=a_id] as a:amount, orders[customer_id=b_id] as b:amount"
    ran = applied.run("training-set", "--spine", spine, "--features", references, "--full-feature-names", "--json")
    assert ran.json["rows"] == [
        {"a_id": 1, "b_id": 2, "event_timestamp": "2026-06-04T00:00:00Z", "a__amount": "10.50", "b__amount": "5.25"}
    ]


def test_features_may_be_given_in_several_options(applied):
    one = applied.run("training-sql", "--spine", "labels", "--features", "orders:amount,orders:tags")
    two = applied.run("training-sql", "--spine", "labels", "--features", "orders:amount", "--features", "orders:tags")
    assert one.out == two.out


def test_full_names_event_timestamps_and_knowledge_time(applied):
    given = ["--spine", "labels", "--features", "orders:amount", "--full-feature-names", "--event-timestamps"]
    ran = applied.run("training-set", *given, "--as-of", "knowledge", "--json")
    assert [column["name"] for column in ran.json["columns"]] == [
        "customer_id",
        "label_at",
        "bought",
        "orders__amount",
        "orders__event_timestamp",
        "orders__found",
    ]
    assert [row["orders__found"] for row in sorted(ran.json["rows"], key=lambda row: row["customer_id"])] == [
        True,
        False,
    ]


def test_without_examples_at_and_start_to_end_p16(applied):
    at = applied.run("training-set", "--features", "orders:amount", "--at", "2026-06-03T12:00:00Z", "--json")
    assert sorted((row["customer_id"], row["amount"]) for row in at.json["rows"]) == [
        (1, "10.50"),
        (2, "5.25"),
        (3, None),
    ]
    bounds = ("--start", "2026-06-02", "--end", "2026-06-03")
    between = applied.run("training-set", "--features", "orders:amount", *bounds, "--json")
    assert [(row["customer_id"], row["amount"]) for row in between.json["rows"]] == [(2, "5.25")]


def test_sql_for_another_warehouse(applied):
    ours = applied.run("training-sql", "--spine", "labels", "--service", "churn")
    theirs = applied.run("training-sql", "--spine", "labels", "--service", "churn", "--dialect", "postgres")
    assert "ASOF" in ours.out
    assert "ASOF" not in theirs.out


def test_training_sql_as_json(applied):
    ran = applied.run("training-sql", "--spine", "labels", "--service", "churn", "--json")
    assert ran.json["dialect"] == "duckdb"
    assert ran.json["columns"] == ["customer_id", "label_at", "bought", "order_count", "amount"]
    assert answer(applied, ran.json["sql"]) == ANSWER


def test_a_training_set_without_a_place_shows_the_first_rows(applied):
    ran = applied.run("training-set", "--spine", "labels", "--service", "churn")
    assert (ran.code, ran.err) == (0, CHOSEN + NEITHER_WRITTEN)
    head, *rows, count = ran.lines
    assert head == "customer_id  label_at             bought  order_count  amount"
    assert sorted(rows) == [
        "1            2026-06-04 00:00:00  True    1            10.50",
        "9            2026-06-04 00:00:00  False   NULL         NULL",
    ]
    assert count == "2 rows, 5 columns"


@pytest.mark.parametrize("how", [(), ("--json",)], ids=["text", "json"])
def test_a_time_beyond_pythons_is_shown_all_the_same(applied, how):
    spine = "select 1::bigint as customer_id, 'infinity'::timestamp as event_timestamp"
    ran = applied.run("training-set", "--spine", spine, "--service", "churn", *how)
    assert ran.code == 0
    assert "<value out of range" in ran.out


def test_examples_on_stdin_must_be_text(applied):
    ran = applied.run("training-set", "--spine", "-", "--service", "churn", stdin="select '\udce9' as a")
    assert (ran.code, ran.out, ran.err) == (2, "", "Error: --spine: expected text in UTF-8 on stdin\n")


def test_the_usual_time_in_capitals_is_not_talked_about(applied):
    spine = 'select customer_id, label_at as "EVENT_TIMESTAMP" from labels'
    ran = applied.run("training-sql", "--spine", spine, "--service", "churn")
    assert (ran.code, ran.err) == (0, "")


def test_only_ten_rows_are_shown(applied):
    spine = "select 1::bigint as customer_id, timestamp '2026-06-04' as event_timestamp from range(1234)"
    ran = applied.run("training-set", "--spine", spine, "--service", "churn")
    assert len(ran.lines) == 12
    assert ran.lines[-1] == "1,234 rows, 4 columns, the first 10 shown"


def test_a_training_set_goes_into_a_parquet_file_with_its_record_beside_it(applied):
    ran = applied.run("training-set", "--spine", "labels", "--service", "churn", "--output", "train.parquet")
    assert (ran.code, ran.err) == (0, CHOSEN)
    assert ran.out.startswith("train.parquet  2 rows  5 columns  ")
    assert pq.read_table(applied.folder / "train.parquet").num_rows == 2
    record = json.loads((applied.folder / "train.parquet.json").read_text())
    assert (record["rows"], record["feature_service"], record["registry_version"]) == (2, "churn", 1)


def test_a_training_set_goes_into_a_table(applied):
    ran = applied.run("training-set", "--spine", "labels", "--service", "churn", "--into", "train_v1", "--json")
    assert (ran.code, ran.json["path"], ran.json["record"]["rows"]) == (0, "train_v1", 2)
    assert answer(applied, "select * from train_v1") == ANSWER
    assert len(list((applied.folder / ".featurestore" / "training_sets").glob("*.json"))) == 1


def test_no_examples_are_an_empty_result_with_its_types(applied):
    spine = "select * from labels where false"
    ran = applied.run("training-set", "--spine", spine, "--service", "churn", "--output", "none.parquet")
    assert (ran.code, ran.out.startswith("none.parquet  0 rows  5 columns  ")) == (0, True)
    types = {field.name: str(field.type) for field in pq.read_schema(applied.folder / "none.parquet")}
    assert (types["order_count"], types["amount"], types["label_at"]) == (
        "int64",
        "decimal128(10, 2)",
        "timestamp[us]",
    )
    shown = applied.run("training-set", "--spine", spine, "--service", "churn")
    assert shown.lines == ["customer_id  label_at  bought  order_count  amount", "0 rows, 5 columns"]
