"""One definition, batch and stream: a model's rows in the warehouse are those that its stream writes, one by one."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta, timezone

import duckdb
import msgspec
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore import FeatureStore
from featurestore.streams.batch import BatchReader
from featurestore.streams.compile import wanted_columns
from featurestore.streams.decode import open_decoder
from featurestore.streams.events import EventReader
from featurestore.streams.messages import Messages
from featurestore.streams.source import Outgoing
from featurestore.streams.sources.memory import BROKERS
from tests.dbt.small_project import SmallProject, small_project, source, sources
from tests.shop import built_once, shared_folder
from tests.streams.running import read_all
from tests.streams.scene import iso, now

pytestmark = pytest.mark.slow

MODEL = """
with

clicks as (select * from {{ stream_rows(source('app', 'clicks')) }}),

read as (
    select
        user_id,
        clicked_at,
        _published_at as published_at,
        lower(trim(page)) as page,
        cast(info ->> '$.ms' as double) / 1000 as seconds,
        try_cast(info ->> '$.price' as decimal(9, 2)) as price,
        cast(info -> '$.tags' as varchar) as tags,
        case device when 'm' then 'mobile' when 'd' then 'desktop' else coalesce(device, 'unknown') end as device,
        cast(score as integer) as score,
        date_trunc('hour', clicked_at) as clicked_hour,
        extract(dow from clicked_at) in (0, 6) as is_weekend,
        regexp_extract(page, 'ref=([a-z]+)', 1) as referrer
    from clicks
    where page is distinct from '/robots.txt' and (info ->> '$.bot') is distinct from 'true'
)

select
    *,
    seconds * score as effort,
    published_at at time zone 'UTC' - clicked_at > interval 1 minute as is_late
from read
where seconds is null or seconds < 3600
"""
SOURCE = source(
    "clicks",
    {
        "user_id": "bigint",
        "clicked_at": "timestamp",
        "page": "varchar",
        "info": "json",
        "device": "varchar",
        "score": "double",
        "op": "varchar",
    },
    deletes="op = 'd'",
)
VIEW = {"entities": ["user_id"], "created_at": "published_at", "ttl": "30d", "stream": "clicks"}
BROKER = "batch_equals_stream"


def write_project(folder):
    properties = {"name": "user_clicks", "config": {"event_time": "clicked_at", "meta": {"feature_view": VIEW}}}
    project = small_project(
        folder,
        [],
        files={
            "models/sources.yml": sources(SOURCE),
            "models/views.yml": json.dumps({"models": [properties]}),
            "models/user_clicks.sql": "{{ config(materialized='view') }}\n" + MODEL,
            "featurestore.yml": json.dumps(
                {"online_store": "sqlite:online.sqlite", "streams": {"clicks": {"url": f"memory:{BROKER}"}}}
            ),
        },
    )
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout
    opened(project).apply()


def opened(project):
    return FeatureStore(project.project_dir, profiles_dir=project.project_dir)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project that was built and applied before there was any event."""
    return built_once(shared_folder(tmp_path_factory) / "batch_equals_stream", write_project)


@pytest.fixture
def project(built, tmp_path):
    BROKERS.pop(BROKER, None)
    shutil.copytree(built, tmp_path / "project")
    return SmallProject(project_dir=tmp_path / "project")


# --- (a) any events: what the stream makes of each equals the model's rows


def mostly(usual, *others):
    """One of ten is unusual."""
    return st.integers(0, 9).flatmap(lambda number: st.one_of(*others) if number == 0 else usual)


KINDS = st.one_of(st.none(), st.integers(-5, 5), st.floats(-1e3, 1e3), st.text(max_size=3), st.booleans())
INFOS = st.fixed_dictionaries(
    {},
    optional={
        "ms": mostly(
            st.sampled_from([0, 1500, 3_600_000, 2.5, "750", "1e3", None]), st.sampled_from(["abc", "", True, [1]])
        ),
        "price": st.sampled_from([1, 2.005, "3.995", "12345678.9", "free", None, {"a": 1}]),
        "tags": st.lists(st.one_of(st.text(max_size=3), st.integers(0, 9), st.none()), max_size=3),
        "bot": st.sampled_from([True, False, "true", None]),
    },
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 6, 1))
TIMES = st.one_of(
    MOMENTS.map(lambda at: at.isoformat()),
    MOMENTS.map(lambda at: f"{at.isoformat()}+05:30"),
    st.sampled_from(["2026-03-08T07:30:00Z", "2026-03-08T02:30:00", "2026-11-01T05:30:00Z"]),
)
CLICKS = st.fixed_dictionaries(
    {
        "user_id": mostly(st.integers(1, 4), st.sampled_from([None, "2", 2**70])),
        "clicked_at": mostly(TIMES, st.sampled_from(["1970-01-02T00:00:00Z", "soon", None, 5])),
    },
    optional={
        "page": mostly(st.sampled_from(["/A ", "/robots.txt", "/b?ref=mail", "\u0130x", "", None]), KINDS),
        "info": mostly(INFOS, st.none(), st.text(max_size=3)),
        "device": st.sampled_from(["m", "d", "tv", None, ""]),
        "score": mostly(st.sampled_from([0, 0.5, 1.5, -2.5, 7, None]), st.sampled_from([2**31, 1e300, "8"])),
        "op": mostly(st.sampled_from(["c", None]), st.just("d")),
        "unknown": KINDS,
    },
)
BODIES = mostly(CLICKS.map(msgspec.json.encode), st.sampled_from([b"{", b"[1]", b"\xff", b"null"]))


