"""A worker in a process of its own, to be killed: ``python -m tests.streams.worker_process FOLDER``."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from featurestore.definitions.project import Project
from featurestore.streams.run import run_streams
from featurestore.streams.worker import Pace
from featurestore.warehouse.duckdb import open_warehouse as open_duckdb
from featurestore.warehouse.postgres import open_warehouse as open_postgres
from tests.streams.scene import Scene
from tests.streams.storm import STREAM, VIEW


def scene_in(folder: Path) -> Scene:
    """The scene that a folder's settings describe."""
    said = json.loads((folder / "scene.json").read_text())
    if said["dialect"] == "postgres":
        opened = partial(open_postgres, said["warehouse"], base_dir=folder, read_only=False)
    else:
        opened = partial(open_duckdb, said["warehouse"], base_dir=folder, read_only=False, lock_timeout_s=0.5)
    return Scene(
        folder=folder,
        url=said["url"],
        store_uri=said["store"],
        options=tuple(map(tuple, said["options"])),
        project=Project(name="shop", views=(VIEW,), streams=(STREAM,)),
        open_warehouse=opened,
        dialect=said["dialect"],
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    scene = scene_in(Path(sys.argv[1]))
    run_streams(scene.places, (), pace=Pace(most=700, wait_s=0.01, flush_s=0.2), stop=stop)


if __name__ == "__main__":
    main()
