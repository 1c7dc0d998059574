"""What a comparison found, as data: counts per view and per feature, and a few examples of each fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from featurestore.errors import format_problem
from featurestore.operations.verdicts import FAULTS, Counts
from featurestore.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from featurestore.definitions.views import FeatureView, Json
    from featurestore.operations.verdicts import Verdict
    from featurestore.serving.judged import Status

EXAMPLES_KEPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One feature's two answers, as JSON has values."""

    feature: str
    offline: Json
    offline_status: Status
    online: Json
    online_status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The times of one side's row, UTC; None where there is no row, or no created time."""

    event_time: datetime | None = None
    created_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultExample:
    """One key whose answers differ.

    Attributes:
        verdict: which fault.
        keys: the join keys, as JSON has values.
        offline, online: times of the two rows.
        values: of the features that differ.
    """

    verdict: Verdict
    keys: dict[str, Json]
    offline: Row
    online: Row
    values: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewVerification:
    """How a view's online rows compare with the warehouse's answer at one moment.

    Attributes:
        view: its reference.
        at: the moment, UTC; None when nothing was compared.
        problem: why it could not be compared; None when it was.
        hint: what to do about that; None when there is nothing.
        checked: how many keys of the model and of the store were compared; what follows counts these.
        model_keys: how many keys the model has; None when nothing was compared.
        online_keys: how many keys the store has, tombstones included; None when nothing was compared, and where it has
            more than a sample looks at.
        absent: how many keys were drawn besides that neither side has, so that both answer with nothing.
        rows: the verdicts on them.
        features: the verdicts on each feature's values. A row that is not of the same times counts for all of them.
        examples: a few keys of each fault.
        seconds: wall time.
    """

    view: str
    at: datetime | None = None
    problem: str | None = None
    hint: str | None = None
    checked: int = 0
    model_keys: int | None = None
    online_keys: int | None = None
    absent: int = 0
    rows: Counts = field(default_factory=Counts)
    features: dict[str, Counts] = field(default_factory=dict)
    examples: tuple[FaultExample, ...] = ()
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether it was compared and no fault was found."""
        return self.problem is None and not self.rows.faults

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        return {**asdict(self), "is_equal": self.is_equal}

    def __repr__(self) -> str:
        if self.problem is not None:
            return f"<{self.view}: not verified, {format_problem(self.problem, hint=self.hint)}>"
        faults = [f"{count:,} {fault}" for fault in FAULTS if (count := asdict(self.rows)[fault])]
        keys = counted(self.checked, "key")
        return f"<{self.view}: {keys} at {self.at}, {', '.join(faults) or 'no difference'}>"


class Tally:
    """Counts verdicts while keys are compared."""

    def __init__(self, view: FeatureView) -> None:
        self._features = [feature.name for feature in view.features]
        self._rows: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()
        self._examples: dict[str, list[FaultExample]] = {}
        self._absent = 0

    def add(self, verdict: Verdict, count: int = 1) -> None:
        """Count keys of one verdict."""
        self._rows[verdict] += count

    def add_absent(self, count: int) -> None:
        """Count drawn keys that neither side has."""
        self._absent += count

    def add_differing(self, features: Iterable[str]) -> None:
        """Count a key as different in these features alone."""
        self._rows["different"] += 1
        self._differing.update(features)

    def wants_example(self, verdict: Verdict) -> bool:
        """Whether there are few of them yet."""
        return verdict in FAULTS and len(self._examples.get(verdict, ())) < EXAMPLES_KEPT

    def keep(self, example: FaultExample) -> None:
        """Keep an example."""
        self._examples.setdefault(example.verdict, []).append(example)

    def result(self, verification: ViewVerification) -> ViewVerification:
        """The comparison with what was counted."""
        rows = Counts(**{verdict: count for verdict, count in self._rows.items() if count})
        return replace(
            verification,
            checked=rows.total,
            absent=self._absent,
            rows=rows,
            features={name: self._of_feature(name, rows) for name in self._features},
            examples=tuple(example for fault in FAULTS for example in self._examples.get(fault, ())),
        )

    def _of_feature(self, name: str, rows: Counts) -> Counts:
        differing = self._differing[name]
        return replace(rows, different=differing, equal=rows.equal + rows.different - differing)
