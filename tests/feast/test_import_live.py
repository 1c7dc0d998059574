"""With Feast at hand: what it tells of its templates is what was recorded, and both give the same values after."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.cli import main
from featurestore.dbt_command import find_dbt
from featurestore.errors import OperationError
from featurestore.scaffold.feast.child import Limits, run_reader
from tests.feast.templates import READABLE, UNREADABLE, copy_template, read_live, recorded
from tests.feast.world import SIDE, feast_python

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("feast")]
EXAMPLES = 300


@pytest.mark.parametrize("name", READABLE)
def test_what_feast_tells_of_a_template_is_what_was_recorded(name, tmp_path):
    python = feast_python()
    assert read_live(python, copy_template(python, name, tmp_path / "repo")) == recorded(name)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_template_that_imports_what_is_not_there_is_one_error(name, tmp_path):
    python = feast_python()
    folder = copy_template(python, name, tmp_path / "repo")
    with pytest.raises(OperationError, match=r"the Feast repository cannot be read: [^\n]+\n  -> `feast plan` with"):
        read_live(python, folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "sub/objects.py:1: SyntaxError: "),
        ("import sys\n\nsys.exit(0)\n", "sub/objects.py:3: it ends the process (SystemExit: 0)"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\nimport no\n",
         "sub/objects.py:3: ModuleNotFoundError: No module named 'no'"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_of_the_repository(text, said, tmp_path):
    python = feast_python()
    (tmp_path / "feature_store.yaml").write_text("project: shop\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/objects.py").write_text(text)
    with pytest.raises(OperationError) as refused:
        run_reader(Path(python), tmp_path, os.environ, Limits())
    assert f"the Feast repository cannot be read: {said}" in str(refused.value)


def test_whatever_the_files_of_a_repository_print_or_leave_running_the_answer_is_json(tmp_path):
    (tmp_path / "feature_store.yaml").write_text("project: shop\n")
    (tmp_path / "json.py").write_text("raise SystemExit('not the standard library')\n")
    (tmp_path / ".feastignore").write_text("json.py\n")
    (tmp_path / "objects.py").write_text(
        "import atexit, os, subprocess, sys, threading, time\n"
        "print('{\"format\": 1}')\n"
        "os.write(1, b'more')\n"
        "subprocess.run(['echo', 'and more'])\n"
        "sys.stdout = open(os.devnull, 'w')\n"
        "atexit.register(print, 'at the end')\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "from feast import Entity\n"
        "driver = Entity(name='driver', join_keys=['driver_id'])\n"
        "same = Entity(name='driver', join_keys=['driver_id'])\n"
    )
    told = json.loads(run_reader(Path(feast_python()), tmp_path, os.environ, Limits()))
    assert [entity["name"] for entity in told["entities"]] == ["driver", "driver"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".feastignore", "feature_store.yaml", "json.py", "objects.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import nope\n", "ModuleNotFoundError: No module named 'nope'"),
        ("def f(:\n", "SyntaxError: "),
        ("import sys\nsys.exit('enough')\n", "enough"),
    ],
)
def test_a_repository_whose_python_fails_is_one_error(text, said, tmp_path):
    (tmp_path / "objects.py").write_text(text)
    with pytest.raises(OperationError, match="the Feast repository cannot be read") as failed:
        run_reader(Path(feast_python()), tmp_path, os.environ, Limits())
    assert said in failed.value.what


def test_the_local_template_gives_the_values_that_feast_gives(tmp_path, monkeypatch, capsys):
    python = feast_python()
    monkeypatch.chdir(tmp_path)
    environ = {**os.environ, "FEAST_USAGE": "False", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    init = [python, "-W", "ignore", "-c", "from feast.cli.cli import cli; cli()", "init", "-t", "local", "rides"]
    done(init, environ)
    repository = tmp_path / "rides/feature_repo"
    examples = write_examples(repository / "data/driver_stats.parquet", tmp_path / "examples.parquet")
    assert main(["import", "feast", "rides", "--feast-python", str(python), "--output", "ours"]) == 0
    assert not (repository / "data/registry.db").exists(), "nothing was applied"
    monkeypatch.chdir(tmp_path / "ours")
    done([find_dbt(os.environ), "build"], environ)
    assert main(["apply"]) == 0
    train = ["--spine", str(examples), "--features", "driver_hourly_stats", "--output", "train.parquet"]
    assert main(["training-set", *train]) == 0
    assert main(["materialize"]) == 0
    drivers = sorted(set(pq.read_table(examples)["driver_id"].to_pylist()))
    capsys.readouterr()
    asked = [word for driver in drivers for word in ("--entity", f"driver_id={driver}")]
    assert main(["get-online", "--features", "driver_hourly_stats", *asked, "--json"]) == 0
    ours_online = json.loads(capsys.readouterr().out)
    theirs = values_of_feast(python, repository, examples, environ)
    compare_training(theirs["training"], pq.read_table("train.parquet").to_pylist())
    compare_online(theirs["online"], ours_online, drivers)


def done(words, environ):
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4_000:]
    return ran.stdout


def values_of_feast(python, repository, examples, environ):
    out = done([python, "-W", "ignore", SIDE, "values", repository, examples], {**environ, "PYTHONPATH": ""})
    (line,) = [line for line in out.splitlines() if line.startswith("VALUES")]
    return json.loads(line.removeprefix("VALUES"))


def write_examples(stats, path):
    """Drivers at random times around the rows' times, some before all rows, some long after, some of nobody."""
    chosen = random.Random(5)
    times = [each for each in pq.read_table(stats)["event_timestamp"].to_pylist() if each.year > 2025]
    first, last = min(times), max(times)
    span_s = (last - first).total_seconds() + 4 * 86_400
    examples = {
        "example": list(range(EXAMPLES)),
        "driver_id": [chosen.choice([1001, 1002, 1003, 1004, 1005, 9999]) for _ in range(EXAMPLES)],
        "event_timestamp": [
            (first - timedelta(days=1) + timedelta(seconds=chosen.randrange(int(span_s)))).to_pydatetime()
            if chosen.random() < 0.8
            else chosen.choice(times).to_pydatetime()
            for _ in range(EXAMPLES)
        ],
    }
    pq.write_table(pa.table(examples).cast(pa.schema(
        [("example", pa.int64()), ("driver_id", pa.int64()), ("event_timestamp", pa.timestamp("us", "UTC"))]
    )), path)  # fmt: skip
    return path


