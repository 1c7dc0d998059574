"""What people give as examples becomes a spine: a frame, a file, a table, a dbt model, or SQL.

A frame is uploaded with a number per row, so that its rows come back in order and its columns untouched
(SEMANTICS P1); anything else stays in the warehouse.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from featurestore.definitions.spine import Spine, time_column
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import QueryError, SpineError
from featurestore.sql.spine import parse_spine

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from featurestore.warehouse.protocol import Warehouse

UPLOADED = "__uploaded examples"  # with a blank, which no view's name has, so that it meets no step of a plan
ROW_NUMBER = "__example"
_FILES = (".parquet", ".csv", ".tsv")
_NAME = re.compile(r'^[\w".$]+$')
_REF = re.compile(r"""^\s*(?:\{\{\s*)?ref\(\s*['"](?P<name>[^'"]+)['"]\s*\)(?:\s*\}\})?\s*$""")
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
        given: a frame with ``__arrow_c_stream__``, a mapping of columns, a path to a CSV, TSV, Parquet or SQL file,
            a table's name, ``ref('model')`` or a model's name, or a SELECT.
        model: finds a dbt model by name, None if there is none.
        warehouse: opens the warehouse, to ask whether it can read a file itself.

    Raises:
        SpineError: it is none of these, or the file is not there.
    """
    if isinstance(given, Path) or (isinstance(given, str) and _is_file_name(given)):
        return _from_file(Path(given), warehouse)
    if isinstance(given, str):
        return _from_text(given, model)
    return _from_frame(given)


def spine_of(examples: Examples, *, time: str | None, dialect: str, warehouse: Callable[[], Warehouse]) -> Spine:
    """Make the spine: find out what columns the examples have, and choose the time.

    Raises:
        SpineError: the SQL is not one SELECT or does not run, or the time column is unclear.
    """
    query = parse_spine(examples.sql, dialect).sql(dialect=dialect)
    if examples.table is not None:
        if ROW_NUMBER in examples.table.column_names:
            raise SpineError(f"the spine's column name '{ROW_NUMBER}' is reserved", hint="rename it; '__' is ours")
        columns = tuple(Column(name=field.name, type=_type_of(str(field.type))) for field in examples.table.schema)
        return Spine(
            sql=query, columns=columns, time=time_column(columns, time), row_number=ROW_NUMBER, dialect=dialect
        )
    columns = examples.columns
    if not columns:
        try:
            columns = warehouse().schema(query)
        except QueryError as error:
            raise SpineError(
                error.what, where=examples.label, hint="check the spine: its table, file or SQL"
            ) from error
    return Spine(sql=query, columns=columns, time=time_column(columns, time), dialect=dialect)


def numbered(table: pa.Table) -> pa.Table:
    """The frame as it is uploaded: with a number per row."""
    import pyarrow as pa

    return table.append_column(ROW_NUMBER, pa.array(range(table.num_rows), type=pa.int64()))


def _is_file_name(text: str) -> bool:
    return text.lower().endswith((*_FILES, ".sql")) and "\n" not in text and not _QUERY.match(text)


def _from_file(path: Path, warehouse: Callable[[], Warehouse]) -> Examples:
    if not path.is_file():
        raise SpineError(f"no file at {path}", where="spine", hint="check the path; it starts from the current folder")
    if path.suffix.lower() == ".sql":
        return _from_query(_decoded(path), label=str(path))
    if path.suffix.lower() not in _FILES:
        raise SpineError(f"cannot read {path} as examples", hint=f"give a file ending in {', '.join(_FILES)} or .sql")
    sql = warehouse().scan(path.resolve())
    if sql is not None:
        return Examples(sql=sql, label=str(path))
    return _uploaded(_read_file(path), frame=None, label=str(path))


def _decoded(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpineError("expected text in UTF-8", where=str(path), hint="save it as UTF-8") from error


def _read_file(path: Path) -> pa.Table:
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)
    import pyarrow.csv as pa_csv

    options = pa_csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    return pa_csv.read_csv(path, parse_options=options)


def _from_text(text: str, model: Callable[[str], Model | None]) -> Examples:
    reference = _REF.match(text)
    name = reference["name"] if reference is not None else text.strip()
    found = model(name) if _NAME.match(name) else None
    if found is not None:
        return Examples(sql=f"SELECT * FROM {found.relation}", columns=found.columns, label=f"ref('{name}')")
    if reference is not None:
        raise SpineError(f"no dbt model '{name}' in the manifest", where="spine", hint="run `dbt parse` if it is new")
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
        return pa.RecordBatchReader.from_stream(given).read_all()
    raise SpineError(
        f"cannot use {type(given).__name__} as examples",
        hint="give a pandas, polars or Arrow frame, a file, a table, ref('model') or a SELECT",
    )


def _uploaded(table: pa.Table, *, frame: object, label: str) -> Examples:
    return Examples(sql=f'SELECT * FROM "{UPLOADED}"', table=table, frame=frame, label=label)


def _type_of(arrow: str) -> str:
    """Our name for an Arrow type, as far as keys and times need it."""
    if arrow.startswith("timestamp"):
        return "timestamptz" if "tz=" in arrow else {"ns": "timestamp_ns"}.get(arrow[10:12], "timestamp")
    if arrow.startswith("date"):
        return "date"
    if arrow.startswith("dictionary<values="):
        return _type_of(arrow[len("dictionary<values=") :].partition(",")[0])
    if arrow.startswith("decimal"):
        return f"decimal({arrow.partition('(')[2]}".replace(" ", "")
    simple = {"bool": "boolean", "large_string": "string", "string_view": "string", "double": "float64",
              "float": "float32", "halffloat": "float32", "large_binary": "bytes", "binary": "bytes"}  # fmt: skip
    exact = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    return arrow if arrow in exact else simple.get(arrow) or parse_type(arrow)
