"""``registry:`` of `featurestore.yml`: a URI, or a mapping with what readers and the object store are told besides."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from featurestore.definitions.durations import SECOND
from featurestore.definitions.places import (
    ENVIRONMENT,
    VERSION_SHAPE,
    RegistryPlace,
    is_in_bucket,
    is_registry_version,
    with_environment,
)
from featurestore.manifest.blocks import Block, open_block, show

if TYPE_CHECKING:
    from featurestore.manifest.templates import Renderer

KEYS = ("uri", "cache", "version", "endpoint", "region")
_OF_BUCKETS = ("endpoint", "region")
_URI = "a path or URI"
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(/[A-Za-z0-9._/-]*)?", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryBlock:
    """What one block says of the registry: a mapping, or a URI alone, which stands under its own key.

    Attributes:
        block: where the keys are.
        uri_key: under which of them the URI is.
    """

    block: Block
    uri_key: str


def open_registry_block(block: Block) -> RegistryBlock | None:
    """Find ``registry:``; None where nothing is said, or, with the problem noted, no text and no mapping."""
    raw = block.values.get("registry")
    if not isinstance(raw, dict):
        if block.text("registry", _URI) is None:
            return None
        return RegistryBlock(block=replace(block, values={"registry": raw}), uri_key="registry")
    path = f"{block.path}.registry".removeprefix(".")
    opened = open_block(raw, file=block.file, path=path, known=KEYS, problems=block.problems)
    assert opened is not None
    opened.text("uri", _URI)
    return RegistryBlock(block=opened, uri_key="uri")


def read_registry(blocks: tuple[Block, ...], renderer: Renderer) -> RegistryPlace:
    """Read the ``registry:`` that wins, as a whole; of the others only the keys are looked at.

    Raises:
        UsageError: a template that is needed cannot be rendered, or an environment variable holds something else.
    """
    opened = [open_registry_block(block) for block in blocks]
    found = next((each for each in opened if each is not None), None)
    place = RegistryPlace() if found is None else _read(found, renderer)
    return with_environment(place, renderer.environ)


def _read(found: RegistryBlock, renderer: Renderer) -> RegistryPlace:
    """Read what one block says; a URI that the environment replaces is not rendered."""
    is_replaced = bool(renderer.environ.get(ENVIRONMENT["registry"]))
    block = _rendered(found, renderer, is_replaced=is_replaced)
    place = RegistryPlace()
    uri = None if is_replaced else block.text(found.uri_key, _URI)
    cache_us = block.duration(
        "cache", example="60s", absent="readers look at the registry each time", zero_allowed=True
    )
    region = block.text("region", "a region such as eu-central-1")
    if region is not None and not _REGION.fullmatch(region):
        block.refuse("region", "a region such as eu-central-1")
    for key in _OF_BUCKETS:
        if block.values.get(key) is not None and not is_replaced and not is_in_bucket(uri or place.uri):
            hint = f"remove `{key}`, or let `uri` be s3://, gs:// or az://"
            block.problems.error("only a registry in an object store has it", where=block.place(key), hint=hint)
    return replace(
        place,
        uri=uri or place.uri,
        cache_s=(cache_us or 0) / SECOND,
        version=_version(block),
        endpoint=_endpoint(block),
        region=region,
    )


def _rendered(found: RegistryBlock, renderer: Renderer, *, is_replaced: bool) -> Block:
    block = found.block
    values: dict[str, Any] = {}
    for key, value in block.values.items():
        if key == found.uri_key and is_replaced:
            continue
        values[key] = renderer.render(value, block.place(key).removeprefix(f"{block.file}: "))
        if isinstance(value, str) and isinstance(values[key], str) and not values[key].strip():
            expected = _URI if key == found.uri_key else f"a value for `{key}`"
            block.problems.error(f"expected {expected}, got nothing after rendering", where=block.place(key))
            values[key] = None
    return replace(block, values=values)


def _version(block: Block) -> str | None:
    value = block.values.get("version")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text is None or (isinstance(text, str) and is_registry_version(text)):
        return text
    block.refuse("version", VERSION_SHAPE, 'write `version: "@prod"` or `version: 12`')
    return None


def _endpoint(block: Block) -> str | None:
    value = block.values.get("endpoint")
    if value is None or (isinstance(value, str) and _ENDPOINT.fullmatch(value)):
        return value
    expected = "the URL of an object store, without user, password and query"
    shown = show(value) if not isinstance(value, str) or "@" not in value else "one with an @"
    hint = "e.g. `endpoint: https://minio.example.com:9000`; credentials come from the environment"
    block.problems.error(f"expected {expected}, got {shown}", where=block.place("endpoint"), hint=hint)
    return None
