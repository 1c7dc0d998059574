"""Labels: columns of the examples that become known only later, kept apart so that they cannot leak.

A feature is taken at the example's time; a label is known at `at`, or `horizon_us` after the example's time. What is
not known by the cutoff is NULL, and ``label_known`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from featurestore.definitions.durations import LONGEST_US, format_duration, parse_duration
from featurestore.definitions.moments import parse_moment
from featurestore.definitions.types import TIMES
from featurestore.errors import NameClashError, SpineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from featurestore.definitions.spine import Spine

Unlabelled = Literal["keep", "drop", "refuse"]
LABEL_KNOWN = "label_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which columns of the examples are labels, and when they become known.

    Attributes:
        names: the label columns.
        at: a column that says when each example's labels became known.
        horizon_us: or so many microseconds after the example's time.
        cutoff: what was known by then counts, UTC; None where neither `at` nor `horizon_us` says when that is,
            and, as asked, for the moment of asking.
        unlabelled: what becomes of examples whose labels are not known by the cutoff: ``keep`` them with NULL labels,
            ``drop`` them from the examples, ``refuse`` all.
    """

    names: tuple[str, ...]
    at: str | None = None
    horizon_us: int | None = None
    cutoff: datetime | None = None
    unlabelled: Unlabelled = "keep"

    @property
    def is_timed(self) -> bool:
        """Whether it is said when the labels become known."""
        return self.at is not None or self.horizon_us is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """What stands last in the result: the labels, when they became known, whether they are."""
        at = () if self.at is None else (self.at,)
        return (*self.names, *at, *((LABEL_KNOWN,) if self.is_timed else ()))


def read_labels(
    names: Sequence[str] | str | None,
    *,
    at: str | None = None,
    horizon: str | timedelta | None = None,
    cutoff: date | str | None = None,
    unlabelled: Unlabelled = "keep",
) -> Labels | None:
    """Read what a request says about its labels; None when it says nothing.

    Raises:
        UsageError: options that cannot be meant, alone or together.
    """
    if unlabelled not in get_args(Unlabelled):
        raise UsageError(f"expected unlabelled to be {', '.join(get_args(Unlabelled))}, got {unlabelled!r}")
    listed = tuple(dict.fromkeys((names,) if isinstance(names, str) else names or ()))
    timed = at is not None or horizon is not None
    if not listed and (timed or cutoff is not None or unlabelled != "keep"):
        raise UsageError(
            "it is said when labels become known, but not which columns are labels",
            hint='name them: --label bought, or labels=["bought"] in Python',
        )
    if not listed:
        return None
    if at is not None and horizon is not None:
        raise UsageError(
            "expected either label_at or label_horizon, got both",
            hint="label_at names a column of the examples, label_horizon is a duration",
        )
    if not timed and (cutoff is not None or unlabelled != "keep"):
        raise UsageError(
            "a cutoff of labels, or what becomes of unlabelled examples, needs to know when labels become known",
            hint="add label_at (a column of the examples) or label_horizon (a duration)",
        )
    moment = parse_moment(cutoff, where="label_cutoff")
    horizon_us = None if horizon is None else _horizon(horizon)
    return Labels(names=listed, at=at, horizon_us=horizon_us, cutoff=moment, unlabelled=unlabelled)


def labels_of(spine: Spine, labels: Labels, keys: Sequence[str], *, now: datetime) -> Labels:
    """Find the labels among the examples' columns, which spell their names; the cutoff becomes `now` if there is none.

    Args:
        spine: the examples.
        labels: as asked.
        keys: the join keys that the features need.
        now: the moment of asking, UTC.

    Raises:
        SpineError: no such column, or one that cannot be a label or say when labels are known.
        NameClashError: the examples have a column ``label_known``.
        UsageError: the cutoff lies in the future.
    """
    names = tuple(spine.column(name).name for name in labels.names)
    taken = {spine.time: "the examples' time", **dict.fromkeys((spine.column(key).name for key in keys), "a join key")}
    for name in names:
        if name in taken:
            raise SpineError(f"the label '{name}' is {taken[name]}", hint="a label is what the model is to predict")
    if not labels.is_timed:
        return replace(labels, names=names)
    if any(column.name.casefold() == LABEL_KNOWN for column in spine.columns):
        raise NameClashError(
            f"two output columns would be named '{LABEL_KNOWN}': column '{LABEL_KNOWN}' of the spine, and whether the "
            "labels are known",
            hint="rename the column",
        )
    cutoff = labels.cutoff or now.replace(microsecond=0)
    if cutoff > now:
        raise UsageError(
            f"the cutoff of labels {cutoff.isoformat()} lies in the future, of which nothing is known yet",
            hint="leave it out: then it is the moment of asking",
        )
    return replace(labels, names=names, cutoff=cutoff, at=_at(spine, labels, {*names, *taken}))


def _at(spine: Spine, labels: Labels, taken: set[str]) -> str | None:
    if labels.at is None:
        return None
    column = spine.column(labels.at)
    if column.name == spine.time:
        raise SpineError(
            f"label_at '{column.name}' is the examples' time: features would be taken when the labels were known",
            hint="the examples' time is when the prediction is made; name it with time",
        )
    if column.name in taken:
        raise SpineError(f"label_at '{column.name}' is a label or a join key too", hint="name another column")
    if column.type not in TIMES:
        raise SpineError(
            f"label_at '{column.name}' is {column.type}, expected a timestamp",
            hint="cast it where the spine is made, e.g. cast(x as timestamp)",
        )
    return column.name


def _horizon(given: str | timedelta) -> int:
    if isinstance(given, timedelta):
        microseconds = given // timedelta(microseconds=1)
    else:
        try:
            microseconds = parse_duration(given)
        except (ValueError, AttributeError):
            hint = 'e.g. "14d"'
            raise UsageError(f"expected a duration, got {given!r}", where="label_horizon", hint=hint) from None
    if not 0 < microseconds <= LONGEST_US:
        got = f"-{format_duration(-microseconds)}" if microseconds < 0 else format_duration(microseconds)
        raise UsageError(
            f"expected more than zero and at most 1000 years, got {got}",
            where="label_horizon",
            hint="leave it out if labels are known at the example's time",
        )
    return microseconds
