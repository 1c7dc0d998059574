"""Accidents: a locked file, a full disk, Ctrl-C. Each is told plainly, and nothing is lost."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.cli.tiny import churn, labels, orders

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""
MANY = 900_000
"""A sync of so many takes a while."""
PATIENCE_S = 120


@pytest.fixture
def holder(applied):
    """Another process that has the DuckDB file open for writing."""
    command = [sys.executable, "-c", HOLD, str(applied.folder / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def let_go(holder):
    holder.stdin.write("\n")
    holder.stdin.flush()


def test_a_file_that_another_process_writes_is_waited_for(applied, holder):
    with applied.start("materialize") as process:
        time.sleep(1)
        let_go(holder)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Done. OK=1 ERROR=0\n")


@pytest.mark.slow
def test_a_file_that_stays_locked_names_the_process(applied, holder):
    ran = applied.run("materialize")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"Error: {applied.folder / 'shop.duckdb'} is in use by PID {holder.pid} (")
    assert ran.err.endswith(")\n  -> wait until it is done (is `dbt run` going, or a notebook open?) and try again\n")
    let_go(holder)
    holder.wait(timeout=PATIENCE_S)
    assert applied.run("materialize").code == 0


def files_of_at_most(size_bytes):
    """No file of the process may grow larger: what a full disk is like."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_a_full_disk_during_apply_leaves_the_version_before(applied):
    applied.write_manifest(orders({"ttl": "7 days"}), labels(), churn())
    allowed = ("--allow-breaking", "orders")
    ran = applied.run_apart("apply", *allowed, preexec_fn=files_of_at_most(1800))
    place = applied.folder / ".featurestore" / "registry" / "v0000000002.json"
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == (
        f"Error: {place}: cannot write the registry: File too large\n"
        "  -> the file may not grow this large here (ulimit -f); every version before is intact\n"
    )
    assert applied.versions() == ["v0000000001.json"]
    assert applied.run("list").code == 0
    assert applied.run("apply", *allowed).lines[-1].startswith("Applied version 2")


def test_a_full_disk_leaves_no_half_training_set(applied):
    arguments = (
        "training-set",
        "--spine",
        "labels",
        "--time",
        "label_at",
        "--service",
        "churn",
        "--output",
        "t.parquet",
    )
    assert applied.run(*arguments).code == 0
    before = (applied.folder / "t.parquet").read_bytes()
    ran = applied.run_apart(*arguments, preexec_fn=files_of_at_most(100))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: cannot write t.parquet: ")
    assert (applied.folder / "t.parquet").read_bytes() == before
    assert not list(applied.folder.glob(".*partial"))


@pytest.fixture
def big(tiny):
    """Applied, with so many customers that a sync takes a moment; no ttl, so that answers do not grow old."""
    tiny.write_manifest(orders({"ttl": None}), labels())
    tiny.sql(
        f"insert into orders select 100 + i, timestamp '2026-06-01', timestamp '2026-06-01', i, 1.00, null "
        f"from range({MANY}) t(i)"
    )
    assert tiny.run("apply").code == 0
    return tiny


def rows_online(folder):
    """How many rows the online store holds, from another connection."""
    path = folder / ".featurestore" / "online.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
    try:
        (count,) = connection.execute("select count(*) from kv").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return count


def stopped_among_its_rows(process, folder):
    """Let it run until it has written, and stand still then, as well as while its rows are counted; says if it does.

    Where we stood still ourselves, it may have come to its end.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / ".featurestore" / "online.sqlite").exists() and process.poll() is None:
        assert time.monotonic() < deadline, "no store was made"
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)
    while rows_online(folder) == 0 and process.poll() is None:
        assert time.monotonic() < deadline, "nothing was written"
        process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
    return process.poll() is None and 0 < rows_online(folder) < MANY / 2


def interrupted_among_its_rows(project):
    """Press Ctrl-C among the rows of a first sync, of another one if that was over too soon; returns what it did."""
    for _ in range(20):
        with project.start("materialize") as process:
            try:
                if stopped_among_its_rows(process, project.folder):
                    process.send_signal(signal.SIGINT)
                    process.send_signal(signal.SIGCONT)
                    out, err = process.communicate(timeout=PATIENCE_S)
                    return process.returncode, out, err
            finally:
                process.kill()
        for path in (project.folder / ".featurestore").glob("online.sqlite*"):
            path.unlink()
    raise AssertionError("no sync was stopped among its rows")


def test_ctrl_c_during_a_sync_leaves_whole_rows_and_the_next_sync_finishes_o7(big):
    code, out, err = interrupted_among_its_rows(big)
    assert (code, out) == (130, "")
    assert err == "\ninterrupted; every row that was written is whole; run it again to finish\n"
    assert 0 < rows_online(big.folder) < MANY
    again = big.run("materialize")
    assert again.code == 0
    assert again.lines[0].split()[1:3] == ["full", f"{MANY + 3:,}"]
    last = big.run("get-online", "--features", "orders:order_count", "--entity", f"customer_id={MANY + 99}", "--json")
    assert last.json["results"][1]["values"] == [MANY - 1]


@pytest.mark.parametrize("pause_s", [0.02, 0.15])
def test_a_second_ctrl_c_out_of_impatience_changes_nothing(applied, pause_s):
    spine = "select customer_id, label_at from labels, range(1000000000) a(i), range(100) b(j) where (i * j) % 7 = 8"
    with applied.start("training-set", "--spine", spine, "--service", "churn", "--into", "t") as process:
        assert process.stderr.readline().startswith("The examples' time is")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        time.sleep(pause_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert err == "\ninterrupted; run it again\n"
    assert process.returncode in {130, -signal.SIGINT}  # the latter when the process was at its end already


TWICE = """
import os, signal, time
from featurestore.cli import interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
interrupts.hear_once()
interrupts.PATIENCE_S = 3600
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    print("in order", flush=True)
interrupts.PATIENCE_S = 0
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
"""


def test_the_first_ctrl_c_counts_and_one_after_a_long_wait_ends_it_at_once():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "in order\n", "")


@pytest.mark.parametrize("place", [("--output", "t.parquet"), ("--into", "t"), ()], ids=["file", "table", "shown"])
def test_ctrl_c_reaches_a_long_query_and_leaves_nothing_half_written(applied, place):
    spine = "select customer_id, label_at from labels, range(1000000000) a(i), range(100) b(j) where (i * j) % 7 = 8"
    with applied.start("training-set", "--spine", spine, "--service", "churn", *place) as process:
        assert process.stderr.readline().startswith("The examples' time is")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (130, "", "\ninterrupted; run it again\n")
    assert sorted(path.name for path in applied.folder.iterdir() if "parquet" in path.name) == []
    assert applied.run("training-set", "--spine", "labels", "--service", "churn").code == 0
