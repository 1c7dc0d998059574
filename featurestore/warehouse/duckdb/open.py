"""Open the file of a dbt-duckdb target, short and read-only, so that dbt and other readers keep working.

A file that another process writes is locked for everybody; opening waits a little and then names the process.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from featurestore.errors import UsageError, WarehouseError, without_secrets
from featurestore.warehouse.duckdb.errors import first_paragraph
from featurestore.warehouse.duckdb.names import literal, quoted
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK_TIMEOUT_S = 20.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
HOLDER = re.compile(r"held in (?:(?P<program>.+?) \()?PID (?P<pid>\d+)")
_MEMORY = ":memory:"
_SPILL_FOLDER = "temp_directory"


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,
    read_only: bool = True,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> DuckDBWarehouse:
    """Open the database of a dbt-duckdb target.

    Args:
        settings: the target's block of `profiles.yml`: path, settings, extensions, attach.
        base_dir: folder that a relative path starts from (the dbt project).
        read_only: refuse writes to the file; temporary tables work all the same.
        lock_timeout_s: how long to wait for another process to let go of the file, seconds.

    Raises:
        WarehouseError: no such file, no DuckDB file, or locked for longer than that.
        UsageError: the target lives in memory, where nothing that dbt built can be read.
    """
    location = str(settings.get("path") or _MEMORY)
    if location.startswith(_MEMORY):
        raise UsageError(
            "the dbt target's DuckDB database is in memory, so nothing that dbt built can be read",
            where="profiles.yml: path",
            hint="give the target a file, e.g. path: shop.duckdb",
        )
    is_remote = ":" in location and not Path(location).drive
    path = location if is_remote else str((base_dir / location).resolve())
    if not is_remote and not Path(path).exists():
        raise WarehouseError(f"no DuckDB file at {path}", hint="run `dbt build` first")
    connection = _connect(path, read_only=read_only, lock_timeout_s=lock_timeout_s)
    try:
        _configure(connection, settings, base_dir)
    except duckdb.Error as error:
        connection.close()
        raise WarehouseError(
            f"the target's settings were refused: {without_secrets(first_paragraph(error))}",
            where="profiles.yml",
            hint="correct `settings`, `extensions` or `attach` of the target",
        ) from None
    own_settings = settings.get("settings")
    return DuckDBWarehouse(
        connection,
        has_own_limit=isinstance(own_settings, dict) and bool({"memory_limit", "max_memory"} & set(own_settings)),
    )


def _connect(path: str, *, read_only: bool, lock_timeout_s: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + lock_timeout_s
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.ConnectionException:
            return _share(path, read_only=read_only)
        except duckdb.Error as error:
            holder = HOLDER.search(str(error))
            if holder is None:
                raise WarehouseError(f"cannot open {path}: {first_paragraph(error)}") from error
            if time.monotonic() + pause > deadline:
                raise WarehouseError(
                    f"{path} is in use by PID {holder['pid']} ({holder['program'] or 'of another user'})",
                    hint="wait until it is done (is `dbt run` going, or a notebook open?) and try again",
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _share(path: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Join a connection of this process, which has the file open with the other setting."""
    try:
        return duckdb.connect(path, read_only=not read_only)
    except duckdb.Error as error:
        raise WarehouseError(
            f"this process has {path} open with settings of its own: {first_paragraph(error)}",
            hint="close that connection, or open it without config",
        ) from error


def _configure(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, object], base_dir: Path) -> None:
    extensions = settings.get("extensions")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, str):
            connection.load_extension(extension)
    options = settings.get("settings")
    for name, value in options.items() if isinstance(options, dict) else ():
        if name == _SPILL_FOLDER and ":" not in str(value):
            value = (base_dir / str(value)).resolve()  # noqa: PLW2901  a path starts from the project
        connection.execute(f"SET {quoted(str(name))} = {literal(str(value))}")
    attached = settings.get("attach")
    for entry in attached if isinstance(attached, list) else []:
        _attach(connection, entry, base_dir)
    # What an example sees must not hang on a session's settings (SEMANTICS P4, P14).
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # in a shell it would write among the results
    connection.execute("SET default_null_order = 'nulls_last'")
    connection.execute("SET default_order = 'asc'")


def _attach(connection: duckdb.DuckDBPyConnection, entry: object, base_dir: Path) -> None:
    if not isinstance(entry, dict) or "path" not in entry:
        return
    path = str(entry["path"])
    location = path if ":" in path else str((base_dir / path).resolve())
    options = ["READ_ONLY"]
    if "type" in entry:
        options.append(f"TYPE {quoted(str(entry['type']))}")
    named = f" AS {quoted(str(entry['alias']))}" if "alias" in entry else ""
    connection.execute(f"ATTACH {literal(location)}{named} ({', '.join(options)})")
