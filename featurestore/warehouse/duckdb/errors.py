"""What DuckDB says when it refuses, up to the first empty line, and what to do about it."""

from __future__ import annotations

import re

import duckdb

from featurestore.errors import FeatureStoreError, QueryError, WarehouseError

_TAKEN = re.compile(r"already exists|Existing object")
_MEMORY_HINT = "raise memory_limit, or give temp_directory a disk with room: `settings` of the target in profiles.yml"
_FAR = re.compile(r"^IO Error: [^\n]*\bHTTP\b|^HTTP Error|the required extension")
_FAR_HINT = (
    "is the network there, the extension installed, and are credentials in `settings` of the target? Else copy it here"
)


def refused(error: Exception) -> FeatureStoreError:
    """Why a statement failed."""
    hint = None
    if _FAR.search(str(error)):
        return WarehouseError(f"DuckDB cannot read what is far: {first_paragraph(error)}", hint=_FAR_HINT)
    if isinstance(error, duckdb.CatalogException) and "does not exist" in str(error):
        hint = "run dbt build, if this is a table of dbt's"
    elif isinstance(error, duckdb.CatalogException) and _TAKEN.search(str(error)):
        hint = "choose another name, or drop it first"
    elif isinstance(error, duckdb.BinderException):
        hint = "has a feature view's table lost a column? run dbt build, then featurestore plan"
    elif isinstance(error, duckdb.ConversionException):
        hint = "correct the value, or cast the column where the spine or the model is made, e.g. with try_cast"
    elif isinstance(error, duckdb.OutOfMemoryException) or "Failed to create directory" in str(error):
        hint = _MEMORY_HINT
    return QueryError(f"DuckDB refused a statement: {first_paragraph(error)}", hint=hint)


def first_paragraph(error: Exception) -> str:
    """What DuckDB says up to the first empty line; below stand the statement, or all settings of a CSV reader."""
    return " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__
