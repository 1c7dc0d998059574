"""Rows in an Iceberg table, through PyIceberg: one snapshot per batch, partitioned by the hour in which rows came.

Shape: ``iceberg:[CATALOG/]NAMESPACE.TABLE``; the catalog is configured as PyIceberg does it.
The rule: a snapshot says which batch it holds, so that one whose acknowledgement was lost is not added again.
Columns are called as in the rows, but for names that Iceberg keeps for itself: `iceberg_name`.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import (
    FeatureStoreError,
    OperationError,
    QueryError,
    UsageError,
    WarehouseError,
    did_you_mean,
    without_secrets,
)
from featurestore.streams.decode import needs
from featurestore.streams.offline.protocol import Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

BATCH = "featurestore.batch"
"""Of a snapshot's summary: the name of the batch that it added."""
RESERVED = frozenset(
    ("_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number")
)
"""Names of Iceberg's metadata columns: Spark and Trino refuse to read a table's own column of such a name."""

_NAME = re.compile(r"(?:(?P<catalog>[^\s/.]+)/)?(?P<table>[^\s/.]+(?:\.[^\s/.]+)+)")
_DEFAULT_CATALOG = "default"
_CONFIG_FILE = ".pyiceberg.yaml"
_MADE_WITH = {
    "write.metadata.delete-after-commit.enabled": "true"
}  # else each batch leaves a file of metadata for ever
_TRIES = 8
_FIRST_S, _LONGEST_S = 0.1, 5.0
_MOST_DIGITS = 38
_SHOWN = 300
_WIDER: dict[pa.DataType, pa.DataType] = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.large_string(): pa.string(),
    pa.large_binary(): pa.binary(),
}


def open_iceberg(identifier: str, *, by: str, base_dir: Path) -> IcebergRows:
    """Find the table that is meant; nothing is connected to before the first batch.

    Args:
        identifier: what stands behind ``iceberg:``.
        by: the column of times whose hour makes the partition.
        base_dir: the project's folder, to be named where its `.pyiceberg.yaml` is not looked at.

    Raises:
        UsageError: no such name, a package is missing, or PyIceberg knows no such catalog.
    """
    match = _NAME.fullmatch(identifier)
    if match is None:
        hint = "e.g. `to: iceberg:events.orders`, or `to: iceberg:CATALOG/events.orders`"
        raise UsageError(f"expected iceberg:NAMESPACE.TABLE, got 'iceberg:{identifier}'", hint=hint)
    for package, module in (("pyiceberg", "pyiceberg"), ("pyiceberg-core", "pyiceberg_core")):
        try:
            import_module(module)
        except ImportError as error:
            raise needs(package, "iceberg", f"iceberg:{identifier}") from error
    catalog = match["catalog"] or _DEFAULT_CATALOG
    return IcebergRows(identifier, catalog, _configured(catalog, base_dir), by=by)


