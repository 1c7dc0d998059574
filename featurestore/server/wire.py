"""The requests of Feast's feature server, as typed structs; keys that we do not know are passed over, as Feast does."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from featurestore.errors import UsageError

Scalar = str | int | float | bool | None
Request = TypeVar("Request", bound=msgspec.Struct)


class GetOnlineFeatures(msgspec.Struct):
    """A lookup.

    Attributes:
        entities: one list of values per join key, all of one length.
        features: references ``view:feature``, in output order; or give `feature_service`.
        feature_service: a service's name.
        full_feature_names: name outputs ``view__feature``.
        include_feature_view_version_metadata: tell the version of each view, too.
        include_types: tell the type of each column, too; Feast knows no such key.
        entity_count: how many entities there are, where `entities` is empty and says it not; 0 for the columns alone.
    """

    entities: dict[str, list[Any]]
    features: list[str] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    include_feature_view_version_metadata: bool = False
    include_types: bool = False
    entity_count: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Push(msgspec.Struct):
    """New rows for a view.

    Attributes:
        push_source_name: the view's reference.
        df: one list of values per column.
        to: which stores.
    """

    push_source_name: str
    df: dict[str, list[Any]]
    to: Literal["online", "offline", "online_and_offline"] = "online"
    allow_registry_cache: bool = True
    transform_on_write: bool = True


class WriteToOnlineStore(msgspec.Struct):
    """New rows for a view's online rows."""

    feature_view_name: str
    df: dict[str, list[Any]]
    allow_registry_cache: bool = True
    transform_on_write: bool = True


class Materialize(msgspec.Struct):
    """A sync between two event times, ISO 8601; neither is needed."""

    start_ts: str | None = None
    end_ts: str | None = None
    feature_views: list[str] | None = None
    disable_event_timestamp: bool = False


class MaterializeIncremental(msgspec.Struct):
    """A sync from where the last one ended up to an event time, ISO 8601."""

    end_ts: str | None = None
    feature_views: list[str] | None = None


_lookups = msgspec.json.Decoder(GetOnlineFeatures)


def read_lookup(body: bytes) -> GetOnlineFeatures:
    """Read a lookup; errors as `read_request`."""
    try:
        return _lookups.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise _refused(problem, body) from None


def read_request(body: bytes, kind: type[Request]) -> Request:
    """Read a request. Raises UsageError: no JSON, no object, or a value of another type than it must have."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise _refused(problem, body) from None


def _refused(problem: Exception, body: bytes) -> UsageError:
    if not body.strip():
        return UsageError("expected a JSON object, got nothing", where="the request's body")
    what = "its values are nested too deep" if isinstance(problem, RecursionError) else str(problem)
    return UsageError(what, where="the request's body")
