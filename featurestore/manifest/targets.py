"""Is this manifest of the target that was asked for? dbt does not write the target's name into it.

What can be compared: the adapter, the database of nodes without a database of their own, and whether any node without
a schema of its own lies in the target's schema. A project that names databases or schemas by its own macro is compared
by adapter only.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from featurestore.errors import UsageError
from featurestore.manifest.nodes import TABLE_RESOURCES, as_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.profiles import Profile

_DATABASE_KEYS = ("database", "dbname", "catalog", "project")
_SCHEMA_KEYS = ("schema", "dataset")
_MOTHERDUCK = frozenset(("md", "motherduck"))


def check_target(manifest: Manifest, profile: Profile) -> None:
    """Refuse a manifest that was made for another target, as far as that can be seen.

    Args:
        manifest: dbt's.
        profile: the target that is meant.

    Raises:
        UsageError: adapter, database or schema differ; says both and the command that makes the right manifest.
    """
    found: tuple[str, str] | None = None
    if manifest.adapter_type != profile.type:
        found = f"adapter {manifest.adapter_type}", profile.type
    else:
        found = _other_database(manifest, profile) or _other_schema(manifest, profile)
    if found is not None:
        what = f"the manifest was made for {found[0]}, but target '{profile.target}' is {found[1]}"
        raise UsageError(what, hint=f"run dbt parse --target {profile.target}")


def _other_database(manifest: Manifest, profile: Profile) -> tuple[str, str] | None:
    expected = _database(profile)
    if expected is None or _has_own_macro(manifest, "generate_database_name"):
        return None
    for raw, config in _tables(manifest):
        named = config.get("database") or config.get("target_database")
        if not named and raw.get("database") and not _same(raw["database"], expected):
            return f"database '{raw['database']}'", f"database '{expected}'"
    return None


def _other_schema(manifest: Manifest, profile: Profile) -> tuple[str, str] | None:
    expected = _first(profile.values, _SCHEMA_KEYS)
    if expected is None or _has_own_macro(manifest, "generate_schema_name"):
        return None
    schemas = {
        str(raw["schema"])
        for raw, config in _tables(manifest)
        if not (config.get("schema") or config.get("target_schema")) and raw.get("schema")
    }
    if not schemas or any(_same(schema, expected) for schema in schemas):
        return None
    return f"schema '{min(schemas)}'", f"schema '{expected}'"


def _database(profile: Profile) -> str | None:
    """The database that nodes get in this target; None where the profile does not say it."""
    named = _first(profile.values, _DATABASE_KEYS)
    if named is not None or profile.type != "duckdb":
        return None if profile.type in {"spark", "clickhouse"} else named
    path = str(profile.values.get("path") or ":memory:")
    if path == ":memory:":
        return "memory"
    address = urlparse(path)
    file_name = PurePath(address.path.replace("\\", "/")).name
    if address.scheme in _MOTHERDUCK:
        return file_name or None
    return None if address.scheme == "ducklake" else file_name.lstrip(".").partition(".")[0]


def _tables(manifest: Manifest) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for unique_id in sorted(manifest.nodes):
        raw = manifest.nodes[unique_id]
        if raw.get("resource_type") in TABLE_RESOURCES:
            yield raw, as_mapping(raw.get("config"))


def _has_own_macro(manifest: Manifest, name: str) -> bool:
    """Whether a macro of this name comes from elsewhere than dbt and its adapters (``macro.package.name``)."""
    packages = {unique_id.split(".")[1] for unique_id in manifest.macros if unique_id.endswith(f".{name}")}
    return any(package != "dbt" and not package.startswith("dbt_") for package in packages)


def _first(values: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(values[key]) for key in keys if values.get(key)), None)


def _same(one: object, other: object) -> bool:
    return str(one).casefold() == str(other).casefold()
