"""``featurestore export``: the definitions in other tools' words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore import __version__
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.cli.written import force_option, write_once

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("export", epilog=example("featurestore export feast --output feast_repo"))
def command() -> None:
    """Write the definitions for other tools: OpenLineage, JSON Schema, Feast."""


@command.command("openlineage", epilog=example("featurestore export openlineage --output lineage.jsonl"))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; else it is printed.")
@click.option(
    "--dataset-namespace", metavar="URI", help="The warehouse; else from the dbt profile, as OpenLineage does."
)
@click.option("--job-namespace", metavar="NAME", help="Of the jobs; else the dbt project's name.")
@force_option
@common_options
def openlineage(
    common: Common, output: Path | None, dataset_namespace: str | None, job_namespace: str | None, force: bool
) -> None:
    """Write lineage as OpenLineage events, one JSON object per line.

    A job event for each model, feature view, training set and service, with the schemas of the views and what the
    columns of views and services are made of; a dataset event for each source and seed.
    """
    from featurestore.catalog.export.openlineage import Places, openlineage_events, warehouse_namespace
    from featurestore.impact.column_inputs import column_inputs

    workspace = common.store().workspace
    document = workspace.latest()
    graph, profile = workspace.graph(document, is_compiled=True), workspace.profile
    places = Places(
        producer=f"urn:featurestore:{__version__}",
        datasets=dataset_namespace or warehouse_namespace(profile.type, profile.values),
        jobs=job_namespace or document.content.name,
        at=document.applied_at,
        columns=column_inputs(graph, document.content),
    )
    events = openlineage_events(graph, document.content, places)
    lines = "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events)
    if output is not None:
        write_once(output, lines, force=force)
    if common.as_json:
        result_json(events if output is None else {"files": [str(output)]})
    elif output is None:
        result(lines.rstrip("\n"))


@command.command("json-schema", epilog=example("featurestore export json-schema --output schemas"))
@click.option("-o", "--output", type=_FOLDER, help="The folder, a file per schema; else all are printed as one object.")
@force_option
@common_options
def json_schema(common: Common, output: Path | None, force: bool) -> None:
    """Write JSON Schemas of what each service takes and answers, and of the rows of each view.

    Files: SERVICE.request.json and SERVICE.response.json for lookups over HTTP, VIEW.row.json for a row that is pushed.
    """
    from featurestore.catalog.export.json_schema import json_schemas

    schemas = json_schemas(common.store().project)
    if output is None:
        result_json(schemas)
        return
    files = {name: f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n" for name, schema in schemas.items()}
    _write_all(common, output, files, force=force)


@command.command("feast", epilog=example("featurestore export feast --output feast_repo"))
@click.option("-o", "--output", type=_FOLDER, help="The folder of the repository; else its files are printed.")
@force_option
@common_options
def feast(common: Common, output: Path | None, force: bool) -> None:
    """Write a Feast repository with the same entities, feature views and services.

    Its sources are the tables of the warehouse; DuckDB's, which Feast does not read, are Parquet files, and a comment
    says how to write them. What Feast cannot say is a comment too.
    """
    from featurestore.catalog.export.feast import feast_repository

    files = feast_repository(common.store().project)
    if output is not None:
        _write_all(common, output, files, force=force)
    elif common.as_json:
        result_json(files)
    else:
        result("\n".join(f"# {name}\n{text}" for name, text in files.items()).rstrip("\n"))


def _write_all(common: Common, folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    for name, text in files.items():
        write_once(folder / name, text, force=force)
    if common.as_json:
        result_json({"files": [str(folder / name) for name in files]})
