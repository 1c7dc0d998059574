"""What ClickHouse says when it refuses, without its own name and version, and what to do about it."""

from __future__ import annotations

import re

from featurestore.errors import QueryError

_MISSING = re.compile(r"\bUNKNOWN_(?:TABLE|DATABASE)\b")
_HEAD = re.compile(r"^.*?DB::Exception: ", re.DOTALL)
_TAIL = re.compile(r"\s*\(version [^)]*\)\s*$")


def refused(error: Exception) -> QueryError:
    """Why a statement failed."""
    is_missing = _MISSING.search(str(error)) is not None
    hint = "run dbt build, if this is a table of dbt's" if is_missing else None
    return QueryError(f"ClickHouse refused a statement: {said(error)}", hint=hint)


def said(error: Exception) -> str:
    """What the server says, without its own name and version."""
    text = _TAIL.sub("", _HEAD.sub("", str(error).strip(), count=1))
    return " ".join(text.partition("\n")[0].split()) or type(error).__name__
