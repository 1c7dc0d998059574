"""How each example's newest row is found: one file per strategy, all behind `view_steps`.

| strategy | finds it by | best where |
|---|---|---|
| ``asof`` | the warehouse's ASOF join on the event time | many candidates per example, or unknown |
| ``range_argmax`` | joining to the candidates, greatest event time | few candidates per example |
| ``interval`` | joining on the row's own validity (P9) | always, for views that say until when a row is valid |
| ``lateral`` | one walk down an index per example | an index on keys and event time |
| ``union_first`` | a running maximum over both sides in one line | nothing else exists |

All of them look for the newest row among keys and times; wide columns are read for the winners alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.definitions.durations import format_duration
from featurestore.sql.plan import Index, Step
from featurestore.sql.strategies import asof, interval, lateral, range_argmax, union_first
from featurestore.sql.strategies.winners import matched_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp

    from featurestore.sql.dialects.table import Strategy
    from featurestore.sql.strategies.search import Search

_MATCHES: dict[str, Callable[[Search], exp.Select]] = {
    "asof": asof.match,
    "range_argmax": range_argmax.match,
    "union_first": union_first.match,
}
_WHOLE_ROW = "P4, P5: the whole row at that time; ties go to the latest created, then the tie-breakers"


def view_steps(search: Search, strategy: Strategy) -> tuple[Step, ...]:
    """Write the steps that answer one use of a view.

    Args:
        search: what is looked for.
        strategy: how; one that the dialect can run and the view allows.

    Returns:
        Steps in order. The last is stored under ``search.name``: at most one row per example, with
        ``search.identity``, the asked features and the event time.
    """
    if strategy == "interval":
        comment = f"P9: {search.use.name}: the row valid at each example's time"
        return (Step(name=search.name, comment=comment, query=interval.whole_row(search), is_stored=True),)
    if strategy == "lateral":
        return (*_copy(search), _lateral(search))
    return (
        Step(name=search.match_name, comment=_rules(search), query=_MATCHES[strategy](search)),
        Step(name=search.name, comment=_WHOLE_ROW, query=matched_row(search), is_stored=True),
    )


def _lateral(search: Search) -> Step:
    comment = f"{_rules(search)}; P4, P5: the whole row"
    return Step(name=search.name, comment=comment, query=lateral.whole_row(search), is_stored=True)


def _copy(search: Search) -> tuple[Step, ...]:
    if search.has_index:
        return ()
    view = search.view
    return (
        Step(
            name=search.copy_name,
            comment=f"{search.use.name}: what is needed of it, under an index",
            query=lateral.indexed_copy(search),
            is_stored=True,
            index=Index(columns=(*(key.name for key in view.join_keys), view.event_time.name)),
        ),
    )


def _rules(search: Search) -> str:
    """Name the rules that the matching applies, for the reader of the SQL."""
    view = search.view
    before = "before" if view.boundary == "exclusive" else "at or before"
    parts = [f"P2: {search.use.name}: the newest event time {before} each example"]
    if view.ttl_us is not None:
        parts.append(f"P3: not older than {format_duration(view.ttl_us)}")
    if view.delay_us:
        parts.append(f"P7: usable {format_duration(view.delay_us)} after its event")
    if view.as_of == "knowledge":
        parts.append("P8: of the rows loaded by then")
    if search.prune:
        parts.append("P15: rows that no example can see are not read")
    return "; ".join(parts)
