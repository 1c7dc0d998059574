"""From a dbt manifest to a project's definitions, in two steps with the warehouse's answer between them.

First `declared_relations` says which tables matter, so that the warehouse is asked once for all columns; then
`read_project` reads everything and raises one error with all problems. Nothing here depends on the order of the
manifest (SEMANTICS R4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.sound import first_unsound
from featurestore.errors import format_problem
from featurestore.manifest.checks import refuse_equal_names, warn_of_missing_latest, warn_of_unequal_keys
from featurestore.manifest.dialects import dialect_of
from featurestore.manifest.entities import declared_entities, own_entities
from featurestore.manifest.graph import Origins
from featurestore.manifest.nodes import TABLE_RESOURCES, VIEW_KEY, Node, as_mapping, our_nodes
from featurestore.manifest.options import read_options
from featurestore.manifest.problems import Problems
from featurestore.manifest.services import KnownViews, owner_name, read_services
from featurestore.manifest.streams import Bound, as_written, bind_streams, read_streams, stream_relations
from featurestore.manifest.views import Surroundings, has_table, read_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.definitions.views import Column, FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.entities import EntityDeclaration
    from featurestore.manifest.options import ViewOptions
    from featurestore.manifest.settings import Settings
    from featurestore.manifest.streams import Compile

Declared = list[tuple[Node, "ViewOptions"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A project's definitions, and doubts about them in the form of error messages."""

    project: Project
    warnings: tuple[str, ...] = ()


def declared_relations(manifest: Manifest) -> tuple[str, ...]:
    """Name the tables of all feature views, and of the dbt sources that are streams.

    Args:
        manifest: dbt's.

    Returns:
        Relations as dbt rendered them for the target, sorted; wrong metadata is passed over here.
    """
    relations: set[str] = set()
    for raw in manifest.nodes.values():
        meta = as_mapping(as_mapping(raw.get("config")).get("meta"))
        if VIEW_KEY in meta and raw.get("resource_type") in TABLE_RESOURCES and raw.get("relation_name"):
            relations.add(str(raw["relation_name"]))
    return tuple(sorted(relations.union(stream_relations(manifest))))


def read_project(
    manifest: Manifest,
    settings: Settings,
    *,
    target: str,
    columns: Mapping[str, tuple[Column, ...]],
    catalog: Mapping[str, tuple[Column, ...]] | None = None,
    compiled: Compile = as_written,
) -> Reading:
    """Read all definitions of a dbt project.

    Args:
        manifest: dbt's, made for `target`.
        settings: `featurestore.yml`, for entities without a model.
        target: name of the dbt target.
        columns: by relation, what the warehouse says; empty when it was not asked.
        catalog: by unique id, what dbt's catalog says (`artifacts.load_catalog`).
        compiled: checks the SQL that makes rows of events (`streams.compile`); without it that is taken as written.

    Returns:
        The project, sorted by name and version, and warnings.

    Raises:
        DefinitionError: all problems of the project's metadata at once, each with file and key.
        UsageError: the manifest's adapter speaks no dialect that we know.
    """
    problems = Problems()
    dialect = dialect_of(manifest.adapter_type)
    nodes = list(our_nodes(manifest, problems))
    declared = _declared_views(nodes, problems)
    used = {name for node, options in declared for name in _entity_names(node, options)}
    entities = declared_entities(nodes, settings, used=used, problems=problems)
    around = Surroundings(
        entities=entities,
        warehouse=columns,
        catalog=catalog or {},
        owners=_group_owners(manifest),
        origins=Origins(manifest),
        dialect=dialect,
        problems=problems,
    )
    views = _read_views(declared, around)
    streams = read_streams(manifest, settings, warehouse=columns, dialect=dialect, problems=problems)
    by_id = {node.unique_id: (node, options) for node, options in declared}
    bound = [
        Bound(view=view, options=options.stream, node=node)
        for view in views
        for node, options in [by_id[view.source.unique_id]]
        if options.stream is not None
    ]
    streaming = bind_streams(bound, streams, compiled, dialect=dialect, problems=problems)
    views = tuple(streaming.get(view.reference, view) for view in views)
    all_entities = _all_entities(entities, used)
    warn_of_missing_latest(views, problems)
    warn_of_unequal_keys(views, {entity.name: entity for entity in all_entities}, problems)
    services = read_services(_known_views(manifest, nodes, views), problems)
    problems.raise_all()
    project = Project(
        name=manifest.project_name,
        target=target,
        dialect=dialect,
        entities=all_entities,
        views=views,
        services=services,
        streams=tuple(streams[name] for name in sorted(streams)),
    )
    unsound = first_unsound(project)
    if unsound is not None:
        problems.error(
            unsound.what, where=f"the definitions: {unsound.pointer}", hint="correct this in the dbt project"
        )
        problems.raise_all()
    return Reading(project=project, warnings=tuple(sorted(set(problems.warnings))))


def _declared_views(nodes: list[Node], problems: Problems) -> Declared:
    """Read the metadata of every feature view; those with no table or no readable metadata are noted and left out."""
    ours = [node for node in nodes if VIEW_KEY in node.meta]
    refuse_equal_names(ours, problems)
    declared = []
    for node in ours:
        options = read_options(node, problems)
        if has_table(node, problems) and options is not None:
            declared.append((node, options))
    return declared


def _entity_names(node: Node, options: ViewOptions) -> tuple[str, ...]:
    return own_entities(node) if options.entities is None else options.entities


def _read_views(declared: Declared, around: Surroundings) -> tuple[FeatureView, ...]:
    found = [read for read in (read_view(node, options, around) for node, options in declared) if read is not None]
    views = sorted((read.view for read in found), key=lambda view: (view.name, view.version or ""))
    uncertain = sorted(read.view.reference for read in found if not read.is_certain)
    if uncertain:
        what = f"only their YAML says the columns, and no contract enforces it: {', '.join(uncertain)}"
        hint = "run dbt build and apply again, or add `contract: {enforced: true}`"
        around.problems.warnings.append(format_problem(what, where="feature views", hint=hint))
    return tuple(views)


def _known_views(manifest: Manifest, nodes: list[Node], views: tuple[FeatureView, ...]) -> KnownViews:
    """What services may refer to; views with problems of their own are the broken ones."""
    by_name: dict[str, tuple[FeatureView, ...]] = {}
    for view in views:
        by_name[view.name] = (*by_name.get(view.name, ()), view)
    read = {view.source.unique_id for view in views}
    broken = {node.name for node in nodes if VIEW_KEY in node.meta and node.unique_id not in read}
    return KnownViews(
        manifest=manifest, views=by_name, broken=frozenset(broken), dialect=dialect_of(manifest.adapter_type)
    )


def _all_entities(declared: Mapping[str, EntityDeclaration], used: set[str]) -> tuple[Entity, ...]:
    """All declared entities, and those that are their own join keys."""
    found = {name: declaration.entity for name, declaration in declared.items()}
    for name in used:
        found.setdefault(name, Entity(name=name, join_keys=(name,)))
    return tuple(found[name] for name in sorted(found))


def _group_owners(manifest: Manifest) -> dict[str, str]:
    return {str(group.get("name")): owner_name(group.get("owner")) for group in manifest.groups.values()}
