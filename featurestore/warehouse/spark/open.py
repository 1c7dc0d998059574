"""Open a session for a dbt-spark target, and find out what this Spark lacks."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from featurestore.waiting import result_of
from featurestore.warehouse.spark.errors import is_missing, refused
from featurestore.warehouse.spark.session import open_engine, options_of
from featurestore.warehouse.spark.warehouse import SparkWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyspark.sql import SparkSession

    from featurestore.warehouse.protocol import Ability
    from featurestore.warehouse.spark.session import Engine

OURS = "spark.featurestore."
"""Begins the names of settings that Spark carries for us."""
_ASOF_JOIN = "spark.sql.join.asofJoin.enabled"
_ASOF_SINCE = (4, 3)
# What an example sees must not hang on a session's settings (SEMANTICS P13, P14).
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",  # an overwrite exchanges the folders it writes, no others
}


def open_warehouse(settings: Mapping[str, object], *, base_dir: Path, read_only: bool = True) -> SparkWarehouse:  # noqa: ARG001
    """Open a session for a dbt-spark target; Java starts now, unless this process has a Spark already.

    Args:
        settings: the target's block of `profiles.yml`: method (``session`` or ``connect``), host, schema, config and
            server_side_parameters.
        base_dir: the dbt project; a Spark that starts here has its local tables there, as dbt's has.
        read_only: changes nothing: a session of our own holds only temporary views.

    Raises:
        UsageError: dbt-spark's methods thrift, http and odbc.
        WarehouseError: no Java, no Spark Connect server there, or the session does not start.
    """
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark")
    try:
        # In a thread of its own, else pyspark would take over this thread's Ctrl-C.
        engine, lacks = result_of(worker.submit(_open, settings, base_dir))
    except BaseException:
        worker.shutdown(wait=False)
        raise
    return SparkWarehouse(engine, worker, lacks=lacks)


def _open(settings: Mapping[str, object], base_dir: Path) -> tuple[Engine, frozenset[Ability]]:
    from pyspark.errors import AnalysisException

    engine = open_engine(settings, base_dir)
    engine.claim()
    session = engine.session
    for name, value in {**options_of(settings), **_ALWAYS}.items():
        if name.startswith(OURS) or session.conf.isModifiable(name):
            session.conf.set(name, value)
    schema = settings.get("schema")
    if schema:
        try:
            session.sql(f"USE {schema}")
        except AnalysisException as error:
            if not is_missing(error):
                raise refused(error) from error
    return engine, _lacks(session)


def _lacks(session: SparkSession) -> frozenset[Ability]:
    from pyspark.errors import PySparkException

    found = re.match(r"(\d+)\.(\d+)", session.version)
    if found is None or (int(found[1]), int(found[2])) < _ASOF_SINCE:
        return frozenset(("asof",))
    try:
        session.conf.set(_ASOF_JOIN, "true")
    except PySparkException:
        return frozenset(("asof",))
    return frozenset()
