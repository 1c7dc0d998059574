"""``featurestore doctor``: one line per check, each with what to do about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.cli.progress import stage_line
from featurestore.errors import CheckError

if TYPE_CHECKING:
    from featurestore.doctor.finding import Finding

_COLORS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}
_USUAL_CHECKS = 11


@click.command("doctor", epilog=example("featurestore doctor --target prod"))
@common_options
def command(common: Common) -> None:
    """Check the installation, the dbt project, the warehouse and the online store.

    One line per check: OK, WARN or FAIL, and what to do. Nothing is written anywhere. Exits with 3 when a check fails.
    """
    from featurestore.doctor.examine import examine
    from featurestore.workspace import Places

    places = Places(
        project_dir=Path(common.project_dir),
        profiles_dir=None if common.profiles_dir is None else Path(common.profiles_dir),
        profile=common.profile,
        target=common.target,
        registry=common.registry,
        online_store=common.online_store,
    )
    findings: list[Finding] = []
    try:
        with stage_line() as line:
            line.stage("installation", 0, _USUAL_CHECKS)
            for finding in examine(places, os.environ):
                findings.append(finding)
                line.stage(f"{finding.check}: {finding.status}", len(findings), max(_USUAL_CHECKS, len(findings)))
    finally:  # what was found before somebody lost patience with a backend is worth reading
        if not common.as_json:
            _print(findings)
    bad = sum(finding.status == "FAIL" for finding in findings)
    if common.as_json:
        result_json({"healthy": not bad, "checks": findings})
    if bad:
        raise CheckError(f"{bad} of {len(findings)} checks failed")


def _print(findings: list[Finding]) -> None:
    width = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        mark = click.style(finding.status.ljust(4), fg=_COLORS[finding.status])
        result(f"{mark}  {finding.check.ljust(width)}  {finding.what}")
        if finding.fix:
            result(f"{' ' * (width + 8)}-> {finding.fix}")
