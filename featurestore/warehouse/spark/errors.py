"""What Spark says, without its stack traces: the first sentence of the cause, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, QueryError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONDITION = re.compile(r"^\[(?P<name>[A-Z0-9_.]+)\]\s*")
_OF_A_TASK = re.compile(r"Lost task [^\n]*?\):\s*(?P<cause>[^\n]+)")
_CAUSE = re.compile(r"^Caused by: (?P<cause>[^\n]+)", re.MULTILINE)
_JAVA_CLASS = re.compile(r"^(?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable)\s*:\s*")
_STATE = re.compile(r"\s*SQLSTATE: \w+.*$")
_GONE = ("UNAVAILABLE", "failed to connect to all addresses", "Answer from Java side is empty", "Connection refused")
_MISSING = frozenset(("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "DATABASE_NOT_FOUND", "CATALOG_NOT_FOUND"))
_DENIED = (
    "Mkdirs failed",
    "Permission denied",
    "PERMISSION",
    "INSUFFICIENT_PERMISSIONS",
    "AccessControlException",
    "ACCESS_DENIED",
)
_ABOUT_NOTHING = ("An error occurred while calling", "Task failed while writing rows", "TASK_WRITE_FAILED")
_NO_ROOM = ("No space left on device",)
_OLD_TABLE = ("UNSUPPORTED_FEATURE.TABLE_OPERATION", "Cannot write into v1 table", "only supported with v2 tables")
_START: tuple[tuple[str, str, str], ...] = (
    (
        r"JAVA_HOME is not set|java: (?:command )?not found|java: No such file|No such file or directory",
        "Java was not found",
        "install Java 17 and set JAVA_HOME to it",
    ),
    (
        r"UnsupportedClassVersionError|Unrecognized option|requires Java",
        "its Java is of another version than Spark needs",
        "Spark 4 needs Java 17 or newer, Spark 3.5 Java 8 to 17: set JAVA_HOME to one of these",
    ),
    (
        r"already booted the database|XSDB6",
        "the local metastore (metastore_db) is open in another process",
        "close the other session (dbt, a notebook), or set spark.sql.catalogImplementation to in-memory",
    ),
    (
        r"Failed to connect to master|All masters are unresponsive|Could not parse Master URL",
        "the cluster's master does not answer",
        "check spark.master in the profile's config",
    ),
)


def condition_of(error: Exception) -> str:
    """Spark's name of an error, e.g. ``TABLE_OR_VIEW_NOT_FOUND``; empty if it has none."""
    found = _CONDITION.match(str(error).strip())
    return found["name"] if found else ""


def is_missing(error: Exception) -> bool:
    """Whether a table or its schema is not there."""
    return condition_of(error) in _MISSING


def is_unsupported(error: Exception) -> bool:
    """Whether the table's catalog has no such transaction, as Hive's and the one in memory."""
    return any(sign in str(error) for sign in _OLD_TABLE)


def refused(error: Exception) -> FeatureStoreError:
    """One clear error for what a statement met."""
    text = str(error)
    said = sentence(text)
    if any(sign in text for sign in _GONE):
        return WarehouseError(f"Spark is gone: {said}", hint="is its server or driver still running?")
    hint = None
    if is_missing(error):
        hint = "run dbt build, if this is a table of dbt's"
    elif condition_of(error).startswith("UNRESOLVED_COLUMN"):
        hint = "has a feature view's table lost a column? run dbt build, then featurestore plan"
    elif any(sign in text for sign in _DENIED):
        hint = "ask for the right to read or write there"
    elif any(sign in text for sign in _NO_ROOM):
        hint = "free space, or set spark.local.dir to a larger disk"
    return QueryError(f"Spark refused a statement: {said}", hint=hint)


def not_started(error: Exception, log: str) -> WarehouseError:
    """Why a session did not start, from the exception and what its Java process wrote."""
    text = f"{error}\n{log}"
    for pattern, what, hint in _START:
        if re.search(pattern, text):
            return WarehouseError(f"cannot start Spark: {what}", hint=hint)
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    said = last if condition_of(error) == "JAVA_GATEWAY_EXITED" and last else sentence(str(error))
    return WarehouseError(f"cannot start Spark: {said}", hint="check the profile's config and JAVA_HOME")


def sentence(text: str) -> str:
    """The part of Spark's message that says what is wrong: no condition, no plan, no stack."""
    task, causes = _OF_A_TASK.search(text), _CAUSE.findall(text)
    if causes and any(sign in text for sign in _ABOUT_NOTHING):
        text = causes[-1]
    elif task is not None:
        text = task["cause"]
    elif _ABOUT_NOTHING[0] in text:
        text = text.partition("\n: ")[2] or text
    text = _CONDITION.sub("", _JAVA_CLASS.sub("", text.strip()))
    kept = " ".join(_before_details(text.splitlines())).strip()
    return _STATE.sub("", _CONDITION.sub("", kept)) or "no reason given"


def _before_details(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        if line.startswith(
            ("== SQL", "Search path", "'", "+-", "\tat ", "JVM stacktrace", "If you did not", "To tolerate", ";")
        ):
            return
        yield line.strip()
        if "SQLSTATE:" in line:
            return
