"""Several views, one after the other, as the facade asks for them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from featurestore.definitions.durations import parse_duration
from featurestore.errors import UsageError
from featurestore.materialize.window import utc_now
from featurestore.operations.contents import contents
from featurestore.operations.freshness import view_freshness
from featurestore.operations.remove import find_view
from featurestore.operations.sides import chosen_views
from featurestore.operations.verify import verify_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.definitions.project import Project
    from featurestore.online.protocol import OnlineStore
    from featurestore.operations.contents import ViewContents
    from featurestore.operations.freshness import ViewFreshness
    from featurestore.operations.results import ViewVerification
    from featurestore.operations.sides import Sides
    from featurestore.operations.verify import VerifyRequest
    from featurestore.warehouse.protocol import Warehouse


def verify_views(
    names: Sequence[str] | None,
    request: VerifyRequest,
    sides: Sides,
    *,
    on_rows: Callable[[str, int], None] | None = None,
    on_done: Callable[[ViewVerification], None] | None = None,
) -> tuple[ViewVerification, ...]:
    """Compare each view with `operations.verify.verify_view`; arguments as `store_online` says."""
    results = []
    for view in chosen_views(sides.project, names):
        told = None if on_rows is None else partial(on_rows, view.reference)
        results.append(verify_view(view, request, sides, on_rows=told))
        if on_done is not None:
            on_done(results[-1])
    return tuple(results)


def freshness_of(
    project: Project,
    names: Sequence[str] | None,
    store: OnlineStore,
    warehouse: Warehouse | None,
    *,
    max_age: timedelta | str | None,
) -> tuple[ViewFreshness, ...]:
    """Measure each view with `operations.freshness.view_freshness`.

    Raises:
        UsageError: an unknown view, one that is not online, or no duration.
    """
    limit_us, now = _limit_us(max_age), utc_now()
    return tuple(
        view_freshness(view, store, warehouse, max_age_us=limit_us, now=now) for view in chosen_views(project, names)
    )


def contents_of(project: Project, store: OnlineStore, names: Sequence[str] | None) -> tuple[ViewContents, ...]:
    """Say what the store holds (`operations.contents.contents`). Raises UnknownNameError for a view nobody knows."""
    if names is None or not names:
        return contents(project, store)
    found = dict.fromkeys(find_view(project, store, name)[0].reference for name in names)
    return contents(project, store, tuple(found))


def _limit_us(max_age: timedelta | str | None) -> int | None:
    if max_age is None:
        return None
    try:
        limit_us = parse_duration(max_age) if isinstance(max_age, str) else max_age // timedelta(microseconds=1)
    except ValueError as error:
        raise UsageError(str(error), where="max_age") from error
    if limit_us <= 0:
        raise UsageError("expected a duration above zero", where="max_age", hint='e.g. "2h"')
    return limit_us