class IcebergRows:
    """See the module; for one thread.

    Args:
        identifier: as typed.
        catalog: the catalog's name.
        settings: of the catalog, as PyIceberg found them; they may hold passwords.
        by: the column of times whose hour makes the partition.
    """

    def __init__(self, identifier: str, catalog: str, settings: Mapping[str, Any], *, by: str) -> None:
        self.name = f"iceberg:{identifier}"
        self._identifier = tuple(identifier.rpartition("/")[2].split("."))
        self._catalog_name = catalog
        self._settings = dict(settings)
        self._by = iceberg_name(by)
        self._opened: Catalog | None = None

    def add(self, name: str, rows: pa.Table) -> None:
        """Append a batch as one snapshot, unless the table has it already.

        Raises:
            QueryError: a value that the table's column cannot hold.
            OperationError: other writers came first, again and again; or the table's columns are of other types.
            WarehouseError: the catalog or its files cannot be used; whether the batch was added is not known.
        """
        from pyiceberg.exceptions import CommitFailedException

        if not rows.num_rows:
            return
        ready = iceberg_rows(rows)
        for attempt in range(_TRIES):
            try:
                self._append(name, ready)
            except CommitFailedException:
                pause_s = min(_LONGEST_S, _FIRST_S * 2**attempt)
                time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  spreads writers
            except FeatureStoreError:
                raise
            except Exception as error:  # those of PyIceberg and of its catalogs' clients have no base of their own
                self.close()
                hint = "check the catalog's settings, and whether it and its warehouse can be reached"
                raise WarehouseError(f"cannot be written: {_said(error)}", where=self.name, hint=hint) from error
            else:
                return
        raise OperationError(
            f"another writer came first, {_TRIES} times", where=self.name, hint="let fewer workers write to one table"
        )

    def settle(self) -> Waiting:
        """Nothing waits."""
        return Waiting()

    def close(self) -> None:
        """Let go of the catalog."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _append(self, name: str, rows: pa.Table) -> None:
        table = self._table(rows.schema)
        if _has_batch(table, name):
            return
        self._widen(table, rows.schema)
        table.append(self._fitted(rows, table.schema().as_arrow()), snapshot_properties={BATCH: name})

    def _table(self, schema: pa.Schema) -> Table:
        """The table as it is now; it is made if it is not there, and its namespace too."""
        from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

        catalog = self._catalog()
        try:
            return catalog.load_table(self._identifier)
        except NoSuchTableError:
            pass
        if not catalog.namespace_exists(self._identifier[:-1]):
            for depth in range(1, len(self._identifier)):
                catalog.create_namespace_if_not_exists(self._identifier[:depth])
        with suppress(TableAlreadyExistsError):  # another writer made it meanwhile
            self._make(catalog, schema)
        return catalog.load_table(self._identifier)

    def _make(self, catalog: Catalog, schema: pa.Schema) -> None:
        from pyiceberg.transforms import HourTransform

        made = catalog.create_table_transaction(self._identifier, schema, properties=_MADE_WITH)
        with made, made.update_spec() as spec:
            spec.add_field(self._by, HourTransform(), f"{self._by.strip('_')}_hour")

    def _catalog(self) -> Catalog:
        if self._opened is None:
            from pyiceberg.catalog import load_catalog

            self._opened = load_catalog(self._catalog_name, **self._settings)
        return self._opened

    def _widen(self, table: Table, schema: pa.Schema) -> None:
        """Add the columns that the table lacks, and make narrower ones as wide; commits only a change."""
        from pyiceberg.exceptions import ValidationError

        required = {field.name for field in table.schema().fields if field.required}
        wanted = pa.schema([field.with_nullable(field.name not in required) for field in schema])
        try:
            with table.update_schema() as update:
                update.union_by_name(wanted)
        except (ValidationError, ValueError, TypeError) as error:
            raise OperationError(
                f"its columns are of other types than the rows': {_said(error)}",
                where=self.name,
                hint="write to a new table, or alter the columns of this one",
            ) from error

    def _fitted(self, rows: pa.Table, schema: pa.Schema) -> pa.Table:
        """The rows with the table's types, in the table's order."""
        fields = [field for field in schema if field.name in rows.column_names]
        columns = []
        for field in fields:
            column = rows.column(field.name)
            try:
                columns.append(_cast(column, field.type))
            except pa.ArrowException as error:
                raise QueryError(f"column '{field.name}': {_said(error)}", where=self.name) from error
            if not field.nullable and column.null_count:
                raise QueryError(f"column '{field.name}': expected a value, got NULL", where=self.name)
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def iceberg_name(column: str) -> str:
    """Return what a column is called in the table: as in the rows; a name that Iceberg reserves ends with ``_``."""
    return f"{column}_" if column.lower() in RESERVED else column


def iceberg_rows(rows: pa.Table) -> pa.Table:
    """Bring rows to names and types that Iceberg has; a column of which no type is known yet is left out.

    Raises:
        QueryError: a value that cannot be brought there.
    """
    fields, columns = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_null(field.type):
            continue
        kind = iceberg_type(field.type)
        try:
            columns.append(_cast(column, kind))
        except pa.ArrowException as error:
            raise QueryError(f"column '{field.name}': {_said(error)}") from error
        fields.append(pa.field(iceberg_name(field.name), kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def iceberg_type(kind: pa.DataType) -> pa.DataType:
    """Return the narrowest Arrow type that Iceberg has and that holds all values; text for decimals beyond 38."""
    if pa.types.is_dictionary(kind):
        return iceberg_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(iceberg_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, iceberg_type(field.type)) for field in kind])
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= _MOST_DIGITS else pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    return pa.time64("us") if pa.types.is_time(kind) else _WIDER.get(kind, kind)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    return pc.cast(column, options=pc.CastOptions(target_type=kind, allow_time_truncate=True))


def _has_batch(table: Table, name: str) -> bool:
    """Whether a batch is among those that the table holds: of its snapshots, the current one and those before it."""
    snapshots = {snapshot.snapshot_id: snapshot for snapshot in table.snapshots()}
    current = table.current_snapshot()
    while current is not None:
        if current.summary is not None and current.summary.additional_properties.get(BATCH) == name:
            return True
        parent = current.parent_snapshot_id
        current = None if parent is None else snapshots.get(parent)
    return False


def _configured(catalog: str, base_dir: Path) -> Mapping[str, Any]:
    """A catalog's settings, read anew: those that PyIceberg keeps are of the moment of its import."""
    from pyiceberg.utils.config import Config

    try:
        config = Config()
        settings: Mapping[str, Any] | None = config.get_catalog_config(catalog)
    except ValueError as error:
        raise UsageError(f"PyIceberg's settings cannot be read: {_said(error)}") from error
    if settings is not None:
        return settings
    known = config.get_known_catalogs()
    hint = did_you_mean(catalog, known)
    if not known:
        hint = f"set PYICEBERG_CATALOG__{catalog.upper()}__URI, or write {_CONFIG_FILE} in your home directory"
    if (base_dir / _CONFIG_FILE).is_file():
        hint = f"{_CONFIG_FILE} is looked for in PYICEBERG_HOME: set PYICEBERG_HOME={base_dir}"
    raise UsageError(f"PyIceberg knows no catalog '{catalog}'", hint=hint)


def _said(error: BaseException) -> str:
    text = without_secrets(str(error)).strip() or type(error).__name__
    line = text.splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
