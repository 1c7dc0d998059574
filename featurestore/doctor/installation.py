"""Python, the packages that we stand on, and dbt: looked up, never imported."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from featurestore.dbt_command import INSTALL, find_dbt
from featurestore.doctor.finding import Finding, failed, failure, ok, warning
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = "featurestore"
SHOWN = ("duckdb", "sqlglot", "pyarrow", "hiredis")
DBT_DISTRIBUTIONS = ("dbt-core", "dbt", "dbt-oss")
OLDEST_DBT = (1, 10)
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*\(?(?P<range>[^;)]*)\)?\s*(?P<marker>;.*)?$")
_CLAUSE = re.compile(r"^(>=|<=|<|>|==)\s*([0-9.]+)")


def examine_installation(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check Python, our packages and dbt."""
    yield ok("python", f"{platform.python_version()}, {OURS} {_version(OURS) or 'not installed as a package'}")
    yield examine_packages()
    yield examine_dbt(environ)


def examine_packages() -> Finding:
    """Check that the installed packages are in the ranges that this version was made for."""
    wrong = []
    for name, wanted in _requirements():
        found = _version(name)
        if found is None:
            wrong.append(f"{name} is missing")
        elif not is_within(found, wanted):
            wrong.append(f"{name} {found} is not {wanted}")
    if wrong:
        return failure("packages", ", ".join(wrong), f"pip install --upgrade {OURS}")
    return ok("packages", ", ".join(f"{name} {_version(name)}" for name in SHOWN))


def examine_dbt(environ: Mapping[str, str]) -> Finding:
    """Check that there is a dbt; without one only `run` and `demo` do not work."""
    try:
        program = find_dbt(environ)
    except UsageError as error:
        found = failed("dbt", error)
        return found if environ.get("DBT_EXECUTABLE") else warning("dbt", f"{found.what}: no run, no demo", found.fix)
    installed = {name: _version(name) for name in DBT_DISTRIBUTIONS}
    known = ", ".join(f"{name} {number}" for name, number in installed.items() if number)
    core = installed["dbt-core"]
    if core is not None and _numbers(core) < OLDEST_DBT:
        return failure("dbt", f"dbt-core {core} is older than 1.10", INSTALL)
    return ok("dbt", f"{known or 'version unknown, of another environment'} ({program})")


def is_within(found: str, wanted: str) -> bool:
    """Whether a version is in a range such as ``>=1.4,<3``; what we cannot read counts as yes."""
    clauses = (_CLAUSE.match(clause.strip()) for clause in wanted.split(","))
    return all(_holds(_numbers(found), clause[1], _numbers(clause[2])) for clause in clauses if clause is not None)


def requirement(line: str) -> tuple[str, str] | None:
    """Name and range of a package's requirement; None if it holds under conditions only, such as an extra of ours."""
    match = _REQUIREMENT.match(line)
    return None if match is None or match["marker"] else (match["name"], match["range"].strip())


def _holds(found: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    width = max(len(found), len(bound))
    one, other = (numbers + (0,) * (width - len(numbers)) for numbers in (found, bound))
    return {">=": one >= other, "<=": one <= other, "<": one < other, ">": one > other, "==": one == other}[sign]


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``1.12.0rc1`` is (1, 12, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return () if match is None else tuple(int(part) for part in match[0].split("."))


def _requirements() -> list[tuple[str, str]]:
    """Name and range of every package that we always need."""
    try:
        lines = requires(OURS) or []
    except PackageNotFoundError:
        return []
    return [found for line in lines if (found := requirement(line)) is not None]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
