"""Starting is cheap, help is complete, and every way to fail has its exit code."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pty
import signal
import subprocess
import sys

import click
import pytest

from featurestore import __version__
from featurestore.cli.commands import COMMANDS, load_command
from tests.cli.tiny import churn, labels, orders, start

HEAVY = ("duckdb", "sqlglot", "pyarrow", "pandas", "dbt", "redis", "rich", "msgspec", "yaml", "jinja2")
COMMON = ("--project-dir", "--profiles-dir", "--profile", "--target", "--registry", "--online-store", "--json")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("-h",), ("--version",), ("training-set", "--help"), ("plan", "-h")]
)
def test_help_loads_nothing_heavy(arguments):
    script = (
        "import sys\n"
        "from featurestore.cli import main\n"
        "code = main(sys.argv[1:])\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout.startswith(("Usage: featurestore", f"featurestore {__version__}"))


def test_the_list_of_commands_says_what_each_command_says_of_itself():
    for name, help_text in COMMANDS.items():
        assert load_command(name).get_short_help_str(limit=200) == help_text, name


def test_commands_are_listed_in_the_order_of_use(tiny):
    shown = tiny.run("--help").out
    places = [shown.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


def leaves(command):
    """The commands of a group, of its groups too; a command itself."""
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for part in command.commands.values() for leaf in leaves(part)]


def test_every_command_has_the_common_options_and_an_example():
    for name in COMMANDS:
        command = load_command(name)
        for part in leaves(command):
            flags = {flag for option in part.params if isinstance(option, click.Option) for flag in option.opts}
            wanted = ["--json"] if name == "demo" else COMMON  # the demo has a project of its own
            assert flags.issuperset(wanted), f"{name} {part.name}"
            assert "Example:" in part.get_help(click.Context(part)), f"{name} {part.name}"


def test_help_of_help_is_help(tiny):
    assert tiny.run("-h").out == tiny.run("--help").out
    assert tiny.run("--version").out == f"featurestore {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("aply",), "Error: no command 'aply' in featurestore\n  -> did you mean apply?\n"),
        (("plan", "--nope"), "No such option"),
        (("show",), "Missing argument 'NAME'"),
        (("list", "entitys"), "'entitys' is not one of"),
        (("registry", "show", "two"), "expected a version of the registry, got 'two'"),
    ],
)
def test_a_call_that_cannot_be_meant_exits_with_2(tiny, arguments, said):
    ran = tiny.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_with_json_the_last_line_of_stderr_is_the_error_and_stdout_stays_empty(tiny):
    ran = tiny.run("show", "orders", "--json")
    assert (ran.code, ran.out) == (2, "")
    said = json.loads(ran.err.splitlines()[-1])["error"]
    assert said["type"] == "UsageError"
    assert said["message"] == "the registry holds no version yet"
    assert said["hint"] == "run `featurestore apply`"
    assert said["exit_code"] == 2
    of_click = json.loads(tiny.run("plan", "--json", "--nope").err.splitlines()[-1])["error"]
    assert (of_click["exit_code"], of_click["where"], of_click["hint"]) == (2, None, None)


def test_a_bug_of_ours_keeps_its_traceback(tiny, monkeypatch):
    from featurestore.store import FeatureStore

    def broken(_store):
        raise ZeroDivisionError

    monkeypatch.setattr(FeatureStore, "plan", broken)
    with pytest.raises(ZeroDivisionError):
        tiny.run("plan")


def test_dbt_environment_variables_say_where_the_project_is(tiny, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    environ = {"DBT_PROJECT_DIR": str(tiny.folder), "DBT_PROFILES_DIR": str(tiny.folder), "DBT_TARGET": "dev"}
    with start("plan", cwd=tmp_path / "elsewhere", environ=environ) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "Plan: 4 to add" in out


def test_the_options_win_over_the_environment(applied):
    environ = {"FEATURESTORE_REGISTRY": "other", "DBT_TARGET": "nope"}
    ran = applied.run("list", "--registry", ".featurestore/registry", "--target", "dev", environ=environ)
    assert ran.code == 0
    assert applied.run("list", "--target", "dev", environ=environ).code == 2


def test_colours_are_for_terminals(tiny):
    assert "\x1b" not in tiny.run_apart("plan").out


def test_colours_on_a_terminal_can_be_turned_off(tiny):
    colourful = _on_a_terminal(tiny, {"TERM": "xterm"})
    plain = _on_a_terminal(tiny, {"TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b[32m" in colourful
    assert "\x1b" not in plain
    assert "+  view" in plain


def test_a_list_fits_the_terminal_and_is_whole_elsewhere(applied):
    long = "A list of things that is long"
    applied.write_manifest(orders(description=long), labels(), churn())
    assert applied.run("apply").code == 0
    narrow = _on_a_terminal(applied, {"TERM": "xterm", "COLUMNS": "70"}, "list")
    assert max(map(len, narrow.splitlines())) == 70
    assert "A list of th" in narrow
    assert long in applied.run_apart("list", environ={"COLUMNS": "70"}).out


def _on_a_terminal(tiny, environ, command="plan"):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "featurestore.cli", command], stdout=theirs, cwd=tiny.folder, env={**kept, **environ}
    )
    os.close(theirs)
    seen = read_terminal(ours)
    assert process.wait(timeout=120) == 0
    return seen


def read_terminal(descriptor):
    """All that was written to a terminal, until the other end is closed."""
    seen = b""
    with contextlib.suppress(OSError):  # how Linux says that it is closed
        while chunk := os.read(descriptor, 4096):
            seen += chunk
    os.close(descriptor)
    return seen.decode()


def test_a_progress_line_is_for_terminals_and_never_touches_the_result(applied):
    ours, theirs = pty.openpty()
    process = start("materialize", cwd=applied.folder, environ={"TERM": "xterm"}, stderr=theirs)
    os.close(theirs)
    with process:
        talk = read_terminal(ours)
        out = process.stdout.read()
    assert process.returncode == 0
    assert "rows" in talk
    assert out.splitlines()[-1] == "Done. OK=1 ERROR=0"
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_a_training_set_shows_a_bar_with_a_step_per_view(applied):
    ours, theirs = pty.openpty()
    asked = ("--spine", "labels", "--service", "churn", "--output", "train.parquet")
    process = start("training-set", *asked, cwd=applied.folder, environ={"TERM": "xterm"}, stderr=theirs)
    os.close(theirs)
    with process:
        talk = read_terminal(ours)
        out = process.stdout.read()
    assert process.returncode == 0
    assert "2/2" in talk
    assert "the result" in talk
    assert out.startswith("train.parquet  ")
    assert "\x1b" not in out


def test_a_reader_that_goes_away_is_not_an_error_to_talk_about(applied):
    with applied.start("training-sql", "--spine", "labels", "--service", "churn") as process:
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=120)
    assert "Traceback" not in err
    assert "Broken" not in err
    assert process.returncode != -signal.SIGPIPE


def test_the_module_runs_like_the_command(tiny):
    assert importlib.util.find_spec("featurestore.cli.__main__") is not None
    ran = tiny.run_apart("--version")
    assert (ran.code, ran.out) == (0, f"featurestore {__version__}\n")
