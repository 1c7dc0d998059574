"""What a model sees of a stream's events and of rows that were pushed to it: real `dbt build`s of tiny projects."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import datetime, timezone

import duckdb
import pytest

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.streams.places import StreamPlaces
from tests.dbt.small_project import SmallProject, small_project, source, sources
from tests.shop import REPOSITORY, built_once, shared_folder

pytestmark = pytest.mark.slow

NOON = datetime(2026, 6, 10, 12)
CLICK = {"user_id": "bigint", "clicked_at": "timestamp", "page": "varchar", "info": "json"}
MADE = [f"made_{number}" for number in range(6)]
ONE_CLICK = (1, NOON, "/a", '{"ms": 5}', "clicks", "0", "7", NOON, NOON, False)
KEPT = """
    create table kept as
    select * from (values
        (1, 't', '0', '1', timestamptz '2026-06-10 12:00:00+00', timestamptz '2026-06-10 12:00:01+00', false),
        (1, 't', '0', '1', timestamptz '2026-06-10 12:00:00+00', timestamptz '2026-06-10 12:09:00+00', false),
        (2, 't', '1', '1', null, timestamptz '2026-06-10 12:00:01+00', null),
        (3, 't', '0', '2', null, timestamptz '2026-06-10 12:00:01+00', true),
        (4, null, null, null, null, null, null),
        (4, null, null, null, null, null, null)
    ) as given(user_id, _topic, _partition, _offset, _published_at, _ingested_at, _deleted)
"""


def model(sql, materialized="table"):
    return f"{{{{ config(materialized='{materialized}') }}}}\n{sql}"


CLICKS_SQL = (
    "select user_id, page, cast(info ->> '$.ms' as double) as ms from {{ stream_rows(source('app', 'clicks')) }}"
)
UNIT_TEST = {
    "name": "each_given_row_counts",
    "model": "clicks_view",
    "given": [
        {
            "input": "source('app', 'clicks')",
            "rows": [{"user_id": 1, "page": "/a"}, {"user_id": 1, "page": "/a"}, {"user_id": 2, "page": "/b"}],
        }
    ],
    "expect": {
        "rows": [{"user_id": 1, "page": "/a"}, {"user_id": 1, "page": "/a"}, {"user_id": 2, "page": "/b"}],
    },
}
PROJECT = {"name": "small", "profile": "small", "config-version": 2}


def write_streams(folder):
    files = {
        "dbt_project.yml": json.dumps(PROJECT | {"on-run-start": "{% do create_events_table() %}"}),
        "models/sources.yml": sources(
            source("clicks", CLICK),
            source("kept"),
            source("late", CLICK),
            source("by_another_name", name="renamed"),
        ),
        "models/unit_tests.yml": json.dumps({"unit_tests": [UNIT_TEST]}),
        "models/clicks_view.sql": model(CLICKS_SQL, "view"),
        "models/clicks_table.sql": model(CLICKS_SQL),
        "models/clicks_incremental.sql": model(
            CLICKS_SQL + "\n"
            "{% if is_incremental() %}where user_id > (select coalesce(max(user_id), 0) from {{ this }}){% endif %}",
            "incremental",
        ),
        **{
            f"models/{name}.sql": model("select * from {{ stream_rows(source('app', 'late')) }}", "view")
            for name in MADE
        },
        "models/kept_once.sql": model("select * from {{ stream_rows(source('app', 'kept')) }}"),
        "models/kept_with_deletes.sql": model("select * from {{ stream_rows(source('app', 'kept'), deletes=true) }}"),
        "models/kept_alias.sql": model("select k.user_id from {{ stream_rows(source('app', 'kept'), alias='k') }}"),
        "models/by_name.sql": model("select * from {{ stream_rows('named') }}"),
        "models/by_name_of_source.sql": model("select * from {{ stream_rows('renamed') }}"),
    }
    project = small_project(folder, [], files=files)
    shutil.rmtree(folder / "macros")
    shutil.copytree(REPOSITORY / "macros", folder / "macros" / "featurestore")
    with duckdb.connect(str(project.database)) as connection:
        connection.execute(KEPT)
        connection.execute(
            "create table named__events as select user_id + 10 as user_id, * exclude (user_id) from kept"
        )
        connection.execute(
            "create table by_another_name as select user_id + 20 as user_id, * exclude (user_id) from kept"
        )
    built(project)
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("create table first_counts as select (select count(*) from clicks_view) as n")
        connection.execute(f"insert into clicks values ({', '.join('?' * 10)})", ONE_CLICK)
        connection.execute(f"insert into clicks values ({', '.join('?' * 10)})", ONE_CLICK)
    built(project)


def built(project):
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    return SmallProject(project_dir=built_once(shared_folder(tmp_path_factory) / "stream_macros", write_streams))


def users(project, name):
    return sorted(user for (user,) in project.rows(name, "user_id"))


def test_a_project_is_built_before_its_stream_runs_and_again_after(streams):
    assert streams.rows("first_counts") == [(0,)]
    for name in ("clicks_view", "clicks_table", "clicks_incremental"):
        assert streams.rows(name) == [(1, "/a", 5.0)], "an event that was kept twice is one"


def test_the_table_has_what_its_source_says_and_where_an_event_came_from(streams):
    with duckdb.connect(str(streams.database), read_only=True) as connection:
        described = {row[0]: row[1] for row in connection.execute("describe clicks").fetchall()}
    assert described == {
        "user_id": "BIGINT", "clicked_at": "TIMESTAMP", "page": "VARCHAR", "info": "JSON",
        "_topic": "VARCHAR", "_partition": "VARCHAR", "_offset": "VARCHAR",
        "_published_at": "TIMESTAMP WITH TIME ZONE", "_ingested_at": "TIMESTAMP WITH TIME ZONE", "_deleted": "BOOLEAN",
    }  # fmt: skip


def test_models_that_are_built_at_once_make_one_table(streams):
    """The hook makes it before two threads come to it; each model has the events' columns and no other."""
    for name in MADE:
        assert streams.table(name).column_names[:2] == ["user_id", "clicked_at"]
        assert len(streams.table(name).column_names) == len(CLICK) + 6


