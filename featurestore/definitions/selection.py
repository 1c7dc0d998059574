"""dbt's selection syntax over the graph of a feature store: which nodes an expression means.

Grammar, as dbt's: arguments and blanks are a union, commas an intersection, and each part is
``[@ or N+][method:]value[+N]``; ``+`` adds what is above or below, at most N steps, ``@`` what is below with all above
that. A value may hold the wildcards ``* ? [abc]``. Without a method it is a path (with a slash), a file (``.sql``,
``.csv``) or a name, also with folders in front: ``staging.orders``; a version also as we write it: ``orders@v2``.
Methods: dbt's that a graph can answer, and ``owner:``, ``service:`` and ``entity:``, which dbt has not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from featurestore.definitions.graph import service_id, view_id
from featurestore.errors import UsageError, near_names, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from featurestore.definitions.graph import Graph, GraphNode
    from featurestore.definitions.project import Project

_PART = re.compile(
    r"\A(?P<at>@)?(?P<above>(?P<above_steps>\d*)\+)?(?:(?P<method>[\w.]+):)?(?P<value>.*?)"
    r"(?P<below>\+(?P<below_steps>\d*))?\Z",
    re.DOTALL,
)
_FILES = (".sql", ".py", ".csv")
_WILD = frozenset("*?[]")
VIEW_TYPE, SERVICE_TYPE = "feature_view", "feature_service"
"""What ``resource_type:`` knows besides dbt's types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What expressions mean.

    Attributes:
        unique_ids: of the nodes.
        unmatched: parts that no node matched, as written.
    """

    unique_ids: frozenset[str]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Selectable:
    """What is selected from: the graph, and what the definitions say of its nodes."""

    graph: Graph
    project: Project

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """Owners of views and services, by unique id; the graph knows those of the other nodes."""
        views = {view_id(self.project, view): view.owner for view in self.project.views}
        return views | {service_id(self.project, each): each.owner for each in self.project.services}

    @cached_property
    def entities(self) -> Mapping[str, tuple[str, ...]]:
        """Entities of views, by unique id."""
        return {view_id(self.project, view): view.entities for view in self.project.views}

    @cached_property
    def services(self) -> frozenset[str]:
        """Unique ids of the feature services."""
        return frozenset(service_id(self.project, service) for service in self.project.services)


def select_nodes(among: Selectable, *, select: Sequence[str], exclude: Sequence[str] = ()) -> Selected:
    """Find the nodes that expressions mean.

    Args:
        among: the graph and the definitions.
        select: dbt's ``--select``; none selects everything.
        exclude: dbt's ``--exclude``.

    Raises:
        UsageError: an expression that cannot be read.
        UnknownNameError: an unknown method; names what is near.
    """
    unmatched: list[str] = []
    found = _union(among, select, unmatched) if select else frozenset(among.graph.by_id)
    return Selected(unique_ids=found - _union(among, exclude, unmatched), unmatched=tuple(unmatched))


def near_parts(among: Selectable, part: str) -> tuple[str, ...]:
    """Say what a part that matched nothing may have meant: up to three parts with near names, best first."""
    read = _PART.match(part)
    assert read is not None, "the pattern matches any text"
    method, value = read["method"], read["value"]
    if method is None:
        sources = tuple(
            f"source:{node.name}"
            for node in among.graph.nodes
            if node.kind == "source" and value in {node.name, node.name.partition(".")[2]}
        )
        return sources or _near(value, {node.name for node in among.graph.nodes if node.kind != "source"})
    values = _KNOWN.get(method)
    return () if values is None else tuple(f"{method}:{near}" for near in _near(value, {*values(among)} - {""}))


def _near(value: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names that resemble a value, else those that hold it; at most three."""
    names = sorted(known)
    return near_names(value, names) or tuple(name for name in names if value.casefold() in name.casefold())[:3]


def _union(among: Selectable, expressions: Sequence[str], unmatched: list[str]) -> frozenset[str]:
    found: set[str] = set()
    for part in (part for text in expressions for part in text.split()):
        found |= frozenset.intersection(*(_matched(among, each, unmatched) for each in part.split(",")))
    return frozenset(found)


