"""``featurestore stream``: event streams into both stores, how they are doing, and what could not be used."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json, say
from featurestore.cli.stream_texts import done_lines, letter_dict, letter_rows, report_lines
from featurestore.definitions.durations import SECOND, parse_duration
from featurestore.errors import OperationError, UsageError
from featurestore.texts import aligned, counted, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from featurestore.streams.worker import Pace, StreamWorker

_BEGINNING = "beginning"
_SENT_AT_ONCE = 1_000


@click.group("stream", epilog=example("featurestore stream run", "featurestore stream status"))
def command() -> None:
    """Read event streams into both stores, and see how they are doing."""


def _kept_option(*flags: str, name: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(*flags, name, expose_value=False, callback=keep(name), **settings)


@command.command(
    "run",
    short_help="Read streams until told to stop.",
    epilog=example("featurestore stream run", "featurestore stream run user_clicks --max-latency 20ms"),
)
@click.argument("names", nargs=-1, metavar="[VIEW]...")
@_kept_option(
    "--max-latency", name="max_latency", default="50ms", show_default=True, metavar="DURATION",
    help="How long an event may wait for others; less costs work.",
)  # fmt: skip
@_kept_option(
    "--commit-every", name="commit_every", default="1s", show_default=True, metavar="DURATION",
    help="How often events are kept offline, and committed.",
)  # fmt: skip
@_kept_option(
    "--batch", name="batch", type=click.IntRange(1, 1_000_000), default=5_000, show_default=True, metavar="MESSAGES",
    help="The most that are read at once.",
)  # fmt: skip
@_kept_option(
    "--tries", name="tries", type=click.IntRange(1, 1_000), default=3, show_default=True,
    help="How often what a store refuses is tried before it is a dead letter.",
)  # fmt: skip
@_kept_option(
    "--metrics-port", name="metrics_port", type=click.IntRange(0, 65_535), metavar="PORT",
    help="Answer Prometheus on this port, and /healthz; 0 takes a free one.",
)  # fmt: skip
@_kept_option(
    "--metrics-host", name="metrics_host", default="127.0.0.1", show_default=True, metavar="HOST",
    help="The address that it answers on.",
)  # fmt: skip
@common_options
def run(common: Common, names: tuple[str, ...]) -> None:
    """Read the streams that feed VIEWs, or all of them, until SIGTERM or Ctrl-C.

    Events are written to the online store as they come, and each second they are kept offline and committed. Any number
    of workers may run: they share the messages of a stream. What a worker has not committed when it is killed is read
    again, and changes nothing where it was written. A message that cannot be used becomes a dead letter and stops
    nothing. While a store cannot be reached nothing is taken.
    """
    _log_to_stderr()
    store = common.store()
    stop = threading.Event()
    opened: list[Any] = []

    def started(workers: Sequence[StreamWorker]) -> None:
        port = kept("metrics_port")
        if port is not None:
            opened.append(_serve_metrics(workers, kept("metrics_host"), port))
        _stop_on_signals(stop)

    try:
        done = store.run_streams(names, stop=stop, pace=_pace(), on_start=started)
    finally:
        for each in opened:
            each.close()
    if common.as_json:
        result_json(done)
    else:
        result("\n".join(done_lines(done)))


@command.command("status", short_help="Show lag, rates and dead letters.", epilog=example("featurestore stream status"))
@click.argument("names", nargs=-1, metavar="[VIEW]...")
@common_options
def status(common: Common, names: tuple[str, ...]) -> None:
    """Show how far streams have been read, how fast, the newest event of each view, and what waits or was refused."""
    found = common.store().stream_status(names)
    if common.as_json:
        result_json(found)
    else:
        result("\n".join(report_lines(found)))


@command.command(
    "replay",
    short_help="Have a stream read again.",
    epilog=example(
        "featurestore stream replay clicks --from beginning",
        "featurestore stream replay clicks --from 2026-11-27T12:00",
    ),
)
@click.argument("name", metavar="STREAM")
@click.option(
    "--from", "since", required=True, metavar="TIME", help="`beginning`, or when messages were published, UTC."
)
@common_options
def replay(common: Common, name: str, since: str) -> None:
    """Set back how far STREAM has been read; its workers must have been stopped. The next `stream run` reads it again.

    Rows that are online stay unless a newer one comes; events that are offline stay single for whoever reads them
    through the macro `stream_rows`.
    """
    group = common.store().replay_stream(name, None if since == _BEGINNING else since)
    if common.as_json:
        result_json({"stream": name, "group": group, "from": since})
    else:
        result(f"{name}: {group} reads again from {since}.")


@command.command(
    "send",
    short_help="Send events to a stream, to try it.",
    epilog=example("""echo '{"user_id": 1}' | featurestore stream send clicks -"""),
)
@click.argument("name", metavar="STREAM")
@click.argument("file", type=click.File("rb"), metavar="FILE")
@common_options
def send(common: Common, name: str, file: Any) -> None:  # noqa: ANN401
    """Send each line of FILE (`-` is standard input) to STREAM, as a producer would."""
    from featurestore.streams.source import Outgoing

    places = common.store().workspace.stream_places()
    stream = places.project_of()[0].stream(name)
    count, waiting = 0, []
    with closing(places.source(stream, places.reader(stream))) as source:
        for line in file:
            if line.strip():
                waiting.append(Outgoing(value=line.rstrip(b"\r\n")))
            if len(waiting) == _SENT_AT_ONCE:
                source.send(stream.topic_name, waiting)
                count, waiting = count + len(waiting), []
        source.send(stream.topic_name, waiting)
    count += len(waiting)
    if common.as_json:
        result_json({"stream": name, "sent": count})
    else:
        result(f"{name}: {counted(count, 'message')} sent.")


@command.command(
    "settle", short_help="Bring what waits in the spool to the warehouse.", epilog=example("featurestore stream settle")
)
@common_options
def settle(common: Common) -> None:
    """Bring events and pushed rows that wait on this machine to the warehouse.

    A worker does this by itself every few seconds; this is for what one left behind while `dbt build` had the DuckDB
    file. What cannot be brought there now waits, and the exit code is 1.
    """
    workspace = common.store().workspace
    places = workspace.stream_places()
    project, _ = places.project_of()
    opened = [rows for stream in project.streams if (rows := places.events(stream)) is not None]
    opened += [workspace.pushed_rows(view) for view in project.views if places.pushed(view.reference).is_dir()]
    found = [(rows.name, rows.settle()) for rows in opened]
    if common.as_json:
        result_json([{"place": name, "waiting_files": each.files, "problem": each.problem} for name, each in found])
    else:
        for name, each in found:
            result(f"{name}  {counted(each.files, 'file')} waiting" if each.files else f"{name}  nothing waits")
    for name, each in found:
        if each.files:
            raise OperationError(f"{name}: {each.problem or 'another process adds rows now'}", hint="try again")


@command.command("compact", short_help="Make few files of many.", epilog=example("featurestore stream compact clicks"))
@click.argument("name", metavar="STREAM")
@click.option(
    "--before-hours", type=click.IntRange(min=1), default=1, show_default=True, help="Leave younger hours alone."
)
@common_options
def compact(common: Common, name: str, before_hours: int) -> None:
    """Make few large files of the many small ones that hold the events of STREAM, hour by hour; copies go.

    For streams that are kept in files (`to: events`, `to: s3://bucket/events`).
    """
    from featurestore.streams.offline.compact import compact as compacted
    from featurestore.streams.offline.files import BucketRows, FolderRows
    from featurestore.streams.places import ORIGIN

    places = common.store().workspace.stream_places()
    stream = places.project_of()[0].stream(name)
    rows = places.events(stream)
    if not isinstance(rows, (BucketRows, FolderRows)):
        raise UsageError(
            f"the events of '{name}' are kept in {stream.to}, and not in files", hint="nothing is to be done"
        )
    done = compacted(rows.name, base_dir=places.base_dir, before_hours=before_hours, known_by=ORIGIN)
    if common.as_json:
        result_json(done)
    else:
        sizes = f"{size(done.size_bytes_before)} to {size(done.size_bytes_after)}"
        result(
            f"{rows.name}  {counted(done.hours, 'hour')}  {done.files_before:,} files to {done.files_after:,}  {sizes}"
        )
    for problem in done.problems:
        say(f"Left alone: {problem}")


@command.group("dead-letters", epilog=example("featurestore stream dead-letters list clicks"))
def dead_letters() -> None:
    """Look at the messages that could not be used, or try them again."""


@dead_letters.command(
    "list",
    short_help="List the messages that could not be used.",
    epilog=example(
        "featurestore stream dead-letters list clicks", "featurestore stream dead-letters list clicks --json"
    ),
)
@click.argument("name", metavar="STREAM")
@click.option("--reason", metavar="REASON", help="Only those that were refused for it.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most that are shown; --json: all."
)
@common_options
def list_letters(common: Common, name: str, reason: str | None, limit: int) -> None:
    """List the dead letters of STREAM, the newest last: each message once, with its origin and its reason.

    They are read where the stream's `dead_letters` says: a folder, a bucket, or a topic, which is read to its end.
    """
    from featurestore.streams.dead_letters import read_letters

    read = read_letters(common.store().workspace.stream_places(), name)
    _say_others(name, read.others)
    found = [letter for letter in read.letters if reason in (None, letter.reason)]
    if common.as_json:
        result_json([letter_dict(letter) for letter in found])
        return
    if not found:
        say(f"{name} has no dead letters.")
        return
    result(aligned(letter_rows(found[-limit:])))
    result(f"{counted(len(found), 'dead letter')}{f', the last {limit} shown' if len(found) > limit else ''}.")


@dead_letters.command(
    "retry",
    short_help="Try them again, by the definitions as they are now.",
    epilog=example("featurestore stream dead-letters retry clicks --reason type_mismatch"),
)
@click.argument("name", metavar="STREAM")
@click.option("--reason", metavar="REASON", help="Only those that were refused for it.")
@common_options
def retry(common: Common, name: str, reason: str | None) -> None:
    """Try the dead letters of STREAM again; those that can be used now are written, and are dead no more.

    Stop the workers of this machine first: a letter that one of them adds meanwhile stays for the next time. From a
    topic of Kafka or Kinesis nothing can be deleted: which of its letters are done is remembered on this machine.
    """
    from featurestore.streams.retry import retry_letters

    done = retry_letters(common.store().workspace.stream_places(), name, reason=reason)
    _say_others(name, done.others)
    if common.as_json:
        result_json(done)
        return
    left = ", ".join(f"{count:,} {why}" for why, count in sorted(done.dead.items()))
    result(f"{name}: {done.written:,} of {done.tried:,} are written now{f'; still dead: {left}' if left else ''}.")


def _say_others(name: str, others: int) -> None:
    if others:
        what = "is no dead letter" if others == 1 else "are no dead letters"
        say(f"Passed over: {counted(others, 'message')} in the topic that {what} of {name}.")


def _pace() -> Pace:
    from featurestore.streams.worker import Pace

    latency_s = _seconds("max_latency", least=0.001, most=10.0)
    return Pace(
        most=kept("batch"),
        wait_s=latency_s * 0.4,  # the rest is for reading, writing and the way there
        flush_s=_seconds("commit_every", least=0.05, most=600.0),
        tries=kept("tries"),
    )


def _seconds(name: str, *, least: float, most: float) -> float:
    text, where = kept(name), f"--{name.replace('_', '-')}"
    try:
        seconds = parse_duration(text) / SECOND
    except ValueError as error:
        raise UsageError(str(error), where=where, hint="e.g. 50ms, 1s") from None
    if not least <= seconds <= most:
        raise UsageError(f"expected {least:g} s to {most:g} s, got {text}", where=where)
    return seconds


def _serve_metrics(workers: Sequence[StreamWorker], host: str, port: int) -> Any:  # noqa: ANN401
    from featurestore.streams.metrics import MetricsServer, text_of

    tallies = {worker.stream_name: worker.tally for worker in workers}
    server = MetricsServer(host, port, lambda: text_of(tallies))
    server.start()
    say(f"Metrics on http://{host}:{server.port}/metrics")
    return server


def _stop_on_signals(stop: threading.Event) -> None:
    """The first SIGTERM or Ctrl-C ends the work in order, another Ctrl-C at once."""

    def hear(number: int, _frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(130)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, hear)
        signal.signal(signal.SIGINT, hear)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("featurestore.streams")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
