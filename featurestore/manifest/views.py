"""One feature view out of one dbt model or snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.names import folder_name_problem, relation_problem
from featurestore.definitions.types import is_orderable
from featurestore.definitions.views import Column, FeatureView, Source
from featurestore.errors import did_you_mean
from featurestore.manifest.blocks import show
from featurestore.manifest.columns import UNTYPED, Table, label, note_untyped, read_table
from featurestore.manifest.entities import EntityDeclaration, own_entities
from featurestore.manifest.features import read_features
from featurestore.manifest.nodes import TABLE_RESOURCES, VIEW_KEY, Node
from featurestore.manifest.options import PATH, ViewOptions
from featurestore.manifest.times import bookkeeping_columns, read_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.manifest.graph import Origins
    from featurestore.manifest.problems import Problems

_NO_KEYS = ("list<", "struct<", "map<", "json", "interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What reading a view needs besides its node.

    Attributes:
        entities: all declarations by name.
        warehouse: columns by relation, as the warehouse says them.
        catalog: columns by unique id, as dbt's catalog says them.
        owners: owners of dbt groups by the group's name.
        origins: what each node is made of.
        dialect: sqlglot's name of the warehouse.
        problems: where what is wrong is noted.
    """

    entities: Mapping[str, EntityDeclaration]
    warehouse: Mapping[str, tuple[Column, ...]]
    catalog: Mapping[str, tuple[Column, ...]]
    owners: Mapping[str, str]
    origins: Origins
    dialect: str
    problems: Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    """A view that was read, and whether its columns are only what unenforced YAML says."""

    view: FeatureView
    is_certain: bool


def has_table(node: Node, problems: Problems) -> bool:
    """Say whether a node with view metadata has a table to read; note it if not."""
    if node.resource_type not in TABLE_RESOURCES:
        what = f"expected on a model or snapshot, got a {node.resource_type}"
        problems.error(what, where=node.place(PATH), hint="make a model that selects what it needs")
    elif node.relation is None:
        what = f"{label(node)} is ephemeral, so there is no table to read"
        problems.error(what, where=node.place(PATH), hint="write `materialized: table` (or view, or incremental)")
    else:
        return True
    return False


def read_view(node: Node, options: ViewOptions, around: Surroundings) -> ReadView | None:
    """Read one feature view; None, with every problem of it noted, if it has any."""
    problems = around.problems
    errors_before = len(problems.errors)
    why = folder_name_problem(node.name)
    if why is not None:
        problems.error(f"'{node.name}' {why}", where=node.file, hint="rename the model")
    why = relation_problem(node.relation or "", around.dialect)
    if why is not None:
        what = f"the table of {label(node)}, as dbt calls it, {why}: {show(node.relation)}"
        problems.error(what, where=node.place("relation_name"), hint="have dbt make a table or a view of the model")
    entities = _entities(node, options, problems)
    table = read_table(
        node, warehouse=around.warehouse, catalog=around.catalog, dialect=around.dialect, problems=problems
    )
    if table is None:
        return None
    view = _build(node, options, table, entities, around)
    return (
        None
        if view is None or len(problems.errors) > errors_before
        else ReadView(view=view, is_certain=table.is_certain)
    )


