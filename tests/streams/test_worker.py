"""A worker reads a stream into both stores: the newest is served, valid events are kept, what is bad stops nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from featurestore.definitions.views import Feature
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.state import read_state
from featurestore.streams.decode import JsonDecoder
from featurestore.streams.places import chosen_streams
from featurestore.streams.worker import Pace
from tests.streams.scene import CLICKS, USER_CLICKS, column, event, fed_by, iso, memory_scene, message, now, wait_for


@pytest.fixture
def scene(tmp_path):
    return memory_scene(tmp_path)


def test_an_event_is_served_and_kept(scene):
    at = now(-5)
    scene.send(event(7, at, page="/a", seconds=2.5))
    tally = scene.read_all()
    assert scene.served(7) == ({"page": "/a", "seconds": 2.5}, "PRESENT")
    (kept,) = scene.events()
    assert (kept["user_id"], kept["page"], kept["_topic"], kept["_partition"], kept["_offset"]) == (
        7, "/a", "clicks", "0", "0",
    )  # fmt: skip
    assert kept["clicked_at"] == at.replace(tzinfo=None)
    assert kept["_deleted"] is False
    assert kept["_ingested_at"] >= kept["_published_at"]
    assert (tally.messages, tally.events, tally.landed["user_clicks"]) == (1, 1, 1)


def test_a_late_event_never_overwrites_and_is_kept_offline(scene):
    """O1: in one batch, and in batches apart."""
    scene.send(event(1, now(-10), page="/newest"), event(1, now(-20), page="/late"))
    scene.read_all()
    scene.send(event(1, now(-30), page="/later still"))
    tally = scene.read_all()
    assert scene.served(1)[0]["page"] == "/newest"
    assert [each["page"] for each in scene.events()] == ["/newest", "/late", "/later still"]
    assert tally.stale["user_clicks"] == 1


def test_an_event_that_comes_twice_changes_nothing(scene):
    """O1: equal pairs overwrite, so a copy is harmless."""
    once = event(1, now(-10), page="/a")
    scene.send(once, once)
    scene.read_all()
    scene.send(once)
    scene.read_all()
    assert scene.served(1)[0]["page"] == "/a"


BAD = [
    ("malformed", b"{not json", "no JSON"),
    ("malformed", b"", "no JSON"),
    ("malformed", b'"a text"', "expected a JSON object"),
    ("malformed", b"[1, 2]", "expected a JSON object"),
    ("malformed", b"\xff\xfe", "no JSON"),
    ("malformed", b"[" * 5_000, "no JSON"),
    ("too_large", b'{"page": "' + b"x" * (1 << 20) + b'"}', "at most 1,048,576"),
    ("type_mismatch", {"user_id": "seven"}, "column 'user_id': expected int64, got \"seven\""),
    ("type_mismatch", {"user_id": 1.5}, "expected int64, got 1.5"),
    ("type_mismatch", {"user_id": True}, "expected int64, got true"),
    ("type_mismatch", {"user_id": 2**63}, "expected int64"),
    ("type_mismatch", {"seconds": "fast"}, "column 'seconds': expected float64"),
    ("type_mismatch", {"clicked_at": "yesterday"}, "column 'clicked_at'"),
    ("type_mismatch", {"clicked_at": 1_764_220_000_000}, "say its unit, `epoch: ms`"),
    ("missing_key", {"user_id": None}, "column 'user_id' is null"),
    ("missing_event_time", {"clicked_at": None}, "column 'clicked_at' is null"),
    ("event_time_out_of_range", {"clicked_at": "1970-01-21T10:00:00Z"}, "is before 1980"),
    ("future_event_time", {"clicked_at": iso(now(3_600))}, "is later than now and 300 s"),
]


@pytest.mark.parametrize(("reason", "body", "said"), BAD, ids=[f"{place}-{each[0]}" for place, each in enumerate(BAD)])
def test_a_message_that_cannot_be_used_is_kept_with_its_reason_and_stops_nothing(scene, reason, body, said):
    bad = message(body) if isinstance(body, bytes) else event(**{"user": 2, **_as_arguments(body)})
    scene.send(event(1, page="/before"), bad, event(3, page="/after"))
    scene.read_all()
    (letter,) = scene.letters()
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == (reason, "clicks", "0", "1")
    assert said in letter.detail
    assert letter.value == bad.value
    assert scene.served(1)[1] == scene.served(3)[1] == "PRESENT"
    assert sorted(each["user_id"] for each in scene.events()) == [1, 3]


def _as_arguments(body):
    return {"user" if name == "user_id" else name: value for name, value in body.items()}


def test_a_time_in_another_unit_is_refused_not_guessed(tmp_path):
    """Milliseconds are declared; seconds are of 1970 then, and microseconds of the year 57,000."""
    scene = memory_scene(tmp_path)
    scene.changed(stream=replace(CLICKS, epoch="ms"))
    at = int(now(-60).timestamp())
    for number, value in enumerate((at * 1_000, at, at * 1_000_000, at * 10**12)):
        scene.send(event(number, clicked_at=value))
    scene.read_all()
    assert scene.served(0)[1] == "PRESENT"
    assert sorted(each.reason for each in scene.letters()) == [
        "event_time_out_of_range", "future_event_time", "type_mismatch",
    ]  # fmt: skip


def test_fields_that_no_column_takes_are_passed_over_and_counted(scene):
    scene.send(event(1, more=1), event(2, more=2, extra={"a": 1}))
    tally = scene.read_all()
    assert dict(tally.unknown) == {"more": 2, "extra": 1}
    assert scene.reasons() == []


def test_a_field_that_is_missing_is_null(scene):
    scene.send(message(b'{"user_id": 1, "clicked_at": "%s"}' % iso(now(-9)).encode()))
    scene.read_all()
    assert scene.served(1) == ({"page": None, "seconds": None}, "NULL_VALUE")


def test_a_tombstone_deletes_and_an_older_one_does_not(scene):
    """O1 holds for deletions too; the message's key says whom, its time when."""
    scene.send(event(1), event(2), message(None, key=b"1"), message(None, key=b'{"user_id": 2}'))
    scene.read_all()
    assert scene.served(1)[1] == scene.served(2)[1] == "NOT_FOUND"
    scene.send(event(1, now(200), page="/back"), message(None, key=b"1"))
    scene.read_all()
    assert scene.served(1)[0]["page"] == "/back"
    assert [each["_deleted"] for each in scene.events()] == [False, False, True, True, False, True]


