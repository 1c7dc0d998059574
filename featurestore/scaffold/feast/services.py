"""A feature service of Feast as an exposure of type ml, with references to what was written and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.definitions.references import parse_reference
from featurestore.errors import UsageError
from featurestore.manifest.destinations import SCHEMES
from featurestore.scaffold.feast.escape import rendered_values
from featurestore.scaffold.feast.notes import Note
from featurestore.scaffold.feast.types import data_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.scaffold.feast.objects import FeastOnDemandView, FeastService, FeastUse
    from featurestore.scaffold.feast.views import Model

_KIND = "feature service"
_TEXT_REFERENCE = re.compile(r"^(?P<view>[^:@]+)(?:@v?(?P<version>[^:]+))?(?::(?P<feature>.+))?$")
_MOST_NAMED = 4
_FILES = "FileLoggingDestination"
_DESTINATIONS = {
    "SnowflakeLoggingDestination": "snowflake",
    "BigQueryLoggingDestination": "bigquery",
    "RedshiftLoggingDestination": "redshift",
    "AthenaLoggingDestination": "athena",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What services may refer to.

    Attributes:
        models: of all views that were written, by name.
        on_demand: Feast's views that are computed when they are asked for, by name.
        adapter, dialect: dbt's adapter, and sqlglot's name of it.
        owner: of what nobody owns.
    """

    models: Mapping[str, Model]
    on_demand: Mapping[str, FeastOnDemandView]
    adapter: str
    dialect: str
    owner: str


def make_service(service: FeastService, around: Around) -> tuple[dict[str, Any] | None, tuple[Note, ...]]:
    """Write a service, whose name dbt can have.

    Returns:
        The entry of dbt's YAML, None where nothing of the service is left; and what has no equal.
    """
    notes: list[Note] = []
    used = [reference for use in _uses(service) for reference in _references(service, use, around, notes)]
    if not used:
        hint = "write an exposure of type ml once its features are in a model; see docs/guides/metadata.md"
        return None, (*notes, _note(service, "it is not written: none of its features is in a model", hint))
    block: dict[str, Any] = {"features": list(dict.fromkeys(used))}
    request = _request_columns(service, around, notes)
    if request:
        block["request_columns"] = request
    logging = _logging(service, around, notes)
    if logging is not None:
        block["logging"] = logging
    if service.is_precomputed:
        notes.append(_note(service, "precompute_online has no equal", "nothing: a lookup is one request to the store"))
    views = dict.fromkeys(parse_reference(reference).view for reference in used)
    entry: dict[str, Any] = {"name": service.name, "type": "ml", "owner": _owner(service, around)}
    if service.description:
        entry["description"] = service.description
    entry["depends_on"] = [f"ref('{view}')" for view in views]
    config: dict[str, Any] = {}
    if service.tags:
        config["tags"] = [f"{key}:{value}" if value else key for key, value in service.tags.items()]
    return rendered_values({**entry, "config": {**config, "meta": {"feature_service": block}}}), tuple(notes)


def _uses(service: FeastService) -> Iterator[FeastUse]:
    """The uses of views, those that are text at the end."""
    from featurestore.scaffold.feast.objects import FeastUse

    yield from service.uses
    for text in service.references:
        found = _TEXT_REFERENCE.match(text)
        feature = found["feature"] if found else None
        version = int(found["version"]) if found and found["version"] and found["version"].isdecimal() else None
        name = found["view"] if found else text
        yield FeastUse(view=name, version=version, features=[feature] if feature else [])


def _references(service: FeastService, use: FeastUse, around: Around, notes: list[Note]) -> list[str]:
    """What the service takes of a view, in our words; nothing, and a note, where the view is not here."""
    model = around.models.get(use.view)
    if use.view in around.on_demand:
        notes.append(_note(service, *_computed(around.on_demand[use.view], use)))
        return []
    if model is None or not model.is_enabled:
        why = "is not written" if model is None else "is disabled"
        hint = f"once there is a model, add {_shown(use)} to its exposure in models/feast/feast.services.yml"
        notes.append(_note(service, f"`{use.view}` is left out of it: the view {why}", hint))
        return []
    if use.version is not None:
        hint = f"write a dbt model version and refer to it: `{use.view}@v{use.version}`"
        notes.append(_note(service, f"its pin of `{use.view}` to version {use.version} is left out", hint))
    keys = ", ".join(f"{key}={column}" for key, column in use.join_keys.items())
    prefix = f"{use.view}{f'[{keys}]' if keys else ''}{f' as {use.alias}' if use.alias else ''}"
    is_whole = not use.features or model.features is None or list(model.features) == list(use.features)
    wanted = [prefix] if is_whole and not _has_own_list(use, model) else [f"{prefix}:{name}" for name in use.features]
    return [reference for reference in wanted if _is_usable(service, use, reference, model, notes)]


