"""The dbt project around what is imported: made where there is none, and otherwise only ever added to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.errors import UsageError
from featurestore.manifest.dbt_project import FILE_NAME, load_dbt_project
from featurestore.manifest.paths import shown_path
from featurestore.manifest.profiles import load_profile
from featurestore.manifest.yaml_file import read_yaml
from featurestore.scaffold.feast.escape import in_jinja, slug, yaml_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from featurestore.scaffold.feast.settings import StoreSettings

PROFILES = "profiles.yml"
_HEAD = "# What is not metadata of a dbt resource; every key: docs/guides/metadata.md#featurestoreyml\n"
_KEYS: dict[str, dict[str, tuple[str, str]]] = {
    "postgres": {
        "host": ("host", "PGHOST"), "port": ("port", "PGPORT"), "user": ("user", "PGUSER"),
        "password": ("", "PGPASSWORD"), "dbname": ("database", "PGDATABASE"), "schema": ("", "DBT_SCHEMA"),
    },
    "snowflake": {
        "account": ("account", "SNOWFLAKE_ACCOUNT"), "user": ("user", "SNOWFLAKE_USER"),
        "password": ("", "SNOWFLAKE_PASSWORD"), "role": ("role", "SNOWFLAKE_ROLE"),
        "warehouse": ("warehouse", "SNOWFLAKE_WAREHOUSE"), "database": ("database", "SNOWFLAKE_DATABASE"),
        "schema": ("", "DBT_SCHEMA"),
    },
    "redshift": {
        "host": ("", "REDSHIFT_HOST"), "port": ("", "REDSHIFT_PORT"), "user": ("user", "REDSHIFT_USER"),
        "password": ("", "REDSHIFT_PASSWORD"), "dbname": ("database", "REDSHIFT_DATABASE"),
        "schema": ("", "DBT_SCHEMA"),
    },
    "bigquery": {
        "project": ("project_id", "GCP_PROJECT"), "dataset": ("", "DBT_SCHEMA"),
        "location": ("location", "GCP_LOCATION"),
    },
    "trino": {
        "host": ("host", "TRINO_HOST"), "port": ("port", "TRINO_PORT"), "user": ("user", "TRINO_USER"),
        "database": ("catalog", "TRINO_CATALOG"), "schema": ("", "DBT_SCHEMA"),
    },
    "athena": {
        "region_name": ("region", "AWS_REGION"), "s3_staging_dir": ("s3_staging_location", "ATHENA_STAGING"),
        "database": ("data_source", "ATHENA_CATALOG"), "schema": ("", "DBT_SCHEMA"),
    },
    "clickhouse": {
        "host": ("host", "CLICKHOUSE_HOST"), "port": ("port", "CLICKHOUSE_PORT"), "user": ("user", "CLICKHOUSE_USER"),
        "password": ("", "CLICKHOUSE_PASSWORD"), "schema": ("", "DBT_SCHEMA"),
    },
    "spark": {"host": ("", "SPARK_HOST"), "schema": ("", "DBT_SCHEMA")},
}  # fmt: skip
"""Keys of a dbt profile, each with the offline store's key and the variable that is asked where that is silent."""
_FIXED: dict[str, dict[str, Any]] = {"bigquery": {"method": "oauth"}, "spark": {"method": "thrift"}}
_USUAL = {"DBT_SCHEMA": "features", "PGHOST": "localhost", "PGPORT": "5432"}
"""Models get a schema of their own, so that none is built over a table of the source."""
_NUMBERS = frozenset(("port",))


def adapter_of_project(folder: Path, environ: Mapping[str, str], otherwise: str) -> str:
    """The dbt adapter of a project that is there; of one that is not there, or cannot say, the offline store's."""
    if not (folder / FILE_NAME).is_file():
        return otherwise
    try:
        return load_profile(load_dbt_project(folder, environ=environ), environ=environ).type
    except UsageError:
        return otherwise


