"""A load that is killed, at each of its steps or at any moment, is done by the next: all rows, none twice."""

from __future__ import annotations

import subprocess
import sys
import threading

import duckdb

from featurestore.server.log.feature_log import LogLimits
from featurestore.server.log.load import load_segments
from tests.online.servers import wait_until
from tests.server.log.test_load import around, customers, serve, sql

STEPS = """
import os, signal, shutil, sys
from pathlib import Path
import duckdb, pandas, pyarrow.parquet, sqlglot  # what a load would load in each fork
from featurestore.server.log.load import load_segments
from tests.server.log.test_load import around

source, worlds = Path(sys.argv[1]), Path(sys.argv[2])


def kill_at(step, world):
    count = 0
    names = {"open", "os.rename", "os.remove", "os.mkdir", "duckdb.execute"}

    def hook(event, arguments):
        nonlocal count
        if event in names and str(world) in str(arguments[0]):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def apart(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def load(world):
    for loaded in load_segments(around(world)):
        assert not loaded.problem, loaded


step = 0
while True:
    step += 1
    world = worlds / str(step)
    shutil.copytree(source, world)
    code = apart(lambda: (kill_at(step, world), load(world)))
    assert apart(lambda: load(world)) == 0, step
    print(step, flush=True)
    if code == 0:
        break
"""


def test_a_load_that_is_killed_at_any_step_is_done_by_the_next(tmp_path):
    """Killed before each file that it opens, renames or removes in turn, until one comes to its end."""
    source = tmp_path / "source"
    source.mkdir()
    duckdb.connect(str(source / "w.duckdb")).close()
    for first in (0, 10, 20):
        serve(source, 10, first=first)
    orphan = next((source / "spool" / "churn").glob("*.seg"))
    orphan.rename(orphan.with_suffix(".open"))
    (tmp_path / "worlds").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", STEPS, str(source), str(tmp_path / "worlds")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    steps = int(ran.stdout.split()[-1])
    assert steps > 20
    for step in range(1, steps + 1):
        world = tmp_path / "worlds" / str(step)
        assert customers(world) == list(range(30)), step
        assert sql(world, "select count(distinct row_id) from churn__log") == [(30,)], step


LOAD_FOR_EVER = """
import sys
from pathlib import Path
from featurestore.server.log.load import load_segments
from tests.server.log.test_load import around
print("begun", flush=True)
while True:
    load_segments(around(Path(sys.argv[1])))
"""


def test_loads_killed_at_any_moment_lose_nothing_and_double_nothing(tmp_path):
    around(tmp_path)
    served = 0
    for patience in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16):
        serve(tmp_path, 300, first=served, limits=LogLimits(segment_bytes=4_000, batch_bytes=1_000))
        served += 300
        child = subprocess.Popen(
            [sys.executable, "-c", LOAD_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "begun\n"
        threading.Event().wait(patience)  # any moment will do
        child.kill()
        child.wait(120)
        child.stdout.close()
    wait_until(lambda: all(not it.problem and not it.waiting for it in load_segments(around(tmp_path))))
    assert customers(tmp_path) == list(range(served))