def _matched(among: Selectable, part: str, unmatched: list[str]) -> frozenset[str]:
    """The nodes that one part between commas means, with what its ``+`` and ``@`` add."""
    read = _PART.match(part)
    assert read is not None, "the pattern matches any text"
    if not read["value"]:
        raise UsageError(f"cannot read the selection '{part}': it names nothing", hint="write a name, or method:value")
    if read["at"] and read["below"]:
        raise UsageError(f"cannot read the selection '{part}': @ and a + after the name go not together")
    is_match = _criterion(among, read["method"], read["value"])
    own = frozenset(node.unique_id for node in among.graph.nodes if is_match(node))
    if not own:
        unmatched.append(part)
    graph, found = among.graph, set(own)
    if read["at"]:
        found |= _within(own, lambda each: graph.children.get(each, ()), None)
        found |= _within(found, graph.parent_ids, None)
    if read["above"]:
        found |= _within(own, graph.parent_ids, _steps(read["above_steps"]))
    if read["below"]:
        found |= _within(own, lambda each: graph.children.get(each, ()), _steps(read["below_steps"]))
    return frozenset(found & graph.by_id.keys())


def _steps(digits: str) -> int | None:
    return int(digits) if digits else None


def _within(starts: Iterable[str], neighbours: Callable[[str], Iterable[str]], steps: int | None) -> set[str]:
    """What is reached in at most so many steps; None is no limit."""
    found: set[str] = set()
    layer = set(starts)
    while layer and steps != 0:
        layer = {each for one in layer for each in neighbours(one)} - found
        found |= layer
        steps = None if steps is None else steps - 1
    return found


def _criterion(among: Selectable, method: str | None, value: str) -> Callable[[GraphNode], bool]:
    if method is None:
        method = "path" if "/" in value else "file" if value.lower().endswith(_FILES) else "fqn"
    make = _METHODS.get(method)
    if make is None:
        view = method.partition("@v")[0]
        if any(view == each.name for each in among.project.views):
            raise UsageError(
                f"cannot read the selection '{method}:{value}'", hint=f"features are selected by their view: {method}"
            )
        raise unknown_name("method", method, _METHODS, place="the selection syntax")
    return make(among, value)


