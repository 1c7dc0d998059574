"""Lineage: what it holds, and that no name of a project breaks out of a diagram, a drawing or a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from featurestore.catalog.diagrams import dot, mermaid, tree
from featurestore.catalog.drawing import place, svg
from featurestore.catalog.graph import whole_graph
from featurestore.catalog.lineage import Lineage, LineageNode, lineage_of
from featurestore.catalog.lineage_page import lineage_page
from featurestore.definitions.graph import Graph
from featurestore.errors import UnknownNameError
from tests.catalog.scene import GRAPH, HOSTILE, PROJECT

WHOLE = lineage_of(GRAPH, PROJECT)
_LABEL = r'"(?:[\w .,:@()/+=-]|#\d+;|<br/>)*"'
_SHAPES = r"(?:\[\(L\)\]|>L\]|\[L\]|\(\[L\]\)|\{\{L\}\}|\[/L/\]|\[\[L\]\])".replace("L", _LABEL)
_MERMAID = re.compile(
    rf"flowchart LR|  n\d+{_SHAPES}|  n\d+ --> n\d+|  classDef \w+ fill:#\w{{6}},stroke:#\w{{6}},color:#\w{{6}}"
    r"|  class n\d+(?:,n\d+)* \w+|  style n\d+ stroke-width:3px"
)
_DOT_QUOTED = r'"(?:[^"\\\n]|\\["\\])*"'
_DOT = re.compile(
    rf"digraph lineage \{{|  rankdir=LR;|  (?:node|edge|n\d+) \[(?:\w+=(?:\w+|[\d.]+|{_DOT_QUOTED})(?:, )?)+\];"
    r"|  n\d+ -> n\d+;|\}"
)


def named(*names):
    """A chain of models of these names."""
    nodes = tuple(
        LineageNode(id=f"n.{number}", role="model", name=name, noun=name) for number, name in enumerate(names)
    )
    edges = tuple((one.id, other.id) for one, other in pairwise(nodes))
    return Lineage(nodes=nodes, edges=edges)


def shown(name):
    return " ".join(sorted(node.name for node in lineage_of(GRAPH, PROJECT, name).nodes))


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("tier", "app.customers churn churn_training tier@v2"),
        ("tier@v2", "app.customers churn churn_training tier@v2"),
        ("orders:amount_sum", 'The "board" app.orders churn_training orders spend stg_orders'),
        ("orders:order_count", 'The "board" app.orders churn churn_training orders spend stg_orders'),
        ("spend", "app.orders orders spend stg_orders"),
        ("app.customers", "app.customers churn churn_training tier@v2"),
        ("churn_training", "app.customers app.orders churn_training orders stg_orders tier@v2"),
    ],
)
def test_a_name_narrows_it_to_what_is_above_and_below(name, nodes):
    assert shown(name) == nodes


def test_an_entity_means_its_views():
    assert {node.name for node in lineage_of(GRAPH, PROJECT, "customer").nodes if node.is_asked} == {
        "orders",
        "tier@v2",
    }


@pytest.mark.parametrize(("name", "near"), [("ordrs", "orders"), ("orders:amount", "amount_sum")])
def test_an_unknown_name_names_what_is_near(name, near):
    with pytest.raises(UnknownNameError, match=near):
        lineage_of(GRAPH, PROJECT, name)


def test_without_dbts_graph_views_and_services_are_there():
    graph = whole_graph(None, PROJECT)
    found = lineage_of(graph, PROJECT)
    assert [node.noun for node in found.nodes] == ["feature service", "feature service", "feature view", "feature view"]
    assert ("model.shop.tier.v2", "exposure.shop.churn") in found.edges


def test_a_graph_that_lacks_a_service_gets_it():
    without = Graph(nodes=tuple(node for node in GRAPH.nodes if node.name != "spend"))
    assert whole_graph(without, PROJECT).by_id["exposure.shop.spend"].parents == ("model.shop.orders",)
    assert whole_graph(GRAPH, PROJECT) is GRAPH


def test_the_tree_marks_what_was_shown_and_what_was_asked_for():
    assert tree(lineage_of(GRAPH, PROJECT, "churn")).split("\n") == [
        "app.customers  source",
        "  tier@v2  feature view",
        "    churn  feature service  <-",
        "app.orders  source",
        "  stg_orders  model",
        "    orders  feature view",
        "      churn  feature service  (above)  <-",
    ]


@pytest.mark.parametrize("lineage", [WHOLE, named(HOSTILE, "a\nb", "`x`", 'n0["y"]', "end", "Ω €", "\\N\\", "")])
def test_diagrams_hold_names_as_text(lineage):
    for line in mermaid(lineage).split("\n"):
        assert _MERMAID.fullmatch(line), line
    for line in dot(lineage).split("\n"):
        assert _DOT.fullmatch(line), line
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot(lineage), text=True, capture_output=True, check=True)


def test_a_drawing_is_xml_whose_cards_overlap_nowhere():
    drawn = ET.fromstring(svg(replace_first_name(WHOLE, HOSTILE)))
    texts = "".join(drawn.itertext())
    assert HOSTILE in texts
    assert {element.tag.partition("}")[2] for element in drawn.iter()} == {"svg", "g", "title", "rect", "text", "path"}
    boxes, routes = place(WHOLE)
    placed = list(boxes.values())
    for number, one in enumerate(placed):
        for other in placed[number + 1 :]:
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y
    for route in routes:
        assert all(boxes[one].x + boxes[one].width < boxes[other].x for one, other in pairwise(route))


def replace_first_name(lineage, name):
    first, *others = lineage.nodes
    return Lineage(nodes=(replace(first, name=name), *others), edges=lineage.edges)


def test_a_page_lets_no_script_run_and_asks_nobody():
    page = lineage_page(replace_first_name(WHOLE, HOSTILE), title=HOSTILE)
    assert "script-src 'none'" in page
    assert "<script" not in page
    assert "<img" not in page
    assert re.search(r"https?:(?!//www\.w3\.org/2000/svg)|\burl\(|@import|\bsrc=", page.replace("src=x", "")) is None


def test_a_graph_in_a_circle_ends():
    circle = Lineage(nodes=named("a", "b").nodes, edges=(("n.0", "n.1"), ("n.1", "n.0")))
    assert tree(circle) == ""


def test_a_large_lineage_is_drawn():
    count = 2000
    names = [f"m{number}" for number in range(count)]
    nodes = tuple(LineageNode(id=name, role="model", name=name, noun="model") for name in names)
    edges = tuple((f"m{number // 3}", f"m{number}") for number in range(1, count))
    assert svg(Lineage(nodes=nodes, edges=edges)).count("<g ") == count


def test_the_command_prints_and_writes_each_format(applied):
    assert applied.run("lineage").out == "orders  feature view\n  churn  feature service\n"
    assert applied.run("lineage", "orders", "--format", "mermaid").out.startswith("flowchart LR\n")
    assert applied.run("lineage", "--format", "dot", "-o", "a/lineage.dot").code == 0
    again = applied.run("lineage", "--format", "dot", "-o", "a/lineage.dot")
    assert (again.code, again.err) == (0, "Wrote a/lineage.dot.\n")
    refused = applied.run("lineage", "--format", "html", "-o", "a/lineage.dot")
    assert refused.code == 2
    assert "--force" in refused.err
    assert applied.run("lineage", "--format", "html", "-o", "a/lineage.dot", "--force").code == 0
    assert applied.run("lineage", "--json").json["edges"] == [
        {"from": "model.shop.orders", "to": "exposure.shop.churn"}
    ]
    assert applied.run("lineage", "ordrs").code == 2
    assert "--columns: a drawing as dot" in applied.run("lineage", "--columns", "--format", "dot").err
    assert "--output: JSON is printed" in applied.run("lineage", "--json", "-o", "x.json").err


def test_columns_are_told_too_when_dbt_has_only_parsed_since_apply(applied):
    from tests.cli.tiny import churn, orders
    from tests.manifest.manifests import model

    sql = "select customer_id, placed_at, loaded_at, {{ my_macro() }} as order_count, 1 as amount from {{ ref('raw') }}"
    raw = model("raw", meta={})
    view = orders(raw_code=sql, depends_on={"nodes": ["model.shop.raw"]})
    done = "select customer_id, placed_at, loaded_at, n as order_count, 1 as amount from " + raw["relation_name"]
    applied.write_manifest(view | {"compiled_code": done}, raw, churn())
    assert applied.run("apply").code == 0
    applied.write_manifest(view, raw, churn())
    assert "order_count  raw.n" in applied.run("lineage", "orders", "--columns").out
    assert '"field": "n"' in applied.run("export", "openlineage").out
    applied.write_manifest(view | {"raw_code": f"{sql} where true"}, raw, churn())
    assert "raw.n" not in applied.run("lineage", "orders", "--columns").out, "that SQL is another"


def test_the_command_says_what_columns_are_made_of(applied):
    from tests.cli.tiny import churn, orders
    from tests.manifest.manifests import columns, model

    assert "Nothing is known for certain" in applied.run("lineage", "--columns").out
    sql = "select customer_id, placed_at, loaded_at, n as order_count, a + b as amount, tags from {{ ref('raw') }}"
    view = orders(raw_code=sql, depends_on={"nodes": ["model.shop.raw"]})
    applied.write_manifest(view, model("raw", meta={}, columns=columns({"n": "bigint"})), churn())
    assert applied.run("apply").code == 0
    assert applied.run("lineage", "orders", "--columns").out.split("\n\n")[1].splitlines()[4:] == [
        "order_count  raw.n",
        "amount       raw.a, raw.b",
        "tags         raw.tags",
    ]
    told = applied.run("lineage", "--columns", "--json").json["columns"]
    assert {"view": "orders", "column": "amount", "made_of": ["raw.a", "raw.b"]} in told
