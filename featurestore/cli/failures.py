"""Errors and warnings in JSON: what is wrong, and what to do about it; ``hint`` is null when there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError, split_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.errors import FeatureStoreError


def failure_json(error: FeatureStoreError) -> dict[str, object]:
    """Give an error as plain data; one about definitions has all its problems, each with its hint."""
    said: dict[str, object] = {
        "type": type(error).__name__,
        "message": error.what,
        "where": error.where,
        "hint": error.hint,
    }
    if isinstance(error, DefinitionError):
        problems = problems_json(error.problems)
        return {**said, "message": "\n".join(str(each["message"]) for each in problems), "problems": problems}
    return said


def error_json(kind: str, message: str, *, exit_code: int) -> dict[str, object]:
    """Give as plain data what is no error of ours: of the command line, or that somebody pressed Ctrl-C."""
    return {"type": kind, "message": message, "where": None, "hint": None, "exit_code": exit_code}


def problems_json(problems: Iterable[str]) -> list[dict[str, str | None]]:
    """Give problems or warnings, written as `errors.format_problem` does, as plain data."""
    return [{"message": message, "hint": hint} for message, hint in map(split_problem, problems)]
