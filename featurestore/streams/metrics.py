"""The numbers of the streams that a process reads, for Prometheus: ``GET /metrics``, on 127.0.0.1 by default."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from featurestore.errors import OperationError
from featurestore.prometheus import CONTENT_TYPE, Family, Series, format_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from featurestore.streams.tally import Tally

FAMILIES = (
    Family("featurestore_stream_messages_total", "counter", "Messages that were taken.", ("stream",)),
    Family("featurestore_stream_events_total", "counter", "Of these, events that were written.", ("stream",)),
    Family("featurestore_stream_dead_letters_total", "counter", "Messages that cannot be used.", ("stream", "reason")),
    Family(
        "featurestore_stream_rows_total",
        "counter",
        "Rows of views: written, stale (older than what the store held) or deleted.",
        ("stream", "view", "outcome"),
    ),
    Family("featurestore_stream_unknown_fields_total", "counter", "Fields that no column takes.", ("stream",)),
    Family("featurestore_stream_retries_total", "counter", "Tries that a store or a broker refused.", ("stream",)),
    Family(
        "featurestore_stream_newest_event_timestamp_seconds",
        "gauge",
        "The greatest event time written of a view.",
        ("stream", "view"),
    ),
    Family(
        "featurestore_stream_delay_seconds",
        "gauge",
        "From the publishing of a batch's last message to its rows being online.",
        ("stream",),
    ),
    Family(
        "featurestore_stream_paused", "gauge", "1 while nothing is taken, since something cannot be used.", ("stream",)
    ),
    Family(
        "featurestore_stream_committed_timestamp_seconds", "gauge", "When something was committed last.", ("stream",)
    ),
    Family("featurestore_stream_waiting_files", "gauge", "Batches that wait for the warehouse.", ("stream",)),
)


def series_of(tallies: Mapping[str, Tally]) -> Series:
    """The samples of the streams of a process, by their names."""
    series: Series = {}
    for stream, tally in tallies.items():
        series["featurestore_stream_messages_total", stream] = tally.messages
        series["featurestore_stream_events_total", stream] = tally.events
        series["featurestore_stream_unknown_fields_total", stream] = sum(tally.unknown.values())
        series["featurestore_stream_retries_total", stream] = tally.retries
        series["featurestore_stream_paused", stream] = int(bool(tally.paused))
        series["featurestore_stream_waiting_files", stream] = tally.waiting_files
        for reason, count in list(tally.dead.items()):
            series["featurestore_stream_dead_letters_total", stream, reason] = count
        outcomes = {"written": tally.landed, "stale": tally.stale, "deleted": tally.deleted}
        for outcome, counts in outcomes.items():
            for view, count in list(counts.items()):
                series["featurestore_stream_rows_total", stream, view, outcome] = count
        for view, newest_us in list(tally.newest_event_us.items()):
            series["featurestore_stream_newest_event_timestamp_seconds", stream, view] = newest_us / 1_000_000
        if tally.delay_s is not None:
            series["featurestore_stream_delay_seconds", stream] = tally.delay_s
        if tally.committed_at:
            series["featurestore_stream_committed_timestamp_seconds", stream] = tally.committed_at
    return series


class MetricsServer:
    """Answers scrapes in a thread of its own.

    Args:
        host, port: where it listens; port 0 takes a free one.
        say: makes the text.

    Raises:
        OperationError: the port is taken.
    """

    def __init__(self, host: str, port: int, say: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_there = self.path.partition("?")[0] in {"/metrics", "/healthz"}
                body = say().encode() if is_there else b"only /metrics and /healthz are here\n"
                self.send_response(200 if is_there else 404)
                self.send_header("Content-Type", CONTENT_TYPE if is_there else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Scrapes are not worth a line."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            what = f"cannot listen on {host}:{port}: {error.strerror}"
            raise OperationError(what, hint="give another --metrics-port") from error
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def text_of(tallies: Mapping[str, Tally]) -> str:
    """The text of a scrape."""
    return format_metrics(FAMILIES, [series_of(tallies)])
