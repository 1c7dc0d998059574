"""A batch into the online store, whatever happens.

The rule: what the store cannot take now is waited for; what it never takes is found by halving, and becomes a dead
letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from featurestore.errors import FeatureStoreError, OnlineStoreError, UsageError
from featurestore.online.cells import microseconds_of
from featurestore.sql.row_level import EVENT_NUMBER
from featurestore.streams.messages import Problem
from featurestore.streams.online_rows import Landed, OnlineRows
from featurestore.streams.patience import Patience

if TYPE_CHECKING:
    import pyarrow as pa

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.streams.batch import Batch, Part
    from featurestore.streams.tally import Tally

PROBE = "stream:probe"
"""A note that says whether the store takes writes at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineSink:
    """Writes batches.

    Attributes:
        rows: writes rows of a view.
        store: the same store, for the probe.
        patience: waits for it.
        tally: counts.
        tries: how often rows are tried that the store refuses while it takes others.
    """

    rows: OnlineRows
    store: OnlineStore
    patience: Patience
    tally: Tally
    tries: int

    def write(self, batch: Batch) -> None:
        """Write what all views make of a batch; what is refused is noted in its problems, with all of its message."""
        refused: dict[int, Problem] = {}
        for part in batch.parts():
            self._count(part, self._written(part, refused))
        batch.problems.update(refused)

    def _written(self, part: Part, refused: dict[int, Problem]) -> Landed:
        try:
            return self.patience.insist("the online store", lambda: self._write(part), gives_up=self._is_no_outage)
        except (UsageError, OnlineStoreError):
            return self._halved(part, refused)

    def _write(self, part: Part) -> Landed:
        rows = part.rows.drop_columns([EVENT_NUMBER]) if part.rows.num_rows else None
        return self.rows.write(part.view, rows, part.deletions)

    def _halved(self, part: Part, refused: dict[int, Problem]) -> Landed:
        """Write row by row where that must be, and refuse those that still fail."""
        count = part.rows.num_rows
        landed = Landed()
        if part.deletions is not None:
            landed = self.patience.insist("the online store", lambda: self.rows.write(part.view, None, part.deletions))
        waiting = [(0, count)] if count else []
        while waiting:
            start, length = waiting.pop()
            piece = part.rows.slice(start, length)
            try:
                landed = landed.and_also(self._piece(part.view, piece))
            except (UsageError, OnlineStoreError) as error:
                if length > 1:
                    half = length // 2
                    waiting += [(start + half, length - half), (start, half)]
                else:
                    refused[piece.column(EVENT_NUMBER)[0].as_py()] = _refusal(part.view, error)
        return landed

    def _piece(self, view: FeatureView, piece: pa.RecordBatch) -> Landed:
        rows = piece.drop_columns([EVENT_NUMBER])
        return self.patience.insist(
            "the online store", lambda: self.rows.write(view, rows), gives_up=self._is_no_outage
        )

    def _is_no_outage(self, tries: int) -> bool:
        """Whether the store refuses these rows, and would take others: it takes a note."""
        if tries < self.tries:
            return False
        try:
            self.store.write_note(PROBE, b"1")
        except FeatureStoreError:
            return False
        return True

    def _count(self, part: Part, landed: Landed) -> None:
        tally, view = self.tally, part.view
        tally.landed[view.reference] += landed.written
        tally.stale[view.reference] += landed.sent - landed.written
        if landed.deleted:
            tally.deleted[view.reference] += landed.deleted
        if part.rows.num_rows:
            newest = pc.max(microseconds_of(part.rows.column(view.event_time.name), view.event_time)).as_py()
            tally.newest_event_us[view.reference] = max(newest, tally.newest_event_us.get(view.reference, newest))


def _refusal(view: FeatureView, error: FeatureStoreError) -> Problem:
    return Problem(reason="refused_online", detail=error.message, view=view.reference)
