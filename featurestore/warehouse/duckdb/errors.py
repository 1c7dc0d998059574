"""What DuckDB says when it refuses, up to the first empty line, and what to do about it."""

from __future__ import annotations

import duckdb

from featurestore.errors import QueryError

_MEMORY_HINT = "raise memory_limit, or give temp_directory a disk with room: `settings` of the target in profiles.yml"


def refused(error: Exception) -> QueryError:
    """Why a statement failed."""
    hint = None
    if isinstance(error, duckdb.CatalogException) and "does not exist" in str(error):
        hint = "run dbt build, if this is a table of dbt's"
    elif isinstance(error, duckdb.OutOfMemoryException) or "Failed to create directory" in str(error):
        hint = _MEMORY_HINT
    return QueryError(f"DuckDB refused a statement: {first_paragraph(error)}", hint=hint)


def first_paragraph(error: Exception) -> str:
    """What DuckDB says up to the first empty line; below stand the statement, or all settings of a CSV reader."""
    return " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__
