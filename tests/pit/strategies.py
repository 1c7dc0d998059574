"""Random cases from tiny domains, where every edge of time is hit again and again.

A *world* is what people declare: views with all their options, a spine, a request. A *case* is a world and a few rows.
Both are drawn through one function `choose(options) -> option`, so Hypothesis (which shrinks) and `random`
(which is fast, for `tests.pit.million`) draw the very same cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hypothesis import strategies as st

from featurestore.definitions.durations import DAY, HOUR, SECOND
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from tests.pit.oracle import Question, training_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.references import Selection
    from featurestore.definitions.views import AsOf

T = TypeVar("T")


class Choose(Protocol):
    """Pick one of the options; the first is the simplest."""

    def __call__(self, options: Sequence[T]) -> T: ...


CASE = "case_no"
EVENT_TIME, CREATED_AT, VALID_TO, EXTRA_TIE = "ev", "cr", "until", "priority"

# Both mornings on which New York's clocks are put forward and back: a comparison that goes through the session's
# time zone is off by an hour, or sees one wall clock time twice (P14). And the last two seconds before 1970, from where
# times count: a division that rounds towards zero goes wrong on one side of it.
MORNINGS = (1_710_054_000_000_000, 1_730_610_000_000_000, -2 * SECOND)  # 2024-03-10 07:00, 2024-11-03 05:00 UTC
MIDNIGHTS = tuple(morning // DAY * DAY for morning in MORNINGS)
SHORT = (0, 1, SECOND, 2 * SECOND, 2 * SECOND + 1, HOUR, HOUR + 1, HOUR + SECOND)
LONG = (0, 1, DAY - 1, DAY, DAY + 1, DAY + 12 * HOUR, 2 * DAY, 3 * DAY)

VALUES: dict[str, tuple[Any, ...]] = {
    "int64": (0, 1, 2),
    "string": ("", "b", "é"),
    "float64": (0.0, 1.5, -2.25),
    "boolean": (False, True),
    "date": (MIDNIGHTS[0], MIDNIGHTS[0] + DAY),
    "timestamp": (MORNINGS[0], MORNINGS[0] + 1),
    "timestamptz": (MORNINGS[0], MORNINGS[0] + 1),
    "int32": (0, 7),
}
# Two columns of strings that are equal when written one after the other: "a" "11", "a1" "1".
KEYS: dict[str, tuple[Any, ...]] = {
    "int64": (1, 1, 1, 2, 2, 11),
    "int32": (1, 1, 1, 2, 2, 11),
    "string": ("a", "a", "a", "a1", "1", "11"),
    "float64": (1.5, 1.5, 1.5, -1.5, 0.0),
    "decimal(10,2)": (Decimal("1.00"), Decimal("1.00"), Decimal("1.10"), Decimal("-1.10")),
    "boolean": (False, True),
    "date": (-DAY, -DAY, 0, MIDNIGHTS[0]),
    "timestamp": (-1, -1, 0, 1, MORNINGS[0]),
}
KEY_TYPES = ("string", "int64", "string", "int64", *(kind for kind in KEYS if kind not in {"string", "int64", "int32"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything but the rows.

    Attributes:
        views: the definitions; a view's relation is its name.
        extra: columns of the views' tables that are no features, e.g. tie-breakers, by view.
        spine: reads the relation ``spine``.
        references, full_names, as_of, event_timestamps: the request.
        time_zone: of the session.
        kind: how the relations are kept: ``table`` or ``view``.
        instants, midnights: where on the time line rows may lie.
        examples_in: from which to which of them examples may lie, so that there are rows to prune at both ends (P15).
    """

    views: tuple[FeatureView, ...]
    extra: dict[str, tuple[Column, ...]]
    spine: Spine
    references: tuple[str, ...]
    full_names: bool
    as_of: AsOf | None
    event_timestamps: bool
    time_zone: str
    kind: str
    instants: tuple[int, ...]
    midnights: tuple[int, ...]
    examples_in: tuple[int, int]

    @property
    def selection(self) -> Selection:
        """The request, resolved."""
        return select(
            Project(name="random", views=self.views),
            self.references,
            full_feature_names=self.full_names,
            taken=self.spine.output_columns,
        )

    @property
    def question(self) -> Question:
        """The request, as the oracle wants it."""
        return Question(
            spine=self.spine, selection=self.selection, as_of=self.as_of, event_timestamps=self.event_timestamps
        )

    def columns(self, view: FeatureView) -> tuple[Column, ...]:
        """All columns of a view's table."""
        times = [column for column in (view.event_time, view.created_at, view.valid_to) if column is not None]
        features = [Column(name=feature.name, type=feature.type) for feature in view.features]
        return (*view.join_keys, *times, *self.extra[view.name], *features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one case; times are microseconds since 1970, UTC."""

    spine: tuple[dict[str, Any], ...]
    tables: dict[str, tuple[dict[str, Any], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A world and rows in it."""

    world: World
    rows: Rows

    def answer(self) -> list[tuple[Any, ...]]:
        """What the oracle says."""
        return training_set(self.world.question, self.rows.spine, self.rows.tables)

    def asking(self, **changes: Any) -> Case:
        """The same rows in a world with other options."""
        return replace(self, world=replace(self.world, **changes))

    def holding(self, **changes: Any) -> Case:
        """Other rows in the same world."""
        return replace(self, rows=replace(self.rows, **changes))

    def numbered(self) -> Case:
        """The same case with a number in front of each example, to tell them apart."""
        spine = replace(self.world.spine, columns=(Column(name="no", type="int32"), *self.world.spine.columns))
        rows = tuple({"no": number, **example} for number, example in enumerate(self.rows.spine))
        return self.asking(spine=spine).holding(spine=rows)


def selection_of_one(view: FeatureView) -> Selection:
    """Ask for one view alone, whole."""
    return select(Project(name="random", views=(view,)), [view.name])


@st.composite
def cases(draw: Any) -> Case:
    """Draw a case with Hypothesis."""

    def choose(options: Sequence[T]) -> T:
        return draw(_sampled(tuple(options)))

    world = draw_world(choose)
    return Case(world=world, rows=draw_rows(choose, world))


@cache
def _sampled(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


def draw_world(choose: Choose, *, is_batched: bool = False) -> World:
    """Draw definitions and a request; a batched world has the number of the case as one more join key."""
    has_days = choose((False, False, True))
    start = choose(MIDNIGHTS if has_days else MORNINGS)
    key_type = choose(KEY_TYPES)
    views = tuple(
        _view(choose, f"v{n}", key_type, has_days=has_days, is_batched=is_batched) for n in range(choose((1, 1, 2, 3)))
    )
    extra = {view.name: _extra_ties(view) for view in views}
    references = tuple(reference for view in views for reference in _references(choose, view))
    knows = all(view.created_at is not None for view in views)
    time_type = choose(("timestamp", "timestamptz", "date") if has_days else ("timestamp", "timestamptz"))
    spine = _spine(choose, key_type, time_type, is_batched=is_batched)
    clashes = len(references) != len(views) or "v0_x" in spine.output_columns
    instants = tuple(start + offset for offset in (LONG if has_days else SHORT))
    first, last = choose(((0, 7), (2, 7), (3, 5), (1, 6), (5, 7)))
    return World(
        views=views,
        extra=extra,
        spine=spine,
        references=references,
        full_names=clashes or choose((False, True)),
        as_of=choose((None, None, "event", "knowledge") if knows else (None, None, "event")),
        event_timestamps=choose((True, False)),
        time_zone=choose(("UTC", "America/New_York", "Asia/Kolkata")),
        kind=choose(("table", "view")),
        instants=instants,
        midnights=tuple(start + n * DAY for n in range(4)) if has_days else (),
        examples_in=(instants[first], instants[last]),
    )


def _view(choose: Choose, name: str, key_type: str, *, has_days: bool, is_batched: bool) -> FeatureView:
    times = ("timestamp", "timestamptz", "date") if has_days else ("timestamp", "timestamptz")
    own_type = choose(("int64", "int32")) if key_type == "int64" else key_type
    keys = [Column(name=key, type=own_type) for key in choose((("k1",), ("k1", "k2"), ("k2", "k1"), ("id",), ()))]
    if is_batched and keys:
        keys.insert(choose((0, len(keys))), Column(name=CASE, type="int64"))
    created = Column(name=CREATED_AT, type=choose(times)) if choose((False, True)) else None
    features = tuple(
        Feature(name=f"{name}_{letter}", type=choose(tuple(VALUES))) for letter in choose(("x", "xy", "xyz"))
    )
    ties = choose(((), (), (EXTRA_TIE,), (features[-1].name,), (features[-1].name, EXTRA_TIE)))
    return FeatureView(
        name=name,
        relation=name,
        entities=tuple(key.name for key in keys),
        join_keys=tuple(keys),
        event_time=Column(name=EVENT_TIME, type=choose(times)),
        created_at=created,
        ttl_us=choose((None, None, 1, DAY, DAY + 12 * HOUR) if has_days else (None, None, 1, 2 * SECOND, HOUR)),
        delay_us=choose((0, DAY, SECOND) if has_days else (0, 0, SECOND)),
        as_of=choose(("event", "knowledge")) if created is not None else "event",
        boundary=choose(("inclusive", "inclusive", "exclusive")),
        tie_breakers=ties,
        valid_to=Column(name=VALID_TO, type=choose(times)) if choose((False, False, False, True)) else None,
        features=features,
    )


def _extra_ties(view: FeatureView) -> tuple[Column, ...]:
    return (Column(name=EXTRA_TIE, type="int32"),) if EXTRA_TIE in view.tie_breakers else ()


def _references(choose: Choose, view: FeatureView) -> list[str]:
    """Ask for a view: whole or one feature, its keys mapped where the spine calls them otherwise, perhaps twice."""
    own = [key.name for key in view.join_keys]
    keys = "[id=k1]" if "id" in own else ""
    feature = choose(("", f":{view.features[-1].name}"))
    references = [f"{view.name}{keys}{feature}"]
    if choose((False, False, True)):
        again = {"k1": "k2", "k2": "k1", "id": "k2"}
        swapped = ", ".join(f"{key}={again[key]}" for key in own if key in again)
        swapped = f"[{swapped}]" if swapped else ""
        references.append(f"{view.name}{swapped} as {view.name}_again{feature}")
    return references


def _spine(choose: Choose, key_type: str, time_type: str, *, is_batched: bool) -> Spine:
    names = choose((("k1", "k2", "ts", "label"), ("label", "ts", "K2", "K1"), ("ev", "k1", "k2", "v0_x")))
    time = next(name for name in names if name in {"ts", "ev"})
    types = {time: time_type, "label": "int32", "v0_x": "int32"}
    columns = [Column(name=name, type=types.get(name, key_type)) for name in names]
    if is_batched:
        columns.append(Column(name=CASE, type="int64"))
    return Spine(sql="select * from spine", columns=tuple(columns), time=time)


def draw_rows(choose: Choose, world: World, *, case: int = 0, shared: dict[str, Any] | None = None) -> Rows:
    """Draw rows: 0-6 examples, 0-8 rows per view; about one value in 14 is NULL.

    Args:
        choose: the source of choices.
        world: where the rows live.
        case: number of the case, the same in all its rows.
        shared: rows of views that all cases of a batch share, since they have no key to tell them apart.
    """
    tables = dict(shared or {})
    for view in world.views:
        if view.name not in tables:
            tables[view.name] = draw_table(choose, world, world.columns(view), case=case, sizes=range(9))
    return Rows(
        spine=draw_table(choose, world, world.spine.columns, case=case, sizes=range(7)),
        tables=tables,
    )


def draw_table(
    choose: Choose, world: World, columns: Sequence[Column], *, case: int, sizes: Sequence[int]
) -> tuple[dict[str, Any], ...]:
    """Draw the rows of one relation."""
    domains = [(column.name, _domain(world, column, case)) for column in columns]
    if columns is world.spine.columns:
        domains = [(name, _within(world, domain) if name == world.spine.time else domain) for name, domain in domains]
    return tuple({name: choose(domain) for name, domain in domains} for _ in range(choose(sizes)))


def _domain(world: World, column: Column, case: int) -> tuple[Any, ...]:
    if column.name == CASE:
        return (case,)
    if column.name in {EVENT_TIME, CREATED_AT, VALID_TO, world.spine.time}:
        points = world.midnights if column.type == "date" else world.instants
        if column.name in {VALID_TO, world.spine.time} and column.name != EVENT_TIME:
            points = (*points, *points[len(points) // 2 :])  # later, so that more examples see a value
    elif column.name.casefold() in {"k1", "k2", "id"}:
        points = KEYS[column.type]
    else:
        points = VALUES[column.type]
    return _with_nulls(points)


def _within(world: World, points: tuple[Any, ...]) -> tuple[Any, ...]:
    first, last = world.examples_in
    chosen = tuple(point for point in points if point is None or first <= point <= last)
    return chosen if chosen != (None,) else points


@cache
def _with_nulls(points: tuple[Any, ...]) -> tuple[Any, ...]:
    return points * max(1, round(13 / len(points))) + (None,)
