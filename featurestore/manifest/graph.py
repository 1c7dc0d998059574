"""The dbt graph around the feature views, out of the manifest; and one hash for everything that a view is made of."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import msgspec

from featurestore.definitions.graph import Graph, GraphNode, Kind, from_the_top
from featurestore.manifest.nodes import TABLE_RESOURCES, VIEW_KEY, as_mapping, as_texts, checksum_of, project_path
from featurestore.manifest.services import owner_name
from featurestore.manifest.tests_of import tests_by_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.manifest.artifacts import Manifest

_TRAINING_SET = "training_set"
_OUR_FOLDER = "macros/featurestore/"
_OUR_PACKAGE = "featurestore"
_DBT_MACRO = re.compile(r"^macro\.dbt(?:_[a-z0-9]+)?\.")
_COLUMN = re.compile(r"^[^\W\d]\w*$")
_SIMPLE = re.compile(r"\{\{\s*(?:ref|source|config)\([^{}]*\)\s*\}\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RawMacro:
    macro_sql: str = ""
    original_file_path: str = ""
    package_name: str = ""
    depends_on: dict[str, Any] | None = None


class Origins:
    """What nodes are made of, as hashes; each node is looked at once."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._macros = _Macros(manifest)
        self._known: dict[str, str] = {}

    def upstream(self, unique_id: str) -> str:
        """Hash everything that a node is made of besides its own SQL: macros, and what it reads, however far up.

        Returns:
            sha256 in hex; empty for a node that reads nothing and uses no macro of the project's.
        """
        raw = self._manifest.nodes.get(unique_id)
        parents = _parents(raw)
        unknown = (each for each in parents if each not in self._known)
        for each in from_the_top(unknown, self._unknown_parents):
            self._known[each] = self._whole(each)
        return _hash(self._macros.of(raw), *(self._known[each] for each in parents))

    def _unknown_parents(self, unique_id: str) -> list[str]:
        return [each for each in _parents(self._manifest.nodes.get(unique_id)) if each not in self._known]

    def _whole(self, unique_id: str) -> str:
        raw = self._manifest.nodes.get(unique_id)
        own = (unique_id, checksum_of(as_mapping((raw or {}).get("checksum"))), self._macros.of(raw))
        return _hash(*own, *(self._known.get(each, each) for each in _parents(raw)))


class _Macros:
    """Texts of the macros that nodes use: the project's and its packages', not dbt's own, nor ours."""

    def __init__(self, manifest: Manifest) -> None:
        self._raw = manifest.macros
        self._read: dict[str, _RawMacro | None] = {}

    def of(self, raw: Mapping[str, Any] | None) -> str:
        """Hash the macros of a node; empty without any."""
        names = as_texts(as_mapping((raw or {}).get("depends_on")).get("macros"))
        texts = {name: macro.macro_sql for name, macro in self._all(names)}
        return _hash(*(f"{name}\n{texts[name]}" for name in sorted(texts)))

    def _all(self, names: Iterable[str]) -> Iterator[tuple[str, _RawMacro]]:
        waiting, seen = list(names), set(names)
        while waiting:
            name = waiting.pop()
            macro = self._macro(name)
            if macro is None:
                continue
            yield name, macro
            new = [each for each in as_texts(as_mapping(macro.depends_on).get("macros")) if each not in seen]
            seen.update(new)
            waiting += new

    def _macro(self, name: str) -> _RawMacro | None:
        if name not in self._read:
            raw = None if _DBT_MACRO.match(name) else self._raw.get(name)
            macro = None if raw is None else msgspec.json.decode(raw, type=_RawMacro)
            is_ours = macro is not None and (
                macro.package_name == _OUR_PACKAGE or macro.original_file_path.startswith(_OUR_FOLDER)
            )
            self._read[name] = None if is_ours else macro
        return self._read[name]