@pytest.fixture
def sides(project):
    """What reads a batch as the worker does, and the warehouse that dbt built."""
    definitions = opened(project).project
    view, stream = definitions.named_view("user_clicks"), definitions.stream("clicks")
    assert "__stream_copies" not in view.stream.sql
    decoder = open_decoder(stream, None, base_dir=project.project_dir)
    with (
        closing(BatchReader(EventReader(stream, decoder, [view]), [view])) as reader,
        duckdb.connect(str(project.database)) as warehouse,
    ):
        warehouse.execute("set TimeZone = 'America/New_York'")
        yield view, reader, warehouse


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(bodies=st.lists(BODIES, min_size=1, max_size=12), copies=st.integers(0, 3), size=st.integers(1, 12))
def test_what_a_stream_writes_is_what_the_model_selects(sides, bodies, copies, size):
    view, reader, warehouse = sides
    batches = [batch for part in parts_of(bodies, size) for batch in reader.read(part)]
    assert "defect" not in {problem.reason for batch in batches for problem in batch.problems.values()}
    events = [table for batch in batches if (table := batch.events()) is not None]
    streamed = Counter(row for batch in batches for part in batch.parts() for row in rows_of(part.rows, view))
    assert selected(warehouse, view, [*events, *(table.slice(0, copies) for table in events)]) == streamed


def parts_of(bodies, size):
    published_us = int(datetime(2026, 6, 2, tzinfo=timezone.utc).timestamp() * 1_000_000)
    messages = Messages(
        topic="clicks",
        values=list(bodies),
        keys=[None] * len(bodies),
        partitions=["0"] * len(bodies),
        offsets=[str(place) for place in range(len(bodies))],
        published_us=[published_us + place for place in range(len(bodies))],
    )
    return [messages.part(start, start + size) for start in range(0, len(bodies), size)]


def selected(warehouse, view, events):
    """The model's rows over these events, with their number; the table is empty before and after."""
    warehouse.execute("begin")
    try:
        for table in events:
            warehouse.register("arrived", table)
            warehouse.execute("insert into clicks by name select * from arrived")
        return Counter(rows_of(warehouse.sql("select * from user_clicks").to_arrow_table(), view))
    finally:
        warehouse.execute("rollback")


def rows_of(table, view):
    """Rows as comparable values: what is online, with the times."""
    names = dict.fromkeys([*(column.name for column in wanted_columns(view)), view.created_at.name])
    columns = [_without_zone(table.column(name)).to_pylist() for name in names]
    return [repr(row) for row in zip(*columns, strict=True)]


def _without_zone(column):
    return column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column


# --- (b), (c) a worker from end to end


def click(user, at, *, page="/", op="c", **more):
    said = {"user_id": user, "clicked_at": iso(at) if isinstance(at, datetime) else at, "page": page, "op": op, **more}
    return Outgoing(value=msgspec.json.encode(said))


def send(*messages):
    for message in messages:  # each with a publishing time of its own
        BROKERS[BROKER].send("clicks", [message])


