"""Carry out a lookup plan: keys of the distinct entities, one read, one judgement per row, columns when asked for.

The rules: SEMANTICS O3 (statuses), O4 (order and duplicates), O8 (an emptied store), O9 (layouts).
"""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, TypeVar

from featurestore.errors import OnlineStoreError
from featurestore.serving.columns import Columns
from featurestore.serving.entity_keys import key_ends
from featurestore.serving.judged import JudgedRows, judge
from featurestore.serving.response import OnlineResponse
from featurestore.serving.steps import Ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.serving.cache import RowCache
    from featurestore.serving.entities import Entities
    from featurestore.serving.entity_keys import KeyEnds
    from featurestore.serving.plan import LookupPlan, PlannedUse
    from featurestore.serving.row_sets import RowSets
    from featurestore.serving.steps import Found, Steps

    Row = list[object]
    Rows = Sequence[Row | None]

OnError = Literal["raise", "null"]
Item = TypeVar("Item")
QUICK_FAILURE_S = 0.04
"""A read that failed sooner is tried once more without the notes; a server that hangs is not waited for twice."""

EMPTY = "the online store was emptied or never filled: it holds no generation marker"
FILL = "run featurestore materialize --full"


def look_up(
    plan: LookupPlan, entities: Entities, cache: RowCache | None, *, now_us: int, on_error: OnError
) -> Steps[OnlineResponse]:
    """Answer a request.

    Args:
        plan: what to look up.
        entities: for whom; in the plan's `entity_columns`.
        cache: rows that were read a moment ago; None to read them all.
        now_us: the time at which ages and validity are judged, microseconds since 1970.
        on_error: whether a failing store raises, or makes every value null and the answer incomplete.

    Raises:
        UsageError: a key value that is not of its type; names key, type, value and entity.
        OnlineStoreError: the store cannot be reached, or cannot be trusted.
    """
    asked = [key_ends(keys, entities) for keys in plan.key_columns]
    error = ""
    try:
        rows = yield from _rows(plan, asked, cache)
    except OnlineStoreError as problem:
        if on_error == "raise":
            raise
        error = str(problem)
        rows = [[None] * len(asked[use.keys].ends) for use in plan.uses]
    judged = [judge(use, asked[use.keys].spread(found), now_us) for use, found in zip(plan.uses, rows, strict=True)]
    given = JudgedRows(list(entities.columns.values()), None, (None,) * entities.count)
    return OnlineResponse(
        entities=Columns(plan.entity_columns, [given]),
        features=Columns(plan.outputs, judged),
        count=entities.count,
        error=error,
    )


def _rows(plan: LookupPlan, asked: Sequence[KeyEnds], cache: RowCache | None) -> Steps[list[Rows]]:
    """Read the rows of all uses; once more where the store has just said that readers use other sets of rows."""
    rows: list[Rows] = [[] for _ in plan.uses]
    row_sets = plan.row_sets
    for _ in range(2):
        prefixes = row_sets.prefixes
        keys: list[bytes] = []
        for use, prefix in zip(plan.uses, prefixes, strict=True):
            keys += [prefix + end for end in asked[use.keys].ends]
        if not keys:
            break
        counts = [len(asked[use.keys].ends) for use in plan.uses]
        rows = yield from (_read(plan, keys, counts) if cache is None else _read_through(cache, plan, keys, counts))
        if row_sets.prefixes is prefixes:
            break
    if row_sets.unsynced or not row_sets.is_filled:
        _refuse_emptied(row_sets, rows)
    return rows


def _refuse_emptied(row_sets: RowSets, rows: Sequence[Rows]) -> None:
    """A row that is there is right; that one is missing means nothing in a store that was emptied (O8).

    The generation comes back with the first sync of any view; of the other views the store then still knows nothing.
    """
    missing = [view for view, found in zip(row_sets.views, rows, strict=True) if None in found]
    if missing and not row_sets.is_filled:
        raise OnlineStoreError(EMPTY, hint=FILL)
    for view in missing:
        if view in row_sets.unsynced:
            raise OnlineStoreError(
                f"feature view {view.reference} was never synced to the online store, or the store was emptied since",
                hint=f"run featurestore materialize {view.reference}",
            )


