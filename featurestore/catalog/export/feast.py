"""The definitions as a Feast repository (0.67): the same entities, views and services over the same tables.

The rule: what Feast cannot say is a comment where it is missing, never silently another thing. Names and texts of the
project stand in the code as Python literals only.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from featurestore.definitions.durations import format_duration
from featurestore.definitions.references import parse_reference
from featurestore.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Reference
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.views import Column, FeatureView

_CONTRIB = "feast.infra.offline_stores.contrib"
_SOURCES: Mapping[str, tuple[str, str, str]] = {
    "postgres": (f"{_CONTRIB}.postgres_offline_store.postgres_source", "PostgreSQLSource", "postgres"),
    "snowflake": ("feast", "SnowflakeSource", "snowflake.offline"),
    "bigquery": ("feast", "BigQuerySource", "bigquery"),
    "redshift": ("feast", "RedshiftSource", "redshift"),
    "spark": (f"{_CONTRIB}.spark_offline_store.spark_source", "SparkSource", "spark"),
    "databricks": (f"{_CONTRIB}.spark_offline_store.spark_source", "SparkSource", "spark"),
    "trino": (f"{_CONTRIB}.trino_offline_store.trino_source", "TrinoSource", "trino"),
    "clickhouse": (f"{_CONTRIB}.clickhouse_offline_store.clickhouse_source", "ClickhouseSource", "clickhouse"),
}
_FILES = ("feast", "FileSource", "file")
"""For DuckDB, whose tables Feast does not read: Parquet files of them."""
_TYPES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), ("Int32", "INT32")),
    **dict.fromkeys(("int64", "uint32", "uint64"), ("Int64", "INT64")),
    "float32": ("Float32", "FLOAT"),
    "float64": ("Float64", "DOUBLE"),
    "boolean": ("Bool", "BOOL"),
    "bytes": ("Bytes", "BYTES"),
    **dict.fromkeys(
        ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamptz", "date"),
        ("UnixTimestamp", "UNIX_TIMESTAMP"),
    ),
}
_TEXT = ("String", "STRING")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Python names that were given, so that none is given twice."""

    taken: set[str] = field(default_factory=set)

    def of(self, text: str) -> str:
        name = re.sub(r"\W", "_", text, flags=re.ASCII) or "it"
        name = f"_{name}" if name[0].isdigit() or keyword.iskeyword(name) or keyword.issoftkeyword(name) else name
        free = name
        number = 2
        while free in self.taken:
            free, number = f"{name}_{number}", number + 1
        self.taken.add(free)
        return free


def feast_repository(project: Project) -> dict[str, str]:
    """Write the repository: ``features.py`` and ``feature_store.yaml`` by name; equal definitions give equal texts."""
    module, source, offline = _SOURCES.get(project.dialect, _FILES)
    names = _Names(
        taken={"Array", "Entity", "FeatureService", "FeatureView", "Field", "ValueType", "timedelta", source}
    )
    entities = {key: names.of(f"{key}_entity") for key in _join_keys(project)}
    views = {view.reference: names.of(view.reference.replace("@", "__")) for view in project.views}
    body = [line for key, kind in _join_keys(project).items() for line in _entity(project, key, kind, entities[key])]
    for view in project.views:
        body += ["", *_view(view, views[view.reference], entities, source)]
    for service in project.services:
        body += ["", *_service(project, service, names.of(f"{service.name}_service"), views)]
    types = sorted(name for name in _used_types(project))
    head = [
        f'"""Feature store {project.name}, as featurestore export feast wrote it: edit the dbt project, not this."""',
        "",
        "from datetime import timedelta",
        "",
        *_imports(module, source),
        f"from feast.types import {', '.join(types)}" if types else "",
        "",
    ]
    return {"features.py": "\n".join([*head, *body]).rstrip() + "\n", "feature_store.yaml": _settings(project, offline)}


def _imports(module: str, source: str) -> list[str]:
    names = ["Entity", "FeatureService", "FeatureView", "Field", "ValueType"]
    if module == "feast":
        return [f"from feast import {', '.join(sorted([*names, source]))}"]
    return [f"from feast import {', '.join(names)}", f"from {module} import {source}"]


def _settings(project: Project, offline: str) -> str:
    name = re.sub(r"\W", "_", project.name, flags=re.ASCII)
    connect = (
        "" if offline == "file" else "  # and how to reach the warehouse: see Feast's documentation of this type\n"
    )
    return (
        f"project: {name}\nprovider: local\nregistry: data/registry.db\noffline_store:\n  type: {offline}\n{connect}"
        "online_store:\n  type: sqlite\n  path: data/online_store.db\nentity_key_serialization_version: 3\n"
    )


def _join_keys(project: Project) -> dict[str, str]:
    """Types of the join keys, by column: Feast has one entity per key."""
    return {key.name: key.type for view in project.views for key in view.join_keys}


def _entity(project: Project, key: str, kind: str, name: str) -> list[str]:
    declared = next((entity for entity in project.entities if entity.join_keys == (key,)), None)
    lines = [
        f"{name} = Entity(",
        f"    name={(declared.name if declared is not None else key)!r},",
        f"    join_keys=[{key!r}],",
        f"    value_type=ValueType.{_TYPES.get(kind, _TEXT)[1]},",
    ]
    if declared is not None and declared.description:
        lines.append(f"    description={_folded(declared.description)!r},")
    return [*lines, ")"]


