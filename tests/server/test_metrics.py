"""What /metrics says: of all workers, whoever is asked; across their deaths; and only names of the registry."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from featurestore.prometheus import format_metrics
from featurestore.server.job_counts import JobCounts
from featurestore.server.metric_families import FAMILIES
from featurestore.server.metrics import Metrics
from tests.server.running import running, wait_for
from tests.server.scene import SCRIPT, TODAY, scene

CHURN = {"feature_service": "churn", "entities": {"customer_id": [1, 2, 3, 9]}}


def numbers(server):
    """Every sample: (name, its labels' values) -> number."""
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


def parsed(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def server(tmp_path):
    scene(tmp_path)
    with running(tmp_path, "--workers", "3", "--no-access-log") as server:
        yield server


def test_a_scrape_says_what_all_workers_did(server):
    for _ in range(30):
        server.client.headers["connection"] = "close"  # each request comes to another worker
        assert server.post("/get-online-features", CHURN).status_code == 200
    assert server.ask(["orders:spend"], {"customer_id": [1]}).status_code == 200
    assert server.ask(["orders:nothing"], {"customer_id": [1]}).status_code == 404
    assert server.post("/get-online-features", b"{").status_code == 400
    assert server.get("/no/such/path?with=secret").status_code == 404
    lookup = "/get-online-features"
    # What other workers did in the last second may be missing.
    said = wait_for(
        lambda: (found := numbers(server)).get(("featurestore_requests_total", lookup, "200")) == 31 and found
    )
    said = wait_for(lambda: (found := numbers(server)).get(("featurestore_requests_total", "other", "404")) and found)
    assert said["featurestore_requests_total", lookup, "404"] == 1
    assert said["featurestore_requests_total", lookup, "400"] == 1
    assert said["featurestore_requests_total", "other", "404"] == 1
    assert said["featurestore_lookup_seconds_count", "churn"] == 30
    assert said["featurestore_lookup_seconds_count", ""] == 1
    assert said["featurestore_lookup_seconds_bucket", "churn", "+Inf"] == 30
    assert 0 < said["featurestore_lookup_seconds_sum", "churn"] < 3_600
    assert said["featurestore_lookup_entities_sum",] == 121
    assert said["featurestore_lookup_entities_bucket", "1"] == 1
    assert said["featurestore_lookup_entities_bucket", "5"] == 31
    assert said["featurestore_rows_total", "orders", "PRESENT"] == 31
    assert said["featurestore_rows_total", "orders", "NULL_VALUE"] == 30
    assert said["featurestore_rows_total", "orders", "OUTSIDE_MAX_AGE"] == 30
    assert said["featurestore_rows_total", "orders", "NOT_FOUND"] == 30
    assert said["featurestore_rows_total", "tier", "PRESENT"] == 90
    assert said["featurestore_workers",] == 3
    assert said["featurestore_registry_version",] == 1
    assert said["featurestore_registry_current",] == 1
    assert said["featurestore_view_ttl_seconds", "orders"] == 30 * 86_400
    assert said["featurestore_view_newest_event_timestamp_seconds", "weather"] == TODAY.timestamp()
    assert ("featurestore_view_newest_event_timestamp_seconds", "never") not in said


def test_scrapes_of_any_worker_never_go_back(server):
    seen = {}
    for _ in range(40):
        server.client.headers["connection"] = "close"
        server.post("/get-online-features", CHURN)
        said = numbers(server)
        back = {key: (seen[key], value) for key, value in said.items() if _counts(key) and value < seen.get(key, 0)}
        assert back == {}
        seen = said


def _counts(key):
    return key[0].endswith(("_total", "_count", "_bucket", "_sum"))


def test_what_a_killed_worker_counted_is_not_lost_and_its_death_is_counted(server):
    for _ in range(30):
        server.client.headers["connection"] = "close"
        server.post("/get-online-features", CHURN)
    before = numbers(server)  # what a scrape has told is never taken back
    killed = server.workers()
    for number in killed:
        os.kill(number, signal.SIGKILL)

    def all_anew():
        try:
            said = numbers(server)
        except httpx.TransportError:
            return False
        return said if said["featurestore_worker_restarts_total",] == 3 else False

    said = wait_for(all_anew)
    assert said["featurestore_lookup_seconds_count", "churn"] >= before["featurestore_lookup_seconds_count", "churn"]
    assert said["featurestore_workers",] == 3
    assert not set(killed) & set(server.workers())


def test_a_store_that_fails_is_counted(tmp_path):
    scene(tmp_path)
    with running(tmp_path, store="redis://127.0.0.1:1/0") as server:
        for _ in range(8):
            assert server.post("/get-online-features", CHURN).status_code == 503
        said = numbers(server)
        failed, not_tried = (said["featurestore_store_errors_total", why] for why in ("failed", "breaker open"))
        assert failed + not_tried == 8
        assert said["featurestore_breaker_open",] == 1
        assert said["featurestore_lookup_seconds_count", "churn"] == 8
        assert said["featurestore_requests_total", "/get-online-features", "503"] == 8


def test_a_registry_that_cannot_be_read_is_seen(tmp_path):
    scene(tmp_path)
    with running(tmp_path, "--reload-registry", "0.1") as server:
        Path(tmp_path, "registry").rename(tmp_path / "away")
        said = wait_for(lambda: (found := numbers(server))["featurestore_registry_current",] == 0 and found)
        assert said["featurestore_registry_look_failures_total",] >= 1
        Path(tmp_path, "away").rename(tmp_path / "registry")
        wait_for(lambda: numbers(server)["featurestore_registry_current",] == 1)


def test_what_a_caller_sends_makes_no_new_series(served):
    before = set(numbers(served))
    for number in range(20):
        served.get(f"/{number}")
        served.ask(f"service_{number}", {"customer_id": [1]})
        served.ask([f"view_{number}:x"], {"customer_id": [1]})
        served.client.request(f"M{number}", f"{served.url}/health")
    new = set(numbers(served)) - before
    assert {
        key for key in new if key[1:2] not in {("other",), ("/get-online-features",), ("/health",), ("/metrics",)}
    } == set()


def test_every_metric_is_named_as_prometheus_asks():
    for family in FAMILIES:
        assert family.name.startswith("featurestore_")
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert family.help.endswith("."), family.name


def test_what_is_no_family_is_not_shown_and_labels_are_escaped():
    nasty = 'a"b\\c\nd' + SCRIPT
    text = format_metrics(FAMILIES, [{("unknown", "x"): 1, ("featurestore_view_ttl_seconds", nasty): 2.5}])
    assert text.splitlines()[2:] == [
        'featurestore_view_ttl_seconds{view="a\\"b\\\\c\\nd' + SCRIPT + '"} 2.5',
    ]
    assert parsed(text) == {("featurestore_view_ttl_seconds", nasty): 2.5}


def test_gauges_of_the_workers_become_one_as_they_say():
    workers = [
        {
            ("featurestore_registry_version",): 3,
            ("featurestore_breaker_open",): 0,
            ("featurestore_lookups_waiting",): 2,
        },
        {
            ("featurestore_registry_version",): 4,
            ("featurestore_breaker_open",): 1,
            ("featurestore_lookups_waiting",): 5,
        },
    ]
    said = parsed(format_metrics(FAMILIES, workers))
    assert said["featurestore_registry_version",] == 3
    assert said["featurestore_breaker_open",] == 1
    assert said["featurestore_lookups_waiting",] == 7


def test_a_worker_that_ended_leaves_its_counts_and_no_gauges(tmp_path):
    async def work():
        first, second = Metrics(tmp_path), Metrics(tmp_path)
        first.add(lambda: {("featurestore_requests_total", "/x", "200"): 5, ("featurestore_lookups_waiting",): 3})
        await first.flush()
        await first.close()
        said = parsed(await second.scrape())
        assert said["featurestore_requests_total", "/x", "200"] == 5
        assert said["featurestore_workers",] == 1
        assert ("featurestore_lookups_waiting",) not in said
        third = Metrics(tmp_path)
        third.add(lambda: {("featurestore_requests_total", "/x", "200"): 1})
        said = parsed(await third.scrape())
        assert said["featurestore_requests_total", "/x", "200"] == 6
        assert said["featurestore_worker_restarts_total",] == 1
        assert said["featurestore_workers",] == 2

    asyncio.run(work())


def test_numbers_that_cannot_be_written_harm_nothing(tmp_path):
    async def work():
        folder = tmp_path / "state"
        folder.mkdir()
        metrics = Metrics(folder)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        await metrics.flush()
        assert await metrics.scrape() == "\n"[1:]

    asyncio.run(work())


def test_syncs_are_counted_by_what_became_of_them(tmp_path):
    counts = JobCounts(tmp_path / "jobs")
    assert counts.series() == {("featurestore_jobs", "running"): 0}
    (tmp_path / "jobs").mkdir()
    for number, state in enumerate(["running", "done", "done", "failed"]):
        (tmp_path / "jobs" / f"{number}.json").write_text(f'{{"id": "{number}", "state": "{state}"}}')
    said = {key[1]: count for key, count in counts.series().items()}
    assert said == {"running": 1, "done": 2, "failed": 1}
    (tmp_path / "jobs" / "0.json").write_text('{"id": "0", "state": "interrupted"}')
    said = {key[1]: count for key, count in counts.series().items()}
    assert said == {"running": 0, "done": 2, "failed": 1, "interrupted": 1}
