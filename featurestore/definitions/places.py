"""Where a project says, and where it is by default, that its registry and its online store are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.definitions.durations import SECOND, parse_duration
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_FILE = "featurestore.yml"
DEFAULT_REGISTRY = ".featurestore/registry/"
DEFAULT_ONLINE_STORE = "sqlite:.featurestore/online.sqlite"
ENVIRONMENT = {
    "registry": "FEATURESTORE_REGISTRY",
    "online_store": "FEATURESTORE_ONLINE_STORE",
    "registry_version": "FEATURESTORE_REGISTRY_VERSION",
    "registry_cache": "FEATURESTORE_REGISTRY_CACHE",
}
"""By key of the settings file; a variable that is set wins over the file."""

_VERSION = re.compile(r"[1-9][0-9]{0,9}|@[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
BUCKET_SCHEMES = ("s3", "gs", "az")
"""Of a registry in an object store."""
VERSION_SHAPE = "a version's number such as 12, or a tag such as @prod"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPlace:
    """Where the registry is, and how those who read it take it.

    Attributes:
        uri: a path, ``file:PATH``, or ``s3://``, ``gs://``, ``az://`` with a bucket and a prefix; it holds no secrets.
        cache_s: for so many seconds after a look at the registry readers do not look again; 0 looks each time.
        version: what readers are pinned to, see `VERSION_SHAPE`; None is the newest.
        endpoint: URL of the object store; None is that of the environment, else the vendor's.
        region: of S3; None is that of the environment or the profile.
    """

    uri: str = DEFAULT_REGISTRY
    cache_s: float = 0.0
    version: str | None = None
    endpoint: str | None = None
    region: str | None = None


def place_of_registry(place: RegistryPlace | str) -> RegistryPlace:
    """Take a URI alone for a place of which nothing else is said."""
    return RegistryPlace(uri=place) if isinstance(place, str) else place


def is_in_bucket(uri: str) -> bool:
    """Whether a registry's URI names a place in an object store."""
    return uri.partition(":")[0].lower() in BUCKET_SCHEMES


def with_environment(place: RegistryPlace, environ: Mapping[str, str]) -> RegistryPlace:
    """Let environment variables replace what a file says: each its own part only.

    Raises:
        UsageError: one that is set holds no version, or no duration.
    """
    uri, version, cache = (environ.get(ENVIRONMENT[key]) for key in ("registry", "registry_version", "registry_cache"))
    if version and not is_registry_version(version):
        raise UsageError(f"expected {VERSION_SHAPE}, got {version!r}", where=ENVIRONMENT["registry_version"])
    try:
        cache_s = parse_duration(cache) / SECOND if cache else place.cache_s
    except ValueError as error:
        raise UsageError(str(error), where=ENVIRONMENT["registry_cache"], hint="e.g. 60s") from error
    return replace(place, uri=uri or place.uri, version=version or place.version, cache_s=cache_s)


def pinned_to(place: RegistryPlace, version: str | int | None) -> RegistryPlace:
    """Let readers take this version, a number or a tag as ``@prod``; None leaves it as it is.

    Raises:
        UsageError: neither of the two.
    """
    if version is None:
        return place
    if isinstance(version, bool) or not is_registry_version(str(version)):
        raise UsageError(f"expected {VERSION_SHAPE}, got {version!r}", where="registry_version")
    return replace(place, version=str(version))


def is_registry_version(text: str) -> bool:
    """Whether a text has the shape of what a reader can be pinned to."""
    return _VERSION.fullmatch(text) is not None
