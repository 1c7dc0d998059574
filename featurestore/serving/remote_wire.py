"""What `RemoteClient` sends and reads: requests as JSON, answers as the columns of an `OnlineResponse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.errors import OnlineStoreError, UnknownNameError, UsageError, split_problem, unknown_name
from featurestore.online.codec import microseconds
from featurestore.online.json_values import json_value, reader_of
from featurestore.online.keys import parse_instant, without_numpy
from featurestore.serving.columns import FeatureColumn, ready_columns
from featurestore.serving.judged import NOT_FOUND, PRESENT, Status
from featurestore.serving.response import OnlineResponse

if TYPE_CHECKING:
    from featurestore.definitions.references import Reference
    from featurestore.errors import FeatureStoreError
    from featurestore.serving.entities import EntityRows


class Metadata(msgspec.Struct):
    """What an answer's columns are; the first `entity_count` are join keys."""

    feature_names: list[str]
    feature_types: list[str]
    entity_count: int


class Result(msgspec.Struct):
    """One column."""

    values: list[Any]
    statuses: list[Status]
    event_timestamps: list[str]


class Answer(msgspec.Struct):
    """An answer."""

    metadata: Metadata
    results: list[Result]


class _Detail(msgspec.Struct):
    message: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        key: what is asked for.
        body: to send.
        entities: for whom, by join key.
        count: how many they are.
    """

    key: tuple[object, ...]
    body: bytes
    entities: Mapping[str, list[object]]
    count: int


def ask(
    features: Sequence[str | Reference] | None,
    feature_service: str | None,
    entity_rows: EntityRows,
    *,
    full_feature_names: bool,
) -> Asked:
    """Write a request. Raises UsageError for what no server could answer."""
    if isinstance(features, str):
        raise UsageError(f"expected a list of features, got {features!r}", hint=f"write features=[{features!r}]")
    names = None if features is None else list(map(str, features))
    entities = _entity_columns(entity_rows)
    body = {
        "entities": {key: list(map(json_value, values)) for key, values in entities.items()},
        "features": names,
        "feature_service": feature_service,
        "full_feature_names": full_feature_names,
        "include_types": True,
    }
    key = (None if names is None else tuple(names), feature_service, full_feature_names)
    count = max(map(len, entities.values()), default=1)
    return Asked(key, msgspec.json.encode(body), entities, count)


def _entity_columns(entity_rows: EntityRows) -> dict[str, list[object]]:
    """Bring rows into columns; which join keys there must be, the server says."""
    if isinstance(entity_rows, Mapping):
        return {str(key): [without_numpy(value) for value in values] for key, values in entity_rows.items()}
    rows = list(entity_rows)
    keys = {str(key): None for row in rows for key in row}
    for place, row in enumerate(rows):
        for key in keys:
            if key not in row:
                raise UsageError(f"missing join key '{key}'", where=f"entity_rows[{place}]")
    return {key: [without_numpy(row[key]) for row in rows] for key in keys}


def _column(name: str, value_type: str, result: Result) -> FeatureColumn:
    read = reader_of(value_type)
    return FeatureColumn(
        name=name,
        type=value_type,
        values=[None if value is None else read(value) for value in result.values],
        statuses=result.statuses,
        event_us=[
            None if status == NOT_FOUND else microseconds(parse_instant(text))
            for text, status in zip(result.event_timestamps, result.statuses, strict=True)
        ],
    )


def response_of(asked: Asked, answer: Answer) -> OnlineResponse:
    """Read an answer. Raises UnknownNameError for a join key that was not needed."""
    told = answer.metadata
    join_keys = told.feature_names[: told.entity_count]
    for name in asked.entities:
        if name not in join_keys:  # a server passes it over, since Feast's does
            raise unknown_name("join key", name, join_keys, place="the features asked for (entity_rows)")
    columns = list(map(_column, told.feature_names, told.feature_types, answer.results))
    return _response(asked, told, columns[told.entity_count :])


def response_without(asked: Asked, told: Metadata, error: str) -> OnlineResponse:
    """Answer without a server, as an earlier answer has told the names: nothing was found."""
    features = [
        FeatureColumn(
            name=name,
            type=value_type,
            values=[None] * asked.count,
            statuses=[NOT_FOUND] * asked.count,
            event_us=[None] * asked.count,
        )
        for name, value_type in zip(told.feature_names, told.feature_types, strict=True)
    ]
    return _response(asked, told, features[told.entity_count :], error=error)


def _response(asked: Asked, told: Metadata, features: Sequence[FeatureColumn], *, error: str = "") -> OnlineResponse:
    keys = zip(told.feature_names[: told.entity_count], told.feature_types, strict=False)
    given = [
        FeatureColumn(
            name=name,
            type=value_type,
            values=list(asked.entities[name]),
            statuses=[PRESENT] * asked.count,
            event_us=[None] * asked.count,
        )
        for name, value_type in keys
    ]
    return OnlineResponse(
        entities=ready_columns(given), features=ready_columns(features), count=asked.count, error=error
    )


def failure(status: int, body: bytes) -> FeatureStoreError:
    """Make the server's refusal an error of ours."""
    try:
        message = msgspec.json.decode(msgspec.json.decode(body, type=str), type=_Detail).message
    except msgspec.DecodeError:
        message = body[:200].decode(errors="replace")
    what, hint = split_problem(message)
    kind = {404: UnknownNameError, 429: OnlineStoreError}.get(status, UsageError if status < 500 else OnlineStoreError)
    return kind(what or f"the feature server answered {status}", hint=hint)
