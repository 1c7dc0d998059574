"""init, run and demo with real dbt: what init writes builds, and what dbt built is served."""

from __future__ import annotations

import shlex
import shutil

import duckdb
import pytest

from featurestore.server.log.feature_log import FeatureLog
from featurestore.server.log.spool import spool_of
from featurestore.store import FeatureStore
from tests.cli.tiny import Tiny
from tests.server.log.served import NOON_US, body_of, column
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


SERVICE = """
exposures:
  - name: readers_v1
    type: ml
    owner: {name: Us, email: us@example.com}
    depends_on: [ref('readers')]
    config: {meta: {feature_service: {features: ["readers:posts"], logging: true}}}
"""


def test_a_feature_log_is_a_source_of_the_dbt_project(blog):
    (blog.folder / "models" / "services.yml").write_text(SERVICE)
    assert blog.run_apart("init").code == 0
    assert not (blog.folder / "models" / "feature_log.yml").exists()  # nothing was applied yet
    assert run_dbt(blog.folder, "build", "--exclude", "broken").returncode == 0
    assert blog.run_apart("apply").code == 0
    again = blog.run_apart("init")
    assert "created  models/feature_log.yml" in again.out

    log = FeatureLog(spool_of(blog.folder))
    log.define(FeatureStore(blog.folder).project)
    body = body_of([column("reader_id", "int32", [1])], [column("posts", "int32", [5])])
    for request in ("first", "second"):
        asked = {"request_id": request, "served_us": NOON_US, "registry_version": 1, "columns": {"reader_id": [1]}}
        log.note("readers_v1", **asked, body=body)
    log.close()
    assert blog.run_apart("log", "load").out == "readers_v1  2 rows loaded\n"
    with duckdb.connect(str(blog.folder / "blog.duckdb")) as connection:
        connection.execute("insert into main.readers_v1__log select * from main.readers_v1__log")
    (blog.folder / "models" / "served.sql").write_text(
        "{{ config(materialized='table') }} {{ logged_features('readers_v1') }}"
    )
    built = run_dbt(blog.folder, "build", "--select", "served")
    assert built.returncode == 0, built.stdout
    with duckdb.connect(str(blog.folder / "blog.duckdb"), read_only=True) as connection:
        found = connection.sql("select request_id, reader_id, posts, posts__status from served order by 1").fetchall()
        names = [name for (name, *_) in connection.sql("describe served").fetchall()]
    assert found == [("first", 1, 5, "PRESENT"), ("second", 1, 5, "PRESENT")]
    assert names == [
        "row_id", "request_id", "served_at", "registry_version", "reader_id", "posts", "posts__status",
        "posts__event_time",
    ]  # fmt: skip


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
