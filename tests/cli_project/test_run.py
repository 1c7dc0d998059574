"""run: dbt first, then a sync of what this run built; dbt's exit code is ours."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from featurestore.dbt_command import find_dbt, option_of, without_options
from featurestore.errors import UsageError
from tests.cli.tiny import churn, labels, orders
from tests.cli_project.stand_in import call_of, run_results, stand_in

ORDERS = "model.shop.orders"


@pytest.fixture
def program(tmp_path):
    """Where the program in dbt's place goes."""
    return tmp_path / "programs"


@pytest.fixture
def dbt(program):
    """A program in dbt's place that builds the view `orders`."""
    return stand_in(program, succeeded=[ORDERS])


def synced(project):
    """References of the views that the online store holds."""
    checks = project.run("doctor", "--json", environ={"DBT_EXECUTABLE": "/bin/true"}).json["checks"]
    return {each["check"] for each in checks if each["what"].startswith("synced ")}


def test_the_views_that_dbt_built_are_synced(applied, dbt):
    ran = applied.run("run", "--", "build", "--select", "orders", environ=dbt)
    assert ran.code == 0
    assert ran.lines[0].startswith("orders  full  3 read  3 written  0 skipped")
    assert ran.lines[1] == "Done. OK=1 ERROR=0"
    assert ran.err == "Syncing 1 feature view that dbt has built.\n"
    assert synced(applied) == {"view orders"}


def test_dbt_gets_its_arguments_as_they_are_and_runs_in_the_project(applied, dbt, program):
    applied.run("run", "--", "build", "-s", "+orders", "--vars", "{a: 1}", environ=dbt)
    assert call_of(program) == {
        "arguments": ["build", "-s", "+orders", "--vars", "{a: 1}"],
        "folder": str(applied.folder),
        "environ": dbt,
    }


def test_our_options_of_dbts_names_are_passed_on(applied, dbt, program):
    there = applied.folder.parent
    profiles = there / "elsewhere"
    profiles.mkdir()
    (applied.folder / "profiles.yml").rename(profiles / "profiles.yml")
    moved = type(applied)(folder=there)
    assert (
        moved.run(
            *("run", "--project-dir", "shop", "--profiles-dir", "elsewhere", "--target", "dev", "--", "build"),
            environ=dbt,
        ).code
        == 0
    )
    assert call_of(program) == {
        "arguments": ["build", "--target", "dev"],
        "folder": str(applied.folder),
        "environ": {**dbt, "DBT_PROFILES_DIR": str(profiles)},
    }


def test_a_target_among_dbts_arguments_counts_for_the_sync_too(applied, dbt):
    ran = applied.run("run", "--", "build", "--target", "prdo", environ=dbt)
    assert (ran.code, ran.out) == (2, "")
    assert "no target 'prdo' in profile 'shop'\n  -> did you mean prod" in ran.err


def test_a_project_among_dbts_arguments_is_the_one_that_is_synced(applied, dbt, program):
    moved = type(applied)(folder=applied.folder.parent)
    ran = moved.run("run", "--", "build", "--project-dir", "shop", environ=dbt)
    assert (ran.code, ran.lines[-1]) == (0, "Done. OK=1 ERROR=0")
    assert call_of(program)["arguments"] == ["build"]
    assert call_of(program)["folder"] == str(applied.folder)


def test_when_dbt_fails_what_succeeded_is_synced_and_the_exit_code_is_dbts(applied, program):
    dbt = stand_in(program, succeeded=[ORDERS], failed=["model.shop.other"], exit_code=7)
    ran = applied.run("run", "--", "build", environ=dbt)
    assert (ran.code, ran.lines[-1]) == (7, "Done. OK=1 ERROR=0")
    assert synced(applied) == {"view orders"}


def test_a_view_whose_model_failed_is_not_synced(applied, program):
    ran = applied.run("run", "--", "build", environ=stand_in(program, failed=[ORDERS], exit_code=1))
    assert (ran.code, ran.out) == (1, "")
    assert synced(applied) == set()


def test_results_of_an_earlier_run_do_not_count(applied, program):
    earlier = run_results("earlier-run", [{"unique_id": ORDERS, "status": "success"}])
    (applied.folder / "target" / "run_results.json").write_text(earlier)
    ran = applied.run("run", "--", "parse", environ=stand_in(program, invocation_id=None, exit_code=2))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "dbt built no feature view, so nothing is synced.\n"


@pytest.mark.parametrize("which", ["test", "compile", "docs"])
def test_a_command_that_builds_nothing_syncs_nothing(applied, program, which):
    ran = applied.run("run", "--", which, environ=stand_in(program, succeeded=[ORDERS], which=which))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "dbt built no feature view, so nothing is synced.\n"


def test_a_run_without_a_feature_view_says_so(applied, program):
    ran = applied.run("run", "--", "run", environ=stand_in(program, succeeded=["model.shop.labels"]))
    assert (ran.code, ran.err) == (0, "dbt built no feature view, so nothing is synced.\n")


def test_before_the_first_apply_dbt_is_not_even_started(tiny, dbt, program):
    ran = tiny.run("run", "--", "build", environ=dbt)
    assert (ran.code, ran.out) == (2, "")
    assert "the registry holds no version yet, so nothing could be synced\n  -> run dbt build, then " in ran.err
    assert not (program / "call.json").exists()