def _build(
    node: Node, options: ViewOptions, table: Table, entities: tuple[str, ...], around: Surroundings
) -> FeatureView | None:
    problems = around.problems
    keys = _join_keys(entities, options, table, around)
    times = read_times(options, table, problems)
    taken = {column.name: "a time of the view" for column in (times.columns if times is not None else ())}
    taken |= {key.name: "a join key" for key in keys}
    features = read_features(options, table, taken, problems)
    tie_breakers = _tie_breakers(options, table, problems)
    if times is None:
        return None
    _warn_of_deleted_records(node, problems)
    named = [(each.name, each.type) for each in (*keys, *times.columns)]
    named += [(each.name, each.type) for each in features]
    note_untyped(table, tuple(name for name, kind in named if kind == UNTYPED), problems)
    return FeatureView(
        name=node.name,
        version=node.version,
        is_latest=node.is_latest,
        relation=node.relation or "",
        entities=entities,
        join_keys=keys,
        event_time=times.event_time,
        created_at=times.created_at,
        ttl_us=options.ttl_us,
        delay_us=times.delay_us,
        as_of=options.as_of,
        boundary=options.boundary,
        tie_breakers=tie_breakers,
        valid_to=times.valid_to,
        lookback_us=options.lookback_us,
        online=options.online,
        pushed=options.pushed,
        features=features,
        description=node.description.strip(),
        owner=options.owner or around.owners.get(node.group, ""),
        tags=node.tags,
        group=node.group,
        access=node.access,
        source=Source(
            unique_id=node.unique_id,
            resource_type=node.resource_type,
            path=node.path,
            yaml_path=node.yaml_path,
            checksum=node.checksum,
            upstream=around.origins.upstream(node.unique_id),
        ),
    )


def _entities(node: Node, options: ViewOptions, problems: Problems) -> tuple[str, ...]:
    if options.entities is not None:
        return options.entities
    declared = own_entities(node)
    if not declared and node.meta[VIEW_KEY].get("entities") is None:
        hint = "write `entities: [NAME]`, or `entities: []` for a view without entity (SEMANTICS P10)"
        problems.error("expected the list of entities, got nothing", where=node.place(f"{PATH}.entities"), hint=hint)
    return declared


def _join_keys(
    entities: tuple[str, ...], options: ViewOptions, table: Table, around: Surroundings
) -> tuple[Column, ...]:
    """Find the join keys of the entities, in order; a key that two of them share counts once."""
    where = table.node.place(f"{PATH}.entities")
    names = [column.name for column in table.columns]
    keys: dict[str, Column] = {}
    for entity in entities:
        declared = around.entities.get(entity)
        for key in declared.entity.join_keys if declared is not None else (entity,):
            column = table.match(key)
            if column is not None:
                keys[column.name] = column
                _check_key(column, options, where, around.problems)
            elif declared is None:
                what = f"no entity '{entity}' is declared, and {label(table.node)} has no column of that name"
                around.problems.error(what, where=where, hint=did_you_mean(entity, {*around.entities, *names}))
            else:
                what = f"entity '{entity}' has the join key '{key}', but {label(table.node)} has no such column"
                around.problems.error(what, where=where, hint=did_you_mean(key, names))
    return tuple(keys.values())


def _check_key(column: Column, options: ViewOptions, where: str, problems: Problems) -> None:
    if column.name.startswith("__"):
        what = f"join key '{column.name}' starts with __, which is kept for columns that queries add"
        problems.error(what, where=where, hint="rename the column in the model")
    if options.online and column.type != UNTYPED and column.type.startswith(_NO_KEYS):
        what = f"column '{column.name}' of type {column.type} cannot be a join key online"
        problems.error(what, where=where, hint="cast it to a string in the model, or write `online: false`")


def _tie_breakers(options: ViewOptions, table: Table, problems: Problems) -> tuple[str, ...]:
    where = table.node.place(f"{PATH}.tie_breakers")
    found = [table.find(name, where=where, problems=problems) for name in options.tie_breakers]
    columns = [column for column in found if column is not None]
    for column in columns:
        if not is_orderable(column.type):
            what = f"column '{column.name}' of type {column.type} has no order, so it cannot break a tie (SEMANTICS P4)"
            problems.error(what, where=where, hint="name a number, a text or a time")
    return tuple(dict.fromkeys(column.name for column in columns))


def _warn_of_deleted_records(node: Node, problems: Problems) -> None:
    if node.config.get("hard_deletes") == "new_record":
        deleted = bookkeeping_columns(node).get("dbt_is_deleted", "dbt_is_deleted")
        what = f"hard_deletes: new_record keeps a deleted key's last values as valid; only '{deleted}' tells"
        problems.warn(
            what, where=node.place("config.hard_deletes"), hint=f"add {deleted} to `features`, or use invalidate"
        )
