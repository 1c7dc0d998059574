"""The package and a stream on Postgres, by dbt-postgres: events, deletions, pushes, training sets, from end to end."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pandas as pd
import pytest

from featurestore import FeatureStore
from featurestore.streams.source import Outgoing
from featurestore.streams.sources.memory import BROKERS
from tests.dbt.small_project import small_project, source, sources
from tests.streams.running import read_all
from tests.streams.scene import iso, now

pytestmark = pytest.mark.slow

BROKER, DATABASE = "on_postgres", "from_dbt"
SOURCE = source(
    "clicks",
    {"user_id": "bigint", "clicked_at": "timestamp", "page": "text", "info": "jsonb", "op": "text"},
    deletes="op = 'd'",
)
CLICKS_SQL = """
select
    user_id,
    clicked_at,
    _published_at as published_at,
    case when _deleted then null else upper(page) end as page,
    cast(info ->> 'ms' as double precision) / 1000 as seconds
from {{ stream_rows(source('app', 'clicks'), deletes=true) }}
"""
PLANS_SQL = """
{{ config(materialized='table') }}
with final as (
    select cast(1 as bigint) as user_id, timestamp '2026-01-01 00:00:00' as since, cast('free' as text) as plan
)
{{ with_pushed('final') }}
"""
EXAMPLES_SQL = """
select cast(user_id as bigint) as user_id, now() at time zone 'UTC' as asked_at from generate_series(1, 4) as s(user_id)
"""
TRAINING_SQL = (
    "{{ training_set(spine='examples', spine_time='asked_at', features=['user_clicks:page', 'user_plans:plan']) }}"
)


def properties(name, event_time, **view):
    meta = {"feature_view": {"entities": ["user_id"], **view}}
    return {"name": name, "config": {"event_time": event_time, "meta": meta}}


@pytest.fixture
def project(tmp_path, postgres_server):
    postgres_server.run(f"create database {DATABASE}")
    postgres_server.run("create schema raw", database=DATABASE)
    BROKERS.pop(BROKER, None)
    target = {"type": "postgres", "threads": 2, **postgres_server.settings(dbname=DATABASE)}
    models = [
        properties("user_clicks", "clicked_at", created_at="published_at", ttl="30d", stream="clicks"),
        properties("user_plans", "since", pushed="raw.plans_pushed"),
    ]
    settings = {"online_store": "sqlite:online.sqlite", "streams": {"clicks": {"url": f"memory:{BROKER}"}}}
    yield small_project(
        tmp_path,
        [],
        files={
            "profiles.yml": json.dumps({"small": {"target": "dev", "outputs": {"dev": target}}}),
            "models/sources.yml": sources(SOURCE, schema="public"),
            "models/views.yml": json.dumps({"models": models}),
            "models/user_clicks.sql": CLICKS_SQL,
            "models/user_plans.sql": PLANS_SQL,
            "models/examples.sql": EXAMPLES_SQL,
            "models/training.sql": TRAINING_SQL,
            "featurestore.yml": json.dumps(settings),
        },
    )
    postgres_server.connections.pop(DATABASE).close()
    postgres_server.run(f"drop database {DATABASE} with (force)")


def build(project):
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout
    return FeatureStore(project.project_dir, profiles_dir=project.project_dir)


def click(user, at, *, page="/", op="c", **info):
    said = {"user_id": user, "clicked_at": iso(at), "page": page, "op": op, "info": info}
    return Outgoing(value=msgspec.json.encode(said), key=b"%d" % user)


def test_a_stream_and_pushes_come_to_postgres_and_into_training(project, postgres_server):
    """P17: what is served is what the warehouse answers, and the macro writes the same training set as Python."""
    store = build(project)
    store.apply()
    store.materialize(["user_plans"])
    at, once = now(-60), click(1, now(-50), page="/a", ms=1500)
    messages = [
        once,
        once,
        click(1, at, page="/late"),
        click(2, at, page="/b", ms=7),
        click(2, at + timedelta(seconds=1), op="d"),
        click(3, at, page="/c"),
        Outgoing(value=None, key=b"3"),
        click(4, at, page="/d", ms="fast"),
    ]
    for message in messages:
        BROKERS[BROKER].send("clicks", [message])
    read_all(store)
    assert [letter.reason for letter in store.dead_letters("clicks")] == ["transform_failed"]
    frame = pd.DataFrame({"user_id": [1, 2], "since": [at.replace(tzinfo=None)] * 2, "plan": ["gold", "silver"]})
    assert store.push("user_plans", frame, to="online_and_offline").kept == 2
    build(project)
    assert postgres_server.run("select count(*) from raw.plans_pushed", database=DATABASE) == [(2,)]
    assert postgres_server.run("select count(*) from clicks", database=DATABASE) == [(7,)]
    checks = store.verify(sample=None, at=now())
    assert all(check.is_equal for check in checks), checks
    users = [1, 2, 3, 4]
    served = store.get_online_features(["user_clicks", "user_plans"], [{"user_id": user} for user in users]).to_dict()
    assert served["page"] == ["/A", None, None, None]
    assert served["seconds"] == [1.5, None, None, None]
    assert served["plan"] == ["gold", "silver", None, None]
    examples = pd.DataFrame({"user_id": users, "asked_at": [now().replace(tzinfo=None)] * 4})
    names = ["user_clicks:page", "user_plans:plan"]
    training = store.get_historical_features(examples, names, time="asked_at").to_arrow()
    by_macro = postgres_server.run("select page, plan from training order by user_id", database=DATABASE)
    assert [(row["page"], row["plan"]) for row in training.to_pylist()] == by_macro
    assert by_macro == list(zip(served["page"], served["plan"], strict=True))
