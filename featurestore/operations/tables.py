"""Results of several views: a tuple, as ever, that shows itself as a table at a prompt and in a notebook.

The command line prints the same tables (`Table.lines`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, TypeVar

from featurestore.errors import format_problem
from featurestore.materialize.run import SyncFailure
from featurestore.materialize.sync import SyncResult
from featurestore.operations.contents import SetContents, ViewContents
from featurestore.operations.freshness import ViewFreshness
from featurestore.operations.leases import Syncing
from featurestore.operations.results import ViewVerification
from featurestore.texts import age, aligned, moment, size
from featurestore.training.notebook import table_html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

Each = TypeVar("Each")
NOTHING = "no feature view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        cells: one per column.
        below: what has to be said about it; may have several lines.
    """

    cells: tuple[str, ...]
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and rows."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def lines(self) -> list[str]:
        """One aligned line per row, the header first; what stands below a row is in its line, indented."""
        first, *lines = aligned([self.header, *(row.cells for row in self.rows)]).split("\n")
        below = ["".join(f"\n  {part}" for part in row.below.splitlines()) for row in self.rows]
        return [first, *(line + more for line, more in zip(lines, below, strict=True))]

    def html(self) -> str:
        """One ``<div>`` for a notebook's cell."""
        rows = [(tuple(map(escape, row.cells)), escape(row.below)) for row in self.rows]
        return f'<div class="fs-set">{table_html(self.header, rows)}</div>'


class Results(tuple[Each, ...]):
    """One result per view, in order; a tuple in all but how it is shown."""

    def table(self) -> Table:
        """Give the results as a table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "\n".join(self.table().lines()) if self else NOTHING

    def _repr_html_(self) -> str:
        return self.table().html() if self else f"<i>{NOTHING}</i>"


class SyncResults(Results[SyncResult | SyncFailure]):
    """What `FeatureStore.materialize` did."""

    def table(self) -> Table:
        """One row per view; a failure's error stands below."""
        header = ("VIEW", "MODE", "READ", "WRITTEN", "SKIPPED", "REMOVED", "SECONDS", "REACHED")
        return Table(header=header, rows=tuple(map(_sync_row, self)))


class Verifications(Results[ViewVerification]):
    """What `FeatureStore.verify` found."""

    def table(self) -> Table:
        """One row per view; its faults, or why it could not be compared, stand below."""
        header = ("VIEW", "FOUND", "KEYS", "MODEL HAS", "STORE HAS", "ABSENT", "AT")
        return Table(header=header, rows=tuple(map(_verified_row, self)))


class Freshness(Results[ViewFreshness]):
    """What `FeatureStore.freshness` measured."""

    def table(self) -> Table:
        """One row per view; what is wrong stands below."""
        header = ("VIEW", "STATE", "ONLINE", "AGE", "LIMIT", "OFFLINE", "WAITING", "LAST SYNC")
        return Table(header=header, rows=tuple(map(_fresh_row, self)))


class Contents(Results[ViewContents]):
    """What `FeatureStore.online_contents` counted."""

    def table(self) -> Table:
        """One row per set of rows of a view; who is at work on them stands below the first."""
        header = ("VIEW", "SET", "KEYS", "BYTES", "TOMBSTONES", "LAST SYNC", "")
        return Table(header=header, rows=tuple(row for each in self for row in _contents_rows(each)))


def _sync_row(done: SyncResult | SyncFailure) -> Row:
    if isinstance(done, SyncFailure):
        return Row(cells=(done.view, "ERROR", *[""] * 6), below=str(done.error))
    counts = (done.rows_read, done.rows_written, done.rows_skipped, done.rows_removed)
    reached = "nothing new" if done.watermark is None else moment(done.watermark)
    cells = (done.view, done.mode, *(f"{count:,}" for count in counts), f"{done.seconds:.2f}", reached)
    return Row(cells=cells, below=f"{done.rows_before:,} kept of a killed sync" if done.rows_before else "")


def _verified_row(found: ViewVerification) -> Row:
    if found.problem is not None:
        problem = format_problem(found.problem, hint=found.hint)
        return Row(cells=(found.view, "NOT VERIFIED", *[""] * 5), below=problem)
    if found.at is None:
        return Row(cells=(found.view, "EMPTY", *[""] * 5))
    said = [f"{count:,} {verdict}" for verdict, count in asdict(found.rows).items() if count]
    online = "many" if found.online_keys is None else f"{found.online_keys:,}"
    counts = (f"{found.checked:,}", f"{found.model_keys or 0:,}", online, f"{found.absent:,}")
    mark = "OK" if found.is_equal else "FAULTS"
    below = "" if found.rows.equal == found.checked else ", ".join(said)
    return Row(cells=(found.view, mark, *counts, moment(found.at)), below=below)


def _fresh_row(found: ViewFreshness) -> Row:
    return Row(
        cells=(
            found.view,
            found.state,
            _moment(found.online),
            "-" if found.age_s is None else age(found.age_s),
            "-" if found.limit_s is None else age(found.limit_s),
            _moment(found.offline),
            "-" if found.waiting is None else f"{found.waiting:,}",
            _moment(found.synced_at),
        ),
        below="" if found.problem is None else format_problem(found.problem, hint=found.hint),
    )


def _contents_rows(found: ViewContents) -> Iterator[Row]:
    first, *others = _contents_cells(found)
    yield Row(cells=first, below="" if found.syncing is None else _under_way(found.syncing))
    for cells in others:
        yield Row(cells=cells)


def _under_way(syncing: Syncing) -> str:
    until = "" if syncing.until is None else f", whose lease lasts until {_moment(syncing.until)} at least"
    return f"being synced by {syncing.who}{until}"


def _contents_cells(found: ViewContents) -> Iterator[tuple[str, ...]]:
    synced, mark = _moment(found.synced_at), "orphan" if found.is_orphan else ""
    if not found.sets:
        yield (found.view, "-", "0", size(0), "0", synced, mark or "nothing is stored")
    for place, each in enumerate(found.sets):
        name, when = ("", "") if place else (found.view, synced)
        yield (name, str(each.number), *_counts(each), when, mark or each.use)


def _counts(each: SetContents) -> tuple[str, str, str]:
    about = "" if each.sampled >= each.keys else "~"
    return f"{each.keys:,}", f"{about}{size(each.size_bytes)}", f"{about}{each.tombstones:,}"


def _moment(value: datetime | None) -> str:
    return "-" if value is None else moment(value.replace(microsecond=0))
