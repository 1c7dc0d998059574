"""What ClickHouse says when it refuses, without its own name and version, and what to do about it."""

from __future__ import annotations

import re

from featurestore.errors import QueryError

_MISSING = re.compile(r"\bUNKNOWN_(?:TABLE|DATABASE)\b")
_HEAD = re.compile(r"^.*?DB::Exception: ", re.DOTALL)
_TAIL = re.compile(r"\s*\((?:version [^)]*|for url [^)]*)\)\s*$| In scope .*$", re.DOTALL)
_NOT_REACHED = re.compile(r"\b(Failed to (?:establish|resolve)[^\"]*)")
_UNKNOWN_COLUMN = re.compile(r"\bUNKNOWN_IDENTIFIER\b|cannot be resolved from table")


def refused(error: Exception) -> QueryError:
    """Why a statement failed."""
    hint = None
    if _MISSING.search(str(error)):
        hint = "run dbt build, if this is a table of dbt's"
    elif _UNKNOWN_COLUMN.search(str(error)):
        hint = "has a feature view's table lost a column? run dbt build, then featurestore plan"
    return QueryError(f"ClickHouse refused a statement: {said(error)}", hint=hint)


def said(error: Exception) -> str:
    """What the server says, without its own name and version, its address and the whole query."""
    not_reached = _NOT_REACHED.search(str(error))
    if not_reached is not None:
        return not_reached[1]
    text = _TAIL.sub("", _HEAD.sub("", str(error).strip(), count=1))
    return " ".join(text.partition("\n")[0].split()) or type(error).__name__
