"""Feature services are exposures of type ml."""

from __future__ import annotations

import pytest

from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column
from tests.manifest.manifests import exposure, model, problems, read, view

HERE = "models/churn_v1.yml: config.meta.feature_service"


def service(*nodes, **changes):
    (found,) = read(*nodes, **changes).project.services
    return found


def test_an_ml_exposure_becomes_a_feature_service():
    node = exposure(["user_orders:spend_7d_usd", "user_orders:orders_7d"], description="Will they leave?\n")
    assert service(model(), node) == FeatureService(
        name="churn_v1",
        features=("user_orders:spend_7d_usd", "user_orders:orders_7d"),
        description="Will they leave?",
        owner="Risk",
        unique_id="exposure.shop.churn_v1",
        path="models/churn_v1.yml",
    )


def test_other_exposures_are_no_services():
    dashboard = exposure([], type="dashboard", config={"meta": {}}, unrendered_config={})
    unmarked = exposure([], name="other", config={"meta": {}}, unrendered_config={})
    assert read(model(), dashboard, unmarked).project.services == ()


def test_one_view_can_be_used_several_times_under_other_names():
    """P11."""
    node = exposure(
        [
            {"view": "user_orders", "name": "buyer", "join_keys": {"user_id": "buyer_id"}, "features": ["orders_7d"]},
            {"view": "user_orders", "name": "seller", "join_keys": {"user_id": "seller_id"}, "features": ["orders_7d"]},
            {"view": "user_orders"},
        ]
    )
    assert service(model(), node).features == (
        "user_orders[user_id=buyer_id] as buyer:orders_7d",
        "user_orders[user_id=seller_id] as seller:orders_7d",
        "user_orders",
    )


def test_a_version_can_be_named_in_both_forms():
    """P12."""
    old = model(version=1, latest_version=2, unique_id="model.shop.user_orders.v1")
    new = model(version=2, latest_version=2, unique_id="model.shop.user_orders.v2")
    node = exposure(
        ["user_orders@v1:orders_7d", {"view": "user_orders", "version": 2, "name": "now", "features": ["orders_7d"]}],
        depends_on={"nodes": ["model.shop.user_orders.v1", "model.shop.user_orders.v2"]},
    )
    reading = read(old, new, node)
    assert reading.warnings == ()
    assert reading.project.services[0].features == ("user_orders@v1:orders_7d", "user_orders@v2 as now:orders_7d")


def test_references_that_dbt_doubles_count_once():
    node = exposure(["user_orders:orders_7d", "user_orders:orders_7d"])
    assert service(model(), node).features == ("user_orders:orders_7d",)


def test_equal_feature_names_of_two_views_are_fine_because_full_names_tell_them_apart():
    node = exposure(
        ["user_orders:orders_7d", "user_clicks:orders_7d"],
        depends_on={"nodes": ["model.shop.user_orders", "model.shop.user_clicks"]},
    )
    assert len(service(model(), model("user_clicks"), node).features) == 2


def test_a_view_missing_from_the_lineage_is_a_warning():
    node = exposure(["user_orders:orders_7d"], depends_on={"nodes": []})
    assert read(model(), node).warnings == (
        (
            "models/churn_v1.yml: depends_on: reads user_orders, which is not in depends_on\n"
            "  -> add \"ref('user_orders')\" to depends_on so that dbt shows lineage"
        ),
    )


def test_a_version_missing_from_the_lineage_is_named_with_it():
    old = model(version=1, latest_version=1, unique_id="model.shop.user_orders.v1")
    (warning,) = read(old, exposure(["user_orders:orders_7d"])).warnings
    assert "add \"ref('user_orders', v=1)\" to depends_on" in warning


def test_metadata_beside_config_is_a_warning_where_dbt_tells_it_apart():
    node = exposure(["user_orders:orders_7d"], unrendered_config={})
    assert read(model(), node).warnings == (
        (
            "models/churn_v1.yml: meta.feature_service: newer dbt versions refuse it here\n"
            "  -> move it under config: `config: {meta: {feature_service: ...}}`"
        ),
    )


