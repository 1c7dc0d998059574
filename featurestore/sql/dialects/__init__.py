"""What differs between warehouses: one small table per dialect."""

from __future__ import annotations

from featurestore.errors import UsageError, did_you_mean
from featurestore.sql.dialects.bigquery import BIGQUERY
from featurestore.sql.dialects.clickhouse import CLICKHOUSE
from featurestore.sql.dialects.databricks import DATABRICKS
from featurestore.sql.dialects.duckdb import DUCKDB
from featurestore.sql.dialects.postgres import POSTGRES
from featurestore.sql.dialects.redshift import REDSHIFT
from featurestore.sql.dialects.snowflake import SNOWFLAKE
from featurestore.sql.dialects.spark import SPARK
from featurestore.sql.dialects.table import Dialect
from featurestore.sql.dialects.trino import TRINO

DIALECTS = {
    dialect.name: dialect
    for dialect in (DUCKDB, POSTGRES, CLICKHOUSE, SPARK, SNOWFLAKE, BIGQUERY, REDSHIFT, DATABRICKS, TRINO)
}


def dialect_named(name: str) -> Dialect:
    """Find a dialect by sqlglot's name. Raises UsageError that names the known ones."""
    if name not in DIALECTS:
        raise UsageError(f"no SQL is written for the dialect '{name}' yet", hint=did_you_mean(name, DIALECTS))
    return DIALECTS[name]