def test_that_no_view_is_online_is_said_before_dbt_runs(tiny, dbt):
    tiny.write_manifest(labels())
    assert tiny.run("apply").code == 0
    with tiny.start("run", "--json", "--", "build", environ=dbt) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    said = ["No feature view in the registry is online, so nothing will be synced.", "dbt says something"]
    assert err.splitlines()[:2] == said


def test_a_registry_that_is_older_than_the_manifest_is_told(applied, dbt):
    applied.write_manifest(orders({"ttl": "9d"}), labels(), churn())
    ran = applied.run("run", "--", "build", environ=dbt)
    assert ran.code == 0
    assert "Warning: the registry is older than the manifest (1 change)\n  -> run featurestore apply" in ran.err


def test_a_view_that_the_registry_does_not_know_is_named(applied, program):
    late = {**orders(), "name": "late", "unique_id": "model.shop.late"}
    applied.write_manifest(orders(), late, labels(), churn())
    ran = applied.run("run", "--", "build", environ=stand_in(program, succeeded=[ORDERS, "model.shop.late"]))
    assert (ran.code, ran.lines[-1]) == (0, "Done. OK=1 ERROR=0")
    assert "Warning: not in the registry, so not synced: late\n  -> run featurestore apply" in ran.err


def test_a_view_that_is_not_online_is_not_synced(applied, dbt):
    applied.write_manifest(orders({"online": False}), labels(), churn())
    assert applied.run("apply", "--allow-breaking", "orders").code == 0
    ran = applied.run("run", "--", "build", environ=dbt)
    assert (ran.code, ran.out, ran.err) == (
        0,
        "",
        "No feature view in the registry is online, so nothing will be synced.\nNot online, so not synced: orders\n",
    )


def test_a_sync_that_fails_is_our_exit_code_only_if_dbt_had_none(applied, program):
    applied.sql("drop table orders")
    assert applied.run("run", "--", "build", environ=stand_in(program, succeeded=[ORDERS])).code == 1
    failing = stand_in(program, succeeded=[ORDERS], exit_code=7, invocation_id="the-next-run")
    assert applied.run("run", "--", "build", environ=failing).code == 7


def test_as_json_stdout_is_ours_alone(applied, dbt):
    with applied.start("run", "--json", "--", "build", environ=dbt) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.startswith("{")
    assert '"invocation_id": "this-run"' in out
    assert '"rows_written": 3' in out
    assert "dbt says something" in err


def test_without_json_dbts_output_is_passed_through(applied, dbt):
    with applied.start("run", "--", "build", environ=dbt) as process:
        out, _ = process.communicate(timeout=120)
    assert out.splitlines()[0] == "dbt says something"


WAITS_FOR_CTRL_C = """
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
(here / 'ready').touch()
while not heard:
    time.sleep(0.02)
time.sleep(0.3)
(here / 'heard').write_text(str(len(heard)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_reaches_dbt_once_and_nothing_is_synced(applied, program):
    dbt = stand_in(program, succeeded=[ORDERS], exit_code=1, body=WAITS_FOR_CTRL_C)
    with applied.start("run", "--", "build", environ=dbt) as process:
        wait_for(program / "ready")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (program / "heard").read_text() == "1"
    assert err.endswith("interrupted; nothing was synced; `featurestore materialize` syncs what dbt built\n")
    assert synced(applied) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_dbt_gives_the_exit_code_that_a_shell_gives(applied, program):
    body = "os.kill(os.getpid(), signal.SIGKILL)"
    assert applied.run("run", "--", "build", environ=stand_in(program, body=body)).code == 137


def wait_for(path):
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path.name} did not come")


def test_no_arguments_are_a_usage_error(applied):
    ran = applied.run("run")
    assert (ran.code, ran.err.splitlines()[1]) == (2, "  -> write them behind --, e.g. featurestore run -- build")


def test_without_dbt_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UsageError, match=r"dbt is not installed\n  -> pip install 'featurestore\[dbt\]'"):
        find_dbt({"PATH": str(tmp_path)})


def test_dbt_is_taken_from_the_variable_then_beside_python_then_from_the_path(tmp_path, monkeypatch):
    places = [stand_in(tmp_path / name)["DBT_EXECUTABLE"] for name in ("named", "beside", "on_path")]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    environ = {"PATH": str(tmp_path / "on_path")}
    assert find_dbt({**environ, "DBT_EXECUTABLE": places[0]}) == Path(places[0])
    assert find_dbt(environ) == Path(places[1])
    Path(places[1]).unlink()
    assert find_dbt(environ) == Path(places[2])


@pytest.mark.parametrize(
    ("arguments", "target", "rest"),
    [
        (("build",), None, ("build",)),
        (("build", "--target", "prod"), "prod", ("build",)),
        (("build", "--target=prod", "-x"), "prod", ("build", "-x")),
        (("build", "-t", "prod"), "prod", ("build",)),
        (("build", "--target", "dev", "--target", "prod"), "prod", ("build",)),
        (("build", "--target-path", "x"), None, ("build", "--target-path", "x")),
        (("build", "--target"), None, ("build",)),
    ],
)
def test_reading_dbts_arguments(arguments, target, rest):
    assert option_of(arguments, "--target", "-t") == target
    assert without_options(arguments, "--target", "-t") == rest
