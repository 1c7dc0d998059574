"""What dbt's artifacts say against serving a model; the artifacts are made by dbt itself."""

from __future__ import annotations

import textwrap

import pytest

from featurestore.manifest.health import faults, last_run
from tests.manifest.test_with_dbt import dbt

pytestmark = pytest.mark.slow

FILES = {
    "dbt_project.yml": "{name: shop, profile: shop}",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}",
    "models/good.sql": "select 1 as id, timestamp '2026-01-01' as at",
    "models/tested.sql": "select -1 as id, timestamp '2026-01-01' as at",
    "models/below_tested.sql": "select * from {{ ref('tested') }}",
    "models/broken.sql": "select 1 as id, 1 / 0 as at from nowhere",
    "models/below_broken.sql": "select * from {{ ref('broken') }}",
    "models/warned.sql": "select -1 as id",
    "models/of_old_data.sql": "select * from {{ source('raw', 'old_orders') }}",
    "models/below_old_data.sql": "select * from {{ ref('of_old_data') }}",
    "tests/no_negative_ids.sql": "select * from {{ ref('tested') }} where id < 0",
    "models/models.yml": """
        sources:
          - name: raw
            schema: main
            config: {loaded_at_field: loaded, freshness: {error_after: {count: 1, period: day}}}
            tables: [{name: old_orders}, {name: fresh_orders}]
        models:
          - name: tested
            columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1, 2]}}}]}]
          - name: warned
            columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1]}, config: {severity: warn}}}]}]
        unit_tests:
          - name: a_good_row
            model: good
            given: []
            expect: {rows: [{id: 2}]}
    """,
    "macros/make.sql": """
        {% macro make() %}
          {% do run_query("create or replace table old_orders as select 1 as id, timestamp '2020-01-01' as loaded") %}
          {% do run_query("create or replace table fresh_orders as select 1 as id, now()::timestamp as loaded") %}
        {% endmacro %}
    """,
}
MODELS = ("good", "tested", "below_tested", "broken", "below_broken", "warned", "of_old_data", "below_old_data")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("health")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    dbt(folder, "run-operation", "make")
    return folder


def against(project):
    """The reasons by model, without the time of the run."""
    found = faults([f"model.shop.{name}" for name in MODELS], project / "target")
    return {unique_id.rpartition(".")[2]: reason.partition(" (dbt")[0] for unique_id, reason in found.items()}


def test_a_project_that_dbt_never_ran_has_no_faults(tmp_path):
    assert faults(["model.shop.good"], tmp_path) == {}


def test_after_a_build_models_that_failed_or_were_skipped_or_have_a_failed_test_are_named(project):
    dbt(project, "build", "--exclude-resource-type", "unit_test", fails=True)
    found = against(project)
    assert set(found) == {"tested", "below_tested", "broken", "below_broken"}
    assert found["tested"] == "its tests accepted_values_tested_id__1__2, no_negative_ids failed"
    assert found["broken"] == "its model failed"
    assert found["below_broken"] == "its model was not built, since something before it failed"
    whole = faults(["model.shop.broken"], project / "target")["model.shop.broken"]
    assert whole.startswith("its model failed (dbt build of 20")


def test_a_failed_unit_test_counts_for_its_model(project):
    dbt(project, "build", "--select", "good", fails=True)
    assert against(project)["good"] in {
        "its test a_good_row failed",
        "its model was not built, since something before it failed",
    }


def test_models_that_were_not_part_of_the_run_keep_their_good_name(project):
    dbt(project, "run", "--select", "good")
    assert against(project) == {}


def test_what_rests_on_a_source_that_is_too_old_is_stale_however_far_down(project):
    dbt(project, "run", "--select", "good")
    dbt(project, "source", "freshness", fails=True)
    reason = "it rests on source shop.raw.old_orders, older than its freshness allows"
    assert against(project) == {"of_old_data": reason, "below_old_data": reason}
    (project / "target" / "sources.json").unlink()


def test_each_command_of_dbt_is_a_run_of_its_own(project, tmp_path):
    """What may have rewritten models; where dbt never ran there is none."""
    assert last_run(tmp_path) == ""
    dbt(project, "run", "--select", "good")
    first = last_run(project / "target")
    assert first == last_run(project / "target") != ""
    dbt(project, "run", "--select", "good")
    assert last_run(project / "target") not in {first, ""}
