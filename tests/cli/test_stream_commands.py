"""`featurestore stream` and `featurestore push`, end to end on a small project: results, errors, Ctrl-C, SIGTERM."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from datetime import datetime, timedelta, timezone

import duckdb
import pytest

from tests.cli.tiny import make_tiny, orders
from tests.online.servers import start_server

STREAMS = "entities:\n  - {{name: customer, join_keys: [customer_id]}}\nstreams:\n  order_events: {{{}}}\n"
WHEN = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=5)


def order(customer, seconds=0, **more):
    """An event that is an order."""
    at = (WHEN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    said = {
        "customer_id": customer,
        "placed_at": at,
        "loaded_at": at,
        "order_count": 1,
        "amount": "9.50",
        "tags": ["a"],
    }
    return json.dumps({**said, **more})


@pytest.fixture
def project(tmp_path):
    """Applied; its view `orders` is fed by the file events.jsonl."""
    return streaming(tmp_path, "url: 'file:events.jsonl'")


def streaming(folder, settings):
    tiny = make_tiny(folder / "shop")
    tiny.write_manifest(orders({"stream": "order_events"}))
    (tiny.folder / "featurestore.yml").write_text(STREAMS.format(settings))
    (tiny.folder / "events.jsonl").write_text("")
    done = tiny.run("apply")
    assert done.code == 0, done.err
    return tiny


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def live(tmp_path, valkey):
    """Applied; its view is fed by a Redis stream."""
    valkey.empty()
    return streaming(tmp_path, f"url: '{valkey.uri}'")


def write_events(tiny, *lines):
    with (tiny.folder / "events.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def in_warehouse(tiny, statement):
    with duckdb.connect(str(tiny.folder / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(statement).fetchall()


def test_a_file_is_read_into_both_stores_and_the_command_ends(project):
    write_events(project, order(1), order(1, 9, order_count=2), "{nonsense", order(2, amount="many"), order(3, more=1))
    done = project.run_apart("stream", "run")
    assert done.code == 0, done.err
    assert done.out == "order_events: 5 messages read, 2 rows written online, 2 dead letters.\n"
    got = project.run("get-online", "--features", "orders:order_count", "--entity", "customer_id=1")
    assert "order_count  2 " in got.out
    rows = in_warehouse(project, "select customer_id, order_count, _partition, _offset from order_events__events")
    assert sorted(rows) == [(1, 1, "events.jsonl", "0"), (1, 2, "events.jsonl", "1"), (3, 1, "events.jsonl", "4")]
    again = project.run_apart("stream", "run", "--json")
    assert [each["tally"]["messages"] for each in json.loads(again.out)] == [0]


def test_status_says_how_far_it_is_and_what_was_refused(project):
    write_events(project, order(1), "{nonsense")
    before = project.run("stream", "status")
    assert "2 messages to read" in before.out
    assert "none has said anything" in before.out
    project.run_apart("stream", "run")
    after = project.run("stream", "status").out
    assert "0 messages to read" in after
    assert "ended" in after
    assert "dead letters  1" in after
    assert "1 malformed" in after
    (report,) = project.run("stream", "status", "--json").json
    assert (report["stream"], report["waiting"], report["dead_letters"]) == ("order_events", 0, {"malformed": 1})
    assert report["views"] == ["orders"]


def test_replay_reads_it_again_and_changes_nothing(project):
    write_events(project, order(1), order(2))
    project.run_apart("stream", "run")
    done = project.run("stream", "replay", "order_events", "--from", "beginning")
    assert done.out == "order_events: featurestore.shop.order_events reads again from beginning.\n"
    again = project.run_apart("stream", "run")
    assert "2 messages read" in again.out
    once = "select count(*), count(distinct (_topic, _partition, _offset)) from order_events__events"
    assert in_warehouse(project, once)[0][1] == 2


def test_dead_letters_are_listed_and_tried_again(project):
    write_events(project, "{nonsense", order(1, order_count="x"))
    project.run_apart("stream", "run")
    listed = project.run("stream", "dead-letters", "list", "order_events")
    assert "events.jsonl/events.jsonl/0" in listed.out
    assert "malformed" in listed.out
    assert "type_mismatch" in listed.out
    assert listed.lines[-1] == "2 dead letters."
    (letter,) = project.run("stream", "dead-letters", "list", "order_events", "--reason", "malformed", "--json").json
    assert (letter["offset"], letter["value"], letter["tries"]) == ("0", "{nonsense", 1)
    project.sql("alter table orders alter order_count type varchar")
    project.write_manifest(orders({"stream": "order_events"}, columns={}))
    assert project.run("apply").code == 0
    retried = project.run("stream", "dead-letters", "retry", "order_events")
    assert retried.out == "order_events: 1 of 2 are written now; still dead: 1 malformed.\n"
    (left,) = project.run("stream", "dead-letters", "list", "order_events", "--json").json
    assert (left["reason"], left["tries"]) == ("malformed", 2)
    assert in_warehouse(project, "select order_count from order_events__events") == [("x",)]
    assert "no dead letters" in project.run("stream", "dead-letters", "list", "order_events", "--reason", "none").err


def test_dead_letters_in_a_topic_are_listed_and_tried_again(tmp_path, valkey):
    valkey.empty()
    live = streaming(tmp_path, f"url: '{valkey.uri}', dead_letters: 'topic:order_events.dead'")
    live.run("stream", "send", "order_events", "-", stdin=f"{{nonsense\n{order(1, order_count='x')}")
    valkey.ask("XADD", "order_events.dead", "*", "value", "what is this")
    with live.start("stream", "run") as worker:
        until = time.monotonic() + 120
        while valkey.ask("XLEN", "order_events.dead") < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        worker.terminate()
        worker.communicate(timeout=120)
    status = live.run("stream", "status").out
    assert "topic:order_events.dead" in status
    assert "featurestore stream dead-letters list order_events" in status
    listed = live.run("stream", "dead-letters", "list", "order_events")
    assert "order_events/0/" in listed.out
    assert listed.lines[-1] == "2 dead letters."
    assert listed.err == "Passed over: 1 message in the topic that is no dead letter of order_events.\n"
    live.sql("alter table orders alter order_count type varchar")
    live.write_manifest(orders({"stream": "order_events"}, columns={}))
    assert live.run("apply").code == 0
    retried = live.run("stream", "dead-letters", "retry", "order_events", "--reason", "type_mismatch")
    assert retried.out == "order_events: 1 of 1 are written now.\n"
    assert "Passed over: 1 message" in retried.err
    (left,) = live.run("stream", "dead-letters", "list", "order_events", "--json").json
    assert (left["reason"], left["value"], left["tries"]) == ("malformed", "{nonsense", 1)
    assert in_warehouse(live, "select order_count from order_events__events") == [("x",)]


def test_a_broker_that_is_away_keeps_its_dead_letters_to_itself(tmp_path):
    away = "url: 'redis://someone:secret@127.0.0.1:1/0?write_timeout=0.2', dead_letters: 'topic:dead'"
    tiny = streaming(tmp_path, away)
    for command in ("list", "retry"):
        done = tiny.run("stream", "dead-letters", command, "order_events")
        assert done.code == 4, done.err
        assert "the Redis at 127.0.0.1:1 cannot be used" in done.err
        assert "secret" not in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(live, number):
    with live.start("stream", "run", "--metrics-port", "0") as worker:
        line = line_with(worker, "Metrics on")
        sent = live.run("stream", "send", "order_events", "-", stdin=order(1))
        assert sent.out == "order_events: 1 message sent.\n", sent.err
        url = line.rpartition(" ")[2].strip()
        until = time.monotonic() + 120
        while 'featurestore_stream_events_total{stream="order_events"} 1' not in scraped(url):
            assert time.monotonic() < until
            time.sleep(0.05)
        worker.send_signal(number)
        out, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err
    assert out == "order_events: 1 message read, 1 row written online.\n"
    assert in_warehouse(live, "select customer_id from order_events__events") == [(1,)]


def scraped(url):
    with urllib.request.urlopen(url, timeout=120) as answer:
        return answer.read().decode()


def line_with(worker, text):
    """The first line on standard error that holds a text."""
    seen = []
    for line in worker.stderr:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError("".join(seen))


def test_a_running_worker_keeps_a_replay_away(live):
    with live.start("stream", "run") as worker:
        until = time.monotonic() + 120
        while "running" not in live.run("stream", "status").out:
            assert time.monotonic() < until
            time.sleep(0.1)
        refused = live.run("stream", "replay", "order_events", "--from", "beginning")
        worker.terminate()
        worker.wait(120)
    assert refused.code == 2
    assert "workers of order_events are running" in refused.err


def test_what_waits_in_the_spool_is_brought_to_the_warehouse(project):
    write_events(project, order(1))
    with duckdb.connect(str(project.folder / "shop.duckdb")):
        done = project.start("stream", "run")
        until = time.monotonic() + 120
        spool = project.folder / ".featurestore" / "streams" / "order_events" / "spool"
        while not list(spool.glob("*.parquet")):
            assert time.monotonic() < until
            time.sleep(0.05)
        done.kill()
        done.communicate()
    settled = project.run("stream", "settle")
    assert settled.code == 0, settled.err
    assert "nothing waits" in settled.out
    assert in_warehouse(project, "select customer_id from order_events__events") == [(1,)]


def test_files_are_compacted_for_streams_in_files_only(project):
    refused = project.run("stream", "compact", "order_events")
    assert refused.code == 2
    assert "are kept in warehouse, and not in files" in refused.err
    (project.folder / "featurestore.yml").write_text(STREAMS.format("url: 'file:events.jsonl', to: kept"))
    assert project.run("apply").code == 0
    for number in range(3):
        write_events(project, order(number))
        project.run_apart("stream", "run")
    assert len(list((project.folder / "kept").rglob("*.parquet"))) == 3
    young = project.run("stream", "compact", "order_events")
    assert young.code == 0, young.err
    assert "0 hours" in young.out


REFUSED = [
    (("stream", "run", "oders"), "no feature view 'oders'", "did you mean orders?"),
    (("stream", "status", "nothing"), "no feature view 'nothing'", ""),
    (("stream", "run", "--max-latency", "soon"), "--max-latency", "e.g. 50ms"),
    (("stream", "run", "--max-latency", "1h"), "expected 0.001 s to 10 s, got 1h", ""),
    (("stream", "replay", "order_events", "--from", "yesterdy"), "since", ""),
    (("stream", "replay", "order_events", "--from", "2026-01-01"), "files do not say when", "beginning"),
    (("stream", "dead-letters", "list", "orders"), "no stream 'orders'", "order_events"),
    (("stream", "send", "order_events", "events.jsonl"), "no messages can be sent to file:", ""),
    (("push", "oders", "events.jsonl"), "no feature view 'oders'", "did you mean orders?"),
    (("push", "orders", "rows.xlsx"), "rows.xlsx", ""),
]


@pytest.mark.parametrize(("arguments", "said", "hint"), REFUSED, ids=[" ".join(each[0][:4]) for each in REFUSED])
def test_what_cannot_be_meant_is_refused_in_one_line(project, arguments, said, hint):
    write_events(project, order(1))
    done = project.run(*arguments)
    assert done.code == 2, (done.out, done.err)
    assert said in done.err
    assert hint in done.err
    assert "Traceback" not in done.err


def test_a_project_without_streams_says_what_to_do(tmp_path):
    tiny = make_tiny(tmp_path / "shop")
    tiny.run("apply")
    done = tiny.run("stream", "run")
    assert (done.code, "no feature view is fed by a stream" in done.err) == (2, True)
    assert "stream: NAME" in done.err


def test_a_broker_that_is_away_is_waited_for_and_status_says_so(tmp_path):
    tiny = streaming(tmp_path, "url: 'redis://someone:secret@127.0.0.1:1/0?write_timeout=0.2'")
    with tiny.start("stream", "run") as worker:
        line = line_with(worker, "waits")
        worker.terminate()
        _, rest = worker.communicate(timeout=120)
    assert worker.returncode == 0
    assert "secret" not in line + rest
    status = tiny.run("stream", "status")
    assert status.code == 0
    assert "cannot be used" in status.out
    assert "secret" not in status.out


ROWS = [
    {"customer_id": 1, "placed_at": "2026-09-05T00:00:00Z", "order_count": 5, "amount": "12.00", "tags": ["x"]},
    {"customer_id": 2, "placed_at": "2026-09-05T00:00:00Z", "order_count": None, "amount": None, "tags": None},
]


@pytest.fixture
def synced(project):
    assert project.run("materialize").code == 0
    return project


def test_json_lines_csv_and_parquet_are_pushed_alike(synced):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (synced.folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    rows = [
        {**row, "placed_at": datetime(2026, 9, 5), "amount": None if row["amount"] is None else float(row["amount"])}
        for row in ROWS
    ]
    pq.write_table(pa.Table.from_pylist(rows), synced.folder / "rows.parquet")
    lines = ['1,2026-09-05T00:00:00Z,5,12.00,"[""x""]"', "2,2026-09-05T00:00:00Z,,,"]
    (synced.folder / "rows.csv").write_text("\n".join(["customer_id,placed_at,order_count,amount,tags", *lines]))
    for name in ("rows.jsonl", "rows.csv", "rows.parquet"):
        done = synced.run("push", "orders", name, "--to", "online_and_offline")
        assert done.out == "orders  2 rows  2 written online  2 kept offline\n", done.err
    pushed = in_warehouse(
        synced, "select distinct customer_id, placed_at, order_count, amount, tags from orders__pushed order by 1"
    )
    assert pushed[0][0] == 1
    assert (pushed[0][2], str(pushed[0][3]), pushed[0][4]) == (5, "12.00", ["x"])
    assert pushed[1][2:] == (None, None, None)
    assert len(pushed) == 2


def test_standard_input_is_json_lines(synced):
    done = synced.run("push", "orders", "-", "--json", stdin=json.dumps(ROWS[0]))
    assert (done.json["rows"], done.json["written"], done.json["kept"]) == (1, 1, 0)


def test_an_older_row_does_not_land_and_nothing_is_no_error(synced):
    old = json.dumps({**ROWS[0], "placed_at": "2001-01-01T00:00:00Z"})
    assert "1 older than what is there" in synced.run("push", "orders", "-", stdin=old).out
    nothing = synced.run("push", "orders", "-", stdin="\n")
    assert nothing.code == 0
    assert "no rows in it" in nothing.err


BAD_FILES = [
    ("rows.jsonl", "{oops", "rows.jsonl, line 1: no JSON object"),
    ("rows.jsonl", '{"customer_id": 1}', "missing column 'placed_at'"),
    ("rows.csv", "customer_id,placed_at\n1", "expected 2 fields, got 1"),
    ("rows.csv", "customer_id,placed_at,order_count,amount,tags\nx,2026-01-01,1,1,", "column 'customer_id', row 0"),
    ("rows.csv", "customer_id,placed_at,order_count,amount,tags,colour\n1,2026-01-01,1,1,,red", "no column 'colour'"),
    ("rows.csv", b"customer_id\n\xff", "it cannot be read"),
    ("rows.parquet", "nonsense", "no whole Parquet file"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD_FILES, ids=[each[2][:40] for each in BAD_FILES])
def test_a_file_that_is_no_rows_says_where(synced, name, text, said):
    path = synced.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = synced.run("push", "orders", name)
    assert done.code in {1, 2}
    assert said in done.err, done.err
    assert "Traceback" not in done.err
