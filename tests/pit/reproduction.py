"""A failing case, made small and written so that a person can read it and run it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from featurestore.definitions.durations import format_duration
from tests.pit.duckdb_answers import utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.definitions.views import Column, FeatureView
    from tests.pit.strategies import Case


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Take away rows, views, references and options for as long as the case still fails."""
    while True:
        for smaller in _smaller(case):
            if fails(smaller):
                case = smaller
                break
        else:
            return case


def describe(case: Case) -> str:
    """Write a case as the views' options, the request and the relations as SQL."""
    world = case.world
    lines = [f"set TimeZone = '{world.time_zone}';  -- relations are {world.kind}s"]
    for view in world.views:
        lines += [f"-- {_options(view)}", _relation(view.name, world.columns(view), case.rows.tables[view.name])]
    lines.append(_relation("spine", world.spine.columns, case.rows.spine))
    lines.append(
        f"-- spine time {world.spine.time}; references {list(world.references)}; full names {world.full_names}; "
        f"as_of {world.as_of}; event timestamps {world.event_timestamps}"
    )
    return "\n".join(lines)


def _smaller(case: Case) -> Iterator[Case]:
    rows, world = case.rows, case.world
    for spine in _without_one(rows.spine):
        yield case.holding(spine=spine)
    for name, table in rows.tables.items():
        for fewer in _without_one(table):
            yield case.holding(tables={**rows.tables, name: fewer})
    if len(world.references) > 1:
        for references in _without_one(world.references):
            used = {reference.split("[")[0].split(" ")[0].split(":")[0] for reference in references}
            yield case.asking(references=references, views=tuple(view for view in world.views if view.name in used))
    plain: dict[str, Any] = {"as_of": None, "event_timestamps": False, "time_zone": "UTC", "kind": "table"}
    for name, value in plain.items():
        changed = case.asking(**{name: value})
        if changed != case:
            yield changed
    for number, view in enumerate(world.views):
        for simpler in _simpler(view):
            yield case.asking(views=(*world.views[:number], simpler, *world.views[number + 1 :]))


def _simpler(view: FeatureView) -> Iterator[FeatureView]:
    plain: dict[str, Any] = {
        "ttl_us": None, "delay_us": 0, "as_of": "event", "boundary": "inclusive", "tie_breakers": (), "valid_to": None,
    }  # fmt: skip
    for name, value in plain.items():
        changed = replace(view, **{name: value})
        if changed != view:
            yield changed
    if view.created_at is not None and view.as_of == "event":
        yield replace(view, created_at=None)


def _without_one(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for number in range(len(items)):
        yield (*items[:number], *items[number + 1 :])


def _options(view: FeatureView) -> str:
    shown = [f"view {view.name}: keys {[key.name for key in view.join_keys]}, event time {view.event_time.name}"]
    for field in fields(view):
        if field.name not in {"created_at", "as_of", "boundary", "tie_breakers", "valid_to", "ttl_us", "delay_us"}:
            continue
        value: Any = {f.name: getattr(view, f.name) for f in [field]}[field.name]
        if value in (None, (), 0):
            continue
        value = format_duration(value) if field.name.endswith("_us") else value
        shown.append(
            f"{field.name.removesuffix('_us')} {value.name if field.name in {'created_at', 'valid_to'} else value}"
        )
    return ", ".join(shown)


def _relation(name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> str:
    types = {"int64": "bigint", "int32": "integer", "string": "varchar", "float64": "double"}
    declared = ", ".join(f'"{column.name}" {types.get(column.type, column.type)}' for column in columns)
    values = ",\n".join(
        f"  ({', '.join(_literal(row[column.name], column.type) for column in columns)})" for row in rows
    )
    return f"create table {name} ({declared});" + (f"\ninsert into {name} values\n{values};" if rows else "")


def _literal(value: Any, column_type: str) -> str:
    if value is None:
        return "null"
    if column_type in {"timestamp", "timestamptz", "date"}:
        moment = utc(value)
        text = moment.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000")
        return f"'{moment.date() if column_type == 'date' else text}{'+00' if column_type == 'timestamptz' else ''}'"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()