def test_copies_are_one_event_and_rows_without_an_offset_all_stay(streams):
    assert users(streams, "kept_once") == [1, 2, 4, 4]
    assert users(streams, "kept_alias") == [1, 2, 4, 4]


def test_of_copies_the_first_that_was_kept_counts(streams):
    ((first,),) = [each for each in streams.rows("kept_once", "_ingested_at") if each[0]][:1]
    assert first.astimezone(timezone.utc).minute == 0


def test_what_deletes_is_left_out_unless_asked_for(streams):
    assert users(streams, "kept_with_deletes") == [1, 2, 3, 4, 4]


def test_a_stream_by_name_is_the_table_that_its_worker_writes(streams):
    assert users(streams, "by_name") == [11, 12, 14, 14]
    assert users(streams, "by_name_of_source") == [21, 22, 24, 24]
    compiled = (streams.project_dir / "target/compiled/small/models/by_name.sql").read_text()
    written = re.search(r"from (\S+)\s+\) as __stream_copies", compiled)[1]
    assert written == f'"small".{places(streams).events_relation(Stream(name="named"))}'


def places(project):
    return StreamPlaces(
        project="small", base_dir=project.project_dir, state_dir=project.project_dir, online_store="memory:",
        connection=lambda _: StreamConnection(), open_store=None, open_warehouse=None, dialect="duckdb", schema="main",
        project_of=None,
    )  # fmt: skip


def test_a_unit_test_gives_rows_without_saying_where_they_came_from(streams):
    results = json.loads((streams.project_dir / "target" / "run_results.json").read_text())["results"]
    assert [each["status"] for each in results if each["unique_id"].startswith("unit_test")] == ["pass"]


def test_a_table_that_cannot_be_made_says_what_to_do(tmp_path):
    half = source("half", {"user_id": "bigint"})
    half["columns"].append({"name": "page"})
    project = small_project(
        tmp_path,
        [],
        files={
            "models/sources.yml": sources(half, source("bare")),
            "models/of_half.sql": "select * from {{ stream_rows(source('app', 'half')) }}",
            "models/of_bare.sql": "select * from {{ stream_rows(source('app', 'bare')) }}",
            "models/of_none.sql": "select * from {{ stream_rows('nobody') }}",
        },
    )
    assert project.dbt("build").returncode == 1
    said = {name: message for name, (_, message) in project.outcomes().items()}
    assert "there is no table" in said["of_half"]
    assert "-> give each column of its source a data_type; without one: page" in said["of_half"]
    assert "-> describe it as a dbt source, each column with a data_type" in said["of_bare"]
    assert '"nobody__events"' in said["of_none"]


