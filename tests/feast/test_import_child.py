"""The process that reads a Feast repository: which Python it is, and what it may do to us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from featurestore.cli import main
from featurestore.errors import OperationError, UsageError
from featurestore.scaffold.feast.child import Limits, find_feast_python, run_reader

ROOM_S = 60
"""More than any of this takes on a busy machine."""


def program(folder, text, name="python"):
    """A program that stands for an interpreter: a shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def answer_of(folder, text, **limits):
    return run_reader(program(folder, text), folder, os.environ, Limits(**limits))


def test_the_answer_is_what_the_child_wrote_to_stdout(tmp_path):
    assert answer_of(tmp_path, "echo talk >&2; echo '{}'") == b"{}\n"


def test_a_child_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    started = time.monotonic()
    with pytest.raises(OperationError) as late:
        answer_of(tmp_path, "echo loading model >&2\nsleep 600 & echo $! > pid\nwait", seconds=2)
    assert time.monotonic() - started < ROOM_S
    assert "did not end within 2 seconds" in late.value.what
    assert late.value.hint.endswith("last said: loading model")
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid):
    """Whether a process has ended, given a moment to do so."""
    until = time.monotonic() + ROOM_S
    while time.monotonic() < until:
        status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if status.stdout.strip() in {"", "Z"}:
            return True
        time.sleep(0.05)
    return False


def test_what_a_child_leaves_running_keeps_nobody_waiting(tmp_path):
    started = time.monotonic()
    assert answer_of(tmp_path, "sleep 600 & echo '{}'") == b"{}\n"
    assert time.monotonic() - started < ROOM_S


def test_an_answer_without_end_is_cut_off(tmp_path):
    with pytest.raises(OperationError, match=r"more than 1\.0 KiB of definitions"):
        answer_of(tmp_path, "yes", answer_bytes=1024)


def test_talk_without_end_is_not_kept(tmp_path):
    with pytest.raises(OperationError, match="cannot be read: the last line"):
        answer_of(tmp_path, "yes | head -c 3000000 >&2; echo; echo the last line >&2; exit 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("printf 'KeyError: \\033[31m1\\n\\n' >&2; exit 1", "cannot be read: KeyError: [31m1"),
        ("echo 'password=hunter2' >&2; exit 1", "cannot be read: password=***"),
        ("exit 7", "cannot be read: exit code 7"),
        ("kill -9 $$", "cannot be read: ended by signal 9"),
        ("echo \"ModuleNotFoundError: No module named 'feast'\" >&2; exit 1", "python has no Feast"),
    ],
)
def test_a_child_that_fails_is_one_error_with_its_last_line(text, said, tmp_path):
    with pytest.raises(OperationError) as failed:
        answer_of(tmp_path, text)
    assert said in failed.value.what


def test_a_program_that_cannot_be_run_is_named(tmp_path):
    (tmp_path / "python").write_text("no program")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(UsageError, match="cannot be started: Exec format error"):
        run_reader(tmp_path / "python", tmp_path, os.environ, Limits())


def test_the_option_goes_before_the_variable_and_that_before_the_command_on_the_path(tmp_path):
    one, two, three = (program(tmp_path, "true", name) for name in ("one", "two", "python3.99"))
    (tmp_path / "bin").mkdir()
    command = program(tmp_path / "bin", "", "feast")
    command.write_text(f"#!{three}\nimport feast\n")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    assert find_feast_python(str(one), {**environ, "FEAST_PYTHON": str(two)}) == one
    assert find_feast_python(None, {**environ, "FEAST_PYTHON": str(two)}) == two
    assert find_feast_python(None, environ) == three
    beside = program(tmp_path / "bin", "true")
    command.write_text("#!/bin/sh\n'''exec' /a/long/path/python \"$0\" \"$@\"\n")
    assert find_feast_python(None, environ) == beside
    command.write_text("#!/usr/bin/env -S python3.99\n")
    assert find_feast_python(None, {"PATH": f"{tmp_path / 'bin'}:{tmp_path}"}) == three


@pytest.mark.parametrize(
    ("named", "environ", "said"),
    [
        ("/no/python", {}, "--feast-python: no program at /no/python"),
        (None, {"FEAST_PYTHON": "/no/python"}, "FEAST_PYTHON: no program at /no/python"),
        (None, {"PATH": "/no"}, "no Python with Feast: there is no `feast` command on the PATH"),
    ],
)
def test_without_a_python_the_error_says_what_to_give(named, environ, said):
    with pytest.raises(UsageError) as refused:
        find_feast_python(named, environ)
    assert refused.value.message == said
    assert refused.value.hint == "give the Python that has Feast: --feast-python PATH, or FEAST_PYTHON=PATH"


def test_a_python_without_feast_is_told_from_a_repository_that_is_broken(tmp_path, capsys):
    (tmp_path / "feature_store.yaml").write_text("project: shop\n")
    told = ["import", "feast", str(tmp_path), "--feast-python", sys.executable, "--output", str(tmp_path / "out")]
    assert main(told) == 1
    assert f"{sys.executable} has no Feast\n  -> give the Python that has Feast" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (None, "no Feast repository: neither feature_store.yaml nor feature_repo/feature_store.yaml"),
        ("provider: local\n", "project: expected the project's name"),
        ("project: [a\n", "not YAML that can be read"),
    ],
)
def test_a_folder_that_is_no_repository_is_a_usage_error(settings, said, tmp_path, capsys):
    if settings is not None:
        (tmp_path / "feature_store.yaml").write_text(settings)
    assert main(["import", "feast", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_what_the_command_prints_and_its_json(tmp_path, capsys):
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo/feature_store.yaml").write_text("project: shop\nonline_store: {type: milvus}\n")
    python = program(tmp_path, 'echo \'{"format": 1, "entities": [{"name": "driver", "join_key": "id"}]}\'')
    told = ["import", "feast", str(tmp_path), "--feast-python", str(python), "--output", str(tmp_path / "out")]
    assert main(told) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Imported the Feast project shop into {tmp_path / 'out'}, for duckdb: 5 files.\n")
    assert "\n  online store milvus: there is no such online store here" in printed.out
    assert "    -> choose one in docs/guides/online-stores.md" in printed.out
    assert printed.err.endswith("  dbt build\n  featurestore apply\n  featurestore materialize\n")
    (tmp_path / "elsewhere").mkdir()
    profile = "shop: {target: dev, outputs: {dev: {type: duckdb}, prod: {type: postgres}}}\n"
    (tmp_path / "elsewhere/profiles.yml").write_text(profile)
    elsewhere = ["--profiles-dir", str(tmp_path / "elsewhere"), "--target", "prod", "--json"]
    assert main([*told, *elsewhere]) == 2, "the report says another warehouse"
    assert "feast_import.md" in capsys.readouterr().err
    assert main(told) == 0
    assert capsys.readouterr().out.startswith("Nothing to do: the dbt project in ")
    assert main([*told, "--json"]) == 0
    import json

    said = json.loads(capsys.readouterr().out)
    assert said["is_changed"] is False
    assert {file["outcome"] for file in said["files"]} == {"kept"}
    assert said["made"] == [{"kind": "entity", "name": "driver", "place": "featurestore.yml", "made": "entity"}]
    assert [note["name"] for note in said["notes"]] == ["milvus", "file"]
    assert Path(said["project_dir"]) == tmp_path / "out"
