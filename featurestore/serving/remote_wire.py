"""What `RemoteClient` sends and reads: requests as JSON, answers as the columns of an `OnlineResponse`.

Shape of a lookup: send the entities as they stand -> read the answer. Where they cannot be sent, or are refused: ask
the server which join keys it needs -> say what is wrong in the words of `serving.entities`, as the local client does.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from featurestore.definitions.views import Column
from featurestore.errors import NameClashError, OnlineStoreError, UnknownNameError, UsageError, split_problem
from featurestore.online.codec import microseconds
from featurestore.online.json_values import json_value, reader_of
from featurestore.online.keys import parse_instant
from featurestore.serving.client import check_asked, written
from featurestore.serving.columns import FeatureColumn, ready_columns
from featurestore.serving.entities import Entities, read_entities
from featurestore.serving.entity_keys import key_ends
from featurestore.serving.judged import NOT_FOUND, PRESENT, Status
from featurestore.serving.response import OnlineResponse

if TYPE_CHECKING:
    from featurestore.definitions.references import Reference
    from featurestore.definitions.views import Json
    from featurestore.errors import FeatureStoreError
    from featurestore.serving.entities import EntityRows

_SAME_IN_JSON = frozenset((int, str, bool, type(None)))
_LARGEST_BITS = 256
_LARGEST_WHOLE = 2**53
_LONGEST_DECIMAL = 128


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


class Reply(NamedTuple):
    """What came back over HTTP."""

    status: int
    body: bytes


class _Detail(msgspec.Struct):
    message: str
    kind: str = msgspec.field(name="class", default="")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for, whoever the entities are."""

    features: tuple[str, ...] | None
    feature_service: str | None
    full_feature_names: bool

    def body(self, entities: Mapping[str, Sequence[Json]], entity_count: int | None = None) -> bytes:
        """Write a request; 0 entities ask for the columns alone. Raises UnicodeEncodeError for half characters."""
        asked = {
            "entities": entities,
            "features": self.features,
            "feature_service": self.feature_service,
            "full_feature_names": self.full_feature_names,
            "include_types": True,
        }
        return msgspec.json.encode(asked if entity_count is None else {**asked, "entity_count": entity_count})


@dataclass(frozen=True, slots=True)
class Asked:
    """A lookup: what, and for whom, as it was given."""

    question: Question
    entity_rows: EntityRows


Talk = Generator[bytes, Reply, tuple[Metadata, OnlineResponse]]
"""Yields bodies to send, is sent replies; an OnlineStoreError of the way there is raised inside it."""


def ask(
    features: Sequence[str | Reference] | None,
    feature_service: str | None,
    entity_rows: EntityRows,
    *,
    full_feature_names: bool,
) -> Asked:
    """Take a lookup. Raises UsageError for names that no server could know."""
    check_asked(features, feature_service)
    if isinstance(features, str):
        raise UsageError(f"expected a list of features, got {features!r}", hint=f"write features=[{features!r}]")
    names = None if features is None else tuple([written(name) for name in features])
    question = Question(names, feature_service, full_feature_names)
    try:
        question.body({})
    except UnicodeEncodeError as problem:
        raise UsageError("the names asked for hold text that is not valid Unicode") from problem
    if isinstance(entity_rows, Iterable) and not isinstance(entity_rows, (Mapping, str, bytes)):
        return Asked(question, list(entity_rows))
    return Asked(question, entity_rows)


def talk(asked: Asked) -> Talk:
    """Carry out a lookup; returns what the columns are, and the answer.

    Raises:
        UsageError: as the local client raises it; or what else the server refuses.
        OnlineStoreError: the server cannot answer, or is none.
    """
    question, rows = asked.question, asked.entity_rows
    try:
        body = _body(question, rows)
    except UsageError as problem:
        refused: FeatureStoreError = problem
    else:
        reply = yield body
        if reply.status != 400:
            answer = read_answer(reply)
            return answer.metadata, response_of(checked(rows, answer.metadata), answer)
        refused = failure(reply)
    try:
        answer = read_answer((yield question.body({}, 0)))
    except OnlineStoreError:
        raise refused from None
    entities = checked(rows, answer.metadata, is_refused=True)
    if entities.count:
        raise refused
    return answer.metadata, response_of(entities, answer)


def run(steps: Talk, post: Callable[[bytes], Reply]) -> tuple[Metadata, OnlineResponse]:
    """Carry a talk out."""
    try:
        body = next(steps)
        while True:
            try:
                reply = post(body)
            except OnlineStoreError as problem:
                body = steps.throw(problem)
            else:
                body = steps.send(reply)
    except StopIteration as end:
        result: tuple[Metadata, OnlineResponse] = end.value
        return result


async def run_async(steps: Talk, post: Callable[[bytes], Awaitable[Reply]]) -> tuple[Metadata, OnlineResponse]:
    """Carry a talk out without blocking the event loop."""
    try:
        body = next(steps)
        while True:
            try:
                reply = await post(body)
            except OnlineStoreError as problem:
                body = steps.throw(problem)
            else:
                body = steps.send(reply)
    except StopIteration as end:
        result: tuple[Metadata, OnlineResponse] = end.value
        return result


