"""``featurestore verify``: what is served against the warehouse's point-in-time answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json
from featurestore.cli.progress import progress_line
from featurestore.errors import CheckError, UsageError, format_problem
from featurestore.texts import aligned, cell, counted, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.operations.log_results import LogVerification
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


def _log_option(flag: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(flag, expose_value=False, callback=keep(flag), **settings)


@click.command(
    "verify",
    epilog=example(
        "featurestore verify",
        "featurestore verify customer_orders --all --at 2026-06-01T12:00:00Z",
        "featurestore verify --log churn_v1 --lag 1h",
    ),
)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@click.option("--sample", metavar="10%|N", help="A share or a number of the model's keys; 10000 by default.")
@click.option("--all", "is_whole", is_flag=True, help="All keys of the model, and all keys of the store.")
@click.option("--at", metavar="TIME", help="The moment to compare; by default, up to where the view was synced.")
@click.option("--seed", type=int, default=0, metavar="N", help="Another seed is another sample.")
@_log_option("--log", metavar="SERVICE", help="Compare instead what was served of a feature service and logged.")
@_log_option("--start", metavar="TIME", help="With --log: only what was served from then on.")
@_log_option("--end", metavar="TIME", help="With --log: only what was served up to then.")
@_log_option("--lag", metavar="DURATION", help="With --log: how long rows may take from the warehouse to the store.")
@common_options
def command(
    common: Common, views: tuple[str, ...], sample: str | None, is_whole: bool, at: str | None, seed: int
) -> None:
    """Compare what is served with the warehouse's point-in-time answer.

    VIEWs are feature views that are online; all of them when none is named. Per view: keys that are equal, missing
    online, extra online, stale (older online) or different; rows that came after the last sync are no fault. Keys that
    differ are looked at again, so rows may move meanwhile; a thousand keys that nobody has are asked for too, and
    counted apart. With --log, rows of a feature log are compared with the warehouse's answer for the moment they were
    served. Exits with 3 when anything is wrong.
    """
    if is_whole and sample is not None:
        raise UsageError("expected either --sample or --all, got both", hint="--all compares every key")
    from featurestore.definitions.moments import parse_moment
    from featurestore.operations.sides import chosen_views
    from featurestore.store_online import DEFAULT_SAMPLE

    part = None if is_whole else sample or DEFAULT_SAMPLE
    if kept("--log") is not None:
        if views or at is not None:
            raise UsageError("a log has views and times of its own", hint="leave out --at and the views")
        _verify_log(common, kept("--log"), part, seed)
        return
    for option in ("--start", "--end", "--lag"):
        if kept(option) is not None:
            raise UsageError(f"{option} is about a log", hint="name its service: --log SERVICE")
    store = common.store()
    width = max(len(view.reference) for view in chosen_views(store.project, views))
    report = Report(width=width, as_json=common.as_json)
    with progress_line() as line:
        found = store.verify(
            views or None,
            sample=part,
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


def _verify_log(common: Common, service: str, sample: int | str | None, seed: int) -> None:
    from featurestore.definitions.moments import parse_moment
    from featurestore.operations.verify_log import read_lag

    lag_us = read_lag(kept("--lag"), where="--lag")
    with progress_line() as line:
        found = common.store().verify_log(
            service,
            sample=sample,
            seed=seed,
            start=parse_moment(kept("--start"), where="--start"),
            end=parse_moment(kept("--end"), where="--end"),
            lag=None if lag_us is None else timedelta(microseconds=lag_us),
            on_rows=lambda rows: line.rows(service, rows),
        )
    if common.as_json:
        result_json(found.to_dict())
    else:
        for text in _log_lines(found):
            result(text)
    if not found.is_equal:
        hint = "look at the examples: featurestore explain-row says why the warehouse has its value"
        raise CheckError(f"what was served of {service} is not what the warehouse says", hint=hint)


def _log_lines(found: LogVerification) -> Iterator[str]:
    mark = "OK" if found.is_equal else "FAULTS"
    said = [f"{count:,} {verdict}" for verdict, count in asdict(found.rows).items() if count or verdict == "equal"]
    yield f"{found.service}  {mark}  {counted(found.compared, 'row')}: {', '.join(said)}"
    rows = [["FEATURE", *(verdict.upper() for verdict in asdict(found.rows)), "SMAPE"]]
    for name, tally in found.features.items():
        smape = found.smape.get(name)
        counts = [f"{count:,}" for count in asdict(tally).values()]
        rows.append([name, *counts, "-" if smape is None else f"{smape:.6g}"])
    yield aligned(rows, indent="  ")
    for each in found.examples:
        keys = ",".join(f"{name}={value}" for name, value in each.keys.items()) or "-"
        warehouse, served = _said(each.warehouse, each.warehouse_status), _said(each.served, each.served_status)
        place = f"{each.verdict} {keys}  at {moment(each.served_at)}"
        yield f"  {place}  {each.feature}: warehouse {warehouse}, served {served}"


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