def _read_through(cache: RowCache, plan: LookupPlan, keys: Sequence[bytes], counts: Sequence[int]) -> Steps[list[Rows]]:
    """Read the rows that the cache has not, and keep them there."""
    shelf, now = cache.shelf, time.monotonic()
    known = cache.find(shelf, keys)
    each = _per_use(keys, counts)
    missing = [[key for key in of_use if key not in known] for of_use in each]
    fresh = yield from _read(plan, list(chain.from_iterable(missing)), list(map(len, missing)))
    for absent, rows in zip(missing, fresh, strict=True):
        cache.keep(shelf, absent, rows, read_at=now)
        known.update(zip(absent, rows, strict=True))
    return [[known[key] for key in of_use] for of_use in each]


def _read(plan: LookupPlan, keys: Sequence[bytes], counts: Sequence[int]) -> Steps[list[Rows]]:
    """Read and decode the rows of all uses, and the notes when it is time.

    Args:
        plan: what to look up.
        keys: of the rows, use by use.
        counts: how many rows each use has.
    """
    row_sets, now = plan.row_sets, time.monotonic()
    if now >= row_sets.due_at or row_sets.are_apart:
        found = yield from _ask_with_notes(row_sets, keys, now)
    else:
        found = (yield Ask(keys)) if keys else []
    rows: list[Rows] = []
    for use, values in zip(plan.uses, _per_use(found, counts), strict=True):
        decoded, unknown = use.reader.read(values)
        rows.append(decoded if not unknown else (yield from _read_other_layouts(use, values, unknown)))
    return rows


def _per_use(items: Sequence[Item], counts: Sequence[int]) -> list[Sequence[Item]]:
    """Cut a list of the items of all uses."""
    if len(counts) == 1:
        return [items]
    following = iter(items)
    return [list(islice(following, count)) for count in counts]


def _read_other_layouts(use: PlannedUse, values: Sequence[bytes | None], unknown: Sequence[int]) -> Steps[Rows]:
    """Read the descriptions of layouts that were not met before, then the rows."""
    notes = yield Ask((), [use.reader.note(fingerprint) for fingerprint in unknown])
    for fingerprint, note in zip(unknown, notes, strict=True):
        use.reader.learn(fingerprint, note)
    return use.reader.read(values)[0]


def _ask_with_notes(row_sets: RowSets, keys: Sequence[bytes], now: float) -> Steps[Found]:
    """Read rows and notes in one; notes that cannot be read fail no lookup that has rows."""
    if not row_sets.are_apart:
        try:
            found = yield Ask(keys, row_sets.notes)
        except OnlineStoreError:
            if keys and time.monotonic() - now > QUICK_FAILURE_S:
                row_sets.postpone(now=now)
                raise
            row_sets.are_apart = True
        else:
            row_sets.learn(found[len(keys) :], now=now)
            return found[: len(keys)]
    return (yield from _ask_apart(row_sets, keys, now))


def _ask_apart(row_sets: RowSets, keys: Sequence[bytes], now: float) -> Steps[Found]:
    found = (yield Ask(keys)) if keys else []
    # Which rows are meant is only known by the notes; that there are none at all may be a store that was emptied.
    is_doubtful = not row_sets.are_followed(now) or (bool(keys) and not any(found))
    if is_doubtful or now >= row_sets.due_at:
        try:
            noted = yield Ask((), row_sets.notes)
        except OnlineStoreError:
            row_sets.postpone(now=now)
            if is_doubtful:
                raise
        else:
            row_sets.learn(noted, now=now)
    return found
