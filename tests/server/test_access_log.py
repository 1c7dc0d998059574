"""The access log: who asked for how much and what came of it, and nothing that is nobody's business."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from datetime import datetime, timezone

from featurestore.server.access_log import AccessLog, Line
from tests.server.running import running, wait_for
from tests.server.scene import scene

NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def line(**more):
    return Line(**{"at": NOW, "request_id": "r", "method": "GET", "path": "/", "status": 200, "ms": 1.0, **more})


def logged(folder):
    """The requests that were logged, whole lines only."""
    text = next(folder.glob("serve-*.out")).read_text()
    whole = text[text.index("}\n") + 2 : text.rindex("\n") + 1]
    return [json.loads(each) for each in whole.splitlines()]


def test_each_request_is_one_line(tmp_path):
    scene(tmp_path)
    with running(tmp_path, "--workers", "2") as server:
        server.ask("churn", {"customer_id": [1, 77123, 3]})
        server.post(
            "/get-online-features?token=secret",
            {"features": ["tier:tier"], "entities": {"customer_id": [1]}},
            **{"x-request-id": "mine", "authorization": "Bearer secret"},
        )
        server.ask("nothing", {"customer_id": [1]})
        server.get("/health?token=secret")
        server.get("/x" * 2_000)
    lines = sorted(logged(tmp_path), key=lambda each: each["at"])
    assert [(each["path"][:20], each["status"]) for each in lines] == [
        ("/get-online-features", 200),
        ("/get-online-features", 200),
        ("/get-online-features", 404),
        ("/health", 200),
        ("/x/x/x/x/x/x/x/x/x/x", 404),
    ]
    first, second, third, fourth, last = lines
    assert first.items() >= {"method": "POST", "service": "churn", "entities": 3, "features": 3}.items()
    assert second.items() >= {"request_id": "mine", "entities": 1, "features": 1, "client": "127.0.0.1"}.items()
    assert "service" not in second
    assert "entities" not in third
    assert fourth["ms"] >= 0
    assert len(last["path"]) == 256
    text = next(tmp_path.glob("serve-*.out")).read_text()
    assert "secret" not in text
    assert "77123" not in text


def test_no_access_log_where_none_is_wanted(tmp_path):
    scene(tmp_path)
    with running(tmp_path, "--no-access-log") as server:
        server.ask("churn", {"customer_id": [1]})
    assert logged(tmp_path) == []


def test_lines_come_while_the_server_runs(tmp_path):
    scene(tmp_path)
    with running(tmp_path) as server:
        server.ask("churn", {"customer_id": [1]})
        wait_for(lambda: logged(tmp_path))


def test_a_reader_that_does_not_read_holds_up_nobody():
    read, write = os.pipe()
    log = AccessLog(write)
    for number in range(100_000):
        log.add(line(request_id=f"{number}" + "x" * 100))
        if number % 1_000 == 0:
            log.flush()
    assert log.dropped > 0
    kept = []

    def read_all():
        with os.fdopen(read) as pipe:
            kept.extend(pipe)

    reader = threading.Thread(target=read_all)
    reader.start()
    for _ in range(100):
        log.flush()
    log.close()
    wait_for(lambda: len(kept) + log.dropped >= 100_000 or not log._writer.is_alive())
    log._writer.join()
    os.close(write)
    reader.join()
    numbers = [int(json.loads(each)["request_id"].rstrip("x")) for each in kept]
    assert numbers == sorted(numbers)
    assert len(numbers) + log.dropped == 100_000


def test_lines_of_several_writers_never_mix():
    read, write = os.pipe()
    logs = [AccessLog(write) for _ in range(4)]
    got = []

    def read_all():
        with os.fdopen(read) as pipe:
            got.extend(pipe)

    reader = threading.Thread(target=read_all)
    reader.start()

    def fill(log, name):
        for _ in range(3_000):
            log.add(line(client=name * 37))
            log.flush()
        log.close()

    writers = [threading.Thread(target=fill, args=(log, name)) for log, name in zip(logs, "abcd", strict=True)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for log in logs:
        log._writer.join()
    os.close(write)
    reader.join()
    assert len(got) == 12_000
    assert {json.loads(each)["client"] for each in got} == {name * 37 for name in "abcd"}


def test_a_reader_that_has_gone_is_counted():
    read, write = os.pipe()
    os.close(read)
    log = AccessLog(write)
    log.add(line())
    log.add(line())
    log.close()
    log._writer.join()
    os.close(write)
    assert log.dropped == 2


def test_a_pipe_that_is_not_blocking_gets_all_lines():
    read, write = os.pipe()
    os.set_blocking(write, False)
    log = AccessLog(write)
    for _ in range(5_000):
        log.add(line())
    log.flush()
    got = []

    def read_all():
        with os.fdopen(read) as pipe:
            got.extend(pipe)

    reader = threading.Thread(target=read_all)
    reader.start()
    log.close()
    log._writer.join()
    os.close(write)
    reader.join()
    assert len(got) == 5_000
    assert log.dropped == 0


def test_who_asked_is_named_by_the_key_and_who_was_refused_is_logged_too(tmp_path):
    scene(tmp_path)
    key = {"name": "web-shop", "sha256": hashlib.sha256(b"fsk_web").hexdigest(), "scopes": ["read:*", "write:*"]}
    (tmp_path / "featurestore.yml").write_text(f"server: {json.dumps({'keys': [key]})}\n")
    with running(tmp_path) as server:
        lookup = {"feature_service": "churn", "entities": {"customer_id": [1]}}
        server.post("/get-online-features", lookup, authorization="Bearer fsk_web")
        server.post("/get-online-features", lookup, authorization="Bearer fsk_no")
        server.get("/feature-views", authorization="Bearer fsk_web")
        server.get("/feature-views")
        server.post("/push", {"push_source_name": "nothing", "df": {}}, authorization="Bearer fsk_web")
        answer = server.get("/metrics", authorization="Bearer fsk_web")
    said = [(each["path"], each["status"], each.get("key")) for each in logged(tmp_path)]
    assert said == [
        ("/get-online-features", 200, "web-shop"),
        ("/get-online-features", 401, None),
        ("/feature-views", 200, "web-shop"),
        ("/feature-views", 401, None),
        ("/push", 404, "web-shop"),
        ("/metrics", 200, "web-shop"),
    ]
    assert 'featurestore_requests_total{endpoint="/get-online-features",code="401"} 1' in answer.text
    assert "fsk_" not in next(tmp_path.glob("serve-*.out")).read_text() + server.log