def _view(view: FeatureView, name: str, entities: Mapping[str, str], source: str) -> list[str]:
    keys = {key.name for key in view.join_keys}
    columns = [*view.join_keys, *(column for column in view.online_columns if column.name not in keys)]
    ttl = "timedelta(0)" if view.ttl_us is None else f"timedelta(microseconds={view.ttl_us})"
    tags = dict.fromkeys(view.tags, "true")
    optional = (
        ("description", _folded(view.description)),
        ("owner", view.owner),
        ("tags", tags),
    )
    return [
        *(f"# Feast cannot say: {line}" for line in _lost(view)),
        f"{name} = FeatureView(",
        f"    name={_feast_name(view)!r},",
        f"    entities=[{', '.join(entities[key.name] for key in view.join_keys)}],",
        f"    ttl={ttl},  # {'never too old' if view.ttl_us is None else format_duration(view.ttl_us)}",
        "    schema=[",
        *(f"        {_field(column, view)}" for column in columns),
        "    ],",
        f"    source={source}(",
        *(f"        {line}" for line in _source(view, source)),
        "    ),",
        f"    online={view.online},",
        *(f"    {key}={value!r}," for key, value in optional if value),
        ")",
    ]


def _lost(view: FeatureView) -> Iterator[str]:
    """What the view says and Feast has no word for."""
    if view.delay_us:
        yield f"a row is usable {format_duration(view.delay_us)} after its event time"
    if view.as_of != "event":
        yield "a row counts from when it became known"
    if view.boundary != "inclusive":
        yield "a row of the very moment of an example is not seen by it"
    if view.tie_breakers:
        yield f"rows of one moment are told apart by {_folded(', '.join(view.tie_breakers))}"
    if view.valid_to is not None:
        yield f"a row is valid until {_folded(view.valid_to.name)}"
    if view.stream is not None:
        yield f"rows are also made of the stream {_folded(view.stream.source)}"


def _source(view: FeatureView, source: str) -> list[str]:
    created = [] if view.created_at is None else [f"created_timestamp_column={view.created_at.name!r},"]
    times = [f"timestamp_field={view.event_time.name!r},", *created]
    if source == _FILES[1]:
        path = f"data/{_feast_name(view)}.parquet"
        copied = _folded(f"copy (select * from {view.relation}) to '{path}' (format parquet)")
        return [f"# written by DuckDB: {copied}", f"path={path!r},", *times]
    return [f"name={_feast_name(view)!r},", f"query={f'select * from {view.relation}'!r},", *times]


def _field(column: Column, view: FeatureView) -> str:
    feature = next((each for each in view.features if each.name == column.name), None)
    described = f", description={_folded(feature.description)!r}" if feature is not None and feature.description else ""
    note = "" if _is_exact(column.type) else f"  # {_folded(column.type)}"
    return f"Field(name={column.name!r}, dtype={_feast_type(column.type)}{described}),{note}"


def _service(project: Project, service: FeatureService, name: str, views: Mapping[str, str]) -> list[str]:
    optional = (
        ("description", _folded(service.description)),
        ("owner", service.owner),
        ("tags", dict.fromkeys(service.tags, "true")),
    )
    return [
        f"{name} = FeatureService(",
        f"    name={service.name!r},",
        "    features=[",
        *(f"        {line}," for line in _uses(project, service, views)),
        "    ],",
        *(f"    {key}={value!r}," for key, value in optional if value),
        ")",
    ]


def _uses(project: Project, service: FeatureService, views: Mapping[str, str]) -> Iterator[str]:
    """What a service reads, view by view; references that follow each other to one use of a view are one."""
    parsed = [parse_reference(text) for text in service.features]
    for used, group in groupby(parsed, key=lambda each: (each.view, each.version, each.alias, each.join_keys)):
        references = list(group)
        try:
            view = project.view(used[0], version=used[1])
        except UnknownNameError:
            continue
        yield views[view.reference] + _renamed(references[0]) + _projected(references)


def _renamed(reference: Reference) -> str:
    name = "" if reference.alias is None else f".with_name({reference.alias!r})"
    return name + (f".with_join_key_map({dict(reference.join_keys)!r})" if reference.join_keys else "")


def _projected(references: list[Reference]) -> str:
    if any(reference.feature is None for reference in references):
        return ""
    return f"[{[reference.feature for reference in references]!r}]"


def _feast_name(view: FeatureView) -> str:
    return view.name if view.version is None else f"{view.name}__v{view.version}"


def _is_exact(value_type: str) -> bool:
    inner = value_type[len("list<") : -1] if value_type.startswith("list<") else value_type
    return inner in _TYPES or inner == "string"


def _feast_type(value_type: str) -> str:
    if value_type.startswith("list<") and not value_type.startswith("list<list<"):
        return f"Array({_TYPES.get(value_type[len('list<') : -1], _TEXT)[0]})"
    if value_type.startswith("decimal("):
        return "Float64"
    return _TYPES.get(value_type, _TEXT)[0]


def _used_types(project: Project) -> set[str]:
    columns = (column for view in project.views for column in (*view.join_keys, *view.online_columns))
    return {name for column in columns for name in re.findall(r"\w+", _feast_type(column.type))}


def _folded(text: str) -> str:
    return " ".join(text.split())
