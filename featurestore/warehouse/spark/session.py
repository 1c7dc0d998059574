"""Two ways to a Spark: a driver of this process, or a Spark Connect server; each gives a session of our own.

Our session shares tables and workers with whatever session is active, but neither settings nor temporary views, so
a notebook's session stays as it was. Java's own words go to a file that nobody sees, unless it does not start.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa

from featurestore.errors import UsageError, WarehouseError
from featurestore.warehouse.spark.errors import not_started, sentence
from featurestore.warehouse.spark.types import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from pyspark import SparkContext
    from pyspark.sql import Column, DataFrame, Observation, SparkSession

CONNECT_PORT = 15002
CONNECT_TIMEOUT_S = 5.0
_QUERY_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")


class Engine(Protocol):
    """What differs between the two ways.

    Attributes:
        session: our own.
        is_local: whether the workers see this machine's files.
    """

    session: SparkSession
    is_local: bool

    def claim(self) -> None:
        """Mark what the calling thread starts as ours, so that it can be cancelled."""
        ...

    def keep(self, name: str, sql: str) -> None:
        """Compute a query's rows once, on the workers, and let them be read as `name` until the session ends."""
        ...

    def batches(self, frame: DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Run a query and yield its rows as they come."""
        ...

    def observation(self) -> tuple[Observation, Column]:
        """A counter of the rows that pass, and the expression it counts by."""
        ...

    def condition(self, sql: str) -> Column:
        """A condition, for a table's own way of replacing rows."""
        ...

    def cancel(self) -> None:
        """Stop all of our queries, from any thread."""
        ...

    def end(self) -> None:
        """Let the session go; a driver keeps running for the next one."""
        ...


class Driver:
    """A session in the driver that runs beside this process."""

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        self._group = f"featurestore-{uuid4().hex}"
        self._kept: list[DataFrame] = []
        self._context: SparkContext = session.sparkContext
        self.is_local = str(self._context.master).startswith("local")

    def claim(self) -> None:
        """Put the calling thread's jobs in a group of our own."""
        self._context.setJobGroup(self._group, "featurestore", interruptOnCancel=True)

    def keep(self, name: str, sql: str) -> None:
        """As a local checkpoint, which knows nothing any more of the query it came from."""
        frame = self.session.sql(sql).localCheckpoint()
        frame.createOrReplaceTempView(quoted(name))
        self._kept.append(frame)

    def batches(self, frame: DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """One partition after the other, the next one computed ahead; at most these two are held here."""
        from pyspark.rdd import RDD
        from pyspark.serializers import NoOpSerializer

        # Spark writes Arrow by itself; its public ways to it either collect everything or need Python on the workers.
        partitions = frame._jdf.toArrowBatchRdd().toJavaRDD()  # noqa: SLF001
        rows: RDD[bytes] = RDD(partitions, self._context, NoOpSerializer())
        for message in rows.toLocalIterator(prefetchPartitions=True):
            yield pa.ipc.read_record_batch(pa.py_buffer(message), schema)

    def observation(self) -> tuple[Observation, Column]:
        """Counted by the tasks that write."""
        from pyspark.sql import Observation
        from pyspark.sql.functions import count, lit

        return Observation(), count(lit(1)).alias("rows")

    def condition(self, sql: str) -> Column:
        """As an expression of the driver's."""
        from pyspark.sql.functions import expr

        return expr(sql)

    def cancel(self) -> None:
        """Cancel the group's jobs."""
        self._context.cancelJobGroup(self._group)

    def end(self) -> None:
        """Let the workers forget what was kept; else they would until Java collects its garbage."""
        for frame in self._kept:
            frame._jdf.queryExecution().logical().rdd().unpersist(False)  # noqa: SLF001
        self._kept.clear()


class Server:
    """A session on a Spark Connect server."""

    is_local = False

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        self._kept: list[DataFrame] = []  # the server forgets rows whose frame is gone here

    def claim(self) -> None:
        """Nothing to do: all that the session runs is ours."""

    def keep(self, name: str, sql: str) -> None:
        """As a local checkpoint of the server's."""
        frame = self.session.sql(sql).localCheckpoint()
        frame.createOrReplaceTempView(quoted(name))
        self._kept.append(frame)

    def batches(self, frame: DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """As the server sends them."""
        plan: Any = frame._plan  # noqa: SLF001
        client: Any = self.session.client
        observed = (plan.observations,) if hasattr(plan, "observations") else ()
        for part in client.to_table_as_iterator(plan.to_proto(client), *observed):
            if isinstance(part, pa.Table):
                yield from part.cast(schema).to_batches()

    def observation(self) -> tuple[Observation, Column]:
        """Counted by the server."""
        from pyspark.sql.connect.functions import count, lit
        from pyspark.sql.connect.observation import Observation

        counter: Any = Observation()  # not of the class that a driver's is, though it is used alike
        return counter, count(lit(1)).alias("rows")

    def condition(self, sql: str) -> Column:
        """As an expression that the server reads."""
        from pyspark.sql.connect.functions import expr

        return expr(sql)

    def cancel(self) -> None:
        """Interrupt the session's queries."""
        self.session.interruptAll()

    def end(self) -> None:
        """Close the session on the server, which then forgets what it kept."""
        self._kept.clear()
        self.session.stop()


def open_engine(settings: Mapping[str, object], base_dir: Path) -> Engine:
    """Find the way that a dbt-spark target means, and open a session of our own.

    Raises:
        UsageError: the target's method reaches no session (thrift, http, odbc).
        WarehouseError: Java is missing, the session does not start, or the server does not answer.
    """
    url = _connect_url(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pyspark about versions of pandas, which we do not pass to it
        return _started(settings, base_dir) if url is None else _connected(url)


def _connect_url(settings: Mapping[str, object]) -> str | None:
    """The Spark Connect address, None for a driver of our own."""
    method = str(settings.get("method") or "session").lower()
    for key in ("url", "host"):
        named = str(settings.get(key) or "")
        if named.startswith("sc://"):
            return named
    if method == "connect":
        host = settings.get("host")
        if not host:
            raise UsageError("method: connect needs the server's host", where="profiles.yml", hint="host: sc://name")
        token = f"/;token={settings['token']}" if settings.get("token") else ""
        return f"sc://{host}:{settings.get('port') or CONNECT_PORT}{token}"
    if method != "session":
        raise UsageError(
            f"dbt-spark's method '{method}' reaches a SQL gateway, which gives no Arrow and takes no frames",
            where="profiles.yml: method",
            hint="add a target with method: session, or with host: sc://name:15002 for a Spark Connect server",
        )
    return os.environ.get("SPARK_REMOTE") or None


def _connected(url: str) -> Server:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or CONNECT_PORT}"  # what stands behind it may hold a token
    try:
        socket.create_connection((parts.hostname or "", parts.port or CONNECT_PORT), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise WarehouseError(
            f"no Spark Connect server answers at {place}: {error.strerror or error}",
            hint="start it (sbin/start-connect-server.sh), or correct the target's host",
        ) from error
    try:
        import grpc
        from pyspark.errors import PySparkException
        from pyspark.sql.connect.client import DefaultChannelBuilder
        from pyspark.sql.connect.session import SparkSession as ConnectSession
    except ImportError as error:
        raise WarehouseError(f"Spark Connect needs pyspark 4 and grpcio: {error}", hint=_INSTALL) from error
    try:
        with DefaultChannelBuilder(url).toChannel() as channel:  # pyspark itself would try for ten minutes
            grpc.channel_ready_future(channel).result(CONNECT_TIMEOUT_S)
    except grpc.FutureTimeoutError as error:
        raise WarehouseError(
            f"what answers at {place} does not speak Spark Connect",
            hint="check its port, and ;use_ssl=true in the host",
        ) from error
    _mute_queries()
    try:
        session = ConnectSession.builder.remote(url).create()
        session.version  # noqa: B018 - the first thing that asks the server
    except PySparkException as error:
        raise WarehouseError(f"the Spark Connect server at {place} refused us: {sentence(str(error))}") from error
    return Server(session)  # type: ignore[arg-type]


_INSTALL = "pip install 'featurestore[spark]'"


def _started(settings: Mapping[str, object], base_dir: Path) -> Driver:
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise WarehouseError("pyspark is not installed", hint=_INSTALL) from error
    if SparkContext._active_spark_context is None:  # noqa: SLF001 - there is no public way to ask
        _start_driver(options_of(settings), base_dir)
    return Driver(SparkSession.builder.getOrCreate().newSession())


def options_of(settings: Mapping[str, object]) -> dict[str, str]:
    """Spark's own settings in a dbt-spark target: ``config`` and ``server_side_parameters``, text for each."""
    found: dict[str, str] = {}
    for block in ("config", "server_side_parameters"):
        values = settings.get(block)
        if isinstance(values, dict):
            found |= {str(key): _text(value) for key, value in values.items()}
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _start_driver(options: Mapping[str, str], base_dir: Path) -> None:
    """Start Java as dbt-spark does, with the project's folder as its own: there dbt's local tables are."""
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    usual = {
        "spark.app.name": "featurestore",
        "spark.sql.catalogImplementation": "hive",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    conf = SparkConf().setAll(list({**usual, **options}.items()))
    with tempfile.TemporaryFile() as log:
        try:
            launch: Callable[..., Any] = launch_gateway
            gateway = launch(conf, {"stdout": log, "stderr": log, "cwd": str(base_dir)})
            context = SparkContext(conf=conf, gateway=gateway)
            context.setLogLevel("ERROR")
            context.pythonExec = _python_of_workers(options, is_local=str(context.master).startswith("local"))
            SparkSession.builder.getOrCreate().catalog.currentDatabase()  # opens the metastore, or shows that it cannot
        except (PySparkException, Py4JError, OSError) as error:
            if SparkContext._active_spark_context is not None:  # noqa: SLF001
                SparkContext._active_spark_context.stop()  # noqa: SLF001
            log.seek(0)
            raise not_started(error, log.read().decode(errors="replace")) from error
    _mute_queries()


def _python_of_workers(options: Mapping[str, str], *, is_local: bool) -> str:
    """The Python that workers run: as it was set; on this machine ours, whose packages they need too."""
    named = options.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON")
    return named or (sys.executable if is_local else "python3")


def _mute_queries() -> None:
    """Keep pyspark from printing each refused statement; the error that we raise says the same."""
    with suppress(ImportError):  # before Spark 4 it prints nothing
        from pyspark.logger import PySparkLogger

        for name in _QUERY_LOGGERS:
            PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
