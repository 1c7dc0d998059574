"""From a registry's URI to the place of its documents: a path, ``file:`` and a path, or a bucket and a prefix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.definitions.places import BUCKET_SCHEMES, SETTINGS_FILE, place_of_registry
from featurestore.errors import UsageError
from featurestore.registry.files.local import LocalFiles

if TYPE_CHECKING:
    from featurestore.buckets.connect import Patience
    from featurestore.definitions.places import RegistryPlace
    from featurestore.registry.files.protocol import RegistryFiles

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a path
_HINT = "write a path, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
_NOT_IN_PREFIX = frozenset(" \\:*[]{}%^`~|<>\"'\0\t\r\n")
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,221}", re.ASCII)


def open_files(place: RegistryPlace | str, base_dir: Path, *, in_haste: bool = False) -> RegistryFiles:
    """Open the place that a registry's URI names; nothing is read, made or asked.

    Args:
        place: the place, or its URI alone: a path, ``file:PATH``, ``file:///PATH`` (``~`` is the home directory), or
            ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX``, ``az://CONTAINER/PREFIX``.
        base_dir: what a relative path is relative to.
        in_haste: whether an object store that does not answer is given up soon.

    Raises:
        UsageError: an empty URI, an unknown scheme, or more in it than a bucket and a prefix; the URI is not repeated,
            it may hold a password.
    """
    place = place_of_registry(place)
    uri = place.uri
    if not uri.strip():
        raise UsageError("registry: expected a path or a URI, got an empty text", hint=_HINT)
    match = _SCHEME.match(uri)
    if match is None:
        return LocalFiles((base_dir / Path(uri).expanduser()).absolute())
    scheme = match[1].lower()
    if scheme in BUCKET_SCHEMES:
        from featurestore.registry.files.object_store import HASTE, PATIENCE

        return _in_bucket(scheme, uri[len(scheme) + 1 :], place, HASTE if in_haste else PATIENCE)
    if scheme != "file":
        raise UsageError(f"registry: no registry of kind '{scheme}:' exists", hint=_HINT)
    return LocalFiles((base_dir / _path_of_file_uri(uri[len("file:") :])).absolute())


def _in_bucket(scheme: str, rest: str, place: RegistryPlace, patience: Patience) -> RegistryFiles:
    from featurestore.buckets.connect import Bucket
    from featurestore.registry.files.object_store import ObjectFiles

    shape = f"registry: expected {scheme}://{'CONTAINER' if scheme == 'az' else 'BUCKET'}/PREFIX"
    if set(rest) & set("@?#"):
        raise UsageError(
            f"{shape}, got more than that",
            hint="credentials come from the environment or your profile, an endpoint from `registry: {endpoint: URL}` "
            f"in {SETTINGS_FILE}; neither stands in the URI",
        )
    bucket, _, prefix = rest.removeprefix("//").partition("/")
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    if not rest.startswith("//") or not _BUCKET_NAME.fullmatch(bucket):
        raise UsageError(f"{shape}, got no bucket's name", hint=f"e.g. {scheme}://models/featurestore/registry")
    if any(not part or part.startswith(".") or set(part) & _NOT_IN_PREFIX for part in parts):
        raise UsageError(
            f"{shape}, got a prefix with an empty or hidden folder, a space or a special character",
            hint=f"e.g. {scheme}://models/featurestore/registry",
        )
    where = Bucket(scheme=scheme, name=bucket, endpoint=place.endpoint, region=place.region)
    return ObjectFiles(where, "/".join(parts), patience)


def _path_of_file_uri(rest: str) -> Path:
    from urllib.parse import unquote

    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in {"", "localhost"} or not slash:
            raise UsageError("registry: a file: URI names a path of this machine, not a host", hint=_HINT)
        rest = f"/{path}"
    if not rest:
        raise UsageError("registry: expected a path after file:, got none", hint=_HINT)
    return Path(unquote(rest)).expanduser()
