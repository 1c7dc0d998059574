"""``featurestore lineage``: from sources through models to feature views, and on to who reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.cli.written import force_option, write_once

if TYPE_CHECKING:
    from featurestore.catalog.lineage import Lineage


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
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@force_option
@common_options
def command(common: Common, name: str | None, form: str, output: Path | None, force: bool) -> None:
    """Show what feature views are made of, and who reads them.

    NAME narrows it to what is above and below a view, a feature (`view:feature`), a service, an exposure, a model, a
    source (`source.table`), a stream, or the views of an entity.
    """
    from featurestore.catalog.lineage import lineage_of

    store = common.store()
    document = store.document
    lineage = lineage_of(store.workspace.graph(document), document.content, name)
    if common.as_json:
        edges = [{"from": parent, "to": child} for parent, child in lineage.edges]
        result_json({"nodes": lineage.nodes, "edges": edges})
        return
    if not lineage.nodes:
        say("No feature views in the registry.")
        return
    title = f"Lineage of {name or document.content.name}"
    text = _written(lineage, form, title)
    if output is None:
        result(text)
    else:
        write_once(output, text if text.endswith("\n") else f"{text}\n", force=force)


def _written(lineage: Lineage, form: str, title: str) -> str:
    if form == "html":
        from featurestore.catalog.lineage_page import lineage_page

        return lineage_page(lineage, title=title)
    from featurestore.catalog import diagrams

    return {"text": diagrams.tree, "mermaid": diagrams.mermaid, "dot": diagrams.dot}[form](lineage)
