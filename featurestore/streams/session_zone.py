"""Whether an answer depends on the session's time zone: a stream's is UTC, and dbt's is whatever its profile says.

The SQL is not guessed at: DuckDB binds it, and its plan says the type of each expression, casts that nobody wrote among
them. The rule: an instant (a timestamp with time zone) may be passed on, compared with instants, counted from the
epoch and given a zone by name; whatever else touches one is refused, for its answer is another elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from featurestore.errors import UsageError

Plan = dict[str, Any]
"""A part of a bound plan, as DuckDB's `json_serialize_plan` writes it."""

_ZONED = frozenset(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "TIME WITH TIME ZONE"))
_NAIVE = frozenset(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"))
_HARMLESS = frozenset(
    (
        # the instant itself
        "epoch", "epoch_ms", "epoch_ns", "epoch_us", "greatest", "hash", "isfinite", "isinf", "least", "to_timestamp",
        "uuid_extract_timestamp",
        # in UTC, unless it names a zone
        "time_bucket",
        # what is made of such values, and taken from it
        "array_concat", "array_contains", "array_distinct", "array_extract", "array_filter", "array_has",
        "array_length", "array_slice", "array_sort", "array_transform", "array_value", "cardinality", "contains",
        "element_at", "filter", "len", "length", "list_cat", "list_concat", "list_contains", "list_distinct",
        "list_element", "list_extract", "list_filter", "list_has", "list_pack", "list_position", "list_slice",
        "list_sort", "list_transform", "list_value", "map", "map_extract", "map_extract_value", "map_keys",
        "map_values", "row", "struct_extract", "struct_extract_at", "struct_pack", "typeof", "||",
    )
)  # fmt: skip
"""Functions whose answer is the same in each zone, whatever they are given."""
_OF_PARTS = frozenset(("date_diff", "date_sub", "date_trunc", "datediff", "datesub", "datetrunc"))
_PARTS = re.compile(r"(?:micro|milli)?seconds?|[mu]?s|sec|[mu]sec", re.IGNORECASE)
"""What is equally long, and begins at the same moment, in each zone; there were offsets of half a minute."""
_SPANS = frozenset(("to_hours", "to_microseconds", "to_milliseconds", "to_minutes", "to_seconds"))
_HOURS = re.compile(
    r"(\s*[+-]?(\d+(\.\d+)?\s*(hours?|hrs?|h|minutes?|mins?|seconds?|secs?|s|milliseconds?|ms|microseconds?|us)\b"
    r"|\d+:\d\d(:\d\d(\.\d+)?)?))+\s*",
    re.IGNORECASE,
)
_SAYS_ITS_ZONE = re.compile(
    r"\d:\d\d(:\d\d(\.\d*)?)?\s*(Z|UTC|GMT|[+-]\d\d(:?\d\d)*|[a-z]+/[a-z_+/0-9-]+)\s*$|^(-?infinity|epoch)$",
    re.IGNORECASE,
)
_LONGEST = 60


def refuse_session_zone(plan: Plan) -> None:
    """Refuse SQL whose rows depend on the session's time zone.

    Args:
        plan: of the SQL, as `Transform.plan` returns it.

    Raises:
        UsageError: an expression depends on it; says which, and how it is written for one zone.
    """
    for node in _expressions(plan):
        told = _told_of_cast(node) if node["type"] == "OPERATOR_CAST" else _told_of_call(node)
        if told is not None:
            what, hint = told
            short = what if len(what) <= _LONGEST else f"{what[: _LONGEST - 3]}..."
            raise UsageError(f"{short} depends on the session's time zone, so batch and stream would differ", hint=hint)


def _expressions(part: Any) -> Iterator[Plan]:  # noqa: ANN401  JSON
    """Each expression, after those that it is made of."""
    if isinstance(part, dict):
        for each in part.values():
            yield from _expressions(each)
        if "expression_class" in part:
            yield part
    elif isinstance(part, list):
        for each in part:
            yield from _expressions(each)


def _told_of_cast(node: Plan) -> tuple[str, str] | None:
    """What a cast does that depends on the zone, and what to write; None if it does not."""
    (given,) = _operands(node)
    zones, literal = (_zones(_type(given)), _zones(_type(node))), _literal(given)
    if zones[0] == zones[1] or not any((*zones[0], *zones[1])) or set(_leaves(_type(given))) <= {"NULL"}:
        return None
    what = f"{_text(given)} as {str(_type(node)['id']).lower()}"
    if literal is None:
        return what, _hint([given])
    return None if _SAYS_ITS_ZONE.search(literal) else (what, "write its offset, as in '2026-01-01 00:00:00+00'")


def _told_of_call(node: Plan) -> tuple[str, str] | None:
    """The same of a call of a function; operators that compare or choose take instants as they are."""
    given = _operands(node)
    zoned = [each for each in given if any(_zones(_type(each)))]
    if node["type"] != "BOUND_FUNCTION" or not (zoned or any(_zones(_type(node)))):
        return None
    return None if _is_the_same_everywhere(node, given) else (_text(node), _hint(zoned))


def _is_the_same_everywhere(node: Plan, given: list[Plan]) -> bool:
    name = _name(node)
    if name == "timezone":
        return len(given) == 2
    if name == "make_timestamptz":
        return len(given) != 6
    if name in _OF_PARTS:
        return _PARTS.fullmatch(_literal(given[0]) or "") is not None
    if name in {"+", "-", "add", "subtract"}:
        spans = [each for each in given if _type(each).get("id") == "INTERVAL"]
        return len(spans) == 1 and _is_without_days(spans[0])
    return name in _HARMLESS


def _is_without_days(span: Plan) -> bool:
    """Whether an interval is of hours and less: a day has 23 of them where clocks go forward."""
    if span["expression_class"] == "BOUND_CONSTANT":
        value = span["value"].get("value")
        return isinstance(value, dict) and not value["months"] and not value["days"]
    if span["type"] == "OPERATOR_CAST":
        text = _literal(_operands(span)[0])
        return text is not None and _HOURS.fullmatch(text) is not None
    if _name(span) == "*":
        return all(_is_without_days(each) for each in _operands(span) if _type(each).get("id") == "INTERVAL")
    return _name(span) in _SPANS


def _hint(given: list[Plan]) -> str:
    """How to write it for UTC."""
    written = []
    for each in given:
        kind, text = _type(each)["id"], _text(each)
        if len(text) > _LONGEST or kind not in {*_ZONED, *_NAIVE, "DATE", "VARCHAR"}:
            return "write `at time zone 'UTC'` after each timestamp in it"
        as_time = f"({text})" if " " in text else text
        as_time = as_time if kind in _ZONED or kind in _NAIVE else f"cast({text} as timestamp)"
        written.append(f"`{as_time} at time zone 'UTC'`")
    return (
        f"write {' and '.join(dict.fromkeys(written))}" if written else "write `at time zone 'UTC'` after a timestamp"
    )


def _text(node: Plan) -> str:
    """An expression as somebody could have written it."""
    if node["expression_class"] == "BOUND_CONSTANT":
        return _written(node["value"].get("value", "null"))
    given = [_text(each) for each in _operands(node)]
    if not given:
        return str(node.get("alias") or "a value")
    if node["type"] == "OPERATOR_CAST":
        return given[0]
    name = _name(node) or str(node["type"]).removeprefix("OPERATOR_").lower()
    if name == "timezone" and len(given) == 2:
        return f"{given[1]} at time zone {given[0]}"
    is_operator = len(given) == 2 and not name[:1].isalpha()
    return f" {name} ".join(given) if is_operator else f"{name}({', '.join(given)})"


def _written(value: Any) -> str:  # noqa: ANN401  JSON
    if isinstance(value, dict) and "days" in value:
        parts = " ".join(f"{number} {unit}" for unit, number in value.items() if number)
        return f"interval '{parts}'"
    return f"'{value}'" if isinstance(value, str) and value != "null" else str(value)


def _operands(node: Plan) -> list[Plan]:
    """DuckDB 2.0 has them all in one list, 1.4 in several places."""
    found: list[Plan] = []
    for key in ("child", "children", "left", "right"):
        value = node.get(key)
        found += value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return found


def _name(node: Plan) -> str:
    """What a function is called; in DuckDB 1.4 under ``name``, in 2.0 at the end of a path."""
    return str(node.get("name") or node.get("qname", {}).get("path", [""])[-1]).casefold()


def _type(node: Plan) -> Plan:
    kind: Plan = node.get("return_type") or node.get("value", {}).get("type") or {}
    return kind


def _literal(node: Plan) -> str | None:
    value = node["value"].get("value") if node["expression_class"] == "BOUND_CONSTANT" else None
    return value if isinstance(value, str) and _type(node)["id"] == "VARCHAR" else None


def _zones(kind: Plan) -> list[str]:
    """Where a type has a zone, the types within one by one."""
    return [each if each in _ZONED else "" for each in _leaves(kind)] if kind else []


def _leaves(part: Any) -> list[str]:  # noqa: ANN401  JSON
    """The types that a type is made of, itself if of none."""
    if isinstance(part, list):
        return [leaf for each in part for leaf in _leaves(each)]
    if not isinstance(part, dict):
        return []
    within = [leaf for key, each in part.items() if key != "id" for leaf in _leaves(each)]
    return within or ([str(part["id"])] if "id" in part else [])
