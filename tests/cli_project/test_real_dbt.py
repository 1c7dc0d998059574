"""init, run and demo with real dbt: what init writes builds, and what dbt built is served."""

from __future__ import annotations

import shlex
import shutil

import duckdb
import pytest

from tests.cli.tiny import Tiny
from tests.shop import run_dbt

pytestmark = pytest.mark.slow

QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false"}
BLOG = {
    "dbt_project.yml": "name: blog\nprofile: blog\n",
    "profiles.yml": "blog: {target: dev, outputs: {dev: {type: duckdb, path: blog.duckdb}}}\n",
    "models/readers.sql": """
        select 1 as reader_id, timestamp '2026-06-01 10:00:00' as read_at, 3 as posts
        union all select 1, timestamp '2026-06-02 10:00:00', 5
    """,
    "models/readers.yml": """
models:
  - name: readers
    config: {event_time: read_at, materialized: table, meta: {feature_view: {entities: [reader_id]}}}
    data_tests: [feature_view]
""",
    "models/asked.sql": "select 1 as reader_id, timestamp '2026-06-01 23:00:00' as asked_at",
    "models/training.sql": "{{ training_set(spine=ref('asked'), spine_time='asked_at', features=['readers:posts']) }}",
    "models/broken.sql": "{{ config(materialized='table') }} select cast('no number' as integer) as broken",
}


@pytest.fixture
def blog(tmp_path):
    """A dbt project of somebody else that calls our macros, before it has them."""
    for path, text in BLOG.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return Tiny(folder=tmp_path)


def test_a_dbt_project_becomes_a_feature_store(blog):
    assert blog.run_apart("init").code == 0

    too_early = blog.run_apart("run", "--", "build", "--exclude", "broken", environ=QUIET)
    assert too_early.code == 2, too_early
    assert "the registry holds no version yet, so nothing could be synced" in too_early.err
    assert not (blog.folder / "blog.duckdb").exists()
    assert run_dbt(blog.folder, "build", "--exclude", "broken").returncode == 0
    with duckdb.connect(str(blog.folder / "blog.duckdb"), read_only=True) as connection:
        assert connection.sql("select posts from training").fetchall() == [(3,)]  # P2: the second is in the future

    assert blog.run_apart("apply").code == 0
    half = blog.run_apart("run", "--", "build", environ=QUIET)
    assert half.code == 1
    assert "ERROR=1" in half.out
    assert half.lines[-1] == "Done. OK=1 ERROR=0"
    (value,) = blog.run("get-online", "--features", "readers:posts", "--entity", "reader_id=1", "--json").json[
        "results"
    ][1:]
    assert value["values"] == [5]

    nothing = blog.run_apart("run", "--", "parse", environ=QUIET)
    assert (nothing.code, nothing.err) == (0, "dbt built no feature view, so nothing is synced.\n")


def test_what_init_says_comes_next_works(tmp_path):
    made = Tiny(folder=tmp_path).run("init", "shop", "--json").json
    shop, steps = Tiny(folder=tmp_path / "shop"), [shlex.split(step) for step in made["next"]]
    assert steps[:2] == [["cd", "shop"], ["dbt", "build"]]
    assert run_dbt(shop.folder, "build").returncode == 0
    for command, *arguments in steps[2:]:
        ran = shop.run(*arguments)
        assert (command, ran.code) == ("featurestore", 0), (arguments, ran)


def test_the_demo_runs_and_runs_again(tmp_path):
    elsewhere = {"FEATURESTORE_REGISTRY": str(tmp_path / "other"), "DBT_TARGET": "prod", "SHOP_DUCKDB": "/nowhere/x"}
    first = Tiny(folder=tmp_path).run_apart("demo", environ=elsewhere)
    assert (first.code, first.err) == (0, "")
    for line in (
        "$ featurestore init featurestore-demo",
        "$ dbt build",
        "$ featurestore apply",
        "$ featurestore training-sql --spine order_labels --service repeat_purchase_v1",
        "7            2026-06-10 11:59:59  NULL        NULL",  # P2
        "7            2026-06-10 12:00:00  1           27.87",
        "7            2026-08-01 12:00:00  4           70.45",  # P3
        "7            2026-08-01 12:00:01  NULL        NULL",
        "$ featurestore materialize",
        "$ featurestore get-online --service repeat_purchase_v1 --entity customer_id=7,product_id=105",
    ):
        assert line in first.lines
    assert "ERROR=0" in first.out
    assert "customer_id=7,product_id=105  times_bought         3" in first.out
    assert {path.name for path in tmp_path.iterdir()} == {"featurestore-demo"}

    again = Tiny(folder=tmp_path).run_apart("demo", "--json")
    assert again.code == 0
    outputs = {step["command"]: step["output"] for step in again.json["steps"]}
    assert outputs["featurestore apply"] == "Nothing changed: version 1."
    assert "incremental" in outputs["featurestore materialize"]


def test_the_demo_leaves_other_projects_alone(blog):
    shutil.rmtree(blog.folder / "models")
    ran = blog.run("demo", ".")
    assert ran.code == 2
    assert "the demo does not run in a dbt project that it did not make" in ran.err
    assert not (blog.folder / ".featurestore").exists()


def test_the_demo_without_dbt_says_how_to_get_it(tmp_path):
    ran = Tiny(folder=tmp_path).run("demo", environ={"DBT_EXECUTABLE": str(tmp_path / "dbt")})
    assert (ran.code, ran.err.splitlines()[1]) == (2, "  -> name the dbt program, or unset it")
    assert not (tmp_path / "featurestore-demo").exists()
