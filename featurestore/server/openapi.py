"""``GET /openapi.json``: the endpoints that this server has, in OpenAPI 3.1, written from `endpoints.ENDPOINTS`.

The rule: it tells of no feature, view or service, since it is read before anybody said who they are.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore import __version__
from featurestore.server.endpoints import ENDPOINTS
from featurestore.server.problems import error_body
from featurestore.server.wire import GetOnlineFeatures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.definitions.server import ServerSettings
    from featurestore.server.endpoints import Endpoint

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_TITLE = "featurestore feature server"
_SAID = "Features over HTTP. The wire of lookups, pushes and syncs is that of Feast's feature server."
_BEARER = {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the server's issuer."}
_SEEN_BY_ALL = (500,)
_REFUSED_TO_SOME = (401, 403)
_REFUSES = {
    400: "The request cannot be meant: the message says what is wrong with it.",
    401: "Nobody knows who asks.",
    403: "Who asks may not.",
    404: "A name that is not there; Feast's client raises its own class for it.",
    409: "It is under way already, or cannot be done as things are.",
    413: "The body is too long.",
    415: "The body is packed; send it as it is.",
    429: "Too many requests at once; ask again after Retry-After seconds.",
    500: "Something is wrong here; the log says what, under the id in the message.",
    501: "Not done here.",
    503: "The online store, or what does it, cannot be reached now; the log says why.",
}
_LINE = re.compile(r"^ {4}(?P<names>\w+(?:, \w+)*): (?P<said>.*(?:\n {8}.*)*)", re.MULTILINE)
_ERROR = "Error"


def openapi(routes: Iterable[tuple[str, str]], settings: ServerSettings) -> bytes:
    """Describe a server.

    Args:
        routes: method, in lower case, and path of its endpoints.
        settings: whether it asks who asks, and its limits.

    Returns:
        JSON.
    """
    existing = set(routes)
    endpoints = [each for each in ENDPOINTS if (each.method, each.path) in existing]
    assert len(endpoints) == len(existing), f"{existing} are not all described in endpoints.py"
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint, has_keys=settings.asks_who)
    components: Json = {"schemas": _schemas(endpoints, settings)}
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "description": _SAID, "version": __version__},
        "paths": paths,
        "components": components,
    }
    if settings.asks_who:
        components["securitySchemes"] = {"key": _BEARER}
        document["security"] = [{"key": []}]
    return msgspec.json.encode(document)


def _operation(endpoint: Endpoint, *, has_keys: bool) -> Json:
    """One endpoint."""
    operation: Json = {
        "operationId": _name(endpoint),
        "tags": [endpoint.area],
        "summary": endpoint.summary,
        "responses": {str(status): _answer(endpoint, status) for status in endpoint.answers},
    }
    refuses = {*endpoint.refuses, *_SEEN_BY_ALL}
    if not endpoint.is_open:
        refuses |= {415, *(_REFUSED_TO_SOME if has_keys else ())}
    for status in sorted(refuses - set(endpoint.answers)):
        operation["responses"][str(status)] = _refusal(status)
    if endpoint.asks is not None:
        media = {"schema": _ref(endpoint.asks), "examples": {"one": {"value": endpoint.example}}}
        operation["requestBody"] = {"required": True, "content": {"application/json": media}}
    if endpoint.parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "description": said, "schema": {"type": "string"}}
            for name, said in endpoint.parameters.items()
        ]
    if endpoint.is_open and has_keys:
        operation["security"] = []
    return operation


def _name(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", endpoint.path) or ["page"]
    return "_".join([endpoint.method, *words]).replace("get_get_", "get_").replace("post_get_", "get_")


def _answer(endpoint: Endpoint, status: int) -> Json:
    body = endpoint.answers[status]
    answer: Json = {"description": endpoint.summary if status < 300 else _REFUSES[status]}
    if isinstance(body, str):
        schema: Json = {"type": "object" if body == "application/json" else "string"}
        answer["content"] = {body: {"schema": schema}}
    elif body is not None:
        answer["content"] = {"application/json": {"schema": _ref(body)}}
    return answer


def _refusal(status: int) -> Json:
    example = msgspec.json.decode(error_body("what is wrong\n  -> what to do"))
    media = {"schema": {"$ref": _REF.format(name=_ERROR)}, "examples": {"one": {"value": example}}}
    answer: Json = {"description": _REFUSES[status], "content": {"application/json": media}}
    if status == 429:
        answer["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer"}}}
    return answer


def _ref(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": _REF.format(name=kind.__name__)}


def _schemas(endpoints: Iterable[Endpoint], settings: ServerSettings) -> Json:
    kinds: dict[type[msgspec.Struct], None] = {}
    for endpoint in endpoints:
        kinds.update(dict.fromkeys([endpoint.asks] if endpoint.asks else []))
        kinds.update(dict.fromkeys(body for body in endpoint.answers.values() if isinstance(body, type)))
    _, schemas = msgspec.json.schema_components(list(kinds), ref_template=_REF)
    for schema in schemas.values():
        _describe(schema)
    asked = schemas.get(GetOnlineFeatures.__name__)
    if asked is not None:
        asked["properties"]["entities"]["additionalProperties"]["maxItems"] = settings.limits.entities
        asked["properties"]["features"]["anyOf"][0]["maxItems"] = settings.limits.features
        asked["properties"]["entity_count"]["anyOf"][0]["maximum"] = settings.limits.entities
    schemas[_ERROR] = {
        "description": "A JSON string that holds JSON (module, class, message): Feast's client makes an error of it.",
        "type": "string",
        "contentMediaType": "application/json",
    }
    return schemas


def _describe(schema: Json) -> None:
    """Turn a docstring into a description, and its lines about attributes into theirs."""
    said, _, attributes = inspect.cleandoc(schema.get("description", "")).partition("\n\nAttributes:\n")
    schema["description"] = said
    for line in _LINE.finditer(attributes):
        for name in line["names"].split(", "):
            if name in schema.get("properties", {}):
                schema["properties"][name]["description"] = " ".join(line["said"].split())
