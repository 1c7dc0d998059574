"""A small cluster of two executors on this machine, and what befalls a load on it; run as a process of its own.

Usage: ``python -m tests.materialize.spark_cluster FOLDER STORE_URI SERVER_PID``; prints what happened as JSON.
Spark's local cluster has real executors: Java processes that know nothing of this one, with Python workers below them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyspark

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import FeatureStoreError
from featurestore.materialize.engines.spark import STORE_VARIABLE, open_engine
from featurestore.materialize.key_hashes import key_hashes
from featurestore.online.open import open_online_store
from featurestore.warehouse.spark import open_warehouse
from tests.materialize.spark_loads import load_of, route_to
from tests.spark_here import settings

KEYS = 160_000
VIEW = FeatureView(
    name="numbers",
    relation="numbers",
    join_keys=(Column(name="id", type="int64"),),
    event_time=Column(name="at", type="timestamp"),
    features=(Feature(name="n", type="int64"), Feature(name="word", type="string")),
)
MANY_KEYS = 300_000
"""So many that their hashes are more than the driver takes in."""
ROWS = """create or replace temp view numbers as
    select id % {keys} as id, timestamp_ntz'2026-01-01' + make_interval(0, 0, 0, 0, 0, 0, id) as at, id as n,
        'x' as word
    from range(0, {keys} + 1000, 1, 4)"""
VARIABLE = "STORE_SECRET"
"""Spark hides the values of settings whose names speak of a secret."""


def spark_home(base):
    """A home for Spark in this folder: a local cluster keeps its executors' files in its home."""
    home = base / "home"
    home.mkdir()
    for each in Path(pyspark.__file__).parent.iterdir():
        (home / each.name).symlink_to(each)
    return home


def opened_cluster(base, uri):
    (base / "events").mkdir()
    os.environ["SPARK_HOME"] = str(spark_home(base))
    config = settings()["config"] | {
        "spark.master": "local-cluster[2,1,512]",
        "spark.executor.memory": "512m",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # as the driver has it
        "spark.driver.maxResultSize": "2m",
        "spark.sql.autoBroadcastJoinThreshold": -1,  # a broadcast goes by way of the driver, too
        "spark.sql.shuffle.partitions": 4,
        "spark.sql.adaptive.coalescePartitions.enabled": False,
        "spark.pyspark.python": sys.executable,
        "spark.eventLog.enabled": True,
        "spark.eventLog.compress": False,
        "spark.eventLog.dir": f"file://{base}/events",
        f"spark.executorEnv.{VARIABLE}": uri.replace("hunter2", "in-a-variable"),
    }
    return open_warehouse(settings(config=config), base_dir=base)


def workers_of_python(root):
    """The Python workers below a process, and the executors: pid to command, from /proc."""
    processes = {}
    for pid in [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]:
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        processes[pid] = (parent, command)
    below = {root}
    while more := {pid for pid, (parent, _) in processes.items() if parent in below} - below:
        below |= more
    return {pid: processes[pid] for pid in sorted(below - {root})}


def python_worker():
    """One that works: a child of a daemon."""
    while True:
        found = workers_of_python(os.getpid())
        for pid, (parent, _) in found.items():
            if "pyspark.daemon" in found.get(parent, (0, ""))[1]:
                return pid
        time.sleep(0.05)


def executor():
    while True:
        for pid, (_, command) in workers_of_python(os.getpid()).items():
            if "CoarseGrainedExecutorBackend" in command:
                return pid
        time.sleep(0.05)


class Cluster:
    """What is loaded, and where to."""

    def __init__(self, warehouse, store, route):
        self.warehouse, self.store, self.route = warehouse, store, route

    def load(self):
        self.empty()
        return self.copied()

    def copied(self):
        """What a load says that it did, and what there is."""
        done = open_engine(self.route).copy(load_of(VIEW, wants_keys=True))
        hashes = done.keys.sort()
        known = key_hashes(pa.array(self.keys(), pa.large_binary()))
        is_known = hashes.tolist() == sorted(known.tolist())
        return {"read": done.read, "written": done.written, "rows": len(known), "knows its keys": is_known}

    def empty(self):
        for page in self.store.keys(b"fs:shop:numbers@"):
            self.store.delete(page)

    def keys(self):
        return list({key for page in self.store.keys(b"fs:shop:numbers@") for key in page})

    def load_while(self, harm):
        """A load to which something is done as soon as its first rows are there."""
        self.empty()
        done = []

        def when_it_writes():
            while not any(self.store.keys(b"fs:shop:numbers@")):
                time.sleep(0.05)
            done.append(harm())

        thread = threading.Thread(target=when_it_writes, daemon=True)
        thread.start()
        copied = self.copied()
        thread.join()
        return copied | {"harmed": len(done)}


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    return pid


def pause(pid):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(pid, signal.SIGCONT)
    return pid


def error_of(work):
    try:
        work()
    except FeatureStoreError as error:
        return {"kind": type(error).__name__, "text": str(error)}
    return None


def main(base, uri, server):
    told = {}
    with (
        closing(opened_cluster(base, uri)) as warehouse,
        route_to(uri, warehouse, base) as route,
        closing(open_online_store(uri, project="shop", base_dir=base)) as store,
    ):
        warehouse.execute(ROWS.format(keys=KEYS))
        cluster = Cluster(warehouse, store, route)
        told["plain"] = cluster.load()
        told["worker killed"] = cluster.load_while(lambda: kill(python_worker()))
        told["server stands still"] = cluster.load_while(lambda: pause(server))
        told["executor killed"] = cluster.load_while(lambda: kill(executor()))
        warehouse.execute(ROWS.format(keys=MANY_KEYS))
        told["too many keys"] = error_of(cluster.load)
        told["many keys, nobody asks"] = {"read": open_engine(route).copy(load_of(VIEW)).read}
        warehouse.execute(ROWS.format(keys=KEYS))
        warehouse.use(lambda session: session.conf.set(STORE_VARIABLE, VARIABLE), meanwhile=lambda: None)
        told["wrong password"] = error_of(cluster.load)
    pyspark.SparkContext.getOrCreate().stop()  # else the cluster starts its executors anew while Java ends
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
