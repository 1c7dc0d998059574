"""What a lookup over HTTP is answered: Feast's wire, and the errors that its client makes its own classes of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from featurestore.serving import connect
from tests.server.conftest import SHOP, TYPES
from tests.server.running import error_class, message


def local(shop_folder, features, entities, **more):
    """What the client in this process answers."""
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(shop_folder))
    with connect(SHOP, store) as client:
        return client.get_online_features(features, entities, **more).to_feast()


def test_an_answer_is_columnar_with_entities_first(server):
    answer = server.ask(["orders:orders_7d", "orders:spend"], {"customer_id": [2, 99, 21]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "metadata": {"feature_names": ["customer_id", "orders_7d", "spend"]},
        "results": [
            {
                "values": [2, 99, 21],
                "statuses": ["PRESENT"] * 3,
                "event_timestamps": ["1970-01-01T00:00:00Z"] * 3,
            },
            {
                "values": [2, None, None],
                "statuses": ["PRESENT", "NOT_FOUND", "NULL_VALUE"],
                "event_timestamps": [
                    "2026-01-31T12:00:00.000005Z",
                    "1970-01-01T00:00:00Z",
                    "2026-01-31T12:00:00.000005Z",
                ],
            },
            {
                "values": [1.0, None, None],
                "statuses": ["PRESENT", "NOT_FOUND", "NULL_VALUE"],
                "event_timestamps": [
                    "2026-01-31T12:00:00.000005Z",
                    "1970-01-01T00:00:00Z",
                    "2026-01-31T12:00:00.000005Z",
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("features", "entities", "more"),
    [
        (["everything"], {"customer_id": [1, 2, 1, None]}, {}),
        (["orders", "old:n", "days"], {"customer_id": [1, 21, 5, 99]}, {"full_feature_names": True}),
        (["pairs@v2:n"], {"customer_id": [1, 1], "code": ["a|b", "x"]}, {}),
        (["days:n"], {}, {}),
        (["orders"], {"customer_id": []}, {}),
        (["orders:spend"], {"customer_id": ["7", 8.0]}, {}),
    ],
)
def test_the_server_answers_what_the_local_client_answers(server, shop_folder, features, entities, more):
    """O3, O4, P10, P11: one meaning, whoever is asked."""
    assert server.ask(features, entities, **more).json() == local(shop_folder, features, entities, **more)


def test_every_type_can_be_read(server):
    values = server.values("all_types", {"customer_id": [1]})
    assert list(values) == ["customer_id", *TYPES]
    assert values["an_int64"] == [2**63 - 1]
    assert values["not_a_number"] == ["NaN"]
    assert values["infinite"] == ["-Infinity"]
    assert values["a_decimal"] == ["10.5000"]
    assert values["an_instant"] == ["2026-01-31T12:00:00.000005Z"]
    assert values["some_bytes"] == ["AP8="]
    assert values["a_string"] == [TYPES["a_string"][1]]
    assert values["a_list"] == [[1.0, None, "Infinity"]]


def test_a_value_that_has_outlived_its_ttl_is_null_and_said_to_be_so(server):
    """P3, O3."""
    answer = server.ask(["old:n"], {"customer_id": [1]}).json()
    assert answer["results"][1]["values"] == [None]
    assert answer["results"][1]["statuses"] == ["OUTSIDE_MAX_AGE"]


def test_a_service_names_its_features(server):
    values = server.values("churn", {"customer_id": [1], "code": ["a|b"]}, full_feature_names=True)
    assert values == {"customer_id": [1], "code": ["a|b"], "orders__spend": [0.5], "pairs__n": [7], "days__n": [3]}


def test_versions_and_types_are_told_when_asked_for(server):
    answer = server.ask("churn", {"customer_id": [1], "code": ["a|b"]}, full_feature_names=True)
    assert list(answer.json()["metadata"]) == ["feature_names"], "nobody asked"
    told = server.ask(
        "churn",
        {"customer_id": [1], "code": ["a|b"]},
        full_feature_names=True,
        include_feature_view_version_metadata=True,
        include_types=True,
    ).json()["metadata"]
    assert told["feature_view_metadata"] == [
        {"name": "orders"},
        {"name": "pairs", "version": 2},
        {"name": "days"},
    ]
    assert told["feature_types"] == ["int64", "string", "float64", "int64", "int64"]
    assert told["entity_count"] == 2


@pytest.mark.parametrize(
    ("asked", "status", "of_class", "says"),
    [
        ({"feature_service": "chrun"}, 404, "FeatureServiceNotFoundException", "did you mean churn?"),
        ({"features": ["ordres:spend"]}, 404, "FeatureViewNotFoundException", "did you mean orders?"),
        ({"features": ["orders:spent"]}, 404, "FeastObjectNotFoundException", "did you mean spend?"),
        ({"features": ["pairs@v1:n"]}, 404, "FeatureViewNotFoundException", "pairs@v2"),
        ({"features": []}, 400, "FeastError", "expected either features or a feature service"),
        ({}, 400, "FeastError", 'write "features": ["view:feature"] or "feature_service": "name"'),
        ({"features": ["orders:spend"], "feature_service": "churn"}, 400, "FeastError", "got both"),
        ({"features": ["spend"]}, 404, "FeatureViewNotFoundException", "spend"),
        ({"features": ["orders:spend", "old:n", "days:n"]}, 400, "FeatureNameCollisionError", "full feature names"),
        ({"features": ["orders"], "entities": {}}, 400, "FeastError", "missing join key 'customer_id'"),
        ({"features": ["orders"], "entities": {"customer": [1]}}, 400, "FeastError", "missing join key 'customer_id'"),
        (
            {"features": ["orders"], "entities": {"customer_id": [1, "x"]}},
            400,
            "FeastError",
            "entities, row 1: join key",
        ),
        ({"features": ["orders"], "entities": {"customer_id": ["x"]}}, 400, "FeastError", "a missing key is null"),
        ({"features": ["orders"], "entities": {"customer_id": 1}}, 400, "FeastError", "Expected `array`"),
        (
            {"features": ["pairs@v2"], "entities": {"customer_id": [1], "code": []}},
            400,
            "FeastError",
            "the columns differ in length",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_way_that_feast_reads(server, asked, status, of_class, says):
    answer = server.post("/get-online-features", {"entities": {"customer_id": [1]}, **asked})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert error_class(answer) == of_class
    assert says in message(answer)


def test_a_request_keeps_its_id_and_others_get_one(server):
    asked = {"features": ["days:n"], "entities": {}}
    assert server.post("/get-online-features", asked, **{"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = {server.post("/get-online-features", asked).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    odd = server.post("/get-online-features", asked, **{"X-Request-ID": "x" * 500}).headers["x-request-id"]
    assert odd != "x" * 500


def test_join_keys_that_no_feature_needs_are_passed_over_as_feast_does(server):
    """A caller may send all the keys that it has; one that is missing is missed all the same."""
    values = server.values(["orders:orders_7d"], {"shop_id": [1], "customer_id": [7]})
    assert values == {"customer_id": [7], "orders_7d": [7]}
    assert server.ask(["orders:orders_7d"], {"shop_id": [1], "customer": [7]}).status_code == 400
    assert server.ask(["orders:orders_7d"], {"shop_id": [1, 2], "customer_id": [7]}).status_code == 400


def test_unknown_keys_of_a_request_are_passed_over_as_feast_does(server):
    assert server.ask(["days:n"], {}, something_new=1).status_code == 200


def test_other_methods_and_paths_are_refused(server):
    answer = server.get("/get-online-features")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "expected POST here, got GET" in message(answer)
    assert "/openapi.json" in message(answer)
    assert server.get("/nowhere").status_code == 404
    assert "there is no such path" in message(server.get("/nowhere"))
    assert json.loads(server.get("/nowhere").json())["class"] == "FeastError"


def test_health_is_empty_and_ready_tells(server):
    assert (server.get("/health").status_code, server.get("/health").content) == (200, b"")
    ready = server.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["is_ready"] is True


def test_the_catalog_tells_services_and_views(server):
    services = server.get("/feature-services").json()
    assert services["registry_version"] == 1
    by_name = {service["name"]: service for service in services["feature_services"]}
    assert by_name["churn"]["features"] == ["orders:spend", "pairs@v2:n", "days:n"]
    assert [key["name"] for key in by_name["churn"]["join_keys"]] == ["customer_id", "code"]
    views = {view["name"]: view for view in server.get("/feature-views").json()["feature_views"]}
    assert views["pairs@v2"]["join_keys"] == [
        {"name": "customer_id", "type": "int64", "description": ""},
        {"name": "code", "type": "string", "description": ""},
    ]
    assert views["old"]["ttl_s"] == 86_400


def test_without_join_keys_entities_may_be_counted(server):
    """O4: none of them asks for the columns alone."""
    assert server.values(["orders:spend"], {}, entity_count=0) == {"customer_id": [], "spend": []}
    assert server.values(["days:n"], {}, entity_count=2) == {"n": [3, 3]}
    refused = server.ask(["orders:spend"], {}, entity_count=2)
    assert refused.status_code == 400
    assert "entities, row 0: missing join key 'customer_id'" in message(refused)
    for count, says in [(1001, "at most 1000 entities"), (-1, ">= 0")]:
        refused = server.ask(["days:n"], {}, entity_count=count)
        assert refused.status_code == 400
        assert says in message(refused)