def _body(question: Question, rows: EntityRows) -> bytes:
    """Write a request with the join keys that the rows have; which there must be, the server says.

    Raises:
        UsageError: these are no rows and no columns, or hold what JSON does not.
    """
    is_columns = isinstance(rows, Mapping)
    given = [rows] if is_columns else rows if isinstance(rows, list) else []
    keys = list(dict.fromkeys(key for row in given if isinstance(row, Mapping) for key in row))
    for key in keys:
        if not isinstance(key, str):
            raise UsageError(f"expected the name of a join key, got {key!r}", where="entity_rows")
    entities = read_entities(rows, keys)
    try:
        columns = {str.__str__(key): list(map(_key_json, values)) for key, values in entities.columns.items()}
        # Rows without join keys are counted; columns without any are one question (P10).
        return question.body(columns, None if columns or is_columns else entities.count)
    except (ValueError, TypeError, OverflowError) as problem:
        raise UsageError("these join keys cannot be sent as JSON", where="entity_rows") from problem


def _key_json(value: object) -> Json:
    """Write a key's value so that the server takes it for what the local client does.

    Raises:
        ValueError, OverflowError: no key is of this kind.
    """
    if value is None or isinstance(value, (bool, float)):
        return json_value(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and value.bit_length() <= _LARGEST_BITS:
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _LONGEST_DECIMAL:
        is_whole = abs(value) < _LARGEST_WHOLE and value == int(value)
        return int(value) if is_whole else format(value, "f")  # 26.0 is no text of a whole number
    return _key_text(value)


def _key_text(value: object) -> str:
    if isinstance(value, datetime) and value == value:  # noqa: PLR0124 -- pandas.NaT is a datetime
        is_day = value.tzinfo is None and value.time() == time.min
        return value.date().isoformat() if is_day else _micros(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, UUID):
        return str(value)
    raise ValueError(type(value).__name__)


def _micros(moment: datetime) -> str:
    """Write a moment to the microsecond: pandas has finer ones."""
    text = moment.isoformat(timespec="microseconds")
    return text if moment.tzinfo is None else text.replace("+00:00", "Z")


def checked(rows: EntityRows, told: Metadata, *, is_refused: bool = False) -> Entities:
    """Bring entities into columns, by the join keys that the server told.

    Args:
        rows: as given.
        told: by an answer.
        is_refused: look at every value; else only where JSON may have made a key of what is none.

    Raises:
        UsageError: what the local client says of them.
    """
    names = told.feature_names[: told.entity_count]
    entities = read_entities(rows, names)
    kinds = {type(value) for values in entities.columns.values() for value in values}
    if is_refused or not kinds <= _SAME_IN_JSON:
        key_ends(
            [Column(name=name, type=kind) for name, kind in zip(names, told.feature_types, strict=False)], entities
        )
    return entities


def read_answer(reply: Reply) -> Answer:
    """Read an answer. Raises what `failure` says of another status, OnlineStoreError if it is none of ours."""
    if reply.status != 200:
        raise failure(reply)
    try:
        return msgspec.json.decode(reply.body, type=Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise _no_feature_server(str(problem)) from None


def response_of(entities: Entities, answer: Answer) -> OnlineResponse:
    """Make a response of an answer; the entities stay as they were given."""
    told = answer.metadata
    start = told.entity_count
    try:
        columns = list(map(_column, told.feature_names[start:], told.feature_types[start:], answer.results[start:]))
    except (TypeError, ValueError) as problem:
        raise _no_feature_server(f"a value is not of its type: {problem}") from problem
    return _response(entities, told, columns)


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


def response_without(asked: Asked, told: Metadata, error: str) -> OnlineResponse:
    """Answer without a server, as an earlier answer has told the names: nothing was found.

    Raises:
        UsageError: entities that no answer could be for.
    """
    entities = checked(asked.entity_rows, told, is_refused=True)
    features = [
        FeatureColumn(
            name=name,
            type=value_type,
            values=[None] * entities.count,
            statuses=[NOT_FOUND] * entities.count,
            event_us=[None] * entities.count,
        )
        for name, value_type in zip(told.feature_names, told.feature_types, strict=True)
    ]
    return _response(entities, told, features[told.entity_count :], error=error)


def _response(
    entities: Entities, told: Metadata, features: Sequence[FeatureColumn], *, error: str = ""
) -> OnlineResponse:
    given = [
        FeatureColumn(
            name=name,
            type=value_type,
            values=list(values),
            statuses=[PRESENT] * entities.count,
            event_us=[None] * entities.count,
        )
        for (name, values), value_type in zip(entities.columns.items(), told.feature_types, strict=False)
    ]
    return OnlineResponse(
        entities=ready_columns(given), features=ready_columns(features), count=entities.count, error=error
    )


def failure(reply: Reply) -> FeatureStoreError:
    """Make a refusal an error of ours; the text of a server that is not ours is not repeated."""
    status = reply.status
    try:
        detail = msgspec.json.decode(msgspec.json.decode(reply.body, type=str), type=_Detail)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _no_feature_server(f"HTTP {status}")
    if status in {404, 405} and detail.kind == "FeastError":  # of the path: names that are not there have classes
        return _no_feature_server(f"HTTP {status} at this path")
    what, hint = split_problem(detail.message)
    if detail.kind == "FeatureNameCollisionError":
        return NameClashError(what, hint=hint)
    kind = {404: UnknownNameError, 429: OnlineStoreError}.get(status, UsageError if status < 500 else OnlineStoreError)
    return kind(what or f"the feature server answered {status}", hint=hint)


def _no_feature_server(what: str) -> OnlineStoreError:
    return OnlineStoreError(
        f"this is not the answer of a feature server: {what}", hint='is the URL right? e.g. "http://127.0.0.1:6566"'
    )