def _by_name(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    def is_match(node: GraphNode) -> bool:
        fqn = fqn_of(node)
        if "@v" in value and fnmatchcase(node.name, value):
            return node.kind != "source"
        return node.kind != "source" and (_is_named(node, fqn, value) or _is_named(node, fqn[1:], value))

    return is_match


def _is_named(node: GraphNode, fqn: tuple[str, ...], value: str) -> bool:
    """Compare as dbt does: with the name, else part by part from the front, from the first wildcard on as one text."""
    if not fqn:
        return False
    wanted = value.split(".")
    is_versioned = "@v" in node.name and len(fqn) > 1
    leaf = fqn[-2] if is_versioned else fqn[-1]
    if leaf == value or (is_versioned and "_".join(fqn[-2:]) == "_".join(wanted[-2:])):
        return True
    flat = [item for part in fqn for item in part.split(".")]
    if len(flat) < len(wanted):
        return False
    for position, part in enumerate(wanted):
        if _WILD & set(part):
            rest = ".".join(wanted[position:])
            return fnmatchcase(".".join(flat[position:]), rest) or (len(wanted) == 1 and fnmatchcase(leaf, value))
        if flat[position] != part:
            return False
    return True


def fqn_of(node: GraphNode) -> tuple[str, ...]:
    """The name that dbt gives a node, in parts; made of its file where a graph of before has none."""
    if node.fqn:
        return node.fqn
    name, _, version = node.name.partition("@v")
    folders = PurePosixPath(node.path.rpartition("://")[2]).parts[1:-1]
    return (node.package, *folders, name, *([f"v{version}"] if version else ()))


def _by_tag(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    return lambda node: any(fnmatchcase(tag, value) for tag in node.tags)


def _by_path(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    pattern = _path_pattern(value)

    def is_match(node: GraphNode) -> bool:
        paths = [each.rpartition("://")[2] for each in (node.path, node.yaml_path) if each]
        folders = [str(each) for each in PurePosixPath(paths[0]).parents] if paths else []
        return any(pattern.fullmatch(each) for each in (*paths, *folders))

    return is_match


def _path_pattern(value: str) -> re.Pattern[str]:
    """A pattern of files, as the shell has them: ``*`` stays within a folder, ``**`` crosses folders."""
    parts = [part for part in value.split("/") if part not in {"", "."}]
    made = ""
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if part == "**":
            made += "(?:.+)?" if is_last else "(?:[^/]+/)*"
            continue
        made += "".join(_letters(part)) + ("" if is_last else "/")
    return re.compile(made or r"\.")


def _letters(part: str) -> Iterator[str]:
    for piece in re.findall(r"\*+|\?|\[!?[^\]]+\]|.", part, re.DOTALL):
        if piece[0] == "*":
            yield "[^/]*"
        elif piece == "?":
            yield "[^/]"
        elif len(piece) > 1:
            yield "[" + ("^" if piece[1] == "!" else "") + re.escape(piece[1:-1].lstrip("!")).replace(r"\-", "-") + "]"
        else:
            yield re.escape(piece)


def _by_file(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    def is_match(node: GraphNode) -> bool:
        path = PurePosixPath(node.path.rpartition("://")[2])
        return fnmatchcase(path.name, value) or fnmatchcase(path.stem, value)

    return is_match


def _by_source(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    parts = value.split(".")
    if len(parts) > 3:
        raise UsageError(f"cannot read the selection 'source:{value}'", hint="write source:NAME or source:NAME.TABLE")
    package, source, table = (["*", *parts, "*"] if len(parts) == 1 else ["*", *parts])[-3:]

    def is_match(node: GraphNode) -> bool:
        name, _, its_table = node.name.partition(".")
        given = ((node.package, package), (name, source), (its_table, table))
        return node.kind == "source" and all(fnmatchcase(text, pattern) for text, pattern in given)

    return is_match


def _by_exposure(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    package, _, name = value.rpartition(".")
    return lambda node: (
        node.kind == "exposure" and fnmatchcase(node.package, package or "*") and fnmatchcase(node.name, name)
    )


def _by_service(among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    return lambda node: node.unique_id in among.services and fnmatchcase(node.name, value)


def _by_owner(among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    pattern = value.casefold()

    def is_match(node: GraphNode) -> bool:
        owner = among.owners.get(node.unique_id) or node.owner
        return bool(owner) and fnmatchcase(owner.casefold(), pattern)

    return is_match


def _by_group(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    return lambda node: node.kind not in {"source", "exposure"} and bool(node.group) and fnmatchcase(node.group, value)


def _by_access(_among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    return lambda node: node.kind == "model" and node.access == value


def _by_entity(among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    return lambda node: any(fnmatchcase(entity, value) for entity in among.entities.get(node.unique_id, ()))


def _by_resource_type(among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    if value == VIEW_TYPE:
        return lambda node: node.unique_id in among.entities
    if value == SERVICE_TYPE:
        return lambda node: node.unique_id in among.services
    return lambda node: node.kind == value


def _by_package(among: Selectable, value: str) -> Callable[[GraphNode], bool]:
    wanted = among.project.name if value == "this" else value
    return lambda node: fnmatchcase(node.package, wanted)


_METHODS: Mapping[str, Callable[[Selectable, str], Callable[[GraphNode], bool]]] = {
    "fqn": _by_name,
    "tag": _by_tag,
    "path": _by_path,
    "file": _by_file,
    "source": _by_source,
    "exposure": _by_exposure,
    "service": _by_service,
    "owner": _by_owner,
    "group": _by_group,
    "access": _by_access,
    "entity": _by_entity,
    "resource_type": _by_resource_type,
    "package": _by_package,
}

_KNOWN: Mapping[str, Callable[[Selectable], Iterable[str]]] = {
    "fqn": lambda among: (node.name for node in among.graph.nodes if node.kind != "source"),
    "tag": lambda among: (tag for node in among.graph.nodes for tag in node.tags),
    "source": lambda among: (node.name for node in among.graph.nodes if node.kind == "source"),
    "exposure": lambda among: (node.name for node in among.graph.nodes if node.kind == "exposure"),
    "service": lambda among: (service.name for service in among.project.services),
    "owner": lambda among: (
        owner.replace(" ", "?") for owner in (*among.owners.values(), *(node.owner for node in among.graph.nodes))
    ),
    "group": lambda among: (node.group for node in among.graph.nodes),
    "access": lambda _among: ("private", "protected", "public"),
    "entity": lambda among: (entity.name for entity in among.project.entities),
    "resource_type": lambda among: (VIEW_TYPE, SERVICE_TYPE, *(node.kind for node in among.graph.nodes)),
    "package": lambda among: (node.package for node in among.graph.nodes),
}
"""What there is to be named by a method, in the words of a selection: a blank is a ``?`` there."""
