"""What people give as examples becomes a spine: a frame, files, a table, a dbt model, or SQL.

A frame is uploaded with a number per row, so that its rows come back in order and its columns untouched
(SEMANTICS P1); anything else stays in the warehouse.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from featurestore.definitions.spine import Spine, time_column
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError, SpineError, without_secrets
from featurestore.sql.spine import parse_spine
from featurestore.training.files import SUFFIXES, find_files, read_files, scan_files, scan_uri, uri_scheme
from featurestore.training.type_names import is_list, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from featurestore.definitions.labels import Labels
    from featurestore.warehouse.protocol import Warehouse

UPLOADED = "__uploaded examples"  # with a blank, which no view's name has, so that it meets no step of a plan
ROW_NUMBER = "__example"
_NAME = re.compile(r'^[\w".$]+$')
_REF = re.compile(
    r"""^\s*(?:\{\{\s*)?ref\(\s*['"](?P<name>[^'"]+)['"]
        (?:\s*,\s*(?:v|version)\s*=\s*['"]?(?P<version>[\w.]+)['"]?)?\s*\)(?:\s*\}\})?\s*$""",
    re.VERBOSE,
)
_SOURCE = re.compile(
    r"""^\s*(?:\{\{\s*)?source\(\s*['"](?P<source>[^'"]+)['"]\s*,\s*['"](?P<name>[^'"]+)['"]\s*\)(?:\s*\}\})?\s*$"""
)
_BLANK = re.compile(r"\s")
_JINJA = re.compile(r"\{\{\s*(?:ref|source|var|this)\b")
_QUERY = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(select|with|from|values|\()", re.IGNORECASE | re.DOTALL)


@runtime_checkable
class ArrowStream(Protocol):
    """Any frame that speaks Arrow's C stream: pandas, polars, pyarrow, DuckDB relations."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Where the examples are: in the warehouse (`sql`), or in this process (`table`).

    Attributes:
        sql: a SELECT that yields them; for a frame, of the relation it is uploaded to.
        columns: what it yields, if that is known without asking the warehouse; else empty.
        table: the frame as Arrow, without a row number; None when they are in the warehouse.
        frame: what the user gave, for results that keep its index.
        label: how to speak of them in messages and records.
    """

    sql: str
    columns: tuple[Column, ...] = ()
    table: pa.Table | None = None
    frame: object = None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A dbt model that may hold examples.

    Attributes:
        relation: as dbt renders it.
        columns: all its columns, when its contract is enforced; else empty.
    """

    relation: str
    columns: tuple[Column, ...] = ()


def find_examples(
    given: object, *, model: Callable[[str], Model | None], warehouse: Callable[[], Warehouse]
) -> Examples:
    """Find out what was given as examples.

    Args:
        given: a frame with ``__arrow_c_stream__``, a mapping of columns, a path to Parquet, CSV, TSV or JSON-lines
            files (one, a pattern, or a folder) or to a SQL file, a table's name, ``ref('model')``, ``source('a', 'b')``
            or a model's name, a URI that the warehouse reads, or a SELECT.
        model: finds a dbt model by name (``name@v2`` for a version, ``source.table`` for a source), None if there is
            none.
        warehouse: opens the warehouse, to ask whether it can read a file itself.

    Raises:
        SpineError: it is none of these, or the file is not there.
    """
    scheme = uri_scheme(given)
    if scheme is not None:
        return Examples(sql=scan_uri(str(given), scheme, warehouse), label=without_secrets(str(given)))
    if isinstance(given, Path) or (isinstance(given, str) and _is_path(given)):
        return _from_files(given, warehouse)
    if isinstance(given, str):
        return _from_text(given, model)
    return _from_frame(given)


def spine_of(
    examples: Examples,
    *,
    time: str | None,
    labels: Labels | None = None,
    dialect: str,
    warehouse: Callable[[], Warehouse],
) -> Spine:
    """Make the spine: find out what columns the examples have, and choose the time; never a label's.

    Raises:
        SpineError: the SQL is not one SELECT or does not run, or the time column is unclear.
    """
    query = parse_spine(examples.sql, "duckdb" if examples.table is not None else dialect).sql(dialect=dialect)
    later = () if labels is None else labels.columns
    if examples.table is not None:
        if ROW_NUMBER in examples.table.column_names:
            raise SpineError(f"the spine's column name '{ROW_NUMBER}' is reserved", hint="rename it; '__' is ours")
        columns = tuple(Column(name=field.name, type=_type_of(field.type)) for field in examples.table.schema)
        chosen = time_column(columns, time, later=later)
        return Spine(sql=query, columns=columns, time=chosen, row_number=ROW_NUMBER, dialect=dialect)
    columns = examples.columns
    if not columns:
        try:
            columns = warehouse().schema(query)
        except QueryError as error:
            raise SpineError(
                without_secrets(error.what), where=examples.label, hint="check the spine: its table, file or SQL"
            ) from error
    return Spine(sql=query, columns=columns, time=time_column(columns, time, later=later), dialect=dialect)


def numbered(table: pa.Table) -> pa.Table:
    """The frame as it is uploaded: with a number per row, its instants cut to the microsecond.

    A warehouse that has nanoseconds too would compare others with them, and they end in 2262.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns" and field.type.tz is not None:
            instants = table.column(at).cast(pa.timestamp("ns", "UTC"))
            cut = pc.floor_temporal(instants, unit="microsecond").cast(pa.timestamp("us", "UTC"))
            table = table.set_column(at, field.name, cut)
    return table.append_column(ROW_NUMBER, pa.array(range(table.num_rows), type=pa.int64()))


def _is_path(text: str) -> bool:
    """Whether a text means files: by its ending, a folder's slash, or a pattern; a name without these is a table's."""
    if "\n" in text or _QUERY.match(text) or _REF.match(text) or _SOURCE.match(text):
        return False
    if text.lower().endswith((*SUFFIXES, ".sql")):
        return True
    return "/" in text and (Path(text).exists() or not _BLANK.search(text))


def _from_files(given: str | Path, warehouse: Callable[[], Warehouse]) -> Examples:
    path = Path(given)
    if path.suffix.lower() == ".sql" and (path.is_file() or not has_magic(str(path))):
        if not path.is_file():
            hint = "check the path; it starts from the current folder"
            raise SpineError(f"no file at {path}", where="spine", hint=hint)
        return _from_query(_decoded(path), label=str(path))
    files = find_files(given)
    sql = scan_files(files, warehouse)
    if sql is not None:
        return Examples(sql=sql, label=str(path))
    return _uploaded(read_files(files), frame=None, label=str(path))


def _decoded(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpineError("expected text in UTF-8", where=str(path), hint="save it as UTF-8") from error


def _from_text(text: str, model: Callable[[str], Model | None]) -> Examples:
    name, said = text.strip(), None
    reference, source = _REF.match(text), _SOURCE.match(text)
    if reference is not None:
        version = reference["version"]
        name = reference["name"] if version is None else f"{reference['name']}@v{version}"
        said = f"ref('{reference['name']}')" if version is None else f"ref('{reference['name']}', v={version})"
    elif source is not None:
        name = f"{source['source']}.{source['name']}"
        said = f"source('{source['source']}', '{source['name']}')"
    found = model(name) if said is not None or _NAME.match(name) else None
    if found is not None:
        label = said or f"ref('{name}')"
        return Examples(sql=f"SELECT * FROM {found.relation}", columns=found.columns, label=label)
    if said is not None:
        kind = "model" if source is None else "source"
        what = f"no dbt {kind} '{name}' in the manifest"
        raise SpineError(what, where="spine", hint="run `dbt parse` if it is new")
    if _NAME.match(name):
        return Examples(sql=f"SELECT * FROM {name}", label=name)
    return _from_query(text, label="spine")


def _from_query(text: str, *, label: str) -> Examples:
    if _JINJA.search(text):
        raise SpineError(
            "the SQL holds Jinja, which only dbt renders",
            where=label,
            hint="name the tables themselves, or make it a dbt model and give ref('model')",
        )
    return Examples(sql=text, label=label)


def _from_frame(given: object) -> Examples:
    try:
        table = _arrow_of(given)
    except (ValueError, TypeError, OverflowError, NotImplementedError) as error:  # Arrow's own are among these
        said = ": ".join(str(part) for part in reversed(error.args))
        raise SpineError(
            f"cannot use this {type(given).__name__} as examples: {said}",
            hint="give columns of one length, each with one type that Arrow has and a name of its own",
        ) from error
    return _uploaded(table, frame=given, label=f"a frame of {table.num_rows} rows")


def _arrow_of(given: object) -> pa.Table:
    import pyarrow as pa

    if isinstance(given, Mapping):
        return pa.table({str(name): list(values) for name, values in given.items()})
    if isinstance(given, Sequence) and all(isinstance(row, Mapping) for row in given):
        return pa.Table.from_pylist(list(given))
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return pa.Table.from_pandas(given, preserve_index=False)
    if isinstance(given, ArrowStream):
        return _with_plain_categories(pa.RecordBatchReader.from_stream(given).read_all())
    raise SpineError(
        f"cannot use {type(given).__name__} as examples",
        hint="give a pandas, polars or Arrow frame, a file, a table, ref('model') or a SELECT",
    )


def _with_plain_categories(table: pa.Table) -> pa.Table:
    """Categories that are views, as polars has them, in one piece: Arrow and Parquet can do nothing with them."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type) or not pa.types.is_string_view(field.type.value_type):
            continue
        kind = pa.dictionary(field.type.index_type, pa.large_string(), field.type.ordered)
        chunks = [
            pa.DictionaryArray.from_arrays(
                chunk.indices, chunk.dictionary.cast(pa.large_string()), ordered=kind.ordered
            )
            for chunk in table.column(at).chunks
        ]
        table = table.set_column(at, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def _uploaded(table: pa.Table, *, frame: object, label: str) -> Examples:
    return Examples(sql=f'SELECT * FROM "{UPLOADED}"', table=table, frame=frame, label=label)


def _type_of(arrow: pa.DataType) -> str:
    """Our name for an Arrow type, as far as keys and times need it."""
    import pyarrow as pa

    if isinstance(arrow, pa.BaseExtensionType):
        return "uuid" if arrow.extension_name == "arrow.uuid" else _type_of(arrow.storage_type)
    if pa.types.is_dictionary(arrow) or pa.types.is_run_end_encoded(arrow):
        return _type_of(arrow.value_type)
    if is_list(arrow):
        return f"list<{_type_of(arrow.value_type)}>"
    if pa.types.is_timestamp(arrow):
        return "timestamptz" if arrow.tz is not None else {"ns": "timestamp_ns"}.get(arrow.unit, "timestamp")
    if pa.types.is_integer(arrow):
        return str(arrow)
    named = type_name(arrow)
    return {"bool": "boolean", "binary": "bytes", "float16": "float32"}.get(named) or parse_type(named)