def _has_own_list(use: FeastUse, model: Model) -> bool:
    """Whether a use names features of a view whose schema nobody wrote."""
    return model.features is None and bool(use.features)


def _is_usable(service: FeastService, use: FeastUse, text: str, model: Model, notes: list[Note]) -> bool:
    """Whether a reference can be read back as what it means."""
    hint = (
        "give the view's use or the feature another name, and add it to the exposure in models/feast/feast.services.yml"
    )
    try:
        found = parse_reference(text)
    except UsageError:
        notes.append(_note(service, f"`{text}` is left out: a name in it that no reference can hold", hint))
        return False
    is_meant = found.view == use.view and (found.alias or "") == use.alias and dict(found.join_keys) == use.join_keys
    is_there = found.feature is None or model.features is None or found.feature in model.features
    if not (is_meant and is_there):
        why = "a name in it that no reference can hold" if not is_meant else "the model has no such feature"
        notes.append(_note(service, f"`{text}` is left out: {why}", hint))
    return is_meant and is_there


def _computed(view: FeastOnDemandView, use: FeastUse) -> tuple[str, str]:
    computed = ", ".join(f"`{name}`" for name in use.features or [each.name for each in view.features])
    what = f"`{view.name}` is left out of it: nothing is computed at the time of a request ({computed})"
    return what, f"see the on-demand feature view `{view.name}` below"


def reads_of(view: FeastOnDemandView) -> str:
    """Say what an on-demand view is computed from."""
    of_views = [_shown(use) for use in view.reads]
    of_request = [f"`{each.name}`" for each in view.request]
    parts = [", ".join(of_views)] if of_views else []
    parts += [f"what the request brings: {', '.join(of_request)}"] if of_request else []
    return f"it needs {' and '.join(parts)}" if parts else "it needs nothing"


def _shown(use: FeastUse) -> str:
    if len(use.features) > _MOST_NAMED:
        return f"{len(use.features)} features of `{use.view}`"
    return ", ".join(f"`{use.view}:{name}`" for name in use.features) if use.features else f"`{use.view}`"


def _request_columns(service: FeastService, around: Around, notes: list[Note]) -> list[dict[str, str]]:
    """What requests have to bring for the on-demand views of the service."""
    found: dict[str, dict[str, str]] = {}
    for use in _uses(service):
        for each in around.on_demand[use.view].request if use.view in around.on_demand else []:
            kind = data_type(each.type, around.dialect)
            if kind is None:
                hint = "add it to `request_columns` of the exposure with a type of the warehouse"
                notes.append(
                    _note(service, f"what requests bring as `{each.name}` ({each.type}) has no type here", hint)
                )
            else:
                found.setdefault(each.name.casefold(), {"name": each.name, "data_type": kind})
    return list(found.values())


def _logging(service: FeastService, around: Around, notes: list[Note]) -> dict[str, Any] | None:
    log = service.logging
    if log is None or log.sample <= 0:
        return None
    sample = {"sample": log.sample, "by": "request"} if log.sample < 1 else {"sample": 1}
    if log.kind == _FILES and _is_place(log.place):
        return {**sample, "to": log.place.rstrip("/")}
    if _DESTINATIONS.get(log.kind) == around.adapter:
        hint = "nothing, or see docs/guides/feature-log.md for its columns"
        notes.append(_note(service, f"its log is the table `{service.name}__log` here, not `{log.place}`", hint))
        return {**sample, "to": "warehouse"}
    what = f"its log goes to {log.kind} `{log.place}`, which has no equal"
    notes.append(_note(service, what, "add `logging: {to: ...}` to the exposure; see docs/guides/feature-log.md"))
    return None


def _is_place(text: str) -> bool:
    """Whether a log's path may stand in the registry: a folder below the project, or a bucket."""
    scheme, found, rest = text.partition("://")
    if found:
        return scheme in SCHEMES and bool(rest.strip("/")) and not re.search(r"[@?]", rest)
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", text) is not None and ".." not in text.split("/") and text != "."


def _owner(service: FeastService, around: Around) -> dict[str, str]:
    """The owner as dbt wants one: a name, and an address where there is one."""
    name = service.owner or around.owner
    return {"name": name, "email": name} if re.fullmatch(r"[^@\s]+@[^@\s]+", name) else {"name": name}


def _note(service: FeastService, what: str, hint: str) -> Note:
    return Note(kind=_KIND, name=service.name, what=what, hint=hint)
