"""Search: what is found, in which order, and that it is quick."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from featurestore.catalog.search import search
from featurestore.definitions.views import Feature
from tests.catalog.scene import PROJECT
from tests.registry.shop import wide_project


def found(*words, **how):
    return [hit.thing.reference for hit in search(PROJECT, words, **how)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("amount", "orders:amount_sum"),
        ("AMOUNT_SUM", "orders:amount_sum"),
        ("money", "orders:amount_sum"),
        ("tier", "tier@v2"),
        ("loyalty team", "tier@v2:tier"),
        ("churn", "churn"),
        ("leave", "churn"),
        ("customr", "customer"),
        ("ordr count", "orders:order_count"),
        ("so far", "orders:order_count"),
    ],
)
def test_the_best_match_comes_first(words, first):
    assert found(words)[0] == first


def test_all_words_match_each_hit_and_else_as_many_as_can():
    assert found("orders", "sum") == ["orders:amount_sum"]
    assert found("churn", "zebra") == found("churn")
    assert found("zebra") == []
    assert found("--") == []


def test_kinds_narrow_it():
    assert found("orders", kinds=["service"]) == ["churn", "spend"]


def test_highlights_are_where_it_matched():
    (hit,) = search(PROJECT, ["amount sum"])
    assert {(each.field, each.text[each.start : each.end]) for each in hit.highlights} == {
        ("name", "amount"),
        ("name", "sum"),
    }


def test_a_short_word_matches_no_other_by_chance():
    assert "orders:order_count" not in found("cat")


def test_a_thousand_views_are_searched_at_once():
    features = tuple(
        Feature(name=f"feature_{index}", type="float64", description="Orders of a day.") for index in range(50)
    )
    wide = wide_project(1000)
    wide = replace(wide, views=tuple(replace(view, features=features) for view in wide.views))
    began = time.monotonic()
    assert search(wide, ["oders", "day"])
    assert time.monotonic() - began < 30


def test_the_command_says_how_many_and_what_to_paste(applied):
    ran = applied.run("search", "order", "count")
    assert ran.out.startswith("orders:order_count")
    assert ran.err.endswith("2 matches.\n")
    told = applied.run("search", "orders", "--json", "--limit", "1").json
    assert told["count"] > 1
    assert [hit["reference"] for hit in told["hits"]] == ["orders"]
    assert told["hits"][0]["used_by"] == ["churn"]
    partly = applied.run("search", "orders", "zebra", "--limit", "1")
    assert partly.out.startswith("orders ")
    assert "of a part of the words: nothing has all of them (zebra), the first 1 are shown.\n" in partly.err
    assert applied.run("search", "orders", "zebra", "--json").json["hits"][0]["unmatched"] == ["zebra"]
    nothing = applied.run("search", "zebra")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "Nothing matches zebra.\n")
    assert applied.run("search", "..").code == 2
