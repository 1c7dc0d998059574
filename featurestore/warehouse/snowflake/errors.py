"""What Snowflake says when it refuses, in one line, and what to do about it."""

from __future__ import annotations

from featurestore.errors import QueryError

_NO_SUCH_OBJECT = "002003"


def refused(error: object) -> QueryError:
    """Why a statement failed."""
    is_missing = _NO_SUCH_OBJECT in str(error).partition(":")[0]
    hint = "run dbt build, if this is a table of dbt's" if is_missing else None
    return QueryError(f"Snowflake refused a statement: {said(error)}", hint=hint)


def said(error: object) -> str:
    """What the connector says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
