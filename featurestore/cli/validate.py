"""``featurestore validate``: whether the definitions are right, and with ``--warehouse`` the data behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.failures import problems_json
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.errors import CheckError
from featurestore.texts import aligned, counted

if TYPE_CHECKING:
    from featurestore.checks import ViewCheck
    from featurestore.manifest.read import Reading
    from featurestore.store import FeatureStore


@click.command("validate", epilog=example("dbt build && featurestore validate --warehouse"))
@click.option(
    "--warehouse", is_flag=True, help="Also look for rows that can never be used, one query per feature view."
)
@common_options
def command(common: Common, warehouse: bool) -> None:
    """Check the definitions, and with --warehouse the data behind them.

    In the data: NULL keys, rows without event time, rows in the future, rows with the same keys and times. Exits with 2
    when a definition is wrong, with 3 when the data has problems.
    """
    store = common.store()
    reading = store.definitions()
    common.warn(reading.warnings)
    if not common.as_json:
        result(f"Definitions are valid: {_counts(reading)}.")
    checks = _check(common, store, reading) if warehouse else ()
    if common.as_json:
        project = reading.project
        names = {"views": [view.reference for view in project.views], "services": [it.name for it in project.services]}
        found = {"checks": checks} if warehouse else {}
        result_json({"valid": True, **names, "warnings": problems_json(reading.warnings), **found})
    bad = [check for check in checks if check.problems]
    if bad:
        raise CheckError(
            f"the data of {len(bad)} of {counted(len(checks), 'feature view')} has problems",
            hint="correct them in the dbt models; such rows are left out, or hide one another",
        )


def _check(common: Common, store: FeatureStore, reading: Reading) -> tuple[ViewCheck, ...]:
    if not reading.project.views:
        return ()
    checks = tuple(store.check_data(reading.project))
    if not common.as_json:
        result(aligned([row for check in checks for row in _rows(check)]))
    return checks


def _rows(check: ViewCheck) -> list[list[str]]:
    """One line per problem, the first with the view's name; ``OK`` when there is none."""
    rows = "" if check.rows is None else counted(check.rows, "row")
    first, *rest = check.problems or ("OK",)
    return [[check.view, rows, first], *(["", "", problem] for problem in rest)]


def _counts(reading: Reading) -> str:
    project = reading.project
    nouns = (("feature view", project.views), ("entity", project.entities), ("feature service", project.services))
    return ", ".join(counted(len(things), noun) for noun, things in nouns)