def test_dbt_compile_makes_no_table_and_dbt_build_makes_its_schema(tmp_path):
    project = small_project(
        tmp_path,
        [],
        files={
            "models/sources.yml": sources(source("clicks", CLICK), schema="landing"),
            "models/clicks_view.sql": model(CLICKS_SQL, "view"),
        },
    )
    done = project.dbt("compile")
    assert done.returncode == 0, done.stdout
    with duckdb.connect(str(project.database), read_only=True) as connection:
        assert connection.execute("from duckdb_tables()").fetchall() == []
    built(project)
    assert project.rows("clicks_view") == []


# --- with_pushed

AT, LATER = "timestamp '2026-06-10 10:00:00'", "timestamp '2026-06-10 11:00:00'"
ORDERS = f"""
with final as (
    select * from (values
        (1, {AT}, null, 1, 'a'), (1, {AT}, null, 2, 'b'),
        (2, {AT}, {LATER}, 3, 'c'), (2, {AT}, null, 4, 'd'), (3, {AT}, {LATER}, 5, 'e')
    ) as given(user_id, seen_at, loaded_at, x, note)
)
{{{{ with_pushed('final') }}}}
"""
PUSHED_ORDERS = f"""
    create table orders__pushed as
    select * exclude (s), timestamptz '2026-06-10 12:00:00+00' + s * interval 1 second as _pushed_at
    from (values
        (31, 2, {AT}, {LATER}, 2), (30, 2, {AT}, {LATER}, 1), (40, 2, {AT}, null, 1),
        (50, 3, {AT}, null, 1), (6, 4, {AT}, null, 1), (6, 4, {AT}, null, 2)
    ) as given(x, user_id, seen_at, loaded_at, s)
"""
BOTH = [
    (1, None, 1, "a"), (1, None, 2, "b"), (2, 11, 31, None), (2, None, 40, None),
    (3, 11, 5, "e"), (3, None, 50, None), (4, None, 6, None),
]  # fmt: skip
TYPED = """
with final as (
    select
        cast('6e0c6e61-6f43-4b3a-9d3c-111111111111' as uuid) as user_id, date '2026-06-10' as day,
        cast('{"a": 1}' as json) as info
)
{{ with_pushed('final') }}
"""


def view(name, **more):
    return {"name": name, "config": {"event_time": "seen_at", "meta": {"feature_view": more}}}


def pushed_project(folder, *, is_portable):
    tier = view("tiers", entities=["user_id"])
    files = {
        "models/views.yml": json.dumps(
            {
                "models": [
                    view("orders", entities=["user"], created_at="loaded_at", features=["x"]),
                    {**tier, "latest_version": 2, "versions": [{"v": 1}, {"v": 2}]},
                    view("weather", entities=[]),
                    view("typed", entities=["user_id"], event_time="day"),
                    view("dry", entities=["user_id"]),
                    {
                        "name": "users",
                        "config": {"meta": {"feature_entity": {"name": "user", "join_keys": ["user_id"]}}},
                    },
                ],
                "unit_tests": [
                    {"name": "dry_rows", "model": "dry", "given": [], "expect": {"rows": [{"user_id": 1}]}},
                ],
            }
        ),
        "models/users.sql": "select 1 as user_id",
        "models/orders.sql": model(ORDERS),
        **{
            f"models/tiers_v{number}.sql": f"with final as (select 1 as user_id, {AT} as seen_at, {number} as tier)\n"
            "{{ with_pushed('final') }}"
            for number in (1, 2)
        },
        "models/weather.sql": f"with final as (select {AT} as seen_at, 20.5 as degrees)\n"
        "{{ with_pushed('final') }}",
        "models/typed.sql": model(TYPED, "view"),
        "models/dry.sql": f"with final as (select 1 as user_id, {AT} as seen_at, 0.5 as ml)\n"
        "{{ with_pushed('final') }}"
        "\n{{ order_by_entity_time() }}",
    }
    project = small_project(folder, [], files=files)
    if is_portable:
        path = folder / "macros" / "with_pushed.sql"
        path.write_text(path.read_text().replace("duckdb__union_pushed", "nobody__union_pushed"))
    built(project)
    first = project.rows("orders")
    assert sorted(row[3] for row in first) == [1, 2, 3, 4, 5], "nothing was pushed"
    with duckdb.connect(str(project.database)) as connection:
        now = "timestamptz '2026-06-10 12:00:00+00' as _pushed_at"
        connection.execute(PUSHED_ORDERS)
        connection.execute(f"create table tiers_v1__pushed as select 1 as user_id, {AT} as seen_at, 10 as tier, {now}")
        connection.execute(
            f"create table weather__pushed as select {AT} as seen_at, cast(21.5 as decimal(3,1)) as degrees, {now}"
        )
        connection.execute(
            "create table typed__pushed as select '6e0c6e61-6f43-4b3a-9d3c-222222222222' as user_id, "
            f"""date '2026-06-10' as day, '{{"a": 2}}' as info, {now}"""
        )
        connection.execute(f"create table dry__pushed as select 9 as user_id, {AT} as seen_at, 0.9 as ml, {now}")
    built(project)
    return project


