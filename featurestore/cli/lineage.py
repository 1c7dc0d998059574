"""``featurestore lineage``: from sources through models to feature views, and on to who reads them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.cli.written import force_option, write_once
from featurestore.errors import UsageError
from featurestore.texts import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.catalog.lineage import Lineage
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project


@click.command(
    "lineage",
    epilog=example(
        "featurestore lineage customer_orders", "featurestore lineage --format html --output target/lineage.html"
    ),
)
@click.argument("name", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "html"]),
    default="text",
    help="An indented tree, a Mermaid flowchart, a Graphviz graph, or one HTML file with a drawing.",
)
@click.option("--columns", is_flag=True, help="Also which columns those of the views are made of; as text or JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@force_option
@common_options
def command(common: Common, name: str | None, form: str, columns: bool, output: Path | None, force: bool) -> None:
    """Show what feature views are made of, and who reads them.

    NAME narrows it to what is above and below a view, a feature (`view:feature`), a service, an exposure, a model, a
    source (`source.table`), a stream, or the views of an entity.
    """
    from featurestore.catalog.lineage import lineage_of

    if columns and form != "text" and not common.as_json:
        raise UsageError(
            f"a drawing as {form} has no columns", where="--columns", hint="leave --format out, or add --json"
        )
    if output is not None and common.as_json:
        raise UsageError("JSON is printed, and not written", where="--output", hint="use one of --json and --output")
    store = common.store()
    document = store.document
    graph = store.workspace.graph(document, is_compiled=columns)
    lineage = lineage_of(graph, document.content, name)
    made_of = _made_of(graph, document.content, lineage) if columns else []
    if common.as_json:
        edges = [{"from": parent, "to": child} for parent, child in lineage.edges]
        result_json({"nodes": lineage.nodes, "edges": edges, **({"columns": made_of} if columns else {})})
        return
    if not lineage.nodes:
        say("No feature views in the registry.")
        return
    text = _written(lineage, form, f"Lineage of {name or document.content.name}")
    if form == "text" and columns:
        text = "\n\n".join((text, *_column_tables(made_of)))
    if output is None:
        result(text)
    else:
        write_once(output, text if text.endswith("\n") else f"{text}\n", force=force)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf:
    """What one column of a view is made of: ``node.column`` each."""

    view: str
    column: str
    made_of: tuple[str, ...]


def _made_of(graph: Graph, project: Project, lineage: Lineage) -> list[MadeOf]:
    """What is known of the columns of the views that were asked for, else of all views of a lineage."""
    from featurestore.impact.column_inputs import column_inputs

    found = column_inputs(graph, project)
    views = [node for node in lineage.nodes if node.role == "view"]
    return [
        MadeOf(
            view=node.name,
            column=column,
            made_of=tuple(f"{lineage.by_id[parent].name}.{name}" for parent, name in sources),
        )
        for node in [node for node in views if node.is_asked] or views
        for column, sources in found.get(node.id, {}).items()
    ]


def _column_tables(lines: Sequence[MadeOf]) -> Iterator[str]:
    """Write a table per view; its name stands in front where there are several."""
    is_one = len({line.view for line in lines}) == 1
    for view, own in groupby(lines, key=lambda line: line.view):
        rows = [[line.column, ", ".join(line.made_of)] for line in own]
        yield ("" if is_one else f"{view}\n") + aligned([["COLUMN", "MADE OF"], *rows])
    if not lines:
        yield "Nothing is known for certain of what the columns are made of."


def _written(lineage: Lineage, form: str, title: str) -> str:
    if form == "html":
        from featurestore.catalog.lineage_page import lineage_page

        return lineage_page(lineage, title=title)
    from featurestore.catalog import diagrams

    return {"text": diagrams.tree, "mermaid": diagrams.mermaid, "dot": diagrams.dot}[form](lineage)
