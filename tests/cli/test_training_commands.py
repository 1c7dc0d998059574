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
    assert (ran.code, ran.json["path"], ran.json["card"]["rows"]) == (0, "train_v1", 2)
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


LABELLED = (
    "select * from (values (1::bigint, timestamp '2026-06-04', true, timestamp '2026-06-18'), "
    "(9, timestamp '2026-06-10', false, timestamp '2026-06-24')) t(customer_id, asked_at, bought, known_at)"
)


def asked(applied, *options, spine=LABELLED, features="orders:order_count", code=0):
    """The rows of a training set, by customer; or what is said when it is refused."""
    ran = applied.run("training-set", "--spine", spine, "--features", features, *options, "--json")
    assert ran.code == code, ran.err
    return {row["customer_id"]: row for row in ran.json["rows"]} if code == 0 else ran.err


def test_labels_stand_last_and_are_null_until_they_are_known(applied):
    options = ("--label", "bought", "--label-at", "known_at", "--label-cutoff", "2026-06-20")
    rows = asked(applied, *options)
    assert list(rows[1]) == ["customer_id", "asked_at", "order_count", "bought", "known_at", "label_known"]
    assert [(rows[key]["bought"], rows[key]["label_known"]) for key in (1, 9)] == [(True, True), (None, False)]
    assert list(asked(applied, *options, "--unlabelled", "drop")) == [1]
    refused = asked(applied, *options, "--unlabelled", "refuse", code=2)
    assert "the labels of 1 examples are not known by 2026-06-20 00:00:00 UTC" in refused


def test_a_label_horizon_counts_from_the_examples_time(applied):
    options = ("--time", "asked_at", "--label", "bought,known_at", "--label-horizon", "14d")
    rows = asked(applied, *options, "--label-cutoff", "2026-06-18")
    assert [(rows[key]["bought"], rows[key]["label_known"]) for key in (1, 9)] == [(True, True), (None, False)]


def test_the_time_that_was_chosen_beside_a_labels_is_said(applied):
    spine = ("--spine", LABELLED, "--features", "orders:order_count")
    ran = applied.run("training-sql", *spine, "--label", "bought", "--label-at", "known_at")
    assert ran.err == (
        "The examples' time is their column 'asked_at', the only timestamp besides 'known_at'; "
        "--time names another one.\n"
    )


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ((), 1),
        (("--set", "orders.ttl=1d"), None),
        (("--set", "orders.ttl = 3 days"), 1),
        (("--set", "orders.delay=3d"), None),
        (("--set", "orders.ttl=1d", "--set", "orders.ttl=1d"), None),
        (("--as-of", "knowledge", "--set", "orders.as_of=event"), 1),
    ],
)
def test_a_request_sets_rules_of_its_own(applied, options, value):
    assert asked(applied, "--time", "asked_at", *options)[1]["order_count"] == value


def test_the_rules_of_one_use_are_set_by_its_name(applied):
    features = "orders as brief:order_count,orders:amount"
    rows = asked(applied, "--time", "asked_at", "--set", "brief.ttl=1h", features=features)
    assert (rows[1]["order_count"], rows[1]["amount"]) == (None, "10.50")


def test_a_limit_and_a_sample_take_a_part_of_the_examples(applied):
    spine = "select range as customer_id, timestamp '2026-06-04' + to_minutes(range) as asked_at from range(1000)"
    assert list(asked(applied, "--limit", "1", spine=spine)) == [999]
    sample = asked(applied, "--sample", "5%", spine=spine)
    assert 20 < len(sample) < 90
    assert asked(applied, "--sample", "5%", spine=spine) == sample
    assert asked(applied, "--sample", "5%", "--seed", "1", spine=spine).keys() != sample.keys()
    assert len(asked(applied, "--sample", "50", spine=spine)) == 50


def test_examples_may_be_a_pattern_or_a_folder(applied):
    for name, customer in (("a", 1), ("b", 9)):
        (applied.folder / "days" / f"day={name}").mkdir(parents=True)
        text = f"customer_id,label_at\n{customer},2026-06-04 00:00:00\n"
        (applied.folder / "days" / f"day={name}" / "part.csv").write_text(text)
    for spine in ("days/", "days/*/*.csv"):
        rows = asked(applied, spine=spine)
        assert {key: row["day"] for key, row in rows.items()} == {1: "a", 9: "b"}
        assert [rows[key]["order_count"] for key in (1, 9)] == [1, None]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--set", "orders.ttl"), "--set: expected view.key=value, got 'orders.ttl'"),
        (("--set", "ttl=7d"), "--set: expected view.key=value, got 'ttl=7d'"),
        (
            ("--set", "ordres.ttl=7d"),
            "no feature view 'ordres' in this request, whose rules it overrides\n  -> did you mean orders?",
        ),
        (("--set", "orders.tll=7d"), "overrides: orders: unknown key 'tll'\n  -> did you mean ttl?"),
        (("--set", "orders.ttl=1d", "--set", "orders.ttl=2d"), "--set: orders.ttl is set twice, to 1d and to 2d"),
        (("--label-at", "known_at"), "it is said when labels become known, but not which columns are labels"),
        (("--label", "boght"), "the spine has no column 'boght'\n  -> did you mean bought?"),
        (("--label", ""), "--label: expected a list separated by commas, got nothing"),
        (("--limit", "1", "--sample", "1"), "expected either limit or sample, got both"),
        (("--sample", "half"), "sample: expected a number of examples or a share, got 'half'"),
    ],
)
def test_options_of_a_request_that_cannot_be_meant_are_refused(applied, options, said):
    assert f"Error: {said}" in asked(applied, "--time", "asked_at", *options, code=2)


def test_labels_that_are_known_too_early_write_nothing(applied):
    ran = applied.run(
        *("training-set", "--spine", LABELLED, "--features", "orders:order_count", "--time", "known_at"),
        *("--label", "bought", "--label-at", "asked_at", "--output", "train.parquet"),
    )
    assert (ran.code, ran.out) == (2, "")
    assert "the labels of 2 examples are known before their time: 'asked_at' lies before it" in ran.err
    assert list(applied.folder.glob("*train*")) == []
