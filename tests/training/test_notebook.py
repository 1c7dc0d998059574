"""What a notebook or a Python prompt shows of a training set and what comes of it: a line or a table, never a dump."""

from __future__ import annotations

import sys

import pytest

from featurestore.definitions.labels import Labels
from featurestore.errors import UsageError
from featurestore.training.replay import replay
from featurestore.training.verify import verify
from tests.shop_in_memory import around_shop, change_shop, make_shop
from tests.training.test_cards import found
from tests.training.test_explain_row import job as orders_job
from tests.training.test_training_sets import JUNE_9, ask_shop


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def test_a_training_set_is_one_line(shop):
    shown = repr(ask_shop(shop, "labels"))
    assert shown == ("<training set, not run yet: 4 columns, 1 of them features; .to_df() runs it, .sql is its query>")


def test_a_notebook_says_of_each_column_what_it_is(shop):
    job = ask_shop(shop, "labels", labels=Labels(names=("bought",)), event_timestamps=True)
    shown = job._repr_html_()
    for row in (
        "<td><code>customer_id</code></td><td>of the examples</td>",
        "<td><code>label_at</code></td><td>the examples&#x27; time</td>",
        "<td><code>order_count</code></td><td>orders:order_count</td>",
        "<td><code>orders__found</code></td><td>orders: whether there was a row</td>",
        "<td><code>bought</code></td><td>label</td>",
    ):
        assert row in shown
    assert "ASOF JOIN" in shown


def test_an_evil_name_is_no_markup(shop):
    spine = {"customer_id": [1], "event_timestamp": [JUNE_9], "<b>": [1]}
    assert "<code>&lt;b&gt;</code>" in ask_shop(shop, spine)._repr_html_()


def test_a_card_is_one_line(shop):
    card = ask_shop(shop, "labels").to_parquet(shop / "t.parquet")
    assert repr(card) == f"<card of {shop}/t.parquet: 2 rows, 4 columns, {card.data_hash}>"


def test_what_verify_and_replay_found_is_told_line_by_line(shop):
    ask_shop(shop, "labels").to_table("t", "append", partition=("day", "1"))
    card = found(shop, "t.day=1")
    around = around_shop(shop)
    assert repr(verify(card, open_warehouse=around.open_warehouse)) == "t.day=1: 2 rows, as its card says"
    change_shop(shop, "update t set order_count = 7")
    assert repr(verify(card, open_warehouse=around.open_warehouse)) == (
        "t.day=1: 2 rows, not as its card says\n  column 'order_count': other values; NULLs: expected 1, got 0"
    )
    assert repr(replay(card, around, None)) == "not written: 2 rows, the same as the card's"


def test_an_explanation_is_one_line_until_it_is_printed(shop):
    assert repr(orders_job(shop).explain_row(0)) == (
        "<Example 0  customer_id=1  at 2026-06-04T00:00:00Z: 1 feature view; print it, or .to_html(path)>"
    )


@pytest.mark.parametrize(("library", "method"), [("pandas", "to_df"), ("polars", "to_polars")])
def test_a_library_that_is_missing_is_named_before_the_work(shop, monkeypatch, library, method):
    job = ask_shop(shop, "labels")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError) as refused:
        getattr(job, method)()
    assert (
        str(refused.value)
        == f".{method}() needs {library}\n  -> pip install 'featurestore[{library}]', or take .to_arrow()"
    )
