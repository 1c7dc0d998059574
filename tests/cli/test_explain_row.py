"""explain-row says which row an example got and why not the next ones: as text, JSON, drawn; or one clear error."""

from __future__ import annotations

import pytest

from tests.cli.test_bad_input import NAMES, assert_refused, cases
from tests.cli.tiny import labels, orders

FEATURES = ("--features", "orders:amount,orders:order_count")
CUSTOMER_1 = ("--entity", "customer_id=1", "--time", "2026-06-05T09:59:59.999999Z")
LABELS = ("--spine", "labels", "--time", "label_at")


def test_the_text_says_which_row_was_taken_and_why_the_others_were_not(applied):
    ran = applied.run("explain-row", *FEATURES, *CUSTOMER_1)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "Example  customer_id=1  at 2026-06-05T09:59:59.999999Z\n"
        "\n"
        "orders [customer_id]  ttl 30d, boundary inclusive, as_of event\n"
        "  Taken: the row of 2026-06-01T10:00:00Z, of 2 rows with customer_id=1.\n"
        "     EVENT TIME            CREATED               AGE     amount  order_count  VERDICT\n"
        "     2026-06-05T10:00:00Z  2026-06-05T11:00:00Z  in 1us  30.00   2            in the future by 1us (P2)\n"
        "  >  2026-06-01T10:00:00Z  2026-06-01T11:00:00Z  3d 23h  10.50   1            "
        "TAKEN, the only usable row (P2)\n"
    )


def test_a_row_of_the_examples_gets_what_the_training_set_holds(applied):
    trained = applied.run("training-set", *LABELS, "--service", "churn", "--json").json["rows"]
    for number, row in enumerate(trained):
        explained = applied.run("explain-row", *LABELS, "--service", "churn", "--row", str(number), "--json").json
        assert explained["example"] == {
            "keys": {"customer_id": row["customer_id"]}, "time": "2026-06-04T00:00:00Z", "row": number,
        }  # fmt: skip
        (view,) = explained["views"]
        assert view["values"] == {"order_count": row["order_count"], "amount": row["amount"]}


def test_json_has_times_rules_spans_and_the_sql(applied):
    ran = applied.run("explain-row", "--service", "churn", *CUSTOMER_1, "--as-of", "knowledge", "--json")
    (view,) = ran.json["views"]
    assert (view["outcome"], view["rules"]["as_of"]) == ("taken", "knowledge")
    assert [(row["verdict"], row["rule"], row["reasons"][0]["by_us"]) for row in view["candidates"]] == [
        ("in_the_future", "P2", 1),
        ("taken", "P2", None),
    ]
    assert view["candidates"][1]["usable_from"] == "2026-06-01T11:00:00Z"
    assert view["sql"].startswith('WITH "__spine" AS (')


def test_several_views_aliases_and_a_limit(applied):
    two = "orders[customer_id=a] as a:amount, orders[customer_id=b] as b:amount"
    keys = ("--entity", "a=1", "--entity", "b=2", "--time", "2026-06-06")
    ran = applied.run("explain-row", "--features", two, *keys, "--limit", "1")
    titles = [line for line in ran.lines if line.startswith("orders")]
    assert [title.partition("  ")[0] for title in titles] == [
        "orders as a [customer_id=a]",
        "orders as b [customer_id=b]",
    ]
    taken = [line.split() for line in ran.lines if line.startswith("  >")]
    assert ["30.00" in taken[0], "5.25" in taken[1]] == [True, True]


def test_features_of_one_name_need_no_full_names(applied):
    spine = "select 1::bigint as customer_id, 3 as amount, timestamp '2026-06-06' as event_timestamp"
    ran = applied.run("explain-row", "--features", "orders:amount", "--spine", spine, "--row", "0", "--json")
    assert ran.json["views"][0]["values"] == {"amount": "30.00"}


@pytest.mark.parametrize("example", [CUSTOMER_1, (*LABELS, "--row", "0")], ids=["keys", "spine"])
def test_a_rule_of_the_request_takes_the_place_of_the_views_own(applied, example):
    ran = applied.run("explain-row", *FEATURES, *example, "--set", "orders.ttl=1h", "--json")
    (view,) = ran.json["views"]
    assert view["rules"]["ttl_us"] == 3_600_000_000
    assert [row["verdict"] for row in view["candidates"]] == ["in_the_future", "expired"]


