"""Data sources as sources of the dbt project: files by their location, tables by name, queries inside the models.

A source of another kind than the project's warehouse keeps its names, and a note says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.scaffold.feast.escape import in_jinja, rendered_values, slug
from featurestore.scaffold.feast.files_of_feast import (
    REPOSITORY_VARIABLE,
    column_types,
    duckdb_location,
    is_remote,
    spark_relation,
)
from featurestore.scaffold.feast.notes import Note
from featurestore.scaffold.feast.tables import TableName, table_name, tables_of_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from featurestore.scaffold.feast.objects import FeastSource

KINDS: dict[str, str] = {
    "FileSource": "duckdb",
    "RaySource": "duckdb",
    "SnowflakeSource": "snowflake",
    "BigQuerySource": "bigquery",
    "RedshiftSource": "redshift",
    "PostgreSQLSource": "postgres",
    "TrinoSource": "trino",
    "AthenaSource": "athena",
    "ClickhouseSource": "clickhouse",
    "SparkSource": "spark",
}
"""The dbt adapter of the warehouse that a kind of source is in."""
_SPARKS = frozenset(("databricks", "spark"))
_FILES = "feast_files"
_TARGET_SCHEMA = "{{ target.schema }}"
_SCHEMAS: dict[str, tuple[str, str]] = {
    "postgres": ("db_schema", "public"),
    "snowflake": ("schema", "PUBLIC"),
    "redshift": ("", "public"),
    "bigquery": ("dataset", ""),
    "trino": ("schema", ""),
    "clickhouse": ("database", "default"),
    "spark": ("", "default"),
    "databricks": ("", "default"),
}
"""Where a table without a schema is: the offline store's key that says it, and what is usual without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is written for.

    Attributes:
        adapter: dbt's.
        dialect: sqlglot's name of it.
        repository: folder of the Feast repository, absolute.
        offline: keys of its offline store.
    """

    adapter: str
    dialect: str
    repository: Path
    offline: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where a model finds the rows, as text of a dbt model.

    Attributes:
        relation: what stands after ``from``; empty for a query, and where nobody knows.
        query: a SELECT.
        types: of columns, in Arrow's words; empty where only the warehouse knows them.
    """

    relation: str = ""
    query: str = ""
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether there is anything to select from."""
        return bool(self.relation or self.query)


@dataclass(slots=True, kw_only=True)
class SourceTables:
    """The sources of the dbt project as they are collected.

    Attributes:
        target: what is written for.
        blocks: of dbt's YAML, by database and schema.
        read: names of all tables that are read, in lower case, whatever their schema.
        notes: what is not as it was.
    """

    target: Target
    blocks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    _found: dict[bytes, Rows] = field(default_factory=dict)

    def rows_of(self, source: FeastSource) -> Rows:
        """Where the rows of a source are; declares its table or files the first time."""
        key = msgspec.json.encode(source)
        if key not in self._found:
            self._found[key] = self._locate(source)
        return self._found[key]

    def _locate(self, source: FeastSource) -> Rows:
        target = self.target
        self._note_strangers(source)
        if source.query:
            read = tables_of_query(source.query, target.dialect)
            if read is not None:
                self.read |= {name.casefold() for name in read}
                return Rows(query=in_jinja(source.query.strip().rstrip(";").rstrip()))
            self._note(source, "its query is not one SELECT that can be read", "write the model's SELECT yourself")
            return Rows()
        if source.path and not source.table:
            return self._files(source)
        name = table_name(source, target.dialect)
        if not name.name:
            what = f"a {source.kind} has no equal in dbt"
            self._note(source, what, f"bring its rows into a table of {target.adapter}, and write the model's SELECT")
            return Rows()
        return self._table(source, name)

    def _files(self, source: FeastSource) -> Rows:
        if self.target.adapter == "duckdb":
            location = duckdb_location(source, self.target.repository)
            if location is not None:
                block = self._block("", _TARGET_SCHEMA, _FILES)
                found = self._declared(source, block, {"meta": {"external_location": location}})
                return replace(found, types=column_types(source, self.target.repository))
        if self.target.adapter in _SPARKS:
            relation = spark_relation(source, self.target.repository)
            if relation is not None:
                return Rows(relation=relation)
        kind = source.file_format or source.reader_type or "Parquet"
        hint = "load them into a table, and write its name into the model, or into the source's YAML"
        self._note(source, f"{self.target.adapter} does not read its files ({kind})", hint)
        return Rows()

    def _table(self, source: FeastSource, name: TableName) -> Rows:
        self.read.add(name.name.casefold())
        if not name.is_plain(self.target.adapter) or (self.target.adapter in _SPARKS and name.database):
            if not name.is_plain("") and "." not in source.table:
                self._note(source, "its table's name is unusual, and is quoted as one name", "see that it is right")
            return Rows(relation=in_jinja(name.sql(self.target.dialect)))
        key, usual = _SCHEMAS.get(self.target.adapter, ("", ""))
        said = str(self.target.offline.get(key) or "")
        schema = name.schema or (said if re.fullmatch(r"\w+", said) else usual)
        block = self._block(name.database, in_jinja(schema) or _TARGET_SCHEMA, slug(f"feast_{name.schema}", "feast"))
        if self.target.adapter == "snowflake":
            block["quoting"] = {"database": True, "schema": True, "identifier": True}
        return self._declared(source, block, {"identifier": in_jinja(name.name)})

    def _block(self, database: str, schema: str, label: str) -> dict[str, Any]:
        if (database, schema) not in self.blocks:
            taken = {block["name"] for block in self.blocks.values()}
            made: dict[str, Any] = {"name": _free(label, taken)}
            if database:
                made["database"] = in_jinja(database)
            self.blocks[database, schema] = {**made, "schema": schema, "tables": []}
        return self.blocks[database, schema]

    def _declared(self, source: FeastSource, block: dict[str, Any], place: dict[str, Any]) -> Rows:
        tables: list[dict[str, Any]] = block["tables"]
        name = _free(slug(source.name or source.table, "source"), {table["name"] for table in tables})
        place = {key: value for key, value in place.items() if value != name}
        described: dict[str, Any] = {"name": name}
        if source.description:
            described["description"] = in_jinja(source.description)
        said = {"owner": source.owner, "tags": source.tags}
        about = rendered_values({key: value for key, value in said.items() if value})
        meta = {**place.pop("meta", {}), **({"feast": about} if about else {})}
        tables.append({**described, **place, **({"config": {"meta": meta}} if meta else {})})
        return Rows(relation=f'{{{{ source("{block["name"]}", "{name}") }}}}')

    def _note_strangers(self, source: FeastSource) -> None:
        adapter, own = self.target.adapter, KINDS.get(source.kind)
        is_here = own == adapter or (adapter in _SPARKS and own in {"spark", "duckdb"})
        if own is not None and not is_here and not (own == "spark" and source.path):
            what = f"it is a {source.kind}, and the dbt project's warehouse is {adapter}"
            self._note(source, what, f"make its rows readable from {adapter}, or give the project another profile")
        if own == "duckdb" and source.s3_endpoint_override:
            hint = "set `s3_endpoint` under `settings:` of the DuckDB profile"
            self._note(source, "its s3_endpoint_override is the connection's business here", hint)
        if adapter == "duckdb" and source.path and is_remote(source):
            hint = "add `extensions: [httpfs]` and the bucket's secret to the DuckDB profile"
            self._note(source, "its files are in a bucket", hint)
        if source.date_partition_column:
            hint = "nothing: it only made reading faster; the warehouse prunes by the event time"
            self._note(source, f"its partition column `{source.date_partition_column}` is not used", hint)

    def _note(self, source: FeastSource, what: str, hint: str) -> None:
        self.notes.append(Note(kind="data source", name=source.name, what=what, hint=hint))

    def yaml(self) -> dict[str, Any] | None:
        """The YAML of all sources; None where there are none."""
        return {"sources": list(self.blocks.values())} if self.blocks else None


def note_repository_variable(blocks: Iterable[Mapping[str, Any]], repository: Path) -> list[Note]:
    """Say which variable the locations of files hang on, where any does."""
    if not any(REPOSITORY_VARIABLE in str(block) for block in blocks):
        return []
    what = f"its files are read from where they are, {repository.as_posix()}"
    hint = f"where the repository is elsewhere, set the variable {REPOSITORY_VARIABLE} to its folder"
    return [Note(kind="data source", name="files", what=what, hint=hint)]


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of ``name_2``, ``name_3``, ... that nothing has."""
    number = 1
    while (made := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return made