@pytest.mark.parametrize("key", [None, b"", b"[1]", b"{}", b'{"user": 1}', b"one"])
def test_a_tombstone_that_does_not_say_whom_is_a_dead_letter(scene, key):
    scene.send(message(None, key=key))
    scene.read_all()
    assert scene.reasons() == ["bad_tombstone"]


def test_an_event_deletes_where_the_stream_says_so(tmp_path):
    scene = memory_scene(tmp_path)
    stream = replace(CLICKS, columns=(*CLICKS.columns, column("op", "string")), deletes="op = 'd'")
    scene.changed(stream=stream)
    scene.send(event(1, now(-20)), event(1, now(-10), op="d"), event(2, now(-20)), event(2, now(-30), op="d"))
    tally = scene.read_all()
    assert scene.served(1)[1] == "NOT_FOUND"
    assert scene.served(2)[1] == "PRESENT"
    assert [each["_deleted"] for each in scene.events()] == [False, True, False, True]
    assert tally.deleted["user_clicks"] == 1


def test_sql_makes_the_rows(tmp_path):
    scene = memory_scene(tmp_path)
    view = fed_by(
        USER_CLICKS,
        CLICKS,
        "select user_id, clicked_at, upper(page) as page, seconds * 2 as seconds from clicks where page <> '/robots'",
    )
    scene.changed(view=view)
    scene.send(event(1, page="/a", seconds=1.5), event(2, page="/robots"))
    scene.read_all()
    assert scene.served(1) == ({"page": "/A", "seconds": 3.0}, "PRESENT")
    assert scene.served(2)[1] == "NOT_FOUND"
    assert len(scene.events()) == 2, "what the SQL leaves out is an event all the same"


