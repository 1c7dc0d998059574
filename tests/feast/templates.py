"""Repositories of the templates that come with Feast, and what the reader told of each, recorded.

``FEAST_PYTHON=... python -m tests.feast.templates`` records anew. A template is copied as Feast ships it, with words in
place of what ``feast init`` would ask for; so no warehouse, and no driver of one, is needed to make it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from featurestore.scaffold.feast.child import Limits, run_reader
from featurestore.scaffold.feast.settings import read_settings

RECORDED = Path(__file__).parent / "recorded"
REPOSITORY = "/feast"
"""What the repository's folder is called in a recording."""
READABLE = (
    "athena", "aws", "cassandra", "gcp", "hazelcast", "hbase", "local", "milvus", "minimal", "pytorch_nlp", "snowflake",
    "spark",
)  # fmt: skip
NEED_DRIVERS = ("postgres", "ray")
"""Templates whose files import a driver that is not everywhere: recorded where it was."""
UNREADABLE = {
    "couchbase": "couchbase_columnar",
    "rag": "torch and transformers",
    "ray_rag": "ray and sentence_transformers",
}
"""Templates whose files import more than Feast; what they import."""
OLDEST = "local_of_0.40"
"""The local template of Feast 0.40, read there."""
RECORDINGS = (*READABLE, *NEED_DRIVERS, OLDEST)
SETTINGS = "feature_store.yaml"
_PLACEHOLDER = re.compile(r"%([A-Z0-9_]+)%")


def copy_template(python, name, folder):
    """Make the repository of a template in a folder."""
    find = "from importlib.util import find_spec; print(find_spec('feast').submodule_search_locations[0])"
    told = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
    shutil.copytree(Path(told.stdout.strip()) / "templates" / name / "feature_repo", folder, dirs_exist_ok=True)
    for path in folder.rglob("*"):
        if path.suffix in {".py", ".yaml"}:
            text = path.read_text(encoding="utf-8").replace("%PARQUET_PATH%", "data/driver_stats.parquet")
            path.write_text(_PLACEHOLDER.sub(lambda found: found[1].lower(), text), encoding="utf-8")
    return folder


def read_live(python, folder):
    """What the reader tells of a repository, the folder called as in recordings."""
    answer = run_reader(Path(python), folder, os.environ, Limits())
    return json.loads(answer.decode().replace(str(folder), REPOSITORY))


def recorded(name):
    """What was told of a template."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def recorded_in(name, folder):
    """The recording as the answer of a child that read this folder, and the folder's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(RECORDED / f"{name}.yaml", folder / SETTINGS)
    answer = (RECORDED / f"{name}.json").read_text(encoding="utf-8").replace(REPOSITORY + "/", f"{folder}/")
    return answer.encode(), read_settings(folder)


def record(python, names):
    """Write recordings anew."""
    RECORDED.mkdir(exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = copy_template(python, name.partition("_of_")[0], Path(place).resolve() / "repo")
            told = read_live(python, folder)
            shutil.copy(folder / SETTINGS, RECORDED / f"{name}.yaml")
        (RECORDED / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(os.environ["FEAST_PYTHON"], sys.argv[1:] or READABLE)
