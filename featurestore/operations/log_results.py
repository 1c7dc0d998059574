"""What a comparison of a feature log with the warehouse found, as data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from featurestore.texts import counted

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.views import Json

LogVerdict = Literal["equal", "lag", "extra", "missing", "mismatch"]
LOG_FAULTS: tuple[LogVerdict, ...] = ("mismatch", "missing", "extra")
_FROM_WORST: tuple[LogVerdict, ...] = ("mismatch", "missing", "extra", "lag", "equal")
LOG_EXAMPLES_KEPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTally:
    """Verdicts, counted.

    Attributes:
        equal: the warehouse's answer is what was served.
        mismatch: both have a value, and another one.
        missing: nothing was served, and the warehouse has a value.
        extra: a value was served, and the warehouse has none.
        lag: the warehouse had a newer row, which was not synced yet.
    """

    equal: int = 0
    mismatch: int = 0
    missing: int = 0
    extra: int = 0
    lag: int = 0

    @property
    def faults(self) -> int:
        """How many are wrong."""
        return self.mismatch + self.missing + self.extra


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExample:
    """A value that was served and is not the warehouse's answer at that moment."""

    verdict: LogVerdict
    feature: str
    row_id: str
    served_at: datetime
    keys: dict[str, Json]
    served: Json
    served_status: str
    warehouse: Json
    warehouse_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerification:
    """How a log compares with the warehouse's point-in-time answers.

    Attributes:
        service: whose log.
        rows: verdicts on rows; a row is as bad as its worst value.
        features: verdicts on values, by feature.
        smape: by numeric feature, the mean of ``2 |a - b| / (|a| + |b|)`` over values that both sides have, those that
            lag apart: 0 is equal, 2 is as far apart as can be; None where there are none.
        examples: a few of each fault.
        seconds: wall time.
    """

    service: str
    rows: LogTally = field(default_factory=LogTally)
    features: dict[str, LogTally] = field(default_factory=dict)
    smape: dict[str, float | None] = field(default_factory=dict)
    examples: tuple[LogExample, ...] = ()
    seconds: float = 0.0

    @property
    def compared(self) -> int:
        """How many rows were compared."""
        return sum(asdict(self.rows).values())

    @property
    def is_equal(self) -> bool:
        """Whether no fault was found."""
        return not self.rows.faults

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        return {"is_equal": self.is_equal, "compared": self.compared, **asdict(self)}

    def __repr__(self) -> str:
        said = ", ".join(f"{count:,} {verdict}" for verdict, count in asdict(self.rows).items() if count)
        return f"<log of {self.service}: {counted(self.compared, 'row')}, {said or 'nothing to compare'}>"


class LogCounter:
    """Counts verdicts while rows are compared."""

    def __init__(self, features: list[str]) -> None:
        self._features = features
        self._rows: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {name: Counter() for name in features}
        self._sums: dict[str, float] = dict.fromkeys(features, 0.0)
        self._pairs: dict[str, int] = dict.fromkeys(features, 0)
        self._examples: dict[str, list[LogExample]] = {}

    def add_rows(self, verdicts: list[list[LogVerdict]]) -> None:
        """Count rows, each with the verdicts on its values in the order of the features."""
        for row in verdicts:
            self._rows[min(row, key=_FROM_WORST.index, default="equal")] += 1
            for name, verdict in zip(self._features, row, strict=True):
                self._values[name][verdict] += 1

    def add_pair(self, feature: str, one: float, other: float) -> None:
        """Measure how far apart two numbers are."""
        size = abs(one) + abs(other)
        self._sums[feature] += 2 * abs(one - other) / size if size else 0.0
        self._pairs[feature] += 1

    def wants_example(self, verdict: LogVerdict) -> bool:
        """Whether there are few of them yet."""
        return verdict in LOG_FAULTS and len(self._examples.get(verdict, ())) < LOG_EXAMPLES_KEPT

    def keep(self, example: LogExample) -> None:
        """Keep an example."""
        self._examples.setdefault(example.verdict, []).append(example)

    def result(self, service: str, seconds: float) -> LogVerification:
        """What was counted."""
        return LogVerification(
            service=service,
            rows=LogTally(**self._rows),
            features={name: LogTally(**counts) for name, counts in self._values.items()},
            smape={name: self._sums[name] / count for name, count in self._pairs.items() if count},
            examples=tuple(example for fault in LOG_FAULTS for example in self._examples.get(fault, ())),
            seconds=seconds,
        )
