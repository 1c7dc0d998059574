"""Ask the warehouse for the candidates of one example, and judge them.

Per view one bounded query (`sql.candidates`); nothing is written, and nothing but those rows is fetched.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.errors import SpineError, UsageError
from featurestore.sql.candidates import (
    CREATED,
    ENDS,
    GROUP,
    IN_PLAY,
    LATER,
    OF_GROUP,
    PASSED,
    USABLE,
    candidates_plan,
    count_query,
    example_query,
)
from featurestore.sql.expressions import EVENT
from featurestore.sql.point_in_time import with_as_of
from featurestore.training.examples import UPLOADED, numbered
from featurestore.training.explain.example import Example, named_example, spine_example
from featurestore.training.explain.explanation import Explanation
from featurestore.training.explain.verdicts import Code, FeatureRow, Reason, Verdict, beaten, refusals
from featurestore.training.explain.view import Candidate, Counts, OutcomeCode, ViewExplanation, group_of, rows_with
from featurestore.training.explain.words import EPOCH, MICROSECONDS, moment, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    import pyarrow as pa

    from featurestore.definitions.references import Selection, ViewUse
    from featurestore.training.compiled import Compiled
    from featurestore.training.examples import Examples
    from featurestore.warehouse.protocol import Warehouse

    Read = Callable[[str], pa.Table]

DEFAULT_LIMIT = 5
_TAKEN = Reason(code="taken", rule="P4", text="TAKEN, the newest usable row")
_ONLY = Reason(code="taken", rule="P2", text="TAKEN, the only usable row")
_STATES: dict[Code, str] = {
    "in_the_future": "in the future (P2)",
    "not_yet_valid": "not yet valid (P9)",
    "at_the_boundary": "at the very moment, which the boundary excludes (P2)",
    "delayed": "still delayed (P7)",
    "not_yet_known": "not yet known (P8)",
    "never_known": "without a created time, so never known (P8)",
    "no_event_time": "without an event time (P2)",
    "expired": "expired (P3)",
    "no_longer_valid": "no longer valid (P9)",
}
_OUTCOMES: dict[str, OutcomeCode] = {"later": "all_later", "passed": "all_passed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a training set was asked, as far as an explanation of its rows needs it.

    Attributes:
        compiled: the uses of views, the columns, the `as_of` of the request, and the spine if there is one.
        dialect: of the warehouse.
        open_warehouse: opens it, read-only if True.
        examples: where the spine's rows are; None without a spine.
    """

    compiled: Compiled
    dialect: str
    open_warehouse: Callable[[bool], Warehouse]
    examples: Examples | None = None

    @property
    def selection(self) -> Selection:
        """The uses of views, and the columns."""
        return self.compiled.selection