@pytest.mark.parametrize(
    ("mistake", "features", "problem"),
    [
        ("no list", None, f"{HERE}.features: expected a list of references, got null\n  -> FORM"),
        ("an empty list", [], f"{HERE}.features: expected a list of references, got []\n  -> FORM"),
        ("a number", [7], f"{HERE}.features[0]: expected a reference, got 7\n  -> FORM"),
        (
            "no reference",
            ["user_orders:orders_7d", "user orders:x"],
            (
                f"{HERE}.features[1]: cannot read the feature reference 'user orders:x'\n"
                '  -> write "view:feature", "view", "view@v2:feature" or "view[view_key=spine_key] as name:feature"'
            ),
        ),
        (
            "an unknown view",
            ["user_ordrs:orders_7d"],
            f"{HERE}.features[0]: no feature view 'user_ordrs'\n  -> did you mean user_orders?",
        ),
        (
            "an unknown version",
            ["user_orders@v3:orders_7d"],
            f"{HERE}.features[0]: no feature view 'user_orders@v3'\n  -> there is user_orders",
        ),
        (
            "an unknown feature",
            ["user_orders:order_7d"],
            f"{HERE}.features[0]: no feature 'order_7d' in feature view user_orders\n  -> did you mean orders_7d?",
        ),
        (
            "an unknown join key",
            ["user_orders[userid=buyer]:orders_7d"],
            f"{HERE}.features[0]: no join key 'userid' in feature view user_orders\n  -> did you mean user_id?",
        ),
        (
            "a model that is no feature view",
            ["plain:x"],
            (
                f"{HERE}.features[0]: model 'plain' is not a feature view\n"
                "  -> add `config: {meta: {feature_view: ...}}` to it"
            ),
        ),
        (
            "a disabled feature view",
            ["off:x"],
            f"{HERE}.features[0]: feature view 'off' is disabled\n  -> enable the model, or remove the reference",
        ),
        (
            "P12 two columns of one name",
            ["user_orders:orders_7d", "user_orders[user_id=buyer_id]:orders_7d"],
            (
                f"{HERE}.features: two output columns would be named 'user_orders__orders_7d': user_orders:orders_7d "
                "and user_orders[user_id=buyer_id]:orders_7d\n"
                "  -> give one of the uses another name: 'view[view_key=spine_key] as name'"
            ),
        ),
        (
            "an unknown key of the mapping form",
            [{"view": "user_orders", "names": "buyer"}],
            f"{HERE}.features[0]: unknown key 'names'\n  -> did you mean name?",
        ),
        (
            "the mapping form without a view",
            [{"features": ["orders_7d"]}],
            f"{HERE}.features[0].view: expected the name of a feature view, got null",
        ),
        (
            "join keys as a list",
            [{"view": "user_orders", "join_keys": ["user_id"]}],
            (
                f"{HERE}.features[0].join_keys: expected a mapping from the view's join keys to the spine's columns, "
                'got ["user_id"]'
            ),
        ),
    ],
)
def test_one_clear_problem(mistake, features, problem):
    off = {"model.shop.off": [model("off")]}
    expected = problem.replace(
        "FORM", 'write "view:feature", or a mapping with the keys view, name, join_keys, features'
    )
    assert problems(model(), model("plain", meta={}), exposure(features), disabled=off) == [expected], mistake


def test_a_service_must_be_of_type_ml():
    assert problems(model(), exposure(["user_orders:orders_7d"], type="dashboard")) == [
        (
            "models/churn_v1.yml: type: expected `type: ml` on a feature service, got 'dashboard'\n"
            "  -> write `type: ml`, or remove config.meta.feature_service"
        )
    ]


def test_an_unknown_key_of_the_service():
    node = exposure(["user_orders:orders_7d"])
    node["config"]["meta"]["feature_service"]["featurez"] = []
    assert problems(model(), node) == [f"{HERE}: unknown key 'featurez'\n  -> did you mean features?"]


