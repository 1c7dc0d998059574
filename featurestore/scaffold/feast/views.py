"""A feature view of Feast as a dbt model: a SELECT over its source's columns, and the YAML that makes it one of ours.

A column stands under the name that the view has for it, and with the value that Feast reads; only times in nanoseconds,
as pandas writes them, become times in microseconds. A model whose rows nobody can select yet is written too, but
disabled, so that `dbt build` works from the first day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from featurestore.definitions.durations import LONGEST_US, format_duration
from featurestore.definitions.names import name_problem
from featurestore.scaffold.feast.escape import identifier, rendered_values
from featurestore.scaffold.feast.notes import Note
from featurestore.scaffold.feast.types import data_type
from featurestore.scaffold.feast.view_notes import notes_of_view, waits_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from featurestore.scaffold.feast.objects import FeastEntity, FeastField, FeastView
    from featurestore.scaffold.feast.sources import Rows

Role = Literal["join key", "event time", "created time", "feature"]
OWN_SCHEMA = "feast"
_PLACEHOLDER = "rows_of_the_source"
_DATES = frozenset(("date32[day]", "date64[ms]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelColumn:
    """A column of the model.

    Attributes:
        name: in the view.
        source: in the data source.
        role: what it is to the view.
        said: what Feast says of it; None for a column that only the source's options name.
    """

    name: str
    source: str
    role: Role
    said: FeastField | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A view as a dbt model.

    Attributes:
        name: of the model, which is the view's.
        sql, meta: the SELECT, and the entry of dbt's YAML.
        features: names that references may use; None where all columns that the table has are features.
        is_enabled: False where the SELECT has to be written first.
        notes: what of the view has no equal.
    """

    name: str
    sql: str
    meta: Mapping[str, Any]
    features: tuple[str, ...] | None
    is_enabled: bool
    notes: tuple[Note, ...]


def make_model(
    view: FeastView, rows: Rows, entities: Mapping[str, FeastEntity], dialect: str, *, is_apart: bool = False
) -> Model:
    """Write the model of a view.

    Args:
        view: whose name dbt can have.
        rows: where its source's rows are.
        entities: of the repository, by name.
        dialect: sqlglot's name of the warehouse.
        is_apart: whether the model needs a schema of its own, because a source's table has its name: dbt would put the
            model in the table's place.
    """
    columns, notes = _columns(view, entities, rows.types)
    waits = waits_for(view, has_rows=rows.is_known)
    listed = [column for column in columns if column.role == "feature"]
    is_listed = bool(view.features or rows.types)
    if is_listed and not listed:
        waits = waits or "none of its features can have its name"
    config: dict[str, Any] = {"materialized": "view"}
    if is_apart:
        config["schema"] = OWN_SCHEMA
        what = f"its model is in the schema `<target's>_{OWN_SCHEMA}`: a table that is read has the name of the view"
        hint = "see that dbt does not build it over that table, if the project has a macro generate_schema_name"
        notes.append(_note(view, what, hint))
    if waits:
        config["enabled"] = False
        hint = "write the SELECT of the model, and remove `enabled: false` from its YAML; then add it to its services"
        notes.append(Note(kind=view.kind, name=view.name, what=f"its model is disabled: {waits}", hint=hint))
    if view.tags:
        config["tags"] = _tags(view.tags)
    config["meta"] = {"feature_view": _view_block(view, columns, rows.types, notes)}
    entry: dict[str, Any] = {"name": view.name}
    if view.description:
        entry["description"] = view.description
    described = [_column_entry(column, entities, view, dialect) for column in columns]
    return Model(
        name=view.name,
        sql=_select(view, columns, rows, dialect),
        meta=rendered_values({**entry, "config": config, "columns": described}),
        features=tuple(column.name for column in listed) if is_listed else None,
        is_enabled=not waits,
        notes=(*notes_of_view(view, is_listed=is_listed), *notes),
    )


def join_key(name: str, entities: Mapping[str, FeastEntity]) -> str:
    """The join key of an entity; one that the repository declares nowhere is its own."""
    return entities[name].join_key if name in entities else name


def _columns(
    view: FeastView, entities: Mapping[str, FeastEntity], types: Mapping[str, str]
) -> tuple[list[ModelColumn], list[Note]]:
    """Columns in the order join keys, times, features, each name once; the file's where the view lists none."""
    mapping = {} if view.source is None else view.source.field_mapping
    backwards = {mapped: source for source, mapped in mapping.items()}
    said = {each.name: each for each in (*view.entity_columns, *view.features)}
    found: dict[str, ModelColumn] = {}
    notes: list[Note] = []

    def add(name: str, role: Role) -> None:
        shown = name if name in backwards else mapping.get(name, name)
        if shown.casefold() in found:
            if role == "feature":
                what = f"its feature `{shown}` is its {found[shown.casefold()].role} too, and is that only"
                notes.append(_note(view, what, "select the column a second time, under another name"))
            return
        problem = name_problem(shown) if role == "feature" else None
        if problem is not None:
            what = f"its feature `{shown}` is left out: the name {problem}"
            notes.append(_note(view, what, "give the column another name in the model and in the services"))
            return
        source = backwards.get(shown, shown)
        found[shown.casefold()] = ModelColumn(name=shown, source=source, role=role, said=said.get(shown))

    for entity in view.entities:
        add(join_key(entity, entities), "join key")
    if view.source is not None and view.source.timestamp_field:
        add(view.source.timestamp_field, "event time")
    if view.source is not None and view.source.created_timestamp_column:
        add(view.source.created_timestamp_column, "created time")
    partition = "" if view.source is None else view.source.date_partition_column
    inferred = [mapping.get(name, name) for name in types if name != partition]
    for name in [each.name for each in view.features] or [name for name in inferred if name.casefold() not in found]:
        add(name, "feature")
    return list(found.values()), notes


