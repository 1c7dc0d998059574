"""Run by Feast's own Python, as text, never imported: reads a Feast repository and writes one JSON document.

Usage: ``python -c TEXT``, from the repository's folder. The objects are found as ``feast plan`` finds them, by running
the repository's Python files; no registry, store or warehouse is contacted. Whatever the files print goes to stderr.

It has to run wherever Feast 0.40 and later do, so on Python 3.9 too.
"""

from __future__ import annotations

import sys

sys.path[:] = [each for each in sys.path if each]  # the current folder is the repository's, which may have a json.py

import json
import os
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORMAT = 1
SOURCE_TEXTS = (
    "path", "table", "query", "database", "schema", "data_source", "collection", "scope", "table_ref", "reader_type",
    "s3_endpoint_override", "namespace", "iceberg_table", "topic", "stream_name", "timestamp_field",
    "created_timestamp_column", "date_partition_column", "timestamp_field_type", "description", "owner",
)  # fmt: skip
"""What is told of a source, where it has it. No connection strings: they hold passwords."""
KINDS = (
    ("feature_views", "feature view"),
    ("stream_feature_views", "stream feature view"),
    ("label_views", "label view"),
)


def text_of(thing: object, name: str) -> str:
    """An attribute that is text; empty where it is missing or something else."""
    value = getattr(thing, name, None)
    return value if isinstance(value, str) else ""


def texts_of(values: Any) -> dict[str, str]:
    """A mapping of texts to texts."""
    return {str(key): str(value) for key, value in dict(values or {}).items()}


def field(each: Any) -> dict[str, Any]:
    """One field of a schema."""
    kind = getattr(each.dtype, "to_value_type", None)
    return {
        "name": each.name,
        "type": kind().name if callable(kind) else str(each.dtype),
        "description": text_of(each, "description"),
        "tags": texts_of(getattr(each, "tags", None)),
        "vector": bool(getattr(each, "vector_index", False)),
    }


def fields(thing: object, name: str) -> list[dict[str, Any]]:
    """Fields of a view or a source, in order; none for the entity that Feast gives to views without one."""
    return [field(each) for each in getattr(thing, name, None) or [] if each.name != "__dummy_id"]


def source(thing: Any) -> dict[str, Any] | None:
    """A data source, and the batch source inside one of a stream or of pushes."""
    if thing is None:
        return None
    told: dict[str, Any] = {"kind": type(thing).__name__, "name": text_of(thing, "name")}
    for place in (thing, *(getattr(thing, name, None) for name in ("kafka_options", "kinesis_options"))):
        told.update({name: text_of(place, name) for name in SOURCE_TEXTS if text_of(place, name)})
    told.update(custom_options(thing))
    told["servers"] = text_of(getattr(thing, "kafka_options", None), "kafka_bootstrap_servers")
    told["field_mapping"] = texts_of(getattr(thing, "field_mapping", None))
    told["tags"] = texts_of(getattr(thing, "tags", None))
    file_format = getattr(thing, "file_format", None)
    if file_format is not None:
        told["file_format"] = file_format if isinstance(file_format, str) else type(file_format).__name__
    if told["kind"] == "RequestSource":
        told["fields"] = fields(thing, "schema")
    told["batch_source"] = source(getattr(thing, "batch_source", None))
    return told


def custom_options(thing: Any) -> dict[str, str]:
    """What sources of Feast's "contrib" stores keep to themselves, out of the form that the registry would hold."""
    try:
        options = json.loads(thing.to_proto().custom_options.configuration or b"{}")
    except Exception:  # noqa: BLE001  a source of other people's making may do anything here; the rest of it is told
        return {}
    if not isinstance(options, dict):
        return {}
    known = ("table", "query", "database", "scope", "collection", "table_ref", "path", "reader_type")
    return {key: options[key] for key in known if isinstance(options.get(key), str) and options[key]}


def entity(thing: Any) -> dict[str, Any]:
    """An entity."""
    return {
        "name": thing.name,
        "join_key": thing.join_key,
        "type": thing.value_type.name,
        "description": text_of(thing, "description"),
        "owner": text_of(thing, "owner"),
        "tags": texts_of(thing.tags),
    }


def names_of(entities: Iterable[Any]) -> list[str]:
    """Names of entities, which views hold as names or as objects, without the one of views that have none."""
    names = [each if isinstance(each, str) else each.name for each in entities]
    return [name for name in names if name != "__dummy"]


def view(kind: str, thing: Any) -> dict[str, Any]:
    """A feature view that rows are kept of."""
    batch = getattr(thing, "batch_source", None)
    fed_by = getattr(thing, "stream_source", None)
    if kind == "label view" and batch is None:
        batch = getattr(thing, "source", None)
    if batch is not None and getattr(batch, "batch_source", None) is not None:
        batch, fed_by = batch.batch_source, batch
    ttl = getattr(thing, "ttl", None)
    transformation = getattr(thing, "feature_transformation", None) or getattr(thing, "udf", None)
    mode = getattr(thing, "mode", None)
    return {
        "kind": "batch feature view" if type(thing).__name__ == "BatchFeatureView" else kind,
        "name": thing.name,
        "entities": names_of(thing.entities),
        "entity_columns": fields(thing, "entity_columns"),
        "features": fields(thing, "features"),
        "ttl_us": int(ttl / timedelta(microseconds=1)) if ttl is not None else None,
        "online": bool(getattr(thing, "online", True)),
        "enabled": bool(getattr(thing, "enabled", True)),
        "version": text_of(thing, "version"),
        "description": text_of(thing, "description"),
        "owner": text_of(thing, "owner"),
        "tags": texts_of(thing.tags),
        "source": source(batch),
        "stream": source(fed_by),
        "derived_from": [each.name for each in getattr(thing, "source_views", None) or []],
        "is_transformed": transformation is not None,
        "is_aggregated": bool(getattr(thing, "aggregations", None)),
        "is_validated": bool(getattr(thing, "enable_validation", False)),
        "mode": "" if mode is None else str(getattr(mode, "value", mode)),
        "conflict_policy": str(getattr(getattr(thing, "conflict_policy", ""), "name", "")),
    }


