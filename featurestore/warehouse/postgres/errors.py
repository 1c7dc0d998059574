"""What Postgres says when it refuses, as one error each that says what to do; no password in any of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, QueryError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATEMENT_CANCELLED = "57014"
_LOST = re.compile(
    r"server closed the connection|terminating connection|no connection to the server|connection not open"
)
_SAID = re.compile(r"(?:FATAL|ERROR|PANIC):\s+(?P<what>[^\n]*)")
_DRIVER = re.compile(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to connect: )?")
_IN_FRONT = "Postgres refused a statement: "
_GRANT = "ask the owner to GRANT it to the role of the dbt target"
_CAST = "cast the column where the spine or the model is made"
_SPILLED = "ask for fewer examples or features at a time, or have work_mem or temp_file_limit raised for the role"
# By SQLSTATE, and by a part of the message for an error that comes among the rows, where no SQLSTATE is told.
_HINTS: tuple[tuple[str, str, str], ...] = (
    ("42P01", "relation", "run dbt build, if this is a table of dbt's"),
    ("42703", "column", "has a feature view's table lost a column? run dbt build, then featurestore plan"),
    ("3F000", "schema", "run dbt build, if this is a schema of dbt's"),
    ("42501", "permission denied", _GRANT),
    ("25006", "read-only transaction", "this server or role only reads: name a target that may write"),
    ("42P07", "already exists", "choose another name, or drop it first"),
    (
        "23505",
        "pg_type_typname",
        "another run makes a table of this name just now: wait for it, or choose another name",
    ),
    ("42883", "operator does not exist", f"these types cannot be compared: {_CAST}"),
    ("42804", "is of type", _CAST),
    ("22P02", "invalid input syntax", _CAST),
    ("22003", "numeric field overflow", f"of digits a numeric without a precision has 18 and 20 here: {_CAST}"),
    ("53100", "No space left on device", f"the server's disk is full: {_SPILLED}"),
    ("53200", "out of memory", "have work_mem lowered for the role, or ask for fewer views at a time"),
    ("53400", "temp_file_limit", _SPILLED),
    ("2BP01", "other objects depend", "drop what hangs on the table first, or write to another one"),
)
_BY_WORDS: tuple[tuple[str, str], ...] = (
    (
        "statement timeout",
        "have statement_timeout raised for the role, or ask for fewer examples or features at a time",
    ),
    ("user request", "somebody stopped it in the server: try again, or ask its administrator"),
    (
        "valid decimal",
        "a numeric that is NaN or infinite is no decimal: cast it to double precision where it is made",
    ),
    ("temporary tables", "ask for GRANT TEMPORARY on the database, or put the examples into a table"),
    (
        'malformed array literal: "an array of arrays',
        "give the column one dimension where it is made, e.g. to_jsonb(column)",
    ),
)
_WHY_NOT_OPEN: tuple[tuple[str, str], ...] = (
    ("password", "check user and password of the target, e.g. with: dbt debug"),
    ("no pg_hba.conf entry", "the server does not let this user in from here: ask its administrator"),
    ("does not exist", "check dbname and user of the target"),
    ("SSL", "check sslmode, sslcert, sslkey and sslrootcert of the target"),
    ("translate host name", "check host of the target"),
    ("too many", "wait until connections are free, or ask for more of them"),
)


def not_opened(error: Exception, place: str, secret: str) -> WarehouseError:
    """Why a connection cannot be made.

    Args:
        error: the driver's.
        place: host, port and database.
        secret: is taken out of the text, wherever it came from.
    """
    text = _DRIVER.sub("", str(error).strip())
    said = _SAID.search(text)
    what = said["what"] if said is not None else text.partition(" failed: ")[2].partition("\n")[0] or text
    what = " ".join((what.replace(secret, "***") if secret else what).split())
    hint = next((hint for part, hint in _WHY_NOT_OPEN if part in what), "is the server up, and host and port right?")
    return WarehouseError(f"cannot open Postgres at {place}: {what}", hint=hint)


def refused(error: Exception, state: str | None, details: Mapping[str, str]) -> FeatureStoreError:
    """Why a statement was not run to its end.

    Args:
        error: the driver's, or Arrow's while rows are read.
        state: the SQLSTATE, if one was told.
        details: other fields of the server's message, by Postgres' name of them.
    """
    said = _SAID.search(str(error))
    what = details.get("PG_DIAG_MESSAGE_PRIMARY") or (said["what"] if said is not None else _plain(error))
    what = " ".join(what.split())
    detail = details.get("PG_DIAG_MESSAGE_DETAIL")
    if _LOST.search(str(error)) or (state or "").startswith(("08", "57P")):
        return WarehouseError(f"lost the connection to Postgres: {what}", hint="is the server up? Then try again")
    if detail and state != "23505":
        what = f"{what} ({' '.join(detail.split())})"
    return QueryError(f"{_IN_FRONT}{what}", hint=_hint(state, what) or details.get("PG_DIAG_MESSAGE_HINT"))


def _hint(state: str | None, what: str) -> str | None:
    by_words = next((hint for words, hint in _BY_WORDS if words in what), None)
    if by_words is not None:
        return by_words
    if state is not None:
        return next((hint for known, _, hint in _HINTS if known == state), None)
    return next((hint for _, part, hint in _HINTS if part in what), None)


def _plain(error: Exception) -> str:
    """The first line of what is no server's message."""
    return _DRIVER.sub("", str(error).strip()).partition("\n")[0] or type(error).__name__