def test_html_is_written_beside_the_text(applied):
    ran = applied.run("explain-row", *FEATURES, *CUSTOMER_1, "--html", "why.html")
    assert (ran.code, ran.err) == (0, "Drawn in why.html.\n")
    assert ran.out.startswith("Example  customer_id=1")
    page = (applied.folder / "why.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "TAKEN, the only usable row (P2)" in page


NAMED = "e.g. --entity customer_id=7 --time 2026-06-10T12:00:00Z, or --spine labels.csv --row 3"
WRONG = [
    ("no example", (), f"which example? expected its keys and time, or a spine and a row\n  -> {NAMED}"),
    ("no key", ("--time", "2026-06-04"), "the join key 'customer_id' is missing\n  -> give customer_id=..."),
    (
        "another key",
        ("--time", "2026-06-04", "--entity", "custmer_id=1"),
        "no join key 'custmer_id' in these features\n  -> did you mean customer_id?",
    ),
    (
        "a key of the wrong type",
        ("--time", "2026-06-04", "--entity", "customer_id=x"),
        "--entity: join key 'customer_id' is int64, got 'x'",
    ),
    (
        "a key without a value",
        ("--time", "2026-06-04", "--entity", "customer_id"),
        (
            "--entity: expected KEY=VALUE, got 'customer_id'\n"
            "  -> e.g. --entity customer_id=1,code=x; where values hold commas, use --spine"
        ),
    ),
    (
        "a key twice",
        ("--time", "2026-06-04", "--entity", "customer_id=1", "--entity", "customer_id=2"),
        "--entity: the key 'customer_id' is given twice\n  -> one example has one value each",
    ),
    (
        "a time that is none",
        ("--time", "noon", "--entity", "customer_id=1"),
        "--time: expected a time such as 2026-06-01 or 2026-06-01T12:00:00Z, got 'noon'",
    ),
    ("no row", LABELS, f"with --spine, expected the number of one example, got no --row\n  -> {NAMED}"),
    (
        "a spine and keys",
        (*LABELS, "--row", "0", "--entity", "customer_id=1"),
        f"with --spine, expected the number of one example, got --entity\n  -> {NAMED}",
    ),
    ("a row of nothing", ("--row", "0"), "--row counts in a spine, and there is none\n  -> add --spine"),
    (
        "a row beyond the end",
        (*LABELS, "--row", "2"),
        "no row 2 in the spine: ref('labels') holds the rows 0 to 1\n  -> rows are counted from 0",
    ),
    ("a limit of nothing", (*CUSTOMER_1, "--limit", "0"), "expected a limit of at least 1, got 0"),
    (
        "no folder to draw in",
        (*CUSTOMER_1, "--html", "no/why.html"),
        "--html: no folder no\n  -> make it first, or check the path",
    ),
    (
        "a time column that is not there",
        ("--spine", "labels", "--row", "0", "--time", "label"),
        "the spine has no time column 'label'\n  -> did you mean label_at?",
    ),
]


@pytest.mark.parametrize(("arguments", "said"), cases(WRONG))
def test_an_example_that_cannot_be_meant(applied, arguments, said):
    assert_refused(applied.run("explain-row", *FEATURES, *arguments), said)


@pytest.mark.parametrize("example", [CUSTOMER_1, (*LABELS, "--row", "0")], ids=["keys", "spine"])
@pytest.mark.parametrize(("said", "names"), NAMES)
def test_unknown_names(applied, said, names, example):
    assert_refused(applied.run("explain-row", *names, *example), said)


@pytest.mark.parametrize(("names", "got"), [((), "neither"), ((*FEATURES, "--service", "churn"), "both")])
def test_features_or_a_service(applied, names, got):
    hint = "e.g. --features view:feature,view:other or --service NAME"
    for example in (CUSTOMER_1, (*LABELS, "--row", "0")):
        said = f"expected either --features or --service, got {got}\n  -> {hint}"
        assert_refused(applied.run("explain-row", *names, *example), said)


def test_knowledge_of_a_view_that_has_no_created_time(applied):
    applied.write_manifest(orders({"created_at": None}), labels())
    assert applied.run("apply", "--allow-breaking", "orders").code == 0
    ran = applied.run("explain-row", *FEATURES, *CUSTOMER_1, "--as-of", "knowledge")
    said = "as_of: knowledge needs a created time, which orders does not have"
    assert_refused(ran, f"{said}\n  -> declare created_at in its metadata, or ask as_of: event")