def on_demand_view(thing: Any) -> dict[str, Any]:
    """A view that is computed when it is asked for."""
    projections = getattr(thing, "source_feature_view_projections", None) or {}
    requests = getattr(thing, "source_request_sources", None) or {}
    return {
        "name": thing.name,
        "mode": text_of(thing, "mode"),
        "features": fields(thing, "features"),
        "reads": [projection(each) for each in projections.values()],
        "request": [each for one in requests.values() for each in fields(one, "schema")],
        "description": text_of(thing, "description"),
        "is_written": bool(getattr(thing, "write_to_online_store", False)),
    }


def projection(thing: Any) -> dict[str, Any]:
    """Which features of a view are used, under which name."""
    return {
        "view": thing.name,
        "alias": thing.name_alias or "",
        "features": [each.name for each in thing.features] or list(thing.desired_features or []),
        "join_keys": texts_of(thing.join_key_map),
        "version": getattr(thing, "version_tag", None),
    }


def service(thing: Any) -> dict[str, Any]:
    """A feature service; references that are text are kept as they are."""
    given = getattr(thing, "_features", None) or []
    logging = getattr(thing, "logging_config", None)
    told = None
    if logging is not None:
        destination = logging.destination
        place = text_of(destination, "path") or text_of(destination, "table") or text_of(destination, "table_name")
        told = {"kind": type(destination).__name__, "place": place, "sample": float(logging.sample_rate)}
    return {
        "name": thing.name,
        "uses": [projection(each) for each in thing.feature_view_projections],
        "references": [each for each in given if isinstance(each, str)],
        "description": text_of(thing, "description"),
        "owner": text_of(thing, "owner"),
        "tags": texts_of(thing.tags),
        "logging": told,
        "is_precomputed": bool(getattr(thing, "precompute_online", False)),
    }


def permission(thing: Any) -> dict[str, Any]:
    """Who may do what; the policy's own code stays where it is."""
    return {
        "name": thing.name,
        "types": [each.__name__ for each in thing.types],
        "patterns": [str(each) for each in getattr(thing, "name_patterns", None) or []],
        "actions": [each.name for each in thing.actions],
        "policy": type(thing.policy).__name__,
    }


def document(folder: Path) -> dict[str, Any]:
    """Run the repository's files, and tell what they define."""
    import feast
    from feast.repo_operations import parse_repo

    found = parse_repo(folder)

    def all_of(name: str, tell: Callable[[Any], Any]) -> list[Any]:
        return [tell(each) for each in getattr(found, name, None) or []]

    projects = getattr(found, "projects", None) or []
    return {
        "format": FORMAT,
        "feast": str(getattr(feast, "__version__", "") or ""),
        "description": text_of(projects[0], "description") if projects else "",
        "owner": text_of(projects[0], "owner") if projects else "",
        "entities": [each for each in all_of("entities", entity) if each["name"] != "__dummy"],
        "sources": all_of("data_sources", source),
        "views": [view(kind, each) for name, kind in KINDS for each in getattr(found, name, None) or []],
        "on_demand_views": all_of("on_demand_feature_views", on_demand_view),
        "services": all_of("feature_services", service),
        "permissions": all_of("permissions", permission),
    }


def private_stdout() -> TextIO:
    """Take stdout for the document; from here on all that is printed, by any code, goes to stderr."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def say_where(error: BaseException, folder: Path) -> None:
    """Write an error's traceback, and as the last line which of the repository's files it comes from."""
    traceback.print_exception(type(error), error, error.__traceback__)
    places = [(each.filename, each.lineno) for each in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    own = [f"{Path(name).relative_to(folder)}:{line}: " for name, line in places if folder in Path(name).parents]
    said = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, SystemExit):
        said = f"it ends the process ({said})"
    sys.stderr.write((own[-1] if own else "") + (said.splitlines() or [""])[-1] + "\n")


def main() -> None:
    """Write the document of the current folder's repository."""
    answer = private_stdout()
    sys.dont_write_bytecode = True
    folder = Path.cwd()
    sys.path.append(str(folder))  # as `feast plan` does: Feast and the standard library go first
    try:
        told = document(folder)
    except (Exception, SystemExit) as error:  # noqa: BLE001  told, and the process ends with it
        say_where(error, folder)
        sys.stderr.flush()
        os._exit(1)
    json.dump(told, answer)
    answer.close()
    sys.stderr.flush()
    os._exit(0)  # threads that the repository's files may have started keep nobody waiting


if __name__ == "__main__":
    main()
