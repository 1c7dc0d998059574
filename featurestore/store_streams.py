"""The streaming part of the facade: push rows, read streams, look at how they are doing. Methods delegate."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from featurestore.definitions.pushed import Pushed, PushTo
    from featurestore.operations.spark_sink import SparkSink
    from featurestore.streams.messages import DeadLetter
    from featurestore.streams.report import StreamReport
    from featurestore.streams.run import StreamDone
    from featurestore.streams.worker import Pace, StreamWorker
    from featurestore.workspace import Workspace


class StreamPart:
    """Methods of `featurestore.store.FeatureStore`."""

    workspace: Workspace

    def push(self, view: str, frame: object, to: PushTo = "online") -> Pushed:
        """Write new rows of a view at once, without a sync (`streams.push`).

        Args:
            view: its reference.
            frame: a pandas, polars or Arrow frame, a mapping of columns to lists, or a list of rows: join keys, event
                time (also called ``event_timestamp``), every feature; a created time that is missing is now.
            to: ``online``, ``offline`` (the table ``<view>__pushed``, which `with_pushed` reads in the model), or
                ``online_and_offline``.

        Returns:
            Counts. Repeated, a push changes nothing.

        Raises:
            UsageError: an unknown view, a column that is missing or not of its type, a row of the future.
            OperationError: the view was never synced.
            BackendError: a store cannot be reached; push again.
        """
        from featurestore.streams.push import Pusher
        from featurestore.streams.pushed_rows import rows_of_frame

        found = self.workspace.latest().content.named_view(view)
        rows = rows_of_frame(found, frame)
        offline = self.workspace.pushed_rows(found)
        with closing(self.workspace.open_online_store()) as store, closing(offline):
            done = Pusher(self.workspace.dbt.name, store, lambda _: offline).push(found, rows, to)
            return done if to == "online" else replace(done, waiting=offline.settle().problem)

    def run_streams(
        self,
        names: Sequence[str] = (),
        *,
        stop: threading.Event,
        pace: Pace | None = None,
        on_start: Callable[[Sequence[StreamWorker]], None] = lambda _: None,
    ) -> tuple[StreamDone, ...]:
        """Read streams into both stores until `stop` is set (`streams.run.run_streams`, with its errors)."""
        from featurestore.streams.run import run_streams
        from featurestore.streams.worker import Pace

        places = self.workspace.stream_places()
        return run_streams(places, names, pace=pace or Pace(), stop=stop, on_start=on_start)

    def stream_status(self, names: Sequence[str] = ()) -> tuple[StreamReport, ...]:
        """Say how far streams have been read, how fast, and what waits (`streams.report.report_streams`).

        Args:
            names: views or streams; empty for all.
        """
        from featurestore.streams.report import report_streams

        return report_streams(self.workspace.stream_places(), names)

    def replay_stream(self, name: str, since: datetime | str | None = None) -> str:
        """Have a stream read again, from a moment on or from its beginning (`streams.report.replay`).

        Returns:
            The group that was set back.
        """
        from featurestore.definitions.moments import parse_moment
        from featurestore.streams.report import replay

        return replay(self.workspace.stream_places(), name, parse_moment(since, where="since"))

    def spark_sink(self, view: str, *, offline: str = "") -> SparkSink:
        """Make what ``writeStream.foreachBatch`` of Spark Structured Streaming calls (`operations.spark_sink`).

        Args:
            view: its reference; the stream's columns are called as the view's.
            offline: a folder or URI that Spark writes to, for the rows as Parquet; empty keeps them nowhere.

        Raises:
            UsageError: an unknown view, or one that is not online.
        """
        from featurestore.materialize.run import online_views
        from featurestore.operations.spark_sink import SparkSink

        (found,) = online_views(self.workspace.latest().content, (view,))
        return SparkSink(
            view=found,
            project=self.workspace.dbt.name,
            store_uri=self.workspace.settings.online_store,
            base_dir=self.workspace.dbt.project_dir,
            offline=offline,
        )

    def dead_letters(self, stream: str) -> tuple[DeadLetter, ...]:
        """Messages of a stream that could not be used, each once (`streams.dead_letters.read_letters`, its errors)."""
        from featurestore.streams.dead_letters import read_letters

        return read_letters(self.workspace.stream_places(), stream).letters