def test_a_use_of_no_features_is_no_use():
    (problem,) = problems(model(), exposure([{"view": "user_orders", "features": []}]))
    assert problem == (
        f"{HERE}.features[0].features: expected at least one feature, got []\n  -> remove the key to take all of them"
    )


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ({"name": "Risk", "email": "risk@example.com"}, "Risk"),
        ({"email": "risk@example.com"}, "risk@example.com"),
        ({"email": ["risk@example.com", "ann@example.com"]}, "risk@example.com, ann@example.com"),
        ({}, ""),
    ],
)
def test_the_owner_is_a_name_or_what_can_be_written_to(owner, said):
    assert service(model(), exposure(["user_orders"], owner=owner)).owner == said


def test_two_services_of_one_name():
    twin = exposure(["user_orders:orders_7d"], unique_id="exposure.loyalty.churn_v1", package_name="loyalty")
    assert problems(model(), twin, exposure(["user_orders:orders_7d"])) == [
        (
            "models/churn_v1.yml: two feature services are named 'churn_v1': also in loyalty://models/churn_v1.yml\n"
            "  -> rename one of the exposures"
        )
    ]


def test_a_service_is_not_blamed_for_a_view_that_could_not_be_read():
    broken = model(meta={"feature_view": view(event_time="no_such_time")})
    (problem,) = problems(broken, exposure(["user_orders:orders_7d"]))
    assert problem.startswith("models/user_orders.yml: config.meta.feature_view.event_time")


def test_a_wrong_ttl_does_not_hide_a_wrong_reference():
    broken = model(meta={"feature_view": view(ttl=7)})
    of_the_service, of_the_view = problems(broken, exposure(["user_orders:order_7d"]))
    assert of_the_service.startswith(f"{HERE}.features[0]: no feature 'order_7d'")
    assert of_the_view.startswith("models/user_orders.yml: config.meta.feature_view.ttl")


def with_request_columns(columns, **changes):
    node = exposure(["user_orders:orders_7d"], **changes)
    meta = {"feature_service": {"features": ["user_orders:orders_7d"], "request_columns": columns}}
    return node | {"config": {"meta": meta, "tags": []}, "unrendered_config": {"meta": meta}}


def test_request_columns_have_names_and_types():
    amount = {"name": "amount", "data_type": "double"}
    node = with_request_columns([amount, {"name": "asked_at", "data_type": "timestamp with time zone"}, amount])
    assert service(model(), node).request_columns == (
        Column(name="amount", type="float64"),
        Column(name="asked_at", type="timestamptz"),
    )
    assert service(model(), exposure(["user_orders:orders_7d"])).request_columns == ()


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("amount", "request_columns: expected a list of columns, got 'amount'\n  -> write `- {name: amount"),
        (["amount"], "request_columns[0]: expected a mapping of keys, got 'amount'"),
        ([{"name": "amount"}], "request_columns[0].data_type: expected text, got null\n  -> write `- {name: amount"),
        ([{"data_type": "double"}], "request_columns[0].name: expected text, got null"),
        ([{"name": "amount", "data_type": 7}], "request_columns[0].data_type: expected a type of the warehouse, got 7"),
        (
            [{"name": "amount", "data_type": "money"}],
            "request_columns[0].data_type: expected a type of the warehouse, got 'money'\n  -> e.g. bigint, double",
        ),
        ([{"name": "a b", "data_type": "double"}], "request_columns[0].name: 'a b' "),
        (
            [{"name": "amount", "type": "double"}],
            "request_columns[0]: unknown key 'type'\n  -> did you mean data_type?",
        ),
        (
            [{"name": "amount", "data_type": "double"}, {"name": "Amount", "data_type": "bigint"}],
            "request_columns[1]: 'Amount' is declared twice, and otherwise",
        ),
    ],
)
def test_a_request_column_that_cannot_be_read_is_told_with_its_place(columns, says):
    assert any(problem.startswith(f"{HERE}.{says}") for problem in problems(model(), with_request_columns(columns)))


@pytest.mark.parametrize(
    ("key", "near"), [("names", "name"), ("join_key", "join_keys"), ("feature", "features"), ("versions", "version")]
)
def test_an_unknown_key_of_a_use_is_told_with_what_is_near(key, near):
    (problem,) = problems(model(), exposure([{"view": "user_orders", key: "x"}]))
    assert problem == f"{HERE}.features[0]: unknown key '{key}'\n  -> did you mean {near}?"