def test_an_event_that_the_sql_fails_on_is_found_among_others(tmp_path):
    scene = memory_scene(tmp_path)
    view = fed_by(USER_CLICKS, CLICKS, "select user_id, clicked_at, page, cast(page as double) as seconds from clicks")
    scene.changed(view=view)
    pages = [str(number) if number % 7 else "x" for number in range(40)]
    scene.send(*(event(number, page=page) for number, page in enumerate(pages)))
    scene.read_all()
    assert scene.reasons() == ["transform_failed"] * 6
    assert [int(each.offset) for each in scene.letters()] == list(range(0, 40, 7))
    assert scene.served(8)[0]["seconds"] == 8.0
    assert len(scene.events()) == 34


def test_what_the_sql_makes_must_be_of_the_views_type(tmp_path):
    scene = memory_scene(tmp_path)
    whole = replace(USER_CLICKS, features=(Feature(name="page", type="string"), Feature(name="seconds", type="int32")))
    scene.changed(view=whole)
    scene.changed(view=fed_by(whole, CLICKS, "select user_id, clicked_at, page, seconds from clicks"))
    scene.send(event(1, seconds=2.0), event(2, seconds=2.5), event(3, seconds=1e12))
    scene.read_all()
    assert scene.served(1) == ({"page": "/", "seconds": 2}, "PRESENT")
    assert scene.reasons() == ["type_mismatch", "type_mismatch"]


def test_a_message_that_one_view_refuses_reaches_none(tmp_path):
    """All views of a stream see the same events, and the table of events holds exactly those."""
    other = replace(USER_CLICKS, name="other")
    scene = memory_scene(tmp_path)
    strict = fed_by(
        USER_CLICKS, CLICKS, "select user_id, clicked_at, page, cast(page as double) as seconds from clicks"
    )
    scene.project = replace(scene.project, views=(other, strict))
    scene.send(event(1, page="1"), event(2, page="x"))
    scene.read_all()
    assert scene.served(1, "other")[1] == scene.served(1)[1] == "PRESENT"
    assert scene.served(2, "other")[1] == scene.served(2)[1] == "NOT_FOUND"
    assert [each["user_id"] for each in scene.events()] == [1]
    assert [(each.offset, each.view) for each in scene.letters()] == [("1", "user_clicks")]


def test_a_created_time_that_an_event_lacks_is_when_it_was_published(tmp_path):
    """P4: of two events of one time the one published later counts, in whatever order they are read."""
    scene = memory_scene(tmp_path)
    scene.changed(view=replace(USER_CLICKS, created_at=column("loaded_at", "timestamptz")))
    at = now(-30)
    scene.send(event(1, at, page="/first"))
    scene.send(event(1, at, page="/correction"))
    scene.read_all()
    assert scene.served(1)[0]["page"] == "/correction"


def test_what_is_not_committed_comes_again(scene):
    scene.send(*(event(number) for number in range(10)))
    slow = Pace(most=3, wait_s=0.005, flush_s=3_600.0)
    worker, _ = scene.worker(pace=slow)
    worker._prepare()
    worker._round()  # three are written online, and the worker is gone
    assert scene.served(0)[1] == "PRESENT"
    assert scene.events() == []
    scene.read_all()
    assert sorted(each["user_id"] for each in scene.events()) == list(range(10))


def test_it_begins_a_view_of_which_the_store_knows_nothing(scene):
    scene.send(event(1))
    scene.read_all()
    store = scene.open_store()
    assert [each.number for each in read_state(store, USER_CLICKS).sets] == [0]
    store.close()


def test_a_store_that_was_emptied_is_waited_for_and_not_begun_anew(scene):
    """O8: a store with a part of the entities would answer NOT_FOUND for the others."""
    scene.send(event(1))
    scene.read_all()
    for path in scene.folder.glob("online.sqlite*"):
        path.unlink()
    scene.send(event(2))
    with scene.running() as worker:
        wait_for(lambda: "never synced" in worker.tally.paused, "it says why it waits")
        assert scene.waiting() == 1
    assert scene.waiting() == 1