@pytest.fixture(scope="module", params=["duckdb", "any warehouse"])
def pushed(request, tmp_path_factory):
    folder = shared_folder(tmp_path_factory) / f"pushed_{request.param.split()[0]}"
    built_once(folder, lambda path: pushed_project(path, is_portable=request.param != "duckdb"))
    return SmallProject(project_dir=folder)


def test_a_pushed_row_replaces_the_models_own_and_own_rows_are_never_made_one(pushed):
    rows = pushed.rows("orders", "user_id", "loaded_at", "x", "note")
    found = [(user, loaded and loaded.hour, x, note) for user, loaded, x, note in rows]
    assert Counter(found) == Counter(BOTH)


def test_a_built_model_has_its_columns_and_no_others(pushed):
    assert sorted(pushed.table("orders").column_names) == ["loaded_at", "note", "seen_at", "user_id", "x"]


def test_each_version_of_a_model_has_its_own_pushes(pushed):
    assert pushed.rows("tiers_v1", "tier") == [(10,)]
    assert pushed.rows("tiers_v2", "tier") == [(2,)]


def test_a_view_without_entity_has_pushes_too(pushed):
    assert [float(degrees) for (degrees,) in pushed.rows("weather", "degrees")] == [21.5]


def test_a_models_types_stay_when_rows_are_pushed(pushed):
    with duckdb.connect(str(pushed.database), read_only=True) as connection:
        described = {row[0]: row[1] for row in connection.execute("describe typed").fetchall()}
        assert connection.execute("select count(*) from typed").fetchone() == (2,)
    assert described == {"user_id": "UUID", "day": "DATE", "info": "JSON"}


def test_a_unit_test_sees_no_pushes(pushed):
    assert sorted(user for (user,) in pushed.rows("dry", "user_id")) == [1, 9]
    results = json.loads((pushed.project_dir / "target" / "run_results.json").read_text())["results"]
    assert [each["status"] for each in results if each["unique_id"].startswith("unit_test")] == ["pass"]


def test_both_macros_work_as_a_package(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(REPOSITORY / "macros", package / "macros")
    shutil.copy(REPOSITORY / "dbt_project.yml", package)
    hook = {"on-run-start": "{% do featurestore.create_events_table() %}"}
    project = small_project(
        tmp_path / "app",
        [],
        files={
            "dbt_project.yml": json.dumps(PROJECT | hook),
            "packages.yml": json.dumps({"packages": [{"local": "../package"}]}),
            "models/sources.yml": sources(source("clicks", CLICK)),
            "models/views.yml": json.dumps(
                {
                    "models": [
                        {
                            **view("clicks_view", entities=["user_id"]),
                            "config": {"event_time": "clicked_at", "meta": {"feature_view": {"entities": ["user_id"]}}},
                        }
                    ]
                }
            ),
            "models/clicks_view.sql": "with final as (\n"
            "select * from {{ featurestore.stream_rows(source('app', 'clicks')) }})\n"
            "{{ featurestore.with_pushed('final') }}",
        },
    )
    shutil.rmtree(project.project_dir / "macros")
    assert project.dbt("deps").returncode == 0
    built(project)
    assert "user_id" in project.table("clicks_view").column_names
