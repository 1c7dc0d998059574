"""The stock Feast client, ``online_store: {type: remote}``, reads and writes here as it does at ``feast serve``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.definitions.views import Column
from featurestore.online.open import open_online_store
from tests.feast.world import SHOP, ask_by_stock_client, feast_python, fill
from tests.server.auth.running import LOADER, settings_text
from tests.server.conftest import AT, EVERYTHING, TYPES
from tests.server.running import apply, running
from tests.serving.conftest import sync, sync_typed, view

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("feast")]
PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = 1, 2, 3, 4
"""Feast's numbers of the statuses."""
WRITTEN = replace(
    view("written", features=(("i64", "int64"), ("txt", "string"), ("f64", "float64"))),
    event_time=Column(name="event_timestamp", type="timestamptz"),
)
NOT_OF_FEAST = {"a_uint64", "an_int128", "a_struct", "a_list", "a_list_of_days"}
"""Feast's client has no type for numbers beyond 64 bits, for objects, and for lists with nulls in them."""
READABLE = [name for name in TYPES if name not in NOT_OF_FEAST]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Questions and answers of one run of the client: starting it takes seconds."""
    feast_python()
    folder = tmp_path_factory.mktemp("ours")
    fill(folder)
    apply(folder, replace(SHOP, views=(*SHOP.views, EVERYTHING, WRITTEN)))
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(folder))
    sync_typed(store, EVERYTHING, {"customer_id": 1, "at": AT, **{name: value for name, (_, value) in TYPES.items()}})
    sync(store, WRITTEN, {"customer_id": 9, "event_timestamp": AT, "i64": 1, "txt": "a", "f64": 0.1})
    store.close()
    questions = {
        "a list of references": {"features": ["stats:items", "recent:n"], "entity_rows": [{"customer_id": 2}]},
        "a service": {"feature_service": "numbers", "entity_rows": [{"customer_id": 1}, {"customer_id": 3}]},
        "several keys": {"feature_service": "mixed", "entity_rows": [{"customer_id": 1, "code": "b|c"}]},
        "full names": {
            "features": ["recent:n", "pairs:n"],
            "entity_rows": [{"customer_id": 2, "code": "a"}],
            "full": True,
        },
        "statuses": {"features": ["recent:n", "stats:txt"], "entity_rows": [{"customer_id": n} for n in (1, 3, 99)]},
        "every type": {"features": [f"everything:{name}" for name in READABLE], "entity_rows": [{"customer_id": 1}]},
        "an unknown service": {"feature_service": "nope", "entity_rows": [{"customer_id": 1}]},
        "an unknown view": {"features": ["nope:n"], "entity_rows": [{"customer_id": 1}]},
        "an unknown feature": {"features": ["stats:nope"], "entity_rows": [{"customer_id": 1}]},
        "a clash": {"features": ["recent:n", "pairs:n"], "entity_rows": [{"customer_id": 1, "code": "a"}]},
        "a missing key": {"features": ["stats:i32"], "entity_rows": [{"code": "a"}]},
    }
    with running(folder) as server:
        return answers(server.url, questions)


def answers(url, questions, key=""):
    lines = ask_by_stock_client(url, "\n".join(map(json.dumps, questions.values())), key)
    return dict(zip(questions, map(json.loads, lines.splitlines()), strict=True))


def test_it_reads_a_list_of_references(asked):
    assert asked["a list of references"]["values"] == {"customer_id": [2], "items": [[2, 3]], "n": [2]}


def test_it_reads_a_feature_service(asked):
    assert asked["a service"]["values"] == {"customer_id": [1, 3], "i64": [2**53 + 1, None], "f64": [1 / 7, None]}


def test_it_reads_by_several_keys(asked):
    assert asked["several keys"]["values"] == {"customer_id": [1], "code": ["b|c"], "txt": ["näme 1"], "n": [1]}


def test_it_reads_full_names(asked):
    assert asked["full names"]["values"] == {"customer_id": [2], "code": ["a"], "recent__n": [2], "pairs__n": [2]}


def test_it_sees_every_status(asked):
    """O3."""
    assert asked["statuses"]["statuses"] == {
        "customer_id": [PRESENT] * 3,
        "n": [OUTSIDE_MAX_AGE, OUTSIDE_MAX_AGE, NOT_FOUND],
        "txt": [PRESENT, NULL_VALUE, NOT_FOUND],
    }
    assert asked["statuses"]["values"]["txt"] == ["näme 1", None, None]


def test_it_reads_every_type_that_it_knows(asked):
    assert "error" not in asked["every type"], asked["every type"]
    values = {name: column[0] for name, column in asked["every type"]["values"].items()}
    assert values["an_int64"] == 2**63 - 1
    assert values["a_float32"] == 0.5
    assert values["not_a_number"] == "NaN"
    assert values["a_decimal"] == "10.5000"
    assert values["a_string"] == TYPES["a_string"][1]
    assert values["an_instant"] == "2026-01-31T12:00:00.000005Z"
    assert values["a_boolean"] is True
    assert values["nothing"] is None
    assert set(values) == {"customer_id", *READABLE}


@pytest.mark.parametrize(
    ("question", "error", "says"),
    [
        ("an unknown service", "FeatureServiceNotFoundException", "no feature service 'nope'"),
        ("an unknown view", "FeatureViewNotFoundException", "no feature view 'nope'"),
        ("an unknown feature", "FeastObjectNotFoundException", "no feature 'nope' in feature view stats"),
        ("a clash", "FeatureNameCollisionError", "two output columns would be named 'n'"),
        ("a missing key", "FeastError", "missing join key 'customer_id'"),
    ],
)
def test_its_own_exceptions_arrive(asked, question, error, says):
    assert asked[question]["error"] == error
    assert says in asked[question]["says"]


def test_with_a_key_it_reads_and_writes(tmp_path):
    """An API key is what Feast's configuration calls a token; `write_to_online_store` lands under the guard (O1)."""
    feast_python()
    apply(tmp_path, replace(SHOP, views=(*SHOP.views, WRITTEN)))
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=tmp_path)
    sync(store, WRITTEN, {"customer_id": 1, "event_timestamp": AT, "i64": 1, "txt": "old", "f64": 0.1})
    store.close()
    (tmp_path / "featurestore.yml").write_text(settings_text({LOADER: ["read:*", "write:written"]}))
    rows = {
        "customer_id": [1, 2],
        "event_timestamp": ["2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"],
        "i64": [7, 8],
        "txt": ["new", "ü"],
        "f64": [0.5, 1.5],
    }
    read = {
        "features": ["written:i64", "written:txt", "written:f64"],
        "entity_rows": [{"customer_id": 1}, {"customer_id": 2}],
    }
    older = {**rows, "event_timestamp": ["2026-01-01T00:00:00Z"] * 2, "txt": ["older"] * 2}
    with running(tmp_path) as server:
        told = answers(server.url, {"write": {"write": rows}, "again": {"write": older}, "read": read}, LOADER)
        refused = answers(server.url, {"read": read})
    assert told["write"] == {"written": 2}
    assert told["read"]["values"] == {"customer_id": [1, 2], "i64": [7, 8], "txt": ["new", "ü"], "f64": [0.5, 1.5]}
    assert "nobody knows who asks" in refused["read"]["says"]