def test_a_newer_registry_version_is_taken_up(scene, monkeypatch):
    monkeypatch.setattr("featurestore.streams.worker._LOOK_S", 0.05)
    with scene.running():
        scene.send(event(1, page="/a"))
        scene.wait_until_read()
        view = fed_by(USER_CLICKS, CLICKS, "select user_id, clicked_at, 'new' as page, seconds from clicks")
        scene.changed(view=view)

        def is_new():
            scene.send(event(2, now()))
            scene.wait_until_read()
            return scene.served(2)[0]["page"] == "new"

        wait_for(is_new, "the new SQL makes the rows")
    assert scene.served(1)[0]["page"] == "/a"


def test_some_views_of_a_stream_are_read_by_a_group_of_their_own(tmp_path):
    scene = memory_scene(tmp_path)
    scene.project = replace(scene.project, views=(replace(USER_CLICKS, name="other"), USER_CLICKS))
    scene.send(event(1))
    scene.read_all("other")
    assert scene.served(1, "other")[1] == "PRESENT"
    with pytest.raises(OnlineStoreError, match="user_clicks was never synced"):
        scene.served(1)
    scene.read_all()
    assert scene.served(1)[1] == "PRESENT"


def test_names_that_are_no_views_of_a_stream_are_refused(scene):
    with pytest.raises(UsageError, match="no feature view 'user_click'") as refused:
        chosen_streams(scene.project, ("user_click",))
    assert refused.value.hint == "did you mean user_clicks?"
    unfed = replace(scene.project, views=(replace(USER_CLICKS, stream=None),))
    with pytest.raises(UsageError, match="no feature view is fed by a stream"):
        chosen_streams(unfed, ())
    both = replace(scene.project, views=(USER_CLICKS, replace(USER_CLICKS, name="plain", stream=None)))
    with pytest.raises(UsageError, match="no stream feeds feature view plain"):
        chosen_streams(both, ("plain",))


def test_a_batch_may_be_empty_and_a_stream_too(scene):
    tally = scene.read_all()
    assert (tally.messages, tally.batches) == (0, 0)
    assert scene.events() == []


def test_a_view_without_entity_is_fed_as_well(tmp_path):
    """P10."""
    scene = memory_scene(tmp_path)
    alone = replace(USER_CLICKS, name="alone", entities=(), join_keys=())
    scene.project = replace(scene.project, views=(alone,))
    scene.send(event(1, now(-20), page="/old"), event(2, now(-10), page="/new"))
    scene.read_all()
    from featurestore.serving import connect

    store = scene.open_store()
    assert connect(scene.project, store).get_online_features(["alone"], [{}]).to_dict()["page"] == ["/new"]
    store.close()


def test_an_event_far_ahead_is_taken_where_the_view_allows_it(tmp_path):
    scene = memory_scene(tmp_path)
    hour_us = timedelta(hours=2) // timedelta(microseconds=1)
    scene.changed(view=replace(USER_CLICKS, stream=replace(USER_CLICKS.stream, ahead_us=hour_us)))
    scene.send(event(1, now(3_600)))
    scene.read_all()
    assert scene.reasons() == []


class FaultyDecoder:
    """Reads JSON, and has a defect."""

    def decode(self, values):
        if b"7" in values:
            raise ZeroDivisionError("a defect")
        return JsonDecoder().decode(values)


def test_a_defect_of_ours_costs_the_message_that_it_meets_and_no_other(scene):
    scene.send(event(1), message(b"7"), event(2), event(3))
    worker, _ = scene.worker()
    worker._batches._reader._decoder = FaultyDecoder()
    worker._prepare()
    worker._round()
    worker._flush()
    (letter,) = scene.letters()
    assert (letter.reason, letter.offset, letter.detail) == ("defect", "1", "ZeroDivisionError: a defect")
    assert sorted(each["user_id"] for each in scene.events()) == [1, 2, 3]


def test_where_deletes_fails_on_an_event_it_is_a_dead_letter(tmp_path):
    scene = memory_scene(tmp_path)
    stream = replace(CLICKS, columns=(*CLICKS.columns, column("op", "string")), deletes="cast(op as integer) = 1")
    scene.changed(stream=stream)
    scene.send(event(1, op="0"), event(2, op="x"), event(3, op="1"))
    scene.read_all()
    assert [(each.reason, each.offset) for each in scene.letters()] == [("transform_failed", "1")]
    assert [each["_deleted"] for each in scene.events()] == [False, True]
