"""``featurestore run -- <dbt arguments>``: dbt, and then a sync of the feature views that this run built."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.materialize import Report, outcome_json
from featurestore.cli.newer import warn_of_newer_manifest
from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json, say, warn
from featurestore.dbt_command import (
    Finished,
    Options,
    chosen_options,
    dbt_call,
    option_of,
    results_before,
    results_of_run,
    run_dbt,
)
from featurestore.errors import FeatureStoreError, OperationError, UsageError
from featurestore.texts import counted

if TYPE_CHECKING:
    from featurestore.built_views import BuiltViews
    from featurestore.definitions.project import Project
    from featurestore.manifest.artifacts import RunResults
    from featurestore.materialize.run import SyncFailure
    from featurestore.materialize.sync import SyncResult
    from featurestore.store import FeatureStore

_NOT_SYNCED = "nothing was synced; `featurestore materialize` syncs what dbt built"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A dbt run, and what it built."""

    arguments: tuple[str, ...]
    finished: Finished
    results: RunResults | None
    built: BuiltViews
    target_dir: Path


@click.command("run", epilog=example("featurestore run -- build --select +customer_orders"))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- DBT_ARGUMENTS...")
@click.option(
    "--no-gate",
    is_flag=True,
    expose_value=False,
    callback=keep("no_gate"),
    help="Sync models too on which a test failed in this run.",
)
@common_options
def command(common: Common, arguments: tuple[str, ...]) -> None:
    """Run dbt, then sync the feature views that it built.

    Everything behind -- goes to dbt, which runs in the project's folder; its output and exit code stay its own. Then
    the views that are online, whose models succeeded in this run and have no failed test in it are synced, also when
    other models failed. With --json dbt's output goes to stderr. Before the first apply nothing is run.
    """
    if not arguments:
        hint = "write them behind --, e.g. featurestore run -- build"
        raise UsageError("expected the arguments of dbt, got none", hint=hint)
    common = _as_dbt_is_told(common, arguments)
    store = common.store()
    ran = _run(common, store, arguments)
    if ran.finished.interrupted:
        raise KeyboardInterrupt(_NOT_SYNCED)
    try:
        outcomes = _sync(common, store, ran)
    except FeatureStoreError as error:
        if not ran.finished.exit_code:
            raise
        say(f"Error: {error}")
        outcomes = ()
    if common.as_json:
        result_json(_json(ran, outcomes))
    _exit(ran.finished.exit_code, outcomes)


def _as_dbt_is_told(common: Common, arguments: tuple[str, ...]) -> Common:
    """The common options, with what stands among dbt's arguments in their place."""
    options = chosen_options(arguments, _options(common))
    return replace(
        common,
        project_dir=str(options.project_dir),
        profiles_dir=None if options.profiles_dir is None else str(options.profiles_dir),
        profile=options.profile,
        target=options.target,
    )


def _options(common: Common) -> Options:
    return Options(
        project_dir=Path(common.project_dir),
        profiles_dir=None if common.profiles_dir is None else Path(common.profiles_dir),
        profile=common.profile,
        target=common.target,
    )


def _run(common: Common, store: FeatureStore, arguments: tuple[str, ...]) -> Ran:
    from featurestore.built_views import NOTHING_BUILT, built_views
    from featurestore.manifest.artifacts import load_manifest

    target_path = option_of(arguments, "--target-path")
    dbt = store.workspace.dbt
    project = _applied(store)
    if not any(view.online for view in project.views):
        say("No feature view in the registry is online, so nothing will be synced.")
    before = results_before(dbt.project_dir / target_path if target_path else dbt.target_dir)
    finished = run_dbt(dbt_call(arguments, _options(common), os.environ), to_stderr=common.as_json)
    results = results_of_run(before)
    built = built_views(results, load_manifest(before.target_dir), project) if results is not None else NOTHING_BUILT
    return Ran(arguments=arguments, finished=finished, results=results, built=built, target_dir=before.target_dir)


def _applied(store: FeatureStore) -> Project:
    """The newest definitions. Raises UsageError while there are none, before dbt spends its time on a build."""
    registry = store.workspace.registry()
    if not registry.numbers():
        raise UsageError(
            "the registry holds no version yet, so nothing could be synced",
            where=registry.files.location,
            hint="run dbt build, then featurestore apply, then this again",
        )
    return store.workspace.latest().content


def _sync(common: Common, store: FeatureStore, ran: Ran) -> tuple[SyncResult | SyncFailure, ...]:
    built = ran.built
    if built.is_empty:
        say("dbt built no feature view, so nothing is synced.")
        return ()
    _say_what_is_newer(store, built)
    if built.offline:
        say(f"Not online, so not synced: {', '.join(built.offline)}")
    if not built.online:
        return ()
    say(f"Syncing {counted(len(built.online), 'feature view')} that dbt has built.")
    names = [view.reference for view in built.online]
    report = Report(width=max(map(len, names)), as_json=common.as_json)
    try:
        gate = False if kept("no_gate") else ran.target_dir
        outcomes = store.materialize(names, gate=gate, on_done=report.done)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("every row that was written is whole; run featurestore materialize to finish") from stop
    if not common.as_json:
        result(f"Done. OK={len(outcomes) - len(report.failures)} ERROR={len(report.failures)}")
    return outcomes


def _say_what_is_newer(store: FeatureStore, built: BuiltViews) -> None:
    """Warn when the manifest says something else than the registry, whose definitions count for the sync."""
    if built.unapplied:
        warn(f"not in the registry, so not synced: {', '.join(built.unapplied)}\n  -> run featurestore apply")
        return
    warn_of_newer_manifest(store)


def _json(ran: Ran, outcomes: tuple[SyncResult | SyncFailure, ...]) -> dict[str, object]:
    invocation_id = None if ran.results is None else ran.results.invocation_id
    dbt = {"arguments": ran.arguments, "exit_code": ran.finished.exit_code, "invocation_id": invocation_id}
    return {
        "dbt": dbt,
        "views": [outcome_json(outcome) for outcome in outcomes],
        "offline": ran.built.offline,
        "unapplied": ran.built.unapplied,
    }


def _exit(dbt_exit_code: int, outcomes: tuple[SyncResult | SyncFailure, ...]) -> None:
    from featurestore.materialize.run import SyncFailure

    if dbt_exit_code:
        raise click.exceptions.Exit(dbt_exit_code)
    failed = [outcome.view for outcome in outcomes if isinstance(outcome, SyncFailure)]
    if failed:
        names = ", ".join(failed)
        raise OperationError(f"{len(failed)} of {counted(len(outcomes), 'feature view')} not synced: {names}")
