"""The engine on Spark: the newest rows are picked, encoded and written by its workers; only counts come back.

Shape: ``newest_query -> mapInArrow(PartitionWriter) -> rows of counts, summed here``.
A partition's counts are rows of its result. Accumulators would count a task again that is retried or speculated; a
result counts each partition once, whatever ran twice, and Spark Connect has it too. Rows that are written twice are no
harm, by the guard (SEMANTICS O1). Where vanished keys are looked for, a hash of 8 bytes per key comes with the counts.
"""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import FeatureStoreError, QueryError, UsageError, WarehouseError, without_secrets
from featurestore.materialize.engines.protocol import Copied
from featurestore.materialize.engines.remote import PartitionWriter, failure_in, package_version, remote_load
from featurestore.materialize.key_hashes import from_bytes
from featurestore.materialize.vanished import KeysSeen
from featurestore.sql.newest import newest_query
from featurestore.warehouse.spark.open import OURS
from featurestore.warehouse.spark.types import arrow_schema
from featurestore.warehouse.spark.warehouse import SparkWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyspark.sql import DataFrame, SparkSession

    from featurestore.materialize.engines.protocol import Engine, Load, Route

BATCH_ROWS = 16_384
KEYS_PER_SLICE = 50_000_000
"""Each slice is a job that reads the model anew."""
STORE_VARIABLE = f"{OURS}storeVariable"
"""Spark's setting that names the variable of the workers' environment with the store's URI, so that it is not sent."""

_BATCH_ROWS_SETTING = "spark.sql.execution.arrow.maxRecordsPerBatch"
_COUNTS = "read bigint, landed bigint, key_hashes binary"
_GUIDE = "docs/guides/distributed-sync.md"
_SAME_PYTHON = "set PYSPARK_PYTHON, or spark.pyspark.python, to one of the version that runs here"
_PYTHON_SAID = re.compile(r"^(?:\w+\.)*(?P<said>\w+(?:Error|Exception|Interrupt|Exit)\b[^\n]*)", re.MULTILINE)
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'")
_CRASHED = ("Python worker exited unexpectedly", "Python worker failed to connect back", "ExecutorLostFailure")

_TOO_MUCH = re.compile(r"(?P<said>[Tt]otal size of serialized results .{0,80}spark\.driver\.maxResultSize \([^)]*\))")


def open_engine(route: Route) -> Engine:
    """Open the engine.

    Raises:
        UsageError: the warehouse is not Spark, its workers cannot open the store, or pandas is missing.
    """
    if not isinstance(route.warehouse, SparkWarehouse):
        raise UsageError(
            f"the engine spark reads from a Spark session; this target's warehouse is {route.warehouse.dialect}",
            where="--engine spark",
            hint="use --engine local, or a dbt target of type spark with method: session or a Spark Connect host",
        )
    scheme = route.store_uri.partition(":")[0].lower()
    if scheme == "memory" or (scheme == "sqlite" and not route.warehouse.is_local):
        raise UsageError(
            f"Spark's workers cannot open the online store {scheme}: it is of this "
            f"{'process' if scheme == 'memory' else 'machine'} alone",
            where="--engine spark",
            hint="use --engine local, or an online store with a server, such as redis://",
        )
    if find_spec("pandas") is None:
        raise UsageError(
            "pyspark passes Arrow batches to Python only where pandas is installed",
            where="--engine spark",
            hint="pip install pandas, here and on the workers",
        )
    return SparkEngine(route, route.warehouse)


class SparkEngine:
    """See `engines.protocol.Engine`; it tells of rows only when all are written."""

    def __init__(self, route: Route, warehouse: SparkWarehouse) -> None:
        self._route = route
        self._warehouse = warehouse
        self.keys_per_slice = KEYS_PER_SLICE

    def copy(self, load: Load, *, on_rows: Callable[[int], None] | None = None) -> Copied:
        """Copy the rows of one view."""
        told = on_rows or (lambda _: None)
        try:
            counts = self._warehouse.use(lambda session: self._counts(session, load), meanwhile=lambda: told(0))
        except (QueryError, WarehouseError) as refusal:
            raise _explained(refusal) from None
        read, written = (sum(counts[name].to_pylist()) for name in ("read", "landed"))
        told(read)
        return Copied(read=read, written=written, keys=_keys(counts) if load.wants_keys else None)

    def _counts(self, session: SparkSession, load: Load) -> pa.Table:
        session.conf.set(_BATCH_ROWS_SETTING, str(BATCH_ROWS))
        frame = session.sql(newest_query(load.view, load.window, dialect=self._warehouse.dialect, in_order=False))
        arrow_schema(frame.schema)  # refuses what Arrow does not have
        variable = str(session.conf.get(STORE_VARIABLE, "") or "")
        remote = remote_load(self._route, load, columns=frame.columns, store_variable=variable)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pyspark about versions of pandas, which nothing is passed to
            return _collected(_plainly_named(_capped(frame, load)).mapInArrow(PartitionWriter(remote), _COUNTS))


def _collected(frame: DataFrame) -> pa.Table:
    """All rows, each partition's as soon as it is done; with `collect`, Java would hold all of them, twice."""
    import pyspark

    if int(pyspark.__version__.partition(".")[0]) >= 4:
        return frame.toArrow()
    older: Any = frame
    return pa.Table.from_batches(older._collect_as_arrow(), PartitionWriter.COLUMNS)  # noqa: SLF001 - what `toArrow` does


def _keys(counts: pa.Table) -> KeysSeen:
    keys = KeysSeen()
    for hashes in counts["key_hashes"]:
        keys.add_hashes(from_bytes(hashes.as_buffer()))
    return keys


def _capped(frame: DataFrame, load: Load) -> DataFrame:
    """At most so many tasks write at once; the query before them keeps its own number, at the price of a shuffle."""
    if load.workers == 1 or not load.view.join_keys:
        return frame
    keys = len(load.view.join_keys)  # they come first in the query
    return frame.repartition(load.workers, *[frame[place] for place in range(keys)])


def _plainly_named(frame: DataFrame) -> DataFrame:
    """Columns named by place: pyspark would read a dot in a name as a field of a struct."""
    return frame.toDF(*[f"c{place}" for place in range(len(frame.columns))])


def _explained(refusal: FeatureStoreError) -> FeatureStoreError:
    """What a worker met, without the stack traces that Spark puts around it."""
    text = str(refusal.__cause__)
    failure = failure_in(text)
    if failure is not None:
        return failure
    missing = _MISSING_MODULE.search(text)
    if missing is not None:
        return WarehouseError(
            f"Spark's workers have no Python package '{missing['name']}'",
            hint=f"install featurestore {package_version()} and pandas where they run: {_GUIDE}",
        )
    if "PYTHON_VERSION_MISMATCH" in text or "different version" in text:
        return WarehouseError("Spark's workers run another version of Python than this process", hint=_SAME_PYTHON)
    too_much = _TOO_MUCH.search(text)
    if too_much is not None:
        hint = "raise it: a full sync brings it 8 bytes per key, a rebuild none; rows that landed are whole"
        return QueryError(f"Spark's driver may not take in so much: {too_much['said']}", hint=hint)
    if any(sign in text for sign in _CRASHED):
        hint = "out of memory? see spark.executor.memoryOverhead; rows that landed are whole: run it again"
        return QueryError("a Spark worker died, and so did all attempts to repeat its work", hint=hint)
    said = [found["said"] for found in _PYTHON_SAID.finditer(text)] if "Traceback" in text else []
    return QueryError(f"a Spark worker failed: {without_secrets(said[-1])}") if said else refusal
