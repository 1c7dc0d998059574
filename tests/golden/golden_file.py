"""A golden file: a sentence, a question in YAML, and the SQL that answers it, per dialect.

    -- A view with a ttl: ...        the sentence, one or more comment lines
    /* spine: ... views: ... */      the question
    -- duckdb                        one section per dialect; ``duckdb, staged`` has the statements of staged execution
    SELECT ...

The question, all of it but `spine`, `views` and `features` optional (types are DuckDB's):

    ask: training                    or newest, snapshot, range, candidates
    dialects: [duckdb, ..]           all of them by default; each is run in DuckDB, translated, or where it runs here.
                                     Spark is written as for a version without ASOF, whose text sqlglot can read.
    spine: {sql: ..., time: ..., from: {table: {column: type}}, columns: {column: type}}
    views:
      name: {keys: {column: type}, time: {column: type}, created_at: .., valid_to: .., features: {column: type},
             ttl: 7 days, delay: 1h, as_of: .., boundary: .., tie_breakers: [..]}
    features: [view, view:feature]
    full_feature_names, event_timestamps: true
    as_of: knowledge
    start, end, at: times
    is_sparse: true                  of `ask: newest`: most keys have one row
    first_key: {after: .., upto: ..} of `ask: newest`: only keys of this range
    strategy: asof, ..               how rows are searched; by default as the dialect likes best
    has_index: false                 whether the views' tables have an index
    example: {keys: {column: value}, at: time, limit: 2}     of `ask: candidates`
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import yaml

from featurestore.definitions.durations import DAY, HOUR, SECOND, parse_duration
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.sql.candidates import KeyValue, candidates_plan
from featurestore.sql.choice import Measured
from featurestore.sql.dialects import DIALECTS
from featurestore.sql.newest import KeyRange, SyncWindow, newest_query
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from featurestore.sql.spineless import range_plan, snapshot_spine
from tests.golden import golden_candidates
from tests.pit import oracle
from tests.pit.duckdb_answers import newest_values, rows_of
from tests.pit.strategies import VALUES

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.sql.plan import Plan
    from tests.pit.duckdb_answers import Warehouse

WITHOUT_ASOF = "without ASOF"
SECTIONS = tuple(f"{dialect}, {WITHOUT_ASOF}" if dialect == "spark" else dialect for dialect in DIALECTS)
EXAMPLES, FEATURE_ROWS = 150, 150
NOON = 1_715_947_200_000_000  # 2024-05-17 12:00 UTC
OFFSETS = (0, 1, SECOND, HOUR, HOUR + 1, DAY, 2 * DAY, 7 * DAY - 1, 7 * DAY, 7 * DAY + 1, 7 * DAY + HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenFile:
    """The parts of a file.

    Attributes:
        head: the sentence and the question, as they are written.
        question: the question, read.
        sql: what is recorded, by section.
    """

    head: str
    question: dict[str, Any]
    sql: dict[str, str]


def read(path: Path) -> GoldenFile:
    """Take a file apart."""
    text = path.read_text(encoding="utf-8")
    head, _, recorded = text.partition("*/\n")
    asked = head.partition("/*\n")[2]
    sql: dict[str, str] = {}
    section = ""
    for line in recorded.splitlines():
        if line.startswith("-- "):
            section = line.removeprefix("-- ")
        elif section:
            sql[section] = f"{sql.get(section, '')}{line}\n"
    return GoldenFile(head=f"{head}*/\n", question=yaml.safe_load(asked), sql=sql)


def write(path: Path, golden: GoldenFile, sql: dict[str, str]) -> None:
    """Put a file together with this SQL."""
    sections = "".join(f"-- {section}\n{text}" for section, text in sql.items())
    path.write_text(f"{golden.head}{sections}", encoding="utf-8")


def compiled(question: dict[str, Any]) -> dict[str, str]:
    """Write the SQL of a question, by section."""
    sql = {}
    for section in question.get("dialects", SECTIONS):
        dialect, _, variant = section.partition(", ")
        if question.get("ask") == "newest":
            is_sparse = bool(question.get("is_sparse"))
            text = newest_query(_only_view(question), _window(question), dialect=dialect, is_sparse=is_sparse)
            sql[section] = f"{text};\n"
            continue
        plan = _plan(question, dialect, lacks=frozenset({"asof"} if variant == WITHOUT_ASOF else ()))
        made, last = (tuple(plan.statements()), plan.last()) if variant == "staged" else ((), plan.select())
        statements = (*(statement.sql for statement in made), last)
        sql[section] = "".join(f"{statement};\n" for statement in statements)
    return sql


def fill(warehouse: Warehouse, question: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Fill every relation of a question with the same random rows on every run; about one value in ten is NULL.

    Returns:
        The rows of each view, by name.
    """
    choose = random.Random(NOON).choice
    for name, types in question.get("spine", {}).get("from", {}).items():
        columns = _columns(types)
        warehouse.relation(name, columns, _rows(choose, columns, EXAMPLES))
    tables = {}
    for name, view in _views(question).items():
        times = [column for column in (view.event_time, view.created_at, view.valid_to) if column is not None]
        ties = [Column(name=tie, type="int64") for tie in view.tie_breakers]
        features = [Column(name=feature.name, type=feature.type) for feature in view.features]
        columns = [*view.join_keys, *times, *ties, *features]
        tables[name] = _rows(choose, columns, FEATURE_ROWS)
        warehouse.relation(name, columns, tables[name])
    return tables


