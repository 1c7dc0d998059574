"""A real server logs what it answers: to the spool at once, to the warehouse within seconds, all of it."""

from __future__ import annotations

import os
import shutil
import signal

import duckdb
import pyarrow.parquet as pq
import pytest

from featurestore.server.log.segments import read_segment
from featurestore.server.log.spool import spool_of
from tests.cli.logged import log_churn
from tests.cli.tiny import make_tiny
from tests.server.running import is_alive, running, wait_for

ASKED = {"customer_id": [1, 2, 9]}


@pytest.fixture
def project(tmp_path):
    """The tiny project, its service logged; synced, and its registry where `running` looks for it."""
    tiny = make_tiny(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(
        "registry: registry\nonline_store: sqlite:online.sqlite\n"
        "entities:\n  - {name: customer, join_keys: [customer_id]}\n"
    )
    log_churn(tiny, view={"ttl": "3650d"})
    assert tiny.run("materialize").code == 0
    return tiny


def rows(project):
    """What the log's table holds; None while it is not there, or in use."""
    try:
        with duckdb.connect(str(project.folder / "shop.duckdb"), read_only=True) as connection:
            return connection.sql(
                "select request_id, customer_id, order_count, order_count__status from churn__log order by all"
            ).fetchall()
    except duckdb.Error:
        return None


def answers_in(spool):
    """Answers in segments of any state."""
    files = [path for path in spool.rglob("*") if path.suffix in {".seg", ".open"}]
    return [record for path in files for record in read_segment(path).records]


def test_what_is_served_comes_to_the_warehouse_by_itself(project):
    with running(project.folder, "--workers", "2") as server:
        for number in range(20):
            answer = server.post(
                "/get-online-features",
                {"feature_service": "churn", "entities": ASKED},
                **{"x-request-id": f"request-{number:02}"},
            )
            assert answer.status_code == 200, answer.text
        server.values(["orders:order_count"], {"customer_id": [1]})  # no service was named: not logged
        server.values("churn", {}, entity_count=0)  # nobody was served: not logged
        found = wait_for(lambda: (found := rows(project)) and len(found) == 60 and found)
        assert found[:3] == [
            ("request-00", 1, 2, "PRESENT"),
            ("request-00", 2, 1, "PRESENT"),
            ("request-00", 9, None, "NOT_FOUND"),
        ]
        numbers = server.get("/metrics").text
        assert 'featurestore_feature_log_answers_total{outcome="written"} 20' in numbers
        assert 'featurestore_feature_log_answers_total{outcome="dropped"} 0' in numbers
        assert server.end() == 0
    verified = project.run("verify", "--log", "churn", "--json").json
    assert (verified["compared"], verified["rows"]["equal"]) == (60, 60)


def test_nothing_that_was_answered_is_lost_when_the_server_ends(project):
    with running(project.folder, "--workers", "2") as server:
        for _ in range(50):
            server.values("churn", ASKED)
        assert server.end() == 0
    assert len(rows(project)) == 150, "it is in the warehouse when the server has ended"


def test_a_killed_worker_loses_at_most_its_last_second(project):
    with running(project.folder) as server:
        for _ in range(30):
            server.values("churn", ASKED)
        spool = spool_of(project.folder)
        wait_for(lambda: len(answers_in(spool)) == 30 or rows(project) is not None)
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not is_alive(worker) and server.workers())
        for _ in range(30):
            wait_for(lambda: server.ask("churn", ASKED).status_code == 200)
        assert server.end() == 0
    assert project.run("log", "load").code == 0
    assert len(rows(project)) == 180


def test_logging_begins_with_the_registry_version_that_says_so(project):
    log_churn(project, logging=False, view={"ttl": "3650d"})
    with running(project.folder, "--reload-registry", "0.1") as server:
        server.values("churn", ASKED)
        log_churn(project, view={"ttl": "3650d"})

        def is_logged():
            server.values("churn", ASKED)
            return 'outcome="written"} 0' not in server.get("/metrics").text

        wait_for(is_logged)
        assert server.end() == 0
    assert project.run("log", "load").code == 0
    assert len(rows(project)) >= 3


def test_a_spool_that_cannot_be_written_hinders_no_lookup(project):
    spool = spool_of(project.folder)
    spool.parent.mkdir(exist_ok=True)
    spool.write_text("in the way")
    with running(project.folder) as server:
        for _ in range(20):
            assert server.values("churn", ASKED)["order_count"] == [2, 1, None]
        wait_for(lambda: "featurestore_feature_log_broken 1" in server.get("/metrics").text)
        wait_for(lambda: "the feature log is not written" in server.log)
        assert server.end() == 0
        assert f"answers of churn cannot be logged, {spool} cannot be written: " in server.log
        assert "the feature log lost 20 of 20 answers: " in server.log


def test_one_answer_that_a_spool_never_took_is_said_at_the_end(project):
    with running(project.folder, "--spool", "/proc/x") as server:
        server.values("churn", ASKED)
        assert server.end() == 0
        assert "answers of churn cannot be logged, /proc/x cannot be written: " in server.log
        assert "the feature log lost 1 of 1 answers: " in server.log


def test_a_server_without_a_dbt_project_loads_a_log_into_files(project, tmp_path):
    """As a pod does, whose project is `featurestore.yml` alone."""
    pod, spool = tmp_path / "pod", tmp_path / "volume" / "spool"
    log_churn(project, logging={"to": "lake"}, view={"ttl": "3650d"})
    pod.mkdir()
    for name in ("featurestore.yml", "online.sqlite"):
        shutil.copy(project.folder / name, pod / name)
    shutil.copytree(project.folder / "registry", pod / "registry")
    with running(pod, "--spool", str(spool)) as server:
        server.values("churn", ASKED)
        assert server.end() == 0
        assert "waits" not in server.log
    (made,) = (pod / "lake").rglob("*.parquet")
    assert pq.read_table(made).column("customer_id").to_pylist() == ASKED["customer_id"]
    (pod / "lake").rename(project.folder / "lake")
    found = project.run("training-set", "--from-log", "churn", "--json").json["rows"]
    assert sorted(row["customer_id"] for row in found) == ASKED["customer_id"]


def test_a_worker_stays_small_with_a_log(project):
    with running(project.folder) as server:
        for _ in range(200):
            server.values("churn", ASKED)
        (worker,) = server.workers()
        with open(f"/proc/{worker}/maps", encoding="utf-8") as maps:  # noqa: PTH123
            assert not {"arrow", "duckdb"} & {word for line in maps for word in line.lower().replace("/", " ").split()}
        with open(f"/proc/{worker}/status", encoding="utf-8") as status:  # noqa: PTH123
            (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
        assert resident < 80 * 1024
        assert server.end() == 0
