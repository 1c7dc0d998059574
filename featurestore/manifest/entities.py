"""Where entities are declared: dimension models, `featurestore.yml`, dbt's column property ``entity``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.entities import Entity
from featurestore.definitions.places import SETTINGS_FILE
from featurestore.manifest.blocks import open_block, show
from featurestore.manifest.nodes import ENTITY_KEY
from featurestore.manifest.settings import ENTITY_KEYS, read_entity

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from featurestore.manifest.nodes import Node
    from featurestore.manifest.problems import Problems
    from featurestore.manifest.settings import Settings

_IDENTIFYING = ("primary", "unique", "natural")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDeclaration:
    """An entity and where it is declared; `is_explicit` is False for dbt's column property."""

    entity: Entity
    where: str
    is_explicit: bool


def declared_entities(
    nodes: Sequence[Node], settings: Settings, *, used: Collection[str], problems: Problems
) -> dict[str, EntityDeclaration]:
    """Collect the declarations of entities.

    Args:
        nodes: the manifest's resources with metadata of ours.
        settings: for the entities of `featurestore.yml`.
        used: the entities that feature views name; column properties of others are the semantic layer's own business.
        problems: gets a note for each entity declared twice with other join keys.

    Returns:
        The declarations by the entity's name; an explicit one goes before a column property.
    """
    found: dict[str, EntityDeclaration] = {}
    for declaration in (*_from_settings(settings), *_from_models(nodes, problems), *_from_columns(nodes, problems)):
        name = declaration.entity.name
        if not declaration.is_explicit and name not in used:
            continue
        first = found.setdefault(name, declaration)
        if first.entity.join_keys != declaration.entity.join_keys:
            keys, other_keys = ", ".join(declaration.entity.join_keys), ", ".join(first.entity.join_keys)
            what = f"entity '{name}' has the join keys {keys} here, but {other_keys} in {first.where}"
            problems.error(what, where=declaration.where, hint="declare it once, or make both agree")
    return found


def own_entities(node: Node) -> tuple[str, ...]:
    """Name the entities that a model's own columns declare, in column order."""
    return tuple(dict.fromkeys(name for name, _ in _identifying_columns(node)))


def _from_settings(settings: Settings) -> list[EntityDeclaration]:
    return [
        EntityDeclaration(entity=entity, where=f"{SETTINGS_FILE}: entities.{entity.name}", is_explicit=True)
        for entity in settings.entities
    ]


def _from_models(nodes: Sequence[Node], problems: Problems) -> list[EntityDeclaration]:
    found = []
    for node in nodes:
        if node.meta.get(ENTITY_KEY) is None:
            continue
        path = f"config.meta.{ENTITY_KEY}"
        values = node.meta[ENTITY_KEY]
        block = open_block(values, file=node.file, path=path, known=ENTITY_KEYS, problems=problems)
        entity = read_entity(block, block.text("name", "the entity's name")) if block is not None else None
        if entity is not None:
            found.append(EntityDeclaration(entity=entity, where=node.place(path), is_explicit=True))
    return found


def _from_columns(nodes: Sequence[Node], problems: Problems) -> list[EntityDeclaration]:
    found = []
    for node in nodes:
        keys: dict[str, list[str]] = {}
        for name, column in _identifying_columns(node):
            keys.setdefault(name, []).append(column)
        for column_of_node in node.columns:
            _note_unreadable(node, column_of_node.name, column_of_node.entity, problems)
        for name, columns in keys.items():
            where = node.place(f"columns.{columns[0]}.entity")
            entity = Entity(name=name, join_keys=tuple(columns))
            found.append(EntityDeclaration(entity=entity, where=where, is_explicit=False))
    return found


def _identifying_columns(node: Node) -> list[tuple[str, str]]:
    """Pair each identifying column's entity with the column; the entity's name defaults to the column's."""
    return [
        (str(column.entity.get("name") or column.name), column.name)
        for column in node.columns
        if isinstance(column.entity, dict) and column.entity.get("type") in _IDENTIFYING
    ]


def _note_unreadable(node: Node, column: str, entity: object, problems: Problems) -> None:
    if entity is None or isinstance(entity, dict):
        return
    what = f"expected a mapping such as {{type: primary, name: {column}}}, got {show(entity)}"
    problems.warn(what, where=node.place(f"columns.{column}.entity"), hint="newer dbt versions refuse it too")