def expected(
    warehouse: Warehouse, question: dict[str, Any], tables: dict[str, list[dict[str, Any]]]
) -> list[tuple[Any, ...]]:
    """What the oracle answers on these rows."""
    ask = question.get("ask", "training")
    if ask == "candidates":
        return golden_candidates.expected(_only_use(question), _example(question), tables)
    if ask == "training":
        spine = _spine(question)
        examples = rows_of(warehouse.read(spine.sql))
        names = [column.name for column in spine.columns]
        asked = oracle.Question(
            spine=spine,
            selection=_selection(question),
            as_of=question.get("as_of"),
            event_timestamps=question.get("event_timestamps", False),
        )
        return oracle.training_set(asked, [dict(zip(names, row, strict=True)) for row in examples], tables)
    view = _only_view(question)
    rows = tables[view.name]
    if ask == "newest":
        window = _window(question)
        if window.keys is not None:
            first = view.join_keys[0].name
            rows = [each for each in rows if each[first] and window.keys.after < each[first] <= window.keys.upto]
        end = oracle.instant(window.end)
        return newest_values(view, oracle.newest_rows(view, rows, end, start=oracle.instant(window.start)))
    features = [output.feature.name for output in _selection(question).outputs]
    if ask == "snapshot":
        at = oracle.instant(_moment(question["at"]))
        seen = oracle.snapshot(view, rows, at)
        return [(*key, at, *(row[name] if row else None for name in features)) for key, row in seen.items()]
    bounds = [oracle.instant(_moment(question[edge])) for edge in ("start", "end")]
    names = [*(key.name for key in view.join_keys), view.event_time.name, *features]
    return [tuple(row[name] for name in names) for row in oracle.rows_between(view, rows, *bounds)]


def _plan(question: dict[str, Any], dialect: str, lacks: frozenset[str] = frozenset()) -> Plan:
    ask = question.get("ask", "training")
    selection = _selection(question)
    if ask == "candidates":
        use, (keys, at, limit) = _only_use(question), _example(question)
        features = [output.feature.name for output in _selection(question).outputs]
        return candidates_plan(use, features, (keys, at), limit=limit, dialect=dialect)
    if ask == "range":
        return range_plan(selection, _moment(question["start"]), _moment(question["end"]), dialect=dialect)
    if ask == "snapshot":
        spine = snapshot_spine(selection, _moment(question["at"]), dialect=dialect)
    else:
        spine = _spine(question)
    options = Retrieval(
        as_of=question.get("as_of"),
        event_timestamps=question.get("event_timestamps", False),
        strategy=question.get("strategy"),
        measured=tuple(Measured(has_index=question.get("has_index")) for _ in selection.uses),
        lacks=lacks,
    )
    return training_plan(spine, selection, dialect=dialect, options=options)


def _selection(question: dict[str, Any]) -> Selection:
    taken = _spine(question).output_columns if "spine" in question else ()
    return select(
        Project(name="golden", views=tuple(_views(question).values())),
        question["features"],
        full_feature_names=question.get("full_feature_names", False),
        taken=taken,
    )


def _spine(question: dict[str, Any]) -> Spine:
    asked = question["spine"]
    columns = asked.get("columns") or next(iter(asked["from"].values()))
    return Spine(sql=asked["sql"], columns=_columns(columns), time=asked["time"])


def _views(question: dict[str, Any]) -> dict[str, FeatureView]:
    return {name: _view(name, options) for name, options in question["views"].items()}


def _view(name: str, options: dict[str, Any]) -> FeatureView:
    view = FeatureView(
        name=name,
        relation=name,
        join_keys=_columns(options.get("keys", {})),
        event_time=_columns(options["time"])[0],
        features=tuple(Feature(name=column.name, type=column.type) for column in _columns(options["features"])),
        delay_us=parse_duration(options.get("delay", "0s")),
        ttl_us=parse_duration(options["ttl"]) if "ttl" in options else None,
        as_of=options.get("as_of", "event"),
        boundary=options.get("boundary", "inclusive"),
        tie_breakers=tuple(options.get("tie_breakers", ())),
    )
    created, valid_to = _columns(options.get("created_at", {})), _columns(options.get("valid_to", {}))
    return replace(view, created_at=created[0] if created else None, valid_to=valid_to[0] if valid_to else None)


def _only_view(question: dict[str, Any]) -> FeatureView:
    (view,) = _views(question).values()
    return view


def _only_use(question: dict[str, Any]) -> ViewUse:
    (use,) = _selection(question).uses
    return use


def _example(question: dict[str, Any]) -> tuple[list[KeyValue], datetime, int]:
    asked, (use,) = question["example"], _selection(question).uses
    types = dict(zip(use.spine_keys, (key.type for key in use.view.join_keys), strict=True))
    keys = [KeyValue(name=name, type=types[name], text=str(value)) for name, value in asked["keys"].items()]
    return keys, _moment(asked["at"]), asked["limit"]


def _window(question: dict[str, Any]) -> SyncWindow:
    start = question.get("start")
    keys = KeyRange(**question["first_key"]) if "first_key" in question else None
    return SyncWindow(end=_moment(question["end"]), start=None if start is None else _moment(start), keys=keys)


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)


def _columns(types: dict[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=parse_type(text)) for name, text in types.items())


def _rows(choose: Any, columns: list[Column] | tuple[Column, ...], number: int) -> list[dict[str, Any]]:
    return [{column.name: choose(_domain(column)) for column in columns} for _ in range(number)]


def _domain(column: Column) -> tuple[Any, ...]:
    if column.type in {"timestamp", "timestamptz"}:
        return (*(NOON + offset for offset in OFFSETS), None)
    if column.type == "date":
        return (*(NOON // DAY * DAY + number * DAY for number in range(9)), None)
    points = {"string": ("a", "a1", "1"), "int64": (1, 2, 11)}.get(column.type, VALUES.get(column.type, ()))
    return (*points, *points, *points, None)
