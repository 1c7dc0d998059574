"""What a change of each field of a definition means for those who use it: the table behind every plan.

breaking: an answer means something else, or a request that worked may fail. value-changing: the same definition, whose
SQL gives other values (`diff` says of which features). compatible: more than before, or the same by other means.
cosmetic: read by people only. Every field of every definition has a row here, but the hashes of a view's SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

from featurestore.definitions.durations import format_duration
from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureLogging, FeatureService
from featurestore.definitions.streams import Stream
from featurestore.definitions.types import INTEGERS
from featurestore.definitions.views import Column, Feature, FeatureView, Json

Impact = Literal["breaking", "value-changing", "compatible", "cosmetic"]
Thing = TypeVar("Thing")

_UNTYPED = "unknown:"
_FLOATS = ("float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule(Generic[Thing]):
    """One field of a definition.

    Attributes:
        field: its name in plans, as the YAML says it where it can.
        read: its value in plain form.
        impact: what changing it from the first thing's value to the second's means.
    """

    field: str
    read: Callable[[Thing], Json]
    impact: Callable[[Thing, Thing], Impact]


def type_impact(before: str, after: str) -> Impact:
    """Class a change of a value type: compatible when every value there can be is kept as it is."""
    return "compatible" if before == _UNTYPED or _is_wider(before, after) else "breaking"


def ttl_impact(before_us: int | None, after_us: int | None) -> Impact:
    """Class a change of a ttl: breaking when rows that were used are no longer (SEMANTICS P3)."""
    if after_us is None:
        return "compatible"
    return "breaking" if before_us is None or after_us < before_us else "compatible"


def request_impact(before: tuple[Column, ...], after: tuple[Column, ...]) -> Impact:
    """Class a change of what every request brings: compatible when every request that worked still does."""
    return "compatible" if set(after) <= set(before) else "breaking"


def _is_wider(before: str, after: str) -> bool:
    if before in INTEGERS and after in INTEGERS:
        return _bits(after) > _bits(before) and (before.startswith("u") or not after.startswith("u"))
    if before.startswith("decimal(") and after.startswith("decimal("):
        (digits, scale), (new_digits, new_scale) = _decimal(before), _decimal(after)
        return new_scale >= scale and new_digits - new_scale >= digits - scale
    return (before, after) == _FLOATS


def _bits(integer: str) -> int:
    return int(integer.removeprefix("u").removeprefix("int"))


def _decimal(value_type: str) -> tuple[int, int]:
    digits, _, scale = value_type.removeprefix("decimal(").removesuffix(")").partition(",")
    return int(digits), int(scale)


def _breaking(_before: object, _after: object) -> Impact:
    return "breaking"


def _compatible(_before: object, _after: object) -> Impact:
    return "compatible"


def _cosmetic(_before: object, _after: object) -> Impact:
    return "cosmetic"


def _column(column: Column | None) -> Json:
    return None if column is None else f"{column.name} {column.type}"


def _duration(microseconds: int | None) -> Json:
    return None if microseconds is None else format_duration(microseconds)


def _logging(logging: FeatureLogging | None) -> Json:
    return None if logging is None else f"{logging.sample} by {logging.by} to {logging.to}"


def _stream_of(view: FeatureView) -> Json:
    if view.stream is None:
        return None
    return f"{view.stream.source}, at most {format_duration(view.stream.ahead_us)} ahead"


def _stream_sql(before: FeatureView, after: FeatureView) -> Impact:
    """Rows of events are made in another way: breaking where some were made before."""
    return "compatible" if before.stream is None or after.stream is None else "breaking"


def _as_json(value: Json) -> Json:
    """Give a default as JSON keeps it: NaN is null."""
    plain: Json = msgspec.json.decode(msgspec.json.encode(value))
    return plain


PROJECT_RULES: tuple[FieldRule[Project], ...] = (
    FieldRule(field="name", read=lambda project: project.name, impact=_breaking),
    FieldRule(field="target", read=lambda project: project.target, impact=_compatible),
    FieldRule(field="dialect", read=lambda project: project.dialect, impact=_compatible),
)

ENTITY_RULES: tuple[FieldRule[Entity], ...] = (
    FieldRule(field="join_keys", read=lambda entity: list(entity.join_keys), impact=_breaking),
    FieldRule(field="description", read=lambda entity: entity.description, impact=_cosmetic),
)

VIEW_RULES: tuple[FieldRule[FeatureView], ...] = (
    FieldRule(field="entities", read=lambda view: list(view.entities), impact=_breaking),
    FieldRule(field="join_keys", read=lambda view: [_column(key) for key in view.join_keys], impact=_breaking),
    FieldRule(field="event_time", read=lambda view: _column(view.event_time), impact=_breaking),
    FieldRule(field="created_at", read=lambda view: _column(view.created_at), impact=_breaking),
    FieldRule(field="valid_to", read=lambda view: _column(view.valid_to), impact=_breaking),
    FieldRule(
        field="ttl",
        read=lambda view: _duration(view.ttl_us),
        impact=lambda before, after: ttl_impact(before.ttl_us, after.ttl_us),
    ),
    FieldRule(field="delay", read=lambda view: _duration(view.delay_us), impact=_breaking),
    FieldRule(field="as_of", read=lambda view: view.as_of, impact=_breaking),
    FieldRule(field="boundary", read=lambda view: view.boundary, impact=_breaking),
    FieldRule(field="tie_breakers", read=lambda view: list(view.tie_breakers), impact=_breaking),
    FieldRule(field="lookback", read=lambda view: _duration(view.lookback_us), impact=_compatible),
    FieldRule(
        field="online",
        read=lambda view: view.online,
        impact=lambda before, _after: "breaking" if before.online else "compatible",
    ),
    FieldRule(field="stream", read=_stream_of, impact=_compatible),
    FieldRule(field="stream_sql", read=lambda view: "" if view.stream is None else view.stream.sql, impact=_stream_sql),
    FieldRule(field="pushed", read=lambda view: view.pushed, impact=_compatible),
    FieldRule(field="relation", read=lambda view: view.relation, impact=_compatible),
    FieldRule(field="resource_type", read=lambda view: view.source.resource_type, impact=_compatible),
    FieldRule(field="description", read=lambda view: view.description, impact=_cosmetic),
    FieldRule(field="owner", read=lambda view: view.owner, impact=_cosmetic),
    FieldRule(field="tags", read=lambda view: list(view.tags), impact=_cosmetic),
    FieldRule(field="group", read=lambda view: view.group, impact=_cosmetic),
    FieldRule(field="access", read=lambda view: view.access, impact=_cosmetic),
    FieldRule(field="unique_id", read=lambda view: view.source.unique_id, impact=_cosmetic),
    FieldRule(field="path", read=lambda view: view.source.path, impact=_cosmetic),
    FieldRule(field="yaml_path", read=lambda view: view.source.yaml_path, impact=_cosmetic),
)

FEATURE_RULES: tuple[FieldRule[Feature], ...] = (
    FieldRule(
        field="type",
        read=lambda feature: feature.type,
        impact=lambda before, after: type_impact(before.type, after.type),
    ),
    FieldRule(field="default", read=lambda feature: _as_json(feature.default), impact=_cosmetic),
    FieldRule(field="description", read=lambda feature: feature.description, impact=_cosmetic),
    FieldRule(field="tags", read=lambda feature: list(feature.tags), impact=_cosmetic),
)

SERVICE_RULES: tuple[FieldRule[FeatureService], ...] = (
    FieldRule(
        field="request_columns",
        read=lambda service: [_column(column) for column in service.request_columns],
        impact=lambda before, after: request_impact(before.request_columns, after.request_columns),
    ),
    FieldRule(field="logging", read=lambda service: _logging(service.logging), impact=_compatible),
    FieldRule(field="description", read=lambda service: service.description, impact=_cosmetic),
    FieldRule(field="owner", read=lambda service: service.owner, impact=_cosmetic),
    FieldRule(field="tags", read=lambda service: list(service.tags), impact=_cosmetic),
    FieldRule(field="group", read=lambda service: service.group, impact=_cosmetic),
    FieldRule(field="unique_id", read=lambda service: service.unique_id, impact=_cosmetic),
    FieldRule(field="path", read=lambda service: service.path, impact=_cosmetic),
)

STREAM_RULES: tuple[FieldRule[Stream], ...] = (
    FieldRule(field="topic", read=lambda stream: stream.topic_name, impact=_compatible),
    FieldRule(field="format", read=lambda stream: stream.format, impact=_compatible),
    FieldRule(field="field", read=lambda stream: stream.field, impact=_compatible),
    FieldRule(field="message", read=lambda stream: stream.message, impact=_compatible),
    FieldRule(
        field="columns",
        read=lambda stream: [_column(column) for column in stream.columns],
        impact=lambda before, after: request_impact(after.columns, before.columns),
    ),
    FieldRule(field="epoch", read=lambda stream: stream.epoch, impact=_breaking),
    FieldRule(field="deletes", read=lambda stream: stream.deletes, impact=_breaking),
    FieldRule(field="to", read=lambda stream: stream.to, impact=_compatible),
    FieldRule(field="relation", read=lambda stream: stream.relation, impact=_compatible),
    FieldRule(field="dead_letters", read=lambda stream: stream.dead_letters, impact=_compatible),
    FieldRule(field="description", read=lambda stream: stream.description, impact=_cosmetic),
    FieldRule(field="unique_id", read=lambda stream: stream.unique_id, impact=_cosmetic),
    FieldRule(field="path", read=lambda stream: stream.path, impact=_cosmetic),
)
