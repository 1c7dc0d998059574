"""Write a stream of rows into one Parquet file, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_parquet(reader: pa.RecordBatchReader, path: str | Path) -> tuple[Path, int]:
    """Write all rows; a file that was there is replaced only when the new one is complete.

    Returns:
        The file and its number of rows.

    Raises:
        OperationError: the folder is missing or not writable, the disk is full, or Parquet lacks a column's type.
    """
    target = Path(path)
    if not target.name:
        raise OperationError(f"cannot write {str(path)!r}: it is no file's name", hint="e.g. train.parquet")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        rows = _write(reader.schema, reader, partial)
        partial.replace(target)
    except OSError as error:
        raise OperationError(
            f"cannot write {target}: {error.strerror or error}", hint="check the folder, its permissions and free space"
        ) from error
    except pa.ArrowNotImplementedError as error:
        raise OperationError(
            f"cannot write {target}: {error}",
            hint="cast the column where the spine or the view is made, or leave it out",
        ) from error
    finally:
        with suppress(OSError):  # where nothing could be written, nothing can be removed
            partial.unlink()
    return target, rows


def _write(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