def new_project_files(folder: Path, settings: StoreSettings, adapter: str) -> dict[str, bytes]:
    """The files of a new dbt project: none where there is one."""
    if (folder / FILE_NAME).is_file():
        return {}
    name = slug(settings.project, "features")
    project = {
        "name": name,
        "version": "1.0.0",
        "config-version": 2,
        "profile": name,
        "model-paths": ["models"],
        "clean-targets": ["target", "dbt_packages"],
        "flags": {"send_anonymous_usage_stats": False},
    }
    profile = {name: {"target": "dev", "outputs": {"dev": _output(name, settings, adapter)}}}
    return {
        PROFILES: yaml_bytes(profile, head="# How the warehouse is reached. Secrets come from the environment.\n"),
        FILE_NAME: yaml_bytes(project),
    }


def _output(name: str, settings: StoreSettings, adapter: str) -> dict[str, Any]:
    """One target; keys that the offline store says as text are copied, passwords never."""
    if adapter == "duckdb":
        return {"type": "duckdb", "path": f"{name}.duckdb", "threads": 2, "settings": {"TimeZone": "UTC"}}
    output: dict[str, Any] = {"type": adapter, **_FIXED.get(adapter, {})}
    for key, (theirs, variable) in _KEYS.get(adapter, {}).items():
        value = settings.offline.get(theirs) if theirs else None
        if isinstance(value, (str, int)) and value and "$" not in str(value) and not isinstance(value, bool):
            output[key] = in_jinja(value) if isinstance(value, str) else value
        else:
            number = " | as_number" if key in _NUMBERS else ""
            usual = f", '{_USUAL[variable]}'" if variable in _USUAL else ""
            output[key] = f"{{{{ env_var('{variable}'{usual}){number} }}}}"
    return {**output, "threads": 4}


def settings_file(folder: Path, wanted: Mapping[str, Any]) -> tuple[bytes | None, bytes]:
    """Write `featurestore.yml`, or add to the one that is there what it lacks.

    Args:
        folder: of the project.
        wanted: the keys `entities` and `online_store`, where there is something to say.

    Returns:
        What the file has now, None where there is none; and what it shall have, which begins with that.

    Raises:
        UsageError: it says something else already; says what it should say.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        return None, yaml_bytes(dict(wanted), head=_HEAD) if wanted else _HEAD.encode()
    before, values = path.read_bytes(), read_yaml(path)
    missing = {key: value for key, value in wanted.items() if key not in values}
    for key in wanted.keys() - missing.keys():
        lacking = _lacking(values[key], wanted[key])
        if lacking:
            text = yaml_bytes({key: lacking}).decode().rstrip()
            what = f"it has the key `{key}`, and not what the Feast repository says"
            raise UsageError(what, where=shown_path(path), hint=f"write this into it and run it again:\n{text}")
    if not missing:
        return before, before
    after = before + (b"" if before.endswith(b"\n") or not before else b"\n") + yaml_bytes(missing)
    try:
        is_added = yaml.safe_load(after) == {**values, **missing}
    except yaml.YAMLError:
        is_added = False
    if not is_added:
        what = "nothing can be added at its end"
        raise UsageError(
            what, where=shown_path(path), hint=f"write this into it:\n{yaml_bytes(missing).decode().rstrip()}"
        )
    return before, after


def _lacking(has: Any, wanted: Any) -> Any:  # noqa: ANN401  values of YAML
    """What of the wanted value is not there; entities are compared by their join keys."""
    if not isinstance(wanted, dict):
        return None if has == wanted else wanted
    declared = _entities(has)
    return {name: value for name, value in wanted.items() if declared.get(name) != value["join_keys"]} or None


def _entities(has: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """Join keys by entity, of each form in which `featurestore.yml` may say them."""
    if isinstance(has, dict):
        return {str(name): _keys(str(name), value) for name, value in has.items()}
    found: dict[str, list[str]] = {}
    for item in has if isinstance(has, list) else []:
        name = str(item.get("name")) if isinstance(item, dict) else str(item)
        found[name] = _keys(name, item)
    return found


def _keys(name: str, value: Any) -> list[str]:  # noqa: ANN401
    keys = value.get("join_keys") if isinstance(value, dict) else None
    return [str(key) for key in keys] if isinstance(keys, list) else [name]
