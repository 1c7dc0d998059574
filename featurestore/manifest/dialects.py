"""Which SQL dialect (sqlglot's name) a dbt adapter speaks."""

from __future__ import annotations

from featurestore.errors import UsageError, did_you_mean

DIALECTS: dict[str, str] = {
    "athena": "athena",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "duckdb": "duckdb",
    "postgres": "postgres",
    "redshift": "redshift",
    "snowflake": "snowflake",
    "spark": "spark",
    "trino": "trino",
}


def dialect_of(adapter_type: str) -> str:
    """Name the SQL dialect of a dbt adapter.

    Args:
        adapter_type: as in the manifest's metadata or a profile's ``type``, e.g. ``duckdb``.

    Returns:
        sqlglot's name of the dialect.

    Raises:
        UsageError: we know no dialect for this adapter; names the known ones.
    """
    dialect = DIALECTS.get(adapter_type)
    if dialect is None:
        raise UsageError(
            f"no SQL dialect is known for the dbt adapter '{adapter_type}'", hint=did_you_mean(adapter_type, DIALECTS)
        )
    return dialect
