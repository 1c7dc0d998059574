"""A small dbt project made of rows: feature views, spines and `training_set` models, built in one ``dbt build``.

The macros are copied into the project's own ``macros`` folder, as a project does that installs no packages.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from tests.shop import REPOSITORY, run_dbt

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A dbt model that is nothing but rows.

    Attributes:
        name: of the model.
        columns: name and DuckDB type.
        rows: values in the order of the columns; text is cast to the column's type. None: the database has the
            rows already, in the table ``raw.<name>``.
        feature_view: its config.meta.feature_view; None is no feature view.
        data_tests: as in YAML.
    """

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Row] | None = ()
    feature_view: Mapping[str, Any] | None = None
    data_tests: Sequence[Any] = ()

    @property
    def sql(self) -> str:
        """The model's SELECT."""
        if self.rows is None:
            return f"select * from raw.{self.name}"
        names = ", ".join(f'"{name}"' for name in self.columns)
        if not self.rows:
            nulls = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in self.columns.items())
            return f"select {nulls} where false"
        rows = ",\n".join(
            "    ("
            + ", ".join(_literal(value, kind) for value, kind in zip(row, self.columns.values(), strict=True))
            + ")"
            for row in self.rows
        )
        return f"select * from (values\n{rows}\n) as given({names})"

    @property
    def properties(self) -> dict[str, Any]:
        """The model's YAML."""
        meta = {} if self.feature_view is None else {"feature_view": dict(self.feature_view)}
        return {"name": self.name, "config": {"meta": meta}, "data_tests": list(self.data_tests)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """A model that calls the macro.

    Attributes:
        name: of the model.
        spine: name of the spine's model, or a SELECT.
        spine_time, features: the macro's arguments.
        options: its other arguments.
    """

    name: str
    spine: str
    spine_time: str
    features: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The model's text; JSON's lists, strings and numbers are Jinja's too."""
        arguments = {
            "spine": self.spine,
            "spine_time": self.spine_time,
            "features": list(self.features),
            **self.options,
        }
        written = ", ".join(f"{name}={_jinja(value)}" for name, value in arguments.items())
        return f"{{{{ training_set({written}) }}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallProject:
    """The project on disk."""

    project_dir: Path

    @property
    def database(self) -> Path:
        """The DuckDB file that dbt builds."""
        return self.project_dir / "small.duckdb"

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a dbt command in the project."""
        return run_dbt(self.project_dir, *arguments, environ={"DBT_PROFILES_DIR": str(self.project_dir)})

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Status and message of each node of the last run, by the node's name."""
        results = json.loads((self.project_dir / "target" / "run_results.json").read_text())["results"]
        return {result["unique_id"].split(".")[2]: (result["status"], result["message"] or "") for result in results}

    def table(self, name: str) -> pa.Table:
        """Read a built model."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.sql(f'select * from "{name}"').to_arrow_table()

    def rows(self, name: str, *columns: str) -> list[Row]:
        """Read a built model as tuples, of these columns or all."""
        table = self.table(name)
        chosen = table.select(list(columns)) if columns else table
        return list(zip(*(column.to_pylist() for column in chosen.columns), strict=True))


def small_project(
    folder: Path,
    models: Sequence[Model],
    training_sets: Sequence[TrainingSet] = (),
    *,
    files: Mapping[str, str] | None = None,
    time_zone: str = "America/New_York",
    is_portable: bool = False,
) -> SmallProject:
    """Write a dbt project.

    Args:
        folder: where; the project's root.
        models: feature views and spines.
        training_sets: models that call the macro.
        files: further files, by path.
        time_zone: of the warehouse's session, which must not matter (SEMANTICS P14).
        is_portable: leave out DuckDB's own way of the point-in-time join, so that it takes the one for all warehouses.

    Returns:
        The project, not built yet.
    """
    written = {
        "dbt_project.yml": json.dumps({"name": "small", "profile": "small", "config-version": 2}),
        "profiles.yml": json.dumps(_profiles(time_zone)),
        "models/models.yml": json.dumps({"models": [model.properties for model in models]}),
        **{f"models/{model.name}.sql": model.sql for model in (*models, *training_sets)},
        **(files or {}),
    }
    for path, text in written.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    shutil.copytree(REPOSITORY / "macros", folder / "macros")
    if is_portable:
        _leave_out(folder / "macros" / "point_in_time_ctes.sql", "duckdb__point_in_time_ctes")
    return SmallProject(project_dir=folder)


def source(table: str, columns: Mapping[str, str] | None = None, **stream: Any) -> dict[str, Any]:
    """A dbt source that is a stream: its columns' types, and what its metadata say."""
    described = [{"name": each, "data_type": kind} for each, kind in (columns or {}).items()]
    return {"name": table, "config": {"meta": {"feature_stream": stream or True}}, "columns": described}


def sources(*tables: dict[str, Any], schema: str = "main") -> str:
    """The YAML of sources."""
    return json.dumps({"sources": [{"name": "app", "schema": schema, "tables": list(tables)}]})


def _leave_out(path: Path, macro: str) -> None:
    text = path.read_text()
    start = text.index(f"{{%- macro {macro}(")
    end = "{%- endmacro -%}"
    path.write_text(text[:start] + text[text.index(end, start) + len(end) :])


def _profiles(time_zone: str) -> dict[str, Any]:
    target = {"type": "duckdb", "path": "small.duckdb", "threads": 2, "settings": {"TimeZone": time_zone}}
    return {"small": {"target": "dev", "outputs": {"dev": target}}}


def _literal(value: object, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    text = str(value).replace("'", "''")
    return f"cast('{text}' as {kind})"


def _jinja(value: object) -> str:
    return "none" if value is None else json.dumps(value)
