"""Spark Structured Streaming into both stores: what ``foreachBatch`` calls, with the codec and the guard of a sync.

Shape: ``stream -> your transformations -> writeStream.foreachBatch(sink)``; rows are encoded and written by Spark's
workers, and only counts come back. The rule: a batch that Spark gives again, after a failure or a restart, changes
nothing: online by the guard (SEMANTICS O1), offline because a batch's files replace those of its number.
"""

from __future__ import annotations

import time
import warnings
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featurestore.definitions.views import AHEAD_US
from featurestore.errors import UsageError, did_you_mean
from featurestore.materialize.engines.remote import PartitionWriter, RemoteLoad, failure_in, package_version
from featurestore.online.layouts import ensure_generation, write_layout
from featurestore.online.open import open_online_store
from featurestore.online.state import read_state
from featurestore.streams.online_rows import OnlineRows, sets_of

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore

_COUNTS = "read bigint, landed bigint, key_hashes binary"
_PRECISION = 1_000_000


@dataclass(kw_only=True)
class SparkSink:
    """A function for ``foreachBatch``; made once per query, on the driver.

    Attributes:
        view: whose rows the batches are: columns by name, as a push has them.
        project: first part of every key.
        store_uri: of the online store, as the workers open it.
        base_dir: what a relative path in it is relative to.
        offline: a folder or URI that Spark writes to, where rows are kept as Parquet, ``<offline>/batch=<number>``;
            empty keeps them nowhere.
        read, written: rows so far, and of these, how many landed.
    """

    view: FeatureView
    project: str
    store_uri: str = field(repr=False)
    base_dir: Path
    offline: str = ""
    read: int = 0
    written: int = 0

    def __call__(self, frame: DataFrame, batch: int) -> None:
        """Write one batch.

        Raises:
            UsageError: a column is missing, or a value cannot be encoded.
            OperationError: the online rows are kept by other join keys.
            OnlineStoreError: the store cannot be reached; Spark ends the query, and gives the batch again.
        """
        rows = self._usable(frame)
        if self.offline:
            rows = rows.persist()
        try:
            with closing(open_online_store(self.store_uri, project=self.project, base_dir=self.base_dir)) as store:
                for place, row_set in enumerate(self._sets(store)):
                    read, written = self._write(rows, store, row_set)
                    if place == 0:
                        self.read, self.written = self.read + read, self.written + written
            if self.offline:
                rows.write.mode("overwrite").parquet(f"{self.offline.rstrip('/')}/batch={batch}")
        finally:
            if self.offline:
                rows.unpersist()

    def _usable(self, frame: DataFrame) -> DataFrame:
        """The view's columns, without rows that lie in the future or have no key or time."""
        from pyspark.sql import functions

        names = {name.casefold(): name for name in frame.columns}
        for column in self.view.row_columns:
            if column.name.casefold() not in names:
                hint = did_you_mean(column.name, frame.columns)
                raise UsageError(
                    f"missing column '{column.name}'", where=f"a batch for {self.view.reference}", hint=hint
                )
        quoted = {column.name: frame[f"`{names[column.name.casefold()]}`"] for column in self.view.row_columns}
        rows = frame.select([each.alias(name) for name, each in quoted.items()])
        for key in self.view.join_keys:
            rows = rows.where(rows[f"`{key.name}`"].isNotNull())
        ahead_us = AHEAD_US if self.view.stream is None else self.view.stream.ahead_us
        until_s = (time.time_ns() // 1_000 + ahead_us - self.view.delay_us) / _PRECISION
        event_time = rows[f"`{self.view.event_time.name}`"].cast("timestamp")
        return rows.where(event_time <= functions.timestamp_seconds(functions.lit(until_s)))

    def _sets(self, store: OnlineStore) -> tuple[int, ...]:
        state = read_state(store, self.view)
        if not state.sets:
            OnlineRows(self.project, store).begin(self.view)
            state = read_state(store, self.view)
        write_layout(store, self.view)
        return tuple(sets_of(self.view, state))

    def _write(self, rows: DataFrame, store: OnlineStore, row_set: int) -> tuple[int, int]:
        """Let the workers write; returns how many rows there were, and how many landed."""
        remote = RemoteLoad(
            view=self.view,
            columns=tuple(rows.columns),
            project=self.project,
            row_set=row_set,
            keep_until_ms=(time.time_ns() // 1_000 + (self.view.ttl_us or 0)) // 1_000,
            expect_new=False,
            wants_keys=False,
            store_uri=self.store_uri,
            base_dir=str(self.base_dir.absolute()),
            generation=ensure_generation(store),
            version=package_version(),
        )
        plain = rows.toDF(*[f"c{place}" for place in range(len(rows.columns))])  # a dot in a name is a field to pyspark
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pyspark about versions of pandas, which nothing is passed to
                counts = plain.mapInArrow(PartitionWriter(remote), _COUNTS).select("read", "landed").collect()
        except Exception as problem:
            failure = failure_in(str(problem))
            raise problem if failure is None else failure from problem
        return sum(row["read"] for row in counts), sum(row["landed"] for row in counts)
