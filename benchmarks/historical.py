"""Historical retrieval to Arrow: 100k examples x 1M rows x 3 views of 8 features, ours and Feast's DuckDB store.

Both answer for the same rows; every result is compared row by row with the first one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import duckdb

from benchmarks.bench import Line, Options, Recorder, folder, in_turn, run
from benchmarks.data import ensure
from benchmarks.project import write_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.project import Tables

OURS: dict[str, tuple[Tables, str]] = {
    "ours, tables": ("table", "table"),
    "ours, parquet": ("parquet", "table"),
    "ours, pandas spine": ("table", "frame"),
}
MEASURES = ("wall_s", "cpu_s", "process_cpu_s", "peak_mib")


def main(options: Options) -> None:
    """Measure; the size is M, with ``quick`` S."""
    size = ensure("S" if options.quick else "M")
    recorder = Recorder(name="historical")
    with folder() as place:
        sides: dict[str, Callable[[], list[Line]]] = {}
        for case, (tables, spine) in OURS.items():
            project = write_project(place / f"ours-{tables}", size, views=3, tables=tables)
            run("our_side", "apply", "--folder", str(project))
            arguments = ("historical", "--folder", str(project), "--size", size.name, "--spine", spine)
            sides[case] = partial(_checked, place, case, arguments)
        if options.with_feast:
            feast = ("--folder", str(place / "feast"), "--size", size.name, "--views", "3")
            run("feast_side", "setup", *feast, feast=True)
            sides["feast, parquet"] = partial(_checked, place, "feast, parquet", ("historical", *feast))
        in_turn(sides, recorder, options.rounds)
    checksums = {str(line["checksum"]) for line in recorder.lines}
    assert len(checksums) == 1, f"the sides do not agree: {checksums}"
    recorder.summarize(MEASURES, ours="ours, tables", other="feast, parquet")


def _checked(place: Path, case: str, arguments: tuple[str, ...]) -> list[Line]:
    out = place / "answer.parquet"
    (line,) = run("feast_side" if "feast" in case else "our_side", *arguments, "--out", str(out), feast="feast" in case)
    return [{**line, "checksum": checksum(out)}]


def checksum(path: Path) -> str:
    """A number for a set of rows, whatever their order: the sum of a hash of each row's text, and their count."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        described = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
        texts = ", ".join(
            f"coalesce(CAST({_plain(str(name), str(kind))} AS VARCHAR), 'NULL')" for name, kind, *_ in described
        )
        query = f"SELECT count(*), sum(CAST(md5_number_lower(concat_ws('|', {texts})) % 1000000007 AS HUGEINT))"
        ((rows, total),) = connection.execute(f"{query} FROM '{path}'").fetchall()
    return f"{rows}:{total}"


def _plain(name: str, kind: str) -> str:
    """A column as both sides hold it: a timestamp with zone in UTC as one without."""
    return f'CAST("{name}" AS TIMESTAMP)' if kind.startswith("TIMESTAMP") else f'"{name}"'
