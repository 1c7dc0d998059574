"""What is said of streams, for people: reports, results and dead letters."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from featurestore.texts import age, aligned, counted, moment, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.streams.messages import DeadLetter
    from featurestore.streams.report import StreamReport
    from featurestore.streams.run import StreamDone
    from featurestore.streams.status import WorkerStatus


def report_lines(reports: Sequence[StreamReport]) -> Iterator[str]:
    """Yield a paragraph per stream."""
    for place, each in enumerate(reports):
        if place:
            yield ""
        waiting = "lag not known" if each.waiting is None else f"{counted(each.waiting, 'message')} to read"
        yield f"{each.stream}  {each.place or '?'}  {each.problem or waiting}"
        yield aligned(list(_facts(each)), indent="  ")


def _facts(report: StreamReport) -> Iterator[list[str]]:
    newest = _newest(report)
    for view in report.views:
        at = newest.get(view)
        said = "no event yet"
        if at is not None:
            when = moment(datetime.fromtimestamp(at / 1e6, tz=timezone.utc))
            said = f"newest event {when}, {age(time.time() - at / 1e6)} old"
        yield ["view", view, said]
    for worker in report.workers:
        yield ["worker", worker.worker, _worker(worker)]
    if not report.workers:
        yield ["worker", "-", "none has said anything: featurestore stream run"]
    if report.offline:
        said = f"{counted(report.waiting_files, 'file')} waiting" if report.waiting_files else "nothing waits"
        yield ["offline", report.offline, said]
    if report.dead_letters is None:
        yield ["dead letters", report.dead_letters_in, f"featurestore stream dead-letters list {report.stream}"]
        return
    dead = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.dead_letters.items()))
    yield ["dead letters", f"{sum(report.dead_letters.values()):,}", dead]


def _worker(worker: WorkerStatus) -> str:
    tally = worker.tally
    state = "running" if worker.is_running else "ended" if worker.has_ended else "silent"
    parts = [
        f"{state}, {age(time.time() - worker.said_at)} ago",
        f"{counted(tally.messages, 'message')}",
        f"{worker.events_per_s:,.0f}/s",
    ]
    stale = sum(tally.stale.values())
    if stale:
        parts.append(f"{stale:,} older than what is online")
    if tally.unknown:
        names = ", ".join(sorted(tally.unknown)[:3])
        parts.append(f"fields passed over: {names}")
    if tally.paused:
        parts.append(f"waits: {tally.paused}")
    if tally.offline_problem:
        parts.append(f"offline waits: {tally.offline_problem}")
    return ", ".join(parts)


def _newest(report: StreamReport) -> dict[str, int]:
    found: dict[str, int] = {}
    for worker in report.workers:
        for view, at in worker.tally.newest_event_us.items():
            found[view] = max(at, found.get(view, at))
    return found


def done_lines(done: Sequence[StreamDone]) -> Iterator[str]:
    """Yield a line per stream."""
    for each in done:
        tally = each.tally
        parts = [
            f"{counted(tally.messages, 'message')} read",
            f"{counted(sum(tally.landed.values()), 'row')} written online",
        ]
        stale, deleted, dead = sum(tally.stale.values()), sum(tally.deleted.values()), sum(tally.dead.values())
        if stale:
            parts.append(f"{stale:,} older than what is there")
        if deleted:
            parts.append(f"{deleted:,} deleted")
        if dead:
            parts.append(f"{counted(dead, 'dead letter')}")
        if tally.waiting_files:
            parts.append(f"{counted(tally.waiting_files, 'file')} waiting for the warehouse")
        yield f"{each.stream}: {', '.join(parts)}."


def letter_rows(letters: Sequence[DeadLetter]) -> list[list[str]]:
    """A table of letters."""
    rows = [["ORIGIN", "REASON", "VIEW", "TRIES", "WHY", "MESSAGE"]]
    for each in letters:
        origin = f"{each.topic}/{each.partition}/{each.offset}"
        rows.append(
            [
                origin,
                each.reason,
                each.view or "-",
                str(each.tries),
                one_line(each.detail),
                one_line(_text(each.value), 40),
            ]
        )
    return rows


def letter_dict(letter: DeadLetter) -> dict[str, Any]:
    """A letter as plain data: body and key as text, what is no text escaped."""
    failed_at = datetime.fromtimestamp(letter.failed_us / 1e6, tz=timezone.utc)
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": None if letter.key is None else _text(letter.key),
        "value": None if letter.value is None else _text(letter.value),
        "reason": letter.reason,
        "detail": letter.detail,
        "view": letter.view,
        "tries": letter.tries,
        "failed_at": failed_at,
    }


def _text(body: bytes | None) -> str:
    return "-" if body is None else body.decode(errors="backslashreplace")