def explain_row(
    asked: Asked,
    row: int | None = None,
    *,
    keys: Mapping[str, object] | None = None,
    time: date | str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Explanation:
    """Explain one example: a row of the spine, or keys and a time.

    Args:
        asked: the request.
        row: number of the example in the spine, from 0.
        keys: in place of `row`, join keys by the spine's names.
        time: with `keys`, the example's time; without a zone it is UTC.
        limit: how many refused rows are shown on each side of the example's time.

    Raises:
        UsageError: neither or both are named, or the keys and the time do not fit the views.
        SpineError: the spine has no such row.
        QueryError, WarehouseError: the warehouse refused, or cannot be reached.
    """
    if limit < 1:
        raise UsageError(f"expected a limit of at least 1, got {limit}")
    if (row is None) == (keys is None and time is None):
        raise UsageError(
            "which example? expected the number of a row of the spine, or keys and a time",
            hint='e.g. explain_row(3) or explain_row(keys={"customer_id": 7}, time="2026-06-01T12:00:00Z")',
        )
    named = None if row is not None else named_example(asked.selection, keys or {}, time)
    with closing(asked.open_warehouse(True)) as warehouse:
        if named is None:
            assert row is not None
            named = _example_of_spine(asked, row, warehouse)
        return explain(asked, named, lambda sql: warehouse.read(sql).read_all(), limit=limit)


def explain(asked: Asked, example: Example, read: Read, *, limit: int = DEFAULT_LIMIT) -> Explanation:
    """Explain an example, reading what is needed through `read`, which runs one SELECT."""
    views = []
    for use in asked.selection.uses:
        features = tuple(output.feature.name for output in asked.selection.outputs if output.use is use)
        known = replace(use, view=with_as_of(use.view, asked.compiled.options.as_of))
        views.append(_explain_view(known, features, example, read, (limit, asked.dialect)))
    return Explanation(example=example, views=tuple(views))


def judge(
    use: ViewUse, features: Sequence[str], at_us: int, grouped: Sequence[tuple[int, FeatureRow]]
) -> tuple[Candidate, ...]:
    """Give each row its verdict.

    Args:
        use: whose rows they are.
        features: the columns asked for.
        at_us: the example's time.
        grouped: (group, row) in the order of `sql.candidates.candidates_plan`.

    Returns:
        One candidate per row, newest event first; the first row in play is the one that is taken.
    """
    taken = next((row for group, row in grouped if group == IN_PLAY), None)
    is_only = sum(group == IN_PLAY for group, _ in grouped) == 1
    made = []
    for group, row in grouped:
        refused = refusals(use.view, row, at_us)
        assert bool(refused) == (group != IN_PLAY), f"the query and the rules disagree about {row}"
        if row is taken:
            reasons: tuple[Reason, ...] = (_ONLY if is_only else _TAKEN,)
        else:
            reasons = refused or (beaten(use.view, row, taken, features),) if taken is not None else refused
        made.append(Candidate(row=row, verdict=Verdict(reasons=reasons)))
    return tuple(sorted(made, key=_event_descending))


def _event_descending(candidate: Candidate) -> tuple[bool, int]:
    event = candidate.row.event_us
    return (event is not None, -(event or 0))  # those without an event time stand on top, with the later ones


def _example_of_spine(asked: Asked, row: int, warehouse: Warehouse) -> Example:
    spine, examples = asked.compiled.spine, asked.examples
    if spine is None or examples is None:
        raise UsageError("there is no spine whose row could be explained", hint="name an example: keys= and time=")
    if examples.table is not None:
        total = examples.table.num_rows
        if 0 <= row < total:
            warehouse.upload(UPLOADED, numbered(examples.table.slice(row, 1)))
            found = warehouse.read(example_query(spine, 0, dialect=asked.dialect)).read_all()
            return spine_example(spine, asked.selection, row, found)
    else:
        if row >= 0:
            found = warehouse.read(example_query(spine, row, dialect=asked.dialect)).read_all()
            if found.num_rows:
                return spine_example(spine, asked.selection, row, found)
        total = warehouse.read(count_query(spine, dialect=asked.dialect)).read_all().column(0)[0].as_py()
    held = f"holds the rows 0 to {total - 1:,}" if total else "is empty"
    raise SpineError(f"no row {row:,} in the spine: {examples.label} {held}", hint="rows are counted from 0")


def _explain_view(
    use: ViewUse, features: tuple[str, ...], example: Example, read: Read, how: tuple[int, str]
) -> ViewExplanation:
    limit, dialect = how
    nothing = ViewExplanation(
        use=use, features=features, candidates=(), counts=Counts(), outcome="no_time", summary="", sql=None
    )
    if example.at_us is None:
        return replace(nothing, summary="No row: the example has no time, and NULL is at no moment (P2).")
    missing = [name for name in use.spine_keys if example.keys[name] is None]
    if missing:
        summary = f"No row: the example's {missing[0]} is NULL, and NULL equals nothing (P2)."
        return replace(nothing, outcome="no_key", summary=summary)
    keys = [key for key in example.typed if key.name in use.spine_keys]
    at = _calendar_time(example.at_us)
    sql = candidates_plan(use, features, (keys, at), limit=limit, dialect=dialect).select()
    counts, grouped = _rows_of(read(sql))
    candidates = _nearest(judge(use, features, example.at_us, grouped), limit)
    made = replace(nothing, candidates=candidates, counts=counts, sql=sql)
    outcome, summary = _outcome(made, example)
    return replace(made, outcome=outcome, summary=summary)


def _calendar_time(at_us: int) -> datetime:
    try:
        return EPOCH + at_us * MICROSECONDS
    except OverflowError:
        raise UsageError(
            f"an example at {moment(at_us)} cannot be explained: no calendar has that time",
            hint="explain an example between the years 1 and 9999",
        ) from None


def _rows_of(table: pa.Table) -> tuple[Counts, list[tuple[int, FeatureRow]]]:
    """Take the rows of a query's answer apart."""
    columns = {name: _values(table.column(name)) for name in table.column_names[6:]}
    times = {name: _micros(table.column(name)) for name in (EVENT, CREATED, USABLE, ENDS)}
    groups = [int(group) for group in table.column(GROUP).to_pylist()]
    sizes = dict(zip(groups, map(int, table.column(OF_GROUP).to_pylist()), strict=True))
    rows = [
        FeatureRow(
            event_us=times[EVENT][n],
            created_us=times[CREATED][n],
            usable_from_us=times[USABLE][n],
            valid_to_us=times[ENDS][n],
            values={name: column[n] for name, column in columns.items()},
        )
        for n in range(table.num_rows)
    ]
    counts = Counts(in_play=sizes.get(IN_PLAY, 0), passed=sizes.get(PASSED, 0), later=sizes.get(LATER, 0))
    return counts, list(zip(groups, rows, strict=True))


def _micros(column: pa.ChunkedArray) -> list[int | None]:
    import pyarrow as pa

    made: list[int | None] = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    return made


def _values(column: pa.ChunkedArray) -> list[object]:
    """Values as Python has them; a time that Python has no value for, such as infinity, as Arrow writes it."""
    try:
        made: list[object] = column.to_pylist()
    except (OverflowError, ValueError):
        made = column.cast("string").to_pylist()
    return made


def _nearest(candidates: tuple[Candidate, ...], limit: int) -> tuple[Candidate, ...]:
    """The taken row, and as many refused ones as asked on each side of the example's time."""
    past = [candidate for candidate in candidates if not (candidate.verdict.is_later or candidate.verdict.is_taken)]
    dropped = {id(candidate) for candidate in past[limit:]}
    return tuple(candidate for candidate in candidates if id(candidate) not in dropped)


def _outcome(view: ViewExplanation, example: Example) -> tuple[OutcomeCode, str]:
    """Say in a sentence what the example got; without a row, by how much the nearest one missed."""
    with_keys = rows_with(view, example)
    taken = view.taken
    if taken is not None:
        others = "" if view.counts.total == 1 else f", of {with_keys}"
        return "taken", f"Taken: the row of {moment(taken.row.event_us)}{others}."
    if not view.counts.total:
        what = "is empty" if not view.use.spine_keys else f"has {with_keys.replace('0 rows', 'no row')}"
        return "no_rows", f"No row: {view.use.view.reference} {what} (P6)."
    groups = {group_of(candidate.verdict) for candidate in view.candidates}
    code: OutcomeCode = _OUTCOMES[groups.pop()] if len(groups) == 1 else "none_usable"
    return code, f"No row: {_refused(view, with_keys)}.{_nearest_miss(view)}"


def _refused(view: ViewExplanation, with_keys: str) -> str:
    codes = {candidate.verdict.code for candidate in view.candidates}
    is_alone = view.counts.total == 1
    if len(codes) == 1 and len(view.candidates) == view.counts.total:
        state = _STATES[codes.pop()]
        if is_alone:
            return f"the only one{with_keys.removeprefix('1 row')} is {state}"
        return f"all {with_keys} are {state}"
    return f"none of the {with_keys} may be used"


def _nearest_miss(view: ViewExplanation) -> str:
    misses = [
        (candidate.verdict.miss_us, candidate) for candidate in view.candidates if candidate.verdict.miss_us is not None
    ]
    if not misses:
        return ""
    miss, candidate = min(misses, key=lambda pair: pair[0])
    by = f"by {span(miss)}" if miss else "by nothing but the edge"
    return f" Nearest miss {by}: the row of {moment(candidate.row.event_us)}, {candidate.verdict.text}."
