"""All problems at once, and where each one says that it is."""

from __future__ import annotations

from tests.manifest.manifests import model, problems, view

HERE = "models/user_orders.yml: config.meta.feature_view"


def test_all_problems_of_a_project_are_told_at_once_by_file():
    broken = model("zoo", meta={"feature_view": view(ttl=0, online=1)})
    broken_too = model("ant", meta={"feature_view": view(event_time="observd_at", features=["spend"])})
    assert [problem.split(": expected")[0].split(": no ")[0] for problem in problems(broken, broken_too)] == [
        "models/ant.yml: config.meta.feature_view.event_time",
        "models/ant.yml: config.meta.feature_view.features",
        "models/zoo.yml: config.meta.feature_view.online",
        "models/zoo.yml: config.meta.feature_view.ttl",
    ]


def test_a_file_with_several_models_is_named_with_the_model():
    (problem,) = problems(model(patch_path="shop://models/_features.yml", meta={"feature_view": view(ttl=7)}))
    assert problem.startswith("models/_features.yml: user_orders: config.meta.feature_view.ttl: expected a duration")


def test_a_version_is_named_with_its_number():
    (problem,) = problems(model(version=2, latest_version=2, meta={"feature_view": view(ttl=7)}))
    assert problem.startswith("models/user_orders.yml: user_orders@v2: config.meta.feature_view.ttl: expected")


def test_metadata_written_in_sql_is_named_with_the_sql_file():
    (problem,) = problems(model(patch_path=None, meta={"feature_view": view(ttl=7)}))
    assert problem.startswith("models/user_orders.sql: config.meta.feature_view.ttl: expected")


def test_a_column_that_uncontracted_yaml_does_not_list_may_be_in_the_table():
    node = model(config={"contract": {"enforced": False}}, meta={"feature_view": view(event_time="happened")})
    (problem,) = problems(node)
    assert problem == (
        f"{HERE}.event_time: no column 'happened' in model user_orders\n"
        "  -> run dbt build --select user_orders, or describe the column with its data_type; "
        "known: loaded_at, observed_at, orders_7d, spend_7d_usd, user_id"
    )
