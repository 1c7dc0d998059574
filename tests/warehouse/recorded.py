"""Stands for a driver: statements must come as a file says, and get the answers that stand beside them.

Nothing was recorded from a live account: the answers are written after the drivers' documentation. So these tests say
what we send and what we make of an answer, never that a warehouse would give it. A file has sections:

    -- the test's name
    SELECT 1 AS x                                              a statement on one line; <hex> stands for a random name,
                                                               <time> for a time near now
        => {"columns": [["x", "integer"]], "rows": [[1]]}      its answer, if it has one
        => {"error": "no such table"}                          or the driver's error

Times in answers are texts: ``2024-05-17T12:00:00.000001`` and, with a zone, ``2024-05-17T12:00:00+00:00``.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from tests.warehouse.interrupts import press_ctrl_c

FOLDER = Path(__file__).parent / "recorded"
_RANDOM = re.compile(r"[0-9a-f]{16}")
_NOW = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT")
_DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
_NUMBER = re.compile(r"^decimal (.*)$")


class RefusedError(Exception):
    """The driver's error."""


class Described(NamedTuple):
    """What `describe` of some drivers yields."""

    name: str
    type: str


class Recording:
    """One section of a file."""

    def __init__(self, name: str, section: str) -> None:
        self.waiting = _sections((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))[section]
        self.cancelled = 0
        self.is_cancelled = Event()
        self.closed = 0

    def take(self, statement: str) -> dict[str, Any]:
        """Compare a statement with the next one that is recorded; returns its answer."""
        assert self.waiting, f"nothing more was to come, got {statement}"
        expected, answer = self.waiting.pop(0)
        folded = " ".join(statement.split())
        assert _NOW.sub("<time>", _RANDOM.sub("<hex>", folded)) == " ".join(expected.split())
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer

    def cancel(self) -> None:
        """What runs now is to end."""
        self.cancelled += 1
        self.is_cancelled.set()

    def run_until_cancelled(self) -> None:
        """What a long query does that Ctrl-C is pressed at."""
        press_ctrl_c()
        assert self.is_cancelled.wait(60)

    def finish(self) -> None:
        """Everything that is recorded has come."""
        assert not self.waiting
        assert self.closed


class Connection:
    """A DB-API connection."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def cursor(self) -> Cursor:
        return Cursor(self.recording)

    def close(self) -> None:
        self.recording.closed += 1


class Cursor:
    """A DB-API cursor, with what Trino's and Databricks' have besides."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.description: list[tuple[Any, ...]] | None = None
        self.rows: list[list[Any]] = []

    def execute(self, operation: str) -> Cursor:
        answer = self.recording.take(operation)
        columns = answer.get("columns")
        self.description = [(name, kind, None, None, None, None, None) for name, kind in columns] if columns else None
        self.rows = [[value_of(value) for value in row] for row in answer.get("rows", [])]
        return self

    def describe(self, sql: str) -> list[Described]:
        answer = self.recording.take(f"DESCRIBE {sql}")
        return [Described(name, kind) for name, kind in answer["columns"]]

    def fetchmany(self, size: int) -> list[list[Any]]:
        got, self.rows = self.rows[:size], self.rows[size:]
        return got

    def fetchall(self) -> list[list[Any]]:
        return self.fetchmany(len(self.rows))

    def cancel(self) -> None:
        self.recording.cancel()

    def close(self) -> None:
        self.rows = []


def _sections(text: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    section: list[tuple[str, dict[str, Any]]] = []
    for line in text.splitlines():
        if line.startswith("-- "):
            section = found.setdefault(line.removeprefix("-- "), [])
        elif line.lstrip().startswith("=> "):
            statement, _ = section.pop()
            section.append((statement, json.loads(line.lstrip().removeprefix("=> "))))
        elif line.strip():
            section.append((line, {}))
    return found


def value_of(value: Any) -> Any:
    """A value of an answer as a driver hands it on."""
    if not isinstance(value, str):
        return value
    number = _NUMBER.match(value)
    if number is not None:
        return Decimal(number[1])
    if _MOMENT.match(value):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if _DAY.match(value) else value
