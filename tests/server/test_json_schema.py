"""`export json-schema`: what the server answers satisfies the schema of its service, and what push takes too."""

from __future__ import annotations

import jsonschema
import pytest

from featurestore.catalog.export.json_schema import json_schemas, row_schema
from featurestore.errors import UsageError
from featurestore.online.json_values import json_value
from featurestore.streams.pushed_rows import rows_of
from tests.server.conftest import AT, EVERYTHING, ORDERS, PAIRS, SHOP, TYPES

SCHEMAS = json_schemas(SHOP)
ASKED = {
    "churn": {"customer_id": [1, 21, 99, None], "code": ["a|b", "x", "", None]},
    "all_types": {"customer_id": [1, None]},
}


def problems(name, value):
    checker = jsonschema.Draft202012Validator(
        SCHEMAS[name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in checker.iter_errors(value)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema_of_the_2020_draft(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("service", ASKED)
def test_an_answer_satisfies_the_schema_of_its_service(server, service):
    request = {"feature_service": service, "entities": ASKED[service], "full_feature_names": service == "churn"}
    assert problems(f"{service}.request.json", request) == []
    answer = server.post("/get-online-features", request).json()
    assert problems(f"{service}.response.json", answer) == []
    assert problems(f"{service}.response.json", {**answer, "results": answer["results"][:-1]}) != []
    answer["results"][-1]["values"][0] = "of another type"
    assert problems(f"{service}.response.json", answer) != []


def test_what_is_no_lookup_or_no_answer_is_refused():
    assert problems("churn.request.json", {"feature_service": "churn", "entities": {"customer_id": [1]}}) != []
    assert problems("churn.request.json", {"feature_service": "other", "entities": ASKED["churn"]}) != []
    assert (
        problems("churn.request.json", {"feature_service": "churn", "entities": {**ASKED["churn"], "code": [1]}}) != []
    )
    assert problems("churn.response.json", {"metadata": {"feature_names": []}, "results": []}) != []


def row_of(view):
    row = {column.name: 1 if column.type == "int64" else "x" for column in view.join_keys}
    row |= {name: json_value(value) for name, (_, value) in TYPES.items()} if view is EVERYTHING else {}
    row |= {feature.name: 1 for feature in view.features} if view is not EVERYTHING else {}
    return {**row, view.event_time.name: json_value(AT)}


@pytest.mark.parametrize("view", [ORDERS, EVERYTHING, PAIRS], ids=lambda view: view.reference)
def test_push_takes_the_rows_that_satisfy_the_schema(view):
    checker = jsonschema.Draft202012Validator(row_schema(view))
    row = row_of(view)
    assert list(checker.iter_errors(row)) == []
    assert rows_of(view, {name: [value] for name, value in row.items()}).num_rows == 1
    renamed = {**row, "event_timestamp": row[view.event_time.name]}
    del renamed[view.event_time.name]
    assert list(checker.iter_errors(renamed)) == []
    assert rows_of(view, {name: [value] for name, value in renamed.items()}).num_rows == 1
    for missing in row:
        less = {name: value for name, value in row.items() if name != missing}
        assert list(checker.iter_errors(less)) != [], missing
        with pytest.raises(UsageError):
            rows_of(view, {name: [value] for name, value in less.items()})
