"""JSON Schemas (draft 2020-12) of what a feature server takes and answers, and of rows that are pushed.

The rule: what the server answers satisfies them. Values are as `online.json_values.json_value` writes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from featurestore.definitions.references import select
from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.errors import NameClashError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Selection
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import FeatureView

Schema = dict[str, Any]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_STATUSES = ("PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE")
_SIZED = re.compile(r"^(u?)int(\d+)$")
_DECIMAL = r"^-?\d+(\.\d+)?$"
_TIME = {"type": "string", "format": "date-time"}
_SIMPLE: Mapping[str, Schema] = {
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamptz"), _TIME),
}


def json_schemas(project: Project) -> dict[str, Schema]:
    """Write the schemas of a project.

    Returns:
        By file name: ``<service>.request.json`` and ``<service>.response.json`` for ``/get-online-features`` by the
        name of a service, ``<view>.row.json`` for one row that is pushed to a view.

    Raises:
        UnknownNameError: a service names what is not there.
    """
    found: dict[str, Schema] = {}
    for service in project.services:
        try:
            chosen, is_full = select(project, service.features), False
        except NameClashError:
            chosen, is_full = select(project, service.features, full_feature_names=True), True
        found[f"{service.name}.request.json"] = _request(service, chosen, is_full=is_full)
        found[f"{service.name}.response.json"] = _response(service, chosen)
    return found | {f"{view.reference}.row.json": row_schema(view) for view in project.views}


def row_schema(view: FeatureView) -> Schema:
    """The schema of one row that is pushed to a view."""
    keys = {key.name for key in view.join_keys}
    said = {feature.name: feature.description for feature in view.features}
    optional = {column.name for column in (view.created_at,) if column is not None}
    properties = {
        column.name: _described(
            value_schema(column.type, is_pushed=True, nullable=column.name not in keys | {view.event_time.name}),
            said.get(column.name, ""),
        )
        for column in view.row_columns
    }
    time = view.event_time.name
    needed = [name for name in properties if name not in optional and name != time]
    return {
        "$schema": _DRAFT,
        "title": f"A row of feature view {view.reference}",
        "type": "object",
        "properties": properties | {"event_timestamp": value_schema(view.event_time.type, is_pushed=True)},
        "required": needed,
        "anyOf": [{"required": [time]}, {"required": ["event_timestamp"]}],
    }


def value_schema(value_type: str, *, is_pushed: bool = False, nullable: bool = False) -> Schema:
    """The schema of one value.

    Args:
        value_type: in our vocabulary.
        is_pushed: whether it is taken, where a decimal may be a number too; else it is answered.
        nullable: whether it may be null.
    """
    schema = _value(value_type, is_pushed=is_pushed)
    if not nullable or not schema:
        return schema
    if "type" in schema and isinstance(schema["type"], str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _value(value_type: str, *, is_pushed: bool) -> Schema:
    if value_type in INTEGERS:
        return _integer(value_type)
    if value_type in FLOATS:
        return {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    if value_type.startswith("decimal("):
        text = {"type": "string", "pattern": _DECIMAL}
        return {"anyOf": [text, {"type": "number"}]} if is_pushed else text
    if value_type.startswith("list<"):
        items = value_schema(value_type[len("list<") : -1], is_pushed=is_pushed, nullable=True)
        return {"type": "array", "items": items}
    if value_type.startswith(("struct<", "map<")):
        return {"type": "object"}
    return dict(_SIMPLE.get(value_type, {}))


def _integer(value_type: str) -> Schema:
    sized = _SIZED.match(value_type)
    assert sized is not None, value_type
    bits = int(sized[2])
    least, most = (0, 2**bits - 1) if sized[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return {"type": "integer", "minimum": least, "maximum": most}


def _request(service: FeatureService, chosen: Selection, *, is_full: bool) -> Schema:
    keys = ((name, value_schema(kind, is_pushed=True, nullable=True)) for name, kind in _keys(chosen))
    entities = {name: {"type": "array", "items": schema} for name, schema in keys}
    return {
        "$schema": _DRAFT,
        "title": f"A lookup of feature service {service.name}",
        "description": "The body of POST /get-online-features: one list of values per join key, all of one length.",
        "type": "object",
        "properties": {
            "feature_service": {"const": service.name},
            "entities": {"type": "object", "properties": entities, "required": list(entities)},
            "full_feature_names": {"const": is_full},
        },
        "required": ["feature_service", "entities", *(["full_feature_names"] if is_full else [])],
    }


def _response(service: FeatureService, chosen: Selection) -> Schema:
    columns = [(name, value_schema(kind, nullable=True), "") for name, kind in _keys(chosen)]
    columns += [
        (output.name, value_schema(output.feature.type, nullable=True), output.feature.description)
        for output in chosen.outputs
    ]
    names = [name for name, _, _ in columns]
    return {
        "$schema": _DRAFT,
        "title": f"An answer of feature service {service.name}",
        "description": "One result per column, join keys first; in each one value per entity that was asked about.",
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {"feature_names": {"const": names}},
                "required": ["feature_names"],
            },
            "results": {
                "type": "array",
                "prefixItems": [_result(*column) for column in columns],
                "items": False,
                "minItems": len(columns),
            },
        },
        "required": ["metadata", "results"],
    }


def _result(name: str, schema: Schema, description: str) -> Schema:
    found: Schema = {
        "title": name,
        "type": "object",
        "properties": {
            "values": {"type": "array", "items": schema},
            "statuses": {"type": "array", "items": {"enum": list(_STATUSES)}},
            "event_timestamps": {"type": "array", "items": dict(_TIME)},
        },
        "required": ["values", "statuses", "event_timestamps"],
    }
    return _described(found, description)


def _keys(chosen: Selection) -> Iterator[tuple[str, str]]:
    """Name and type of each join key of a request, each once."""
    seen: set[str] = set()
    for use in chosen.uses:
        for name, column in zip(use.spine_keys, use.view.join_keys, strict=True):
            if name not in seen:
                seen.add(name)
                yield name, column.type


def _described(schema: Schema, description: str) -> Schema:
    folded = " ".join(description.split())
    return {**schema, "description": folded} if folded else schema
