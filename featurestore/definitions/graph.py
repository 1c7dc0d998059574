"""The dbt graph around the feature views: what they are made of, and who reads them.

It is what a reviewer looks at: lineage, whose values a change of SQL changes, and whom that hits. No answer is computed
from it; the SQL in it is read and compared, never run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView

Kind = Literal["source", "seed", "snapshot", "model", "exposure"]
Access = Literal["private", "protected", "public"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """One resource of the dbt project.

    Attributes:
        unique_id: dbt's.
        kind: dbt's resource type.
        name: ``orders``, ``orders@v2`` for a version; a source's is ``source.table``.
        path: of the file it is written in, relative to the project; a package's as ``package://path``.
        description, owner, tags: for people.
        group, access: dbt's.
        relation: the table, as dbt renders it for the target; empty where there is none.
        parents: unique ids of what it reads, sorted; for an exposure, of what it depends on.
        checksum: dbt's, of its SQL (a seed's: of its rows); empty where dbt makes none.
        macros: sha256 over the texts of the project's macros that it uses, however deep; empty without any.
        sql: its SQL as written, with dbt's Jinja.
        compiled: its SQL as dbt compiled it last, kept only where `sql` holds more Jinja than references.
        exposure_type: of an exposure: ``ml``, ``dashboard`` ...
        watched: of a snapshot, the columns by which dbt tells that a row is another one: its key, its time of change,
            what is compared; sorted, in lower case; empty where these are no plain columns, or all of them.
        is_training_set: whether it is a model that makes a training set.
        fqn: dbt's name of it in parts: package, folders, name, and the version where it has one.
        yaml_path: the file that describes it; empty for none.
        tests: dbt's data and unit tests on it, in short: ``not_null(order_id)``, ``unit: a_sentence``; sorted.
    """

    unique_id: str
    kind: Kind
    name: str
    path: str = ""
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    access: str = ""
    relation: str = ""
    parents: tuple[str, ...] = ()
    checksum: str = ""
    macros: str = ""
    sql: str = ""
    compiled: str = ""
    exposure_type: str = ""
    watched: tuple[str, ...] = ()
    is_training_set: bool = False
    fqn: tuple[str, ...] = ()
    yaml_path: str = ""
    tests: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The dbt package that it belongs to."""
        return self.unique_id.split(".")[1] if "." in self.unique_id else ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What is above and below the feature views; sorted by unique id, so that equal graphs are equal bytes."""

    nodes: tuple[GraphNode, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, GraphNode]:
        """The nodes by unique id."""
        return {node.unique_id: node for node in self.nodes}

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """By unique id, what reads it, sorted."""
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            for parent in node.parents:
                found.setdefault(parent, []).append(node.unique_id)
        return {parent: tuple(sorted(ids)) for parent, ids in found.items()}

    def above(self, unique_ids: Iterable[str]) -> frozenset[str]:
        """Unique ids of everything that these are made of, however far up; not themselves, unless in a circle."""
        return frozenset(_reached(unique_ids, self.parent_ids))

    def below(self, unique_ids: Iterable[str]) -> frozenset[str]:
        """Unique ids of everything that is made of these, however far down."""
        return frozenset(_reached(unique_ids, lambda each: self.children.get(each, ())))

    def parents(self, unique_id: str) -> Iterator[GraphNode]:
        """The nodes that one reads, as far as they are in the graph."""
        yield from (self.by_id[each] for each in self.parent_ids(unique_id) if each in self.by_id)

    def parent_ids(self, unique_id: str) -> tuple[str, ...]:
        """What a node reads; nothing for one that is not in the graph."""
        return self.by_id[unique_id].parents if unique_id in self.by_id else ()


def view_id(project: Project, view: FeatureView) -> str:
    """The unique id of a view's node."""
    version = "" if view.version is None else f".v{view.version}"
    return view.source.unique_id or f"model.{project.name}.{view.name}{version}"


def service_id(project: Project, service: FeatureService) -> str:
    """The unique id of a service's node."""
    return service.unique_id or f"exposure.{project.name}.{service.name}"


def from_the_top(starts: Iterable[str], parents: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Yield these and everything above them, each once and after all it reads.

    Without recursion, since chains may be long; dbt allows no circles, and one would end here too.
    """
    waiting = [(each, False) for each in starts]
    begun: set[str] = set()
    while waiting:
        each, is_ready = waiting.pop()
        if is_ready:
            yield each
        elif each not in begun:
            begun.add(each)
            waiting.append((each, True))
            waiting += [(parent, False) for parent in parents(each)]


def _reached(starts: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        new = [each for each in neighbours(waiting.pop()) if each not in found]
        found.update(new)
        waiting.extend(new)
    return found
