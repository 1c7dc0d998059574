"""What is asked, resolved to names, types and times: everything a plan can be written from, in any dialect.

Three shapes: a spine; all keys at one moment; every row of one view in a range (SEMANTICS P16).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from featurestore.sql.labels import labels_last
from featurestore.sql.plan import Plan, Retrieval
from featurestore.sql.point_in_time import searches, training_plan
from featurestore.sql.spineless import range_plan, snapshot_spine

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.definitions.labels import Labels
    from featurestore.definitions.references import Selection
    from featurestore.definitions.spine import Spine
    from featurestore.sql.choice import Measured
    from featurestore.sql.strategies.search import Between, Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known where a plan will run.

    Attributes:
        measured: of the data of each use; empty when nothing is.
        between: from when to when the examples are; None when it is not known.
        lacks: what the connection cannot do although its dialect can.
    """

    measured: tuple[Measured, ...] = ()
    between: Between | None = None
    lacks: frozenset[str] = frozenset()


_NOTHING = Known()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A question that can be answered.

    Attributes:
        selection: which features, under which names.
        spine: the examples; None without.
        at: the moment of a snapshot, UTC; only without a spine.
        between: first and last event time of a range, UTC; only without both.
        unique_by: of a range, a column of the view that is another in each row; of equal ones one is taken.
        options: of the retrieval.
        labels: which columns stand last, as found among the examples; None without labels.
        label_counts: a query in the warehouse's own dialect that counts wrong labels (`sql.labels.label_counts`); None
            where there is nothing to count, or it was done.
    """

    selection: Selection
    spine: Spine | None = None
    at: datetime | None = None
    between: tuple[datetime, datetime] | None = None
    unique_by: str | None = None
    options: Retrieval = field(default_factory=Retrieval)
    labels: Labels | None = None
    label_counts: str | None = None

    def plan(self, dialect: str, known: Known = _NOTHING) -> Plan:
        """Plan it.

        Args:
            dialect: sqlglot's name of the warehouse.
            known: what is known where it will run.

        Raises:
            UsageError: as `sql.point_in_time.training_plan` and `sql.spineless` say.
        """
        if self.between is not None:
            return range_plan(self.selection, *self.between, unique_by=self.unique_by, dialect=dialect)
        options = replace(self.options, measured=known.measured, between=known.between, lacks=known.lacks)
        plan = training_plan(self._examples(dialect), self.selection, dialect=dialect, options=options)
        return plan if self.labels is None else labels_last(plan, self.labels)

    def searches(self, dialect: str) -> tuple[Search, ...]:
        """What is looked up per use of a view; nothing for a range."""
        if self.between is not None:
            return ()
        return searches(self._examples(dialect), self.selection, dialect=dialect, options=self.options)

    def _examples(self, dialect: str) -> Spine:
        if self.spine is not None:
            return self.spine
        assert self.at is not None
        return snapshot_spine(self.selection, self.at, dialect=dialect)
