"""``featurestore verify``: what is served against the warehouse's point-in-time answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.cli.progress import progress_line
from featurestore.errors import CheckError, UsageError, format_problem
from featurestore.texts import aligned, cell, counted, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.operations.results import FaultExample, Pair, Row, ViewVerification

_MOST_PAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Prints each view as soon as it is compared, and counts.

    Attributes:
        width: of the column of names.
        as_json: print nothing yet.
        faulty: references of views with faults, or that could not be compared.
    """

    width: int
    as_json: bool
    faulty: list[str] = field(default_factory=list)

    def done(self, found: ViewVerification) -> None:
        """Take in one view."""
        if not found.is_equal:
            self.faulty.append(found.view)
        if not self.as_json:
            for line in _lines(found, found.view.ljust(self.width)):
                result(line)


@click.command(
    "verify",
    epilog=example("featurestore verify", "featurestore verify customer_orders --all --at 2026-06-01T12:00:00Z"),
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@click.option("--sample", metavar="10%|N", help="A share or a number of the model's keys; 10000 by default.")
@click.option("--all", "is_whole", is_flag=True, help="All keys of the model, and all keys of the store.")
@click.option("--at", metavar="TIME", help="The moment to compare; by default, up to where the view was synced.")
@click.option("--seed", type=int, default=0, metavar="N", help="Another seed is another sample.")
@common_options
def command(
    common: Common, views: tuple[str, ...], sample: str | None, is_whole: bool, at: str | None, seed: int
) -> None:
    """Compare what is served with the warehouse's point-in-time answer.

    VIEWs are feature views that are online; all of them when none is named. Per view: keys that are equal, missing
    online, extra online, stale (older online) or different; rows that came after the last sync are no fault. Keys that
    differ are looked at again, so rows may move meanwhile; a thousand keys that nobody has are asked for too, and
    counted apart. Exits with 3 when anything is wrong.
    """
    if is_whole and sample is not None:
        raise UsageError("expected either --sample or --all, got both", hint="--all compares every key")
    from featurestore.definitions.moments import parse_moment
    from featurestore.operations.sides import chosen_views
    from featurestore.store_online import DEFAULT_SAMPLE

    store = common.store()
    width = max(len(view.reference) for view in chosen_views(store.project, views))
    report = Report(width=width, as_json=common.as_json)
    with progress_line() as line:
        found = store.verify(
            views or None,
            sample=None if is_whole else sample or DEFAULT_SAMPLE,
            at=parse_moment(at, where="--at"),
            seed=seed,
            on_rows=line.rows,
            on_done=line.aside(report.done),
        )
    if common.as_json:
        result_json({"equal": not report.faulty, "views": [each.to_dict() for each in found]})
    if report.faulty:
        raise CheckError(
            f"{len(report.faulty)} of {counted(len(found), 'feature view')} not as the warehouse says: "
            f"{', '.join(report.faulty)}",
            hint=_hint(found),
        )


def _hint(found: tuple[ViewVerification, ...]) -> str | None:
    """What mends the faults; a full sync never overwrites a row with an older one."""
    if any(each.rows.extra for each in found):
        return "run featurestore materialize --rebuild, and verify again; --full where no row is extra"
    if any(each.rows.faults for each in found):
        return "run featurestore materialize --full, and verify again"
    return None


def _lines(found: ViewVerification, name: str) -> Iterator[str]:
    if found.problem is not None:
        yield f"{name}  not verified: {format_problem(found.problem, hint=found.hint)}"
        return
    if found.at is None:
        yield f"{name}  empty: the model has no row, and none was synced"
        return
    rows = asdict(found.rows)
    said = [f"{count:,} {verdict}" for verdict, count in rows.items() if count or verdict == "equal"]
    mark = "OK" if found.is_equal else "FAULTS"
    keys = f"{counted(found.checked, 'key')} ({_of(found)}) at {moment(found.at)}"
    yield f"{name}  {mark}  {keys}: {', '.join(said)}{_absent(found)}"
    if found.is_equal:
        return
    yield aligned(list(_features(found)), indent="  ")
    for each in found.examples:
        yield f"  {_example(each)}"


def _of(found: ViewVerification) -> str:
    """Of how many keys these are."""
    from featurestore.operations.verify import PAGED_KEYS

    online = f"more than {PAGED_KEYS:,}" if found.online_keys is None else f"{found.online_keys:,}"
    return f"{found.model_keys or 0:,} in the model, {online} online"


def _absent(found: ViewVerification) -> str:
    return f"; and {found.absent:,} that nobody has" if found.absent else ""


def _features(found: ViewVerification) -> Iterator[list[str]]:
    verdicts = [verdict for verdict, count in asdict(found.rows).items() if count or verdict == "equal"]
    yield ["FEATURE", *(verdict.upper() for verdict in verdicts)]
    for name, counts in found.features.items():
        values = asdict(counts)
        yield [name, *(f"{values[verdict]:,}" for verdict in verdicts)]


def _example(each: FaultExample) -> str:
    keys = ",".join(f"{name}={value}" for name, value in each.keys.items()) or "-"
    pairs = "; ".join(map(_pair, each.values[:_MOST_PAIRS]))
    more = ", ..." if len(each.values) > _MOST_PAIRS else ""
    times = f"warehouse {_time(each.offline)}, online {_time(each.online)}"
    return f"{each.verdict} {keys}  {times}" + (f"  {pairs}{more}" if pairs else "")


def _pair(pair: Pair) -> str:
    return f"{pair.feature}: {_said(pair.offline, pair.offline_status)} | {_said(pair.online, pair.online_status)}"


def _said(value: object, status: str) -> str:
    return cell(value, 30) if status == "PRESENT" else status


def _time(row: Row) -> str:
    if row.event_time is None:
        return "none"
    created = "" if row.created_time is None else f" (created {moment(row.created_time)})"
    return f"{moment(row.event_time)}{created}"