def graph_of(manifest: Manifest) -> Graph:
    """Take out of the manifest what is above and below the feature views.

    Returns:
        Models, snapshots, seeds and sources that views are made of; the views; the models that make training sets of
        them, and what else these read (their examples); and the exposures that depend on them, with what is between.
    """
    views = {
        unique_id
        for unique_id, raw in manifest.nodes.items()
        if VIEW_KEY in as_mapping(as_mapping(raw.get("config")).get("meta"))
        and raw.get("resource_type") in TABLE_RESOURCES
    }
    everything = {**manifest.nodes, **manifest.sources, **manifest.exposures}
    parents = {each: _parents(raw) for each, raw in everything.items() if _is_of_interest(raw)}
    skeleton = Graph(
        nodes=tuple(GraphNode(unique_id=each, kind="model", name="", parents=its) for each, its in parents.items())
    )
    below = skeleton.below(views)
    training_sets = {each for each in below if _is_training_set(everything[each])}
    ends = training_sets | {each for each in below if each.startswith("exposure.")}
    between = below & skeleton.above(ends)
    wanted = sorted((skeleton.above(views | training_sets) | views | ends | between) & parents.keys())
    macros = _Macros(manifest)
    owners = {str(group.get("name")): owner_name(group.get("owner")) for group in manifest.groups.values()}
    tests = tests_by_node(manifest)
    nodes = (_node(each, everything[each], manifest, macros, owners) for each in wanted)
    return Graph(nodes=tuple(replace(node, tests=tests.get(node.unique_id, ())) for node in nodes))


def _node(
    unique_id: str, raw: Mapping[str, Any], manifest: Manifest, macros: _Macros, owners: Mapping[str, str]
) -> GraphNode:
    config = as_mapping(raw.get("config"))
    group = _text(config.get("group") or raw.get("group"))
    kind = cast("Kind", _text(raw.get("resource_type")) or unique_id.partition(".")[0])
    sql = _text(raw.get("raw_code"))
    return GraphNode(
        unique_id=unique_id,
        kind=kind,
        name=_name(kind, raw),
        path=project_path(raw, "original_file_path", manifest),
        description=_text(raw.get("description")).strip(),
        owner=owner_name(raw.get("owner")) or owners.get(group, ""),
        tags=as_texts(config.get("tags") or raw.get("tags")),
        group=group,
        access=_text(config.get("access") or raw.get("access")),
        relation=_text(raw.get("relation_name")),
        parents=_parents(raw),
        checksum=checksum_of(as_mapping(raw.get("checksum"))),
        macros=macros.of(raw),
        sql=sql,
        compiled=_text(raw.get("compiled_code")) if "{" in _SIMPLE.sub("", sql) else "",
        exposure_type=_text(raw.get("type")) if kind == "exposure" else "",
        watched=_watched(config) if kind == "snapshot" else (),
        is_training_set=_is_training_set(raw),
        fqn=_names(raw.get("fqn")),
        yaml_path=project_path(raw, "patch_path", manifest),
    )


def _watched(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns by which a snapshot tells that a row is another one; none where that is an expression, or all columns."""
    key = config.get("updated_at" if config.get("strategy") == "timestamp" else "check_cols")
    found = [config.get("unique_key"), key, config.get("updated_at") or []]
    names = [_text(name) for each in found for name in (each if isinstance(each, list) else [each])]
    is_plain = bool(found[0] and key) and key != "all" and all(_COLUMN.match(name) for name in names)
    return tuple(sorted({name.casefold() for name in names})) if is_plain else ()


def _name(kind: Kind, raw: Mapping[str, Any]) -> str:
    name, version = _text(raw.get("name")), raw.get("version")
    if kind == "source":
        return f"{_text(raw.get('source_name'))}.{name}"
    return name if version is None else f"{name}@v{version}"


def _is_of_interest(raw: Mapping[str, Any]) -> bool:
    return raw.get("resource_type") in {*TABLE_RESOURCES, "source", "exposure"}


def _is_training_set(raw: Mapping[str, Any]) -> bool:
    macros = as_texts(as_mapping(raw.get("depends_on")).get("macros"))
    return raw.get("resource_type") == "model" and any(each.endswith(f".{_TRAINING_SET}") for each in macros)


def _parents(raw: Mapping[str, Any] | None) -> tuple[str, ...]:
    return as_texts(as_mapping((raw or {}).get("depends_on")).get("nodes"))


def _names(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """A list of texts, in its order."""
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _text(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else ""


def _hash(*parts: str) -> str:
    """Hash texts, each apart; nothing for nothing."""
    if not any(parts):
        return ""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