def many_clicks():
    at = now(-3_600)
    once = click(1, at + timedelta(seconds=50), info={"ms": 1500, "price": "2.50", "tags": ["a", None]}, score=2.5)
    return [
        click(1, at, page="/First?ref=mail", device="m"),
        once,
        once,
        click(1, at + timedelta(seconds=20), page="/late"),
        click(2, at, page="/A "),
        click(2, at, page="/a correction of the same moment", score=1),
        click(3, at, page="/robots.txt"),
        click(3, at + timedelta(seconds=1), info={"bot": True}),
        click(4, at, info={"ms": "fast"}),
        click(4, at - timedelta(seconds=9), info={"ms": "750"}, device="tv", score=7),
        click(4, at, score=1e300),
        click("five", at),
        click(None, at),
        click(6, "soon"),
        click(6, now(7_200)),
        click(7, now(-40 * 86_400), page="/outlived its ttl"),
        click(8, now(-29 * 86_400), page="/has not"),
        Outgoing(value=b"{"),
        Outgoing(value=b"[]"),
        *(click(100 + number % 7, at + timedelta(seconds=number * 37 % 60), score=number) for number in range(40)),
    ]


def load_by_hand(project, user, page):
    """An event of the days before the stream: it has no offset."""
    with duckdb.connect(str(project.database)) as connection:
        values = [user, now(-86_400).replace(tzinfo=None), page, now(-86_000)]
        connection.execute("insert into clicks (user_id, clicked_at, page, _published_at) values (?, ?, ?, ?)", values)


def test_after_a_stream_the_online_store_holds_what_the_warehouse_says(project):
    """P17, at a moment after the last event; before it ran the view was synced once."""
    load_by_hand(project, 9, "/by hand")
    load_by_hand(project, 1, "/older than what comes")
    store = opened(project)
    (synced,) = store.materialize()
    assert synced.rows_written == 2
    send(*many_clicks())
    read_all(store)
    assert Counter(letter.reason for letter in store.dead_letters("clicks")) == {
        "malformed": 2, "type_mismatch": 2, "missing_key": 1, "transform_failed": 2, "future_event_time": 1,
    }  # fmt: skip
    moment = now()
    (checked,) = store.verify(sample=None, at=moment)
    assert checked.is_equal, checked
    assert checked.model_keys == checked.online_keys == 6 + 7
    equal_answers(store, [1, 2, 3, 4, 5, 6, 7, 8, 9, *range(100, 107)], moment)


def test_a_view_that_its_stream_began_is_compared_without_a_sync(project):
    """P17: nothing was ever materialized, and the model was empty."""
    store = opened(project)
    send(*many_clicks())
    read_all(store)
    (checked,) = store.verify(sample=None, at=now())
    assert checked.is_equal, checked
    assert checked.model_keys == checked.online_keys == 5 + 7


def equal_answers(store, users, moment):
    examples = pd.DataFrame({"user_id": users, "asked_at": pd.Series([moment] * len(users))})
    offline = store.get_historical_features(examples, ["user_clicks"], time="asked_at").to_arrow().to_pylist()
    names = [feature.name for feature in store.project.named_view("user_clicks").features]
    online = store.get_online_features(["user_clicks"], [{"user_id": user} for user in users]).to_dict()
    by_user = {row["user_id"]: [row[name] for name in names] for row in offline}
    served = {user: [online[name][place] for name in names] for place, user in enumerate(users)}
    assert served == by_user
    assert served[1][names.index("seconds")] == 1.5
    assert served[2][names.index("page")] == "/a correction of the same moment", "P4: published later"
    assert served[4][names.index("device")] == "tv"
    assert served[8][names.index("page")] == "/has not"
    assert served[9][names.index("page")] == "/by hand"
    assert all(each is None for user in (3, 5, 6, 7) for each in served[user])


def test_a_batch_of_old_events_and_a_stream_of_new_ones_are_one_view(project):
    """Events from before the stream come by a sync, those after by the stream; read again, they change nothing."""
    store = opened(project)
    send(click(1, now(-300), page="/old"), click(2, now(-300), page="/stays"))
    read_all(store)
    shutil.rmtree(project.project_dir / "online", ignore_errors=True)
    for path in project.project_dir.glob("online.sqlite*"):
        path.unlink()
    store = opened(project)
    store.materialize()
    send(click(1, now(-100), page="/new"), click(3, now(-100), page="/first"))
    read_all(store)
    served = store.get_online_features(["user_clicks:page"], [{"user_id": user} for user in (1, 2, 3)])
    assert served.to_dict()["page"] == ["/new", "/stays", "/first"]
    assert store.replay_stream("clicks") == "featurestore.small.clicks"
    read_all(store)
    (checked,) = store.verify(sample=None, at=now())
    assert checked.is_equal, checked
    with duckdb.connect(str(project.database), read_only=True) as connection:
        counts = connection.execute(
            "select (select count(*) from clicks), (select count(*) from user_clicks)"
        ).fetchone()
    assert counts == (8, 4), "the events are kept twice, and are single events all the same"