def compare_training(theirs, ours):
    """Each row of Feast's is ours; an example whose newest row has outlived its ttl is lost there, and NULL here."""
    assert len(ours) == EXAMPLES
    by_example = {row["example"]: row for row in ours}
    lost = by_example.keys() - {row["example"] for row in theirs}
    assert all(by_example[each]["conv_rate"] is None for each in lost)
    found = 0
    for row in theirs:
        mine = by_example[row["example"]]
        for name, value in row.items():
            assert same(value, mine[name]), (name, row, mine)
        found += row["conv_rate"] is not None
    assert EXAMPLES // 3 < found < EXAMPLES, "both kinds of examples were compared"


def compare_online(theirs, ours, drivers):
    assert theirs["driver_id"] == drivers
    columns = dict(zip(ours["metadata"]["feature_names"], ours["results"], strict=True))
    for name, values in theirs.items():
        for value, mine in zip(values, columns[name]["values"], strict=True):
            is_text = name == "driver_config" and mine is not None  # as in the file; Feast parses it, online only
            assert same(value, json.loads(mine) if is_text else mine), (name, value, mine)
    assert any(value is not None for value in theirs["conv_rate"])


def same(theirs, ours):
    """Whether two values are one; Feast's integers beside nulls are floats, and 32-bit floats are written longer."""
    if isinstance(theirs, float) and ours is not None:
        return math.isclose(theirs, ours, rel_tol=1e-6)
    return theirs == ours