def _view_block(
    view: FeastView, columns: Sequence[ModelColumn], types: Mapping[str, str], notes: list[Note]
) -> dict[str, Any]:
    """What stands under `feature_view`."""
    block: dict[str, Any] = {"entities": list(view.entities)}
    keys = {"event time": "event_time", "created time": "created_at"}
    block.update({keys[column.role]: column.name for column in columns if column.role in keys})
    if view.ttl_us is not None and view.ttl_us > LONGEST_US:
        notes.append(_note(view, "its ttl of more than 1000 years is none here", "nothing: it is no limit"))
    elif view.ttl_us is not None and view.ttl_us > 0:
        block["ttl"] = format_duration(view.ttl_us)
    elif view.ttl_us:
        notes.append(_note(view, "its ttl is below zero, and left out", "write a ttl, or none for no limit"))
    is_date = view.source is not None and view.source.timestamp_field_type.upper() == "DATE"
    if is_date or any(types.get(column.source) in _DATES for column in columns if column.role == "event time"):
        block["delay"] = "0s"
        hint = "write `delay: 1 day` if a row of a date is only known when the date is over, as it usually is"
        notes.append(_note(view, "its event time is a DATE, whose rows count from midnight on, as in Feast", hint))
    block["online"] = view.online
    if view.owner:
        block["owner"] = view.owner
    return block


def _column_entry(
    column: ModelColumn, entities: Mapping[str, FeastEntity], view: FeastView, dialect: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name}
    kind = _value_type(column, entities, view)
    written = None if kind is None else data_type(kind, dialect)
    if written is not None:
        entry["data_type"] = written
    if column.said is not None and column.said.description:
        entry["description"] = column.said.description
    if column.role == "feature" and column.said is not None and column.said.tags:
        entry["config"] = {"meta": {"feature": {"tags": _tags(column.said.tags)}}}
    return entry


def _value_type(column: ModelColumn, entities: Mapping[str, FeastEntity], view: FeastView) -> str | None:
    """Feast's type of a column; of a join key the entity's, which a label view does not take over."""
    if column.role == "join key":
        types = [
            entities[name].type
            for name in view.entities
            if join_key(name, entities) == column.name and name in entities
        ]
        if types and types[0] != "UNKNOWN":
            return types[0]
        return None if column.said is None or view.kind == "label view" else column.said.type
    return column.said.type if column.role == "feature" and column.said is not None else None


def _select(view: FeastView, columns: Sequence[ModelColumn], rows: Rows, dialect: str) -> str:
    """The model's text: named columns, or all of the source where Feast would ask it for them."""
    head = (
        f"-- The rows of the {view.kind} {view.name}, as its source has them, under the names that the view gives them."
    )
    if view.features or rows.types:
        items = [_item(column.source, column.name, dialect, rows.types.get(column.source, "")) for column in columns]
        marks = [f"  -- {column.role}" if column.role != "feature" else "" for column in columns]
    else:
        mapped = {} if view.source is None else view.source.field_mapping
        items = ["*", *(_item(source, name, dialect) for source, name in mapped.items() if source != name)]
        marks = [""] * len(items)
    last = len(items) - 1
    lines = [f"    {item}{',' if at < last else ''}{marks[at]}" for at, item in enumerate(items)]
    if rows.relation:
        return "\n".join((head, "select", *lines, f"from {rows.relation}")) + "\n"
    query = rows.query or "    select * from the_table  -- not known: name it here"
    name = "source_rows" if rows.query else _PLACEHOLDER
    return "\n".join((head, "with", "", f"{name} as (", query, ")", "", "select", *lines, f"from {name}")) + "\n"


def _item(source: str, name: str, dialect: str, arrow_type: str = "") -> str:
    quoted = identifier(source, dialect)
    if arrow_type.startswith("timestamp[ns"):
        kind = "timestamptz" if "tz=" in arrow_type else "timestamp"
        return f"cast({quoted} as {kind}) as {identifier(name, dialect)}"
    return quoted if source == name else f"{quoted} as {identifier(name, dialect)}"


def _tags(tags: Mapping[str, str]) -> list[str]:
    """Feast's tags, keys with values, as dbt's, which are words."""
    return [f"{key}:{value}" if value else key for key, value in tags.items()]


def _note(view: FeastView, what: str, hint: str) -> Note:
    return Note(kind=view.kind, name=view.name, what=what, hint=hint)


def declared_entities(entities: Iterable[FeastEntity]) -> dict[str, Any]:
    """Entities as `featurestore.yml` has them; nothing is rendered there."""
    return {
        each.name: {
            "join_keys": [each.join_key],
            **({"description": each.description} if each.description else {}),
        }
        for each in entities
    }
