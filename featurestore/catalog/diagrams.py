"""Lineage as text: an indented tree, a Mermaid flowchart, a Graphviz graph.

The rule for both diagrams: no name of a project is ever an identifier or markup; nodes are ``n0``, ``n1``, ... and
names stand escaped in quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.catalog.lineage import Lineage, LineageNode, Role

_SEEN = "(above)"
_MERMAID_SHAPES: Mapping[Role, tuple[str, str]] = {
    "source": ("[(", ")]"),
    "seed": ("[(", ")]"),
    "stream": (">", "]"),
    "model": ("[", "]"),
    "snapshot": ("[", "]"),
    "view": ("([", "])"),
    "service": ("{{", "}}"),
    "exposure": ("[/", "/]"),
    "training_set": ("[[", "]]"),
}
_DOT_SHAPES: Mapping[Role, str] = {
    "source": "cylinder",
    "seed": "cylinder",
    "stream": "cds",
    "model": "box",
    "snapshot": "box",
    "view": "ellipse",
    "service": "hexagon",
    "exposure": "note",
    "training_set": "folder",
}
_FILLS: Mapping[Role, tuple[str, str]] = {
    "view": ("#e4f0ee", "#0b625d"),
    "service": ("#e5f2e9", "#1d6b3f"),
    "exposure": ("#faeed9", "#85500a"),
    "training_set": ("#faeed9", "#85500a"),
}
"""Fill and line of what stands out; the rest is plain."""
_PLAIN = ("#f3f1ed", "#5c636b")
_TEXT = "#23272b"
_UNSAFE = re.compile(r"[^\w .,:@()/+=-]", re.ASCII)


def tree(lineage: Lineage) -> str:
    """Write lineage as an indented tree, from what is made of nothing down to who reads it.

    A node that several others lead to is written under each; from the second time on it is marked ``(above)``, and what
    is below it is left out. What was asked for is marked ``<-``.
    """
    lines: list[str] = []
    seen: set[str] = set()
    waiting = [(node.id, 0) for node in reversed(lineage.roots)]
    while waiting:
        each, depth = waiting.pop()
        node = lineage.by_id[each]
        marks = [_SEEN] if each in seen else []
        marks += ["<-"] if node.is_asked else []
        lines.append("  ".join(["  " * depth + _printable(node.name), node.noun, *marks]))
        if each not in seen:
            seen.add(each)
            waiting += [(child, depth + 1) for child in reversed(lineage.children.get(each, ()))]
    return "\n".join(lines)


def mermaid(lineage: Lineage) -> str:
    """Write lineage as a Mermaid flowchart, left to right."""
    ids = _ids(lineage)
    lines = ["flowchart LR"]
    for node in lineage.nodes:
        opening, closing = _MERMAID_SHAPES[node.role]
        lines.append(f'  {ids[node.id]}{opening}"{_for_mermaid(node)}"{closing}')
    lines += [f"  {ids[parent]} --> {ids[child]}" for parent, child in lineage.edges]
    for role in dict.fromkeys(node.role for node in lineage.nodes):
        fill, line = _FILLS.get(role, _PLAIN)
        lines.append(f"  classDef {role} fill:{fill},stroke:{line},color:{_TEXT}")
        lines.append(f"  class {','.join(ids[node.id] for node in lineage.nodes if node.role == role)} {role}")
    lines += [f"  style {ids[node.id]} stroke-width:3px" for node in lineage.nodes if node.is_asked]
    return "\n".join(lines)


def dot(lineage: Lineage) -> str:
    """Write lineage as a Graphviz digraph, left to right."""
    ids = _ids(lineage)
    lines = [
        "digraph lineage {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif", fontsize=11, style=filled, margin="0.15,0.08"];',
        '  edge [color="#8a9099", arrowsize=0.7];',
    ]
    for node in lineage.nodes:
        fill, line = _FILLS.get(node.role, _PLAIN)
        width = 3 if node.is_asked else 1
        look = f'shape={_DOT_SHAPES[node.role]}, fillcolor="{fill}", color="{line}", penwidth={width}'
        lines.append(f'  {ids[node.id]} [label="{_for_dot(node.name)}", tooltip="{_for_dot(node.noun)}", {look}];')
    lines += [f"  {ids[parent]} -> {ids[child]};" for parent, child in lineage.edges]
    return "\n".join([*lines, "}"])


def _ids(lineage: Lineage) -> dict[str, str]:
    return {node.id: f"n{number}" for number, node in enumerate(lineage.nodes)}


def _for_mermaid(node: LineageNode) -> str:
    """Text of a quoted label: what could be markup becomes a character's number, as Mermaid writes it."""
    name = _UNSAFE.sub(lambda found: f"#{ord(found[0])};", _printable(node.name))
    return f"{name}<br/>{_UNSAFE.sub(' ', node.noun)}"


def _for_dot(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
