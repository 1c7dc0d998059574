"""A model that asks for deletions has a row of each: training sees that an entity was deleted, when serving did."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import msgspec
import pandas as pd
import pytest

from featurestore import FeatureStore
from featurestore.definitions.views import Feature
from featurestore.errors import UsageError
from featurestore.sql.row_level import row_level_sql
from featurestore.streams.source import Outgoing
from featurestore.streams.sources.memory import BROKERS
from tests.dbt.small_project import SmallProject, small_project, source, sources
from tests.shop import built_once, shared_folder
from tests.streams.running import read_all
from tests.streams.scene import CLICKS, USER_CLICKS, column, event, fed_by, iso, memory_scene, message, now

BROKER = "deletions"
SOURCE = source(
    "clicks", {"user_id": "bigint", "clicked_at": "timestamp", "page": "varchar", "op": "varchar"}, deletes="op = 'd'"
)
MODEL = """
{{ config(materialized='view') }}
select user_id, clicked_at, _published_at as published_at, case when _deleted then null else upper(page) end as page
from {{ stream_rows(source('app', 'clicks'), deletes=true) }}
"""
VIEW = {"entities": ["user_id"], "created_at": "published_at", "ttl": "30d", "stream": "clicks"}
ROWS = "select user_id, clicked_at, case when _deleted then null else page end as page, 1.5 as seconds from clicks"


def write_project(folder):
    properties = {"name": "user_clicks", "config": {"event_time": "clicked_at", "meta": {"feature_view": VIEW}}}
    settings = {"online_store": "sqlite:online.sqlite", "streams": {"clicks": {"url": f"memory:{BROKER}"}}}
    project = small_project(
        folder,
        [],
        files={
            "models/sources.yml": sources(SOURCE),
            "models/views.yml": json.dumps({"models": [properties]}),
            "models/user_clicks.sql": MODEL,
            "featurestore.yml": json.dumps(settings),
        },
    )
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout
    opened(project).apply()


def opened(project):
    return FeatureStore(project.project_dir, profiles_dir=project.project_dir)


@pytest.fixture
def project(tmp_path_factory, tmp_path):
    built = built_once(shared_folder(tmp_path_factory) / "deletions", write_project)
    BROKERS.pop(BROKER, None)
    shutil.copytree(built, tmp_path / "project")
    return SmallProject(project_dir=tmp_path / "project")


def click(user, *, page="/", op="c"):
    said = {"user_id": user, "clicked_at": iso(now()), "page": page, "op": op}
    return Outgoing(value=msgspec.json.encode(said), key=b"%d" % user)


@pytest.mark.slow
def test_training_sees_at_each_moment_what_was_served_then(project):
    """P17, step by step: clicks, an event that deletes, a tombstone, and users that come back."""
    store = opened(project)
    steps = [
        partial(click, 1, page="/a"),
        partial(click, 2, page="/b"),
        partial(click, 1, page="gone", op="d"),
        partial(Outgoing, value=None, key=b"2"),
        partial(click, 2, page="/back"),
        partial(Outgoing, value=None, key=b'{"user_id": 1}'),
        partial(Outgoing, value=None, key=b"3"),
    ]
    seen = []
    for step in steps:
        BROKERS[BROKER].send("clicks", [step()])
        read_all(store)
        moment = now()
        served = store.get_online_features(["user_clicks"], [{"user_id": user} for user in (1, 2, 3)])
        seen += zip([1, 2, 3], [moment] * 3, served.to_dict()["page"], strict=True)
    assert [page for _, _, page in seen[-3:]] == [None, "/BACK", None]
    examples = pd.DataFrame(seen, columns=["user_id", "asked_at", "served"])
    training = store.get_historical_features(examples, ["user_clicks:page"], time="asked_at").to_arrow().to_pylist()
    assert [row["page"] for row in training] == [row["served"] for row in training]
    assert store.dead_letters("clicks") == ()
    (checked,) = store.verify(sample=None, at=now())
    assert checked.is_equal, checked
    assert checked.model_keys == checked.online_keys == 3
    (synced,) = store.materialize(full=True)
    assert synced.rows_read == 3
    (checked,) = store.verify(sample=None, at=now())
    assert checked.is_equal, checked


@pytest.fixture
def scene(tmp_path):
    made = memory_scene(tmp_path)
    stream = replace(CLICKS, columns=(*CLICKS.columns, column("op", "string")), deletes="op = 'd'")
    made.changed(view=fed_by(USER_CLICKS, stream, ROWS), stream=stream)
    return made


def test_a_deletion_is_a_row_where_the_sql_asks_for_it(scene):
    """O1 orders it among the others: an older deletion changes nothing."""
    gone = {"page": None, "seconds": 1.5}
    scene.send(event(1, now(-20)), event(1, now(-10), op="d"), event(2, now(-20)), event(2, now(-30), op="d"))
    tally = scene.read_all()
    assert scene.served(1) == (gone, "NULL_VALUE")
    assert scene.served(2)[1] == "PRESENT"
    scene.send(message(None, key=b"2"), event(3, now(200)), message(None, key=b"3"))
    scene.read_all()
    assert scene.served(2)[0] == gone
    assert scene.served(3)[1] == "PRESENT"
    assert not tally.deleted


def test_offline_a_tombstone_says_whom_it_deletes_and_when(scene):
    scene.send(message(None, key=b"2"), message(None, key=b'{"user_id": 3}'))
    scene.read_all()
    assert [(each["user_id"], each["page"], each["_deleted"]) for each in scene.events()] == [
        (2, None, True), (3, None, True),
    ]  # fmt: skip
    for each in scene.events():
        assert each["clicked_at"] == each["_published_at"].replace(tzinfo=None)


@pytest.mark.parametrize("key", [None, b"[1]", b"{}", b'{"user": 1}', b"one"])
def test_a_tombstone_that_does_not_say_whom_is_a_dead_letter(scene, key):
    scene.send(message(None, key=key), event(1))
    scene.read_all()
    (letter,) = scene.letters()
    assert letter.reason == "bad_tombstone"
    assert scene.served(1)[1] == "PRESENT"


def test_a_tombstone_of_which_the_sql_makes_a_row_without_a_key_is_a_dead_letter(tmp_path):
    made = memory_scene(tmp_path)
    made.changed(view=fed_by(USER_CLICKS, CLICKS, ROWS.replace("user_id", "try_cast(page as bigint) as user_id", 1)))
    made.send(message(None, key=b"1"), event(1, page="7"))
    made.read_all()
    (letter,) = made.letters()
    assert (letter.reason, letter.view) == ("bad_tombstone", "user_clicks")
    assert letter.detail == "the SQL makes a NULL 'user_id' of a tombstone with the message key 1"
    assert made.served(7)[1] == "PRESENT"


PAGE_CLICKS = replace(
    USER_CLICKS,
    name="page_clicks",
    entities=("page",),
    join_keys=(column("page", "string"),),
    features=(Feature(name="user_id", type="int64"),),
)
PAGE_ROWS = "select page, clicked_at, case when _deleted then null else user_id end as user_id from clicks"


@pytest.mark.parametrize("asks", [False, True], ids=["removes", "is a row"])
def test_a_tombstone_deletes_in_the_views_whose_keys_it_names(tmp_path, asks):
    """Of a user nobody can say which page that is."""
    made = memory_scene(tmp_path)
    pages = fed_by(PAGE_CLICKS, CLICKS, PAGE_ROWS if asks else "select page, clicked_at, user_id from clicks")
    made.project = replace(made.project, views=(*made.project.views, pages))
    made.send(event(1, page="1"), event(2, page="2"))
    made.send(message(None, key=b'{"user_id": 1}'), message(None, key=b'{"page": "2"}'), message(None, key=b"2"))
    made.read_all()
    assert made.served(1)[1] == "NOT_FOUND"
    assert made.served(2)[1] == "PRESENT"
    served = [made.served_by({"page": page}, "page_clicks") for page in ("1", "2")]
    assert served == [({"user_id": 1}, "PRESENT"), ({"user_id": None}, "NULL_VALUE" if asks else "NOT_FOUND")]
    (letter,) = made.letters()
    assert letter.detail == 'is the key page or user_id? Views differ: send it as JSON, as in {"page": ...}'


def test_a_tombstone_of_which_the_sql_makes_no_row_deletes(tmp_path):
    made = memory_scene(tmp_path)
    made.changed(view=fed_by(USER_CLICKS, CLICKS, f"{ROWS} where not _deleted"))
    made.send(event(1), message(None, key=b"1"), event(2))
    made.read_all()
    assert made.served(1)[1] == "NOT_FOUND"
    assert made.served(2)[1] == "PRESENT"


def test_a_worker_of_one_view_takes_no_key_for_that_views_own_either(tmp_path):
    """What a key means depends on the stream's views, not on those that happen to be read here."""
    made = memory_scene(tmp_path)
    pages = fed_by(PAGE_CLICKS, CLICKS, "select page, clicked_at, user_id from clicks")
    made.project = replace(made.project, views=(*made.project.views, pages))
    made.send(event(1, page="1"))
    made.read_all("page_clicks")
    made.send(message(None, key=b"1"), message(None, key=b'{"user_id": 1}'))
    made.read_all("page_clicks")
    assert made.served_by({"page": "1"}, "page_clicks")[1] == "PRESENT"
    assert [letter.detail.partition("?")[0] for letter in made.letters()] == ["is the key page or user_id"]


def test_a_tombstone_deletes_nothing_of_a_view_without_a_key(tmp_path):
    made = memory_scene(tmp_path)
    newest = replace(USER_CLICKS, name="newest_click", entities=(), join_keys=())
    made.project = replace(made.project, views=(newest,))
    made.send(event(1), message(None, key=b"1"))
    made.read_all()
    (letter,) = made.letters()
    assert letter.detail == "it deletes rows of no view: none has a join key"
    assert made.served_by({}, "newest_click")[1] == "PRESENT"


MACRO = (
    "(select user_id, page, _deleted from (select *, row_number() over (partition by _topic, _partition, _offset"
    " order by _ingested_at) as __copy from clicks) as __stream_copies where (__copy = 1 or _offset is null)) as events"
)


def test_a_model_that_asks_for_deletions_looks_at_them():
    said = row_level_sql(f"select user_id, not _deleted as is_there from {MACRO}", dialect="duckdb", names=["clicks"])
    assert said == "SELECT user_id, NOT _deleted AS is_there FROM events AS events"
    with pytest.raises(UsageError, match="asks for deletions and does not look at _deleted"):
        row_level_sql(f"select user_id, page from {MACRO}", dialect="duckdb", names=["clicks"])
