"""The time scale of a timeline: the example is at zero, and both near and far rows can be told apart.

Linear where all distances are alike, else logarithmic on both sides of the example. Positions run from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from featurestore.training.explain.words import span

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 60  # linear up to this ratio of the farthest to the nearest
_LEAST_SHARE, _MOST_SHARE = 0.25, 0.86  # of the past, so that the example never stands at the edge
_MARGIN = 0.03
_MOST_STEPS = 5
_FARTHEST_US = 400 * 365 * DAY  # beyond, a time is shown as being off the scale
_DECADES = (
    *(10**power for power in range(6)),
    *(SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY),
    *(365 * DAY * 10**power for power in range(3)),
)
_STEPS = (
    *(digit * 10**power for power in range(6) for digit in (1, 2, 5)),
    *(number * SECOND for number in (1, 2, 5, 10, 15, 30)),
    *(number * MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * HOUR for number in (1, 2, 3, 6, 12)),
    *(number * DAY for number in (1, 2, 5, 10, 20, 30, 60, 90, 180)),
    *(365 * DAY * digit * 10**power for power in range(3) for digit in (1, 2, 5)),
)
assert MILLISECOND == 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a distance from the example is drawn.

    Attributes:
        past_us, future_us: how far the scale reaches on each side.
        unit_us: of the logarithm, the distance up to which it is nearly linear; None for a linear scale.
    """

    past_us: float
    future_us: float
    unit_us: float | None

    def position(self, distance_us: float) -> float:
        """Position of a distance, negative in the past, from 0 to 1; what is beyond an end is drawn at it."""
        past, future = self._stretched(self.past_us), self._stretched(self.future_us)
        zero = min(max(past / (past + future), _LEAST_SHARE), _MOST_SHARE)
        whole = max(past / zero, future / (1 - zero))
        stretched = math.copysign(self._stretched(abs(distance_us)), distance_us)
        share = min(max(zero + stretched / whole, 0), 1)
        return _MARGIN + share * (1 - 2 * _MARGIN)

    def holds(self, distance_us: float) -> bool:
        """Whether a distance is on the scale."""
        return -self.past_us <= distance_us <= self.future_us

    def ticks(self, least_gap: float) -> list[tuple[int, str]]:
        """Round distances to label, as (distance, label), in order and at least `least_gap` apart."""
        chosen = [0]
        for distance in sorted(self._round_distances(), key=abs, reverse=self.unit_us is not None):
            at = self.position(distance)
            if self.holds(distance) and all(abs(at - self.position(other)) >= least_gap for other in chosen):
                chosen.append(distance)
        return [(distance, _label(distance)) for distance in sorted(chosen)]

    def _round_distances(self) -> list[int]:
        if self.unit_us is not None:
            return [sign * size for size in _DECADES for sign in (-1, 1) if size >= self.unit_us]
        farthest = max(self.past_us, self.future_us)
        step = next((step for step in _STEPS if farthest <= step * _MOST_STEPS), _STEPS[-1])
        return [sign * number * step for number in range(1, _MOST_STEPS + 1) for sign in (-1, 1)]

    def _stretched(self, distance_us: float) -> float:
        return distance_us if self.unit_us is None else math.log1p(distance_us / self.unit_us)


def scale_of(distances_us: Iterable[int]) -> Scale:
    """Choose the scale that shows all these distances; those that are out of all proportion are left off it."""
    shown = [distance for distance in distances_us if distance and abs(distance) <= _FARTHEST_US]
    past = max((-distance for distance in shown if distance < 0), default=0)
    future = max((distance for distance in shown if distance > 0), default=0)
    nearest = min((abs(distance) for distance in shown), default=HOUR)
    if not shown:
        past = future = nearest
    unit = nearest / 2 if max(past, future) > _ALIKE * nearest else None
    return Scale(past_us=past, future_us=future, unit_us=unit)


def _label(distance_us: int) -> str:
    if not distance_us:
        return "example"
    years, rest = divmod(abs(distance_us), 365 * DAY)
    return f"{'-' if distance_us < 0 else '+'}{f'{years}y' if years and not rest else span(distance_us)}"
