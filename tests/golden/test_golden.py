"""Golden SQL is what the compiler writes, what its dialect reads, and what the oracle agrees with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlglot

from tests.golden import golden_file
from tests.pit.duckdb_answers import Warehouse, in_duckdb, rows_of, same_rows
from tests.pit.engines import open_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

SPARK_ASOF = "spark"  # sqlglot writes Spark's MATCH_CONDITION and does not read it
CASES = sorted((Path(__file__).parent / "cases").glob("*.sql"))


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    """One DuckDB, in a session far from UTC."""
    opened = Warehouse()
    opened.connection.execute("set global TimeZone = 'Asia/Kathmandu'")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def clickhouse():
    """A ClickHouse, in a session far from UTC."""
    pytest.importorskip("chdb", reason="chdb is not installed")
    opened = open_engine("clickhouse")
    opened.opened.execute("set session_timezone = 'Asia/Kathmandu'")
    yield opened
    opened.close()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_compiler_writes_what_is_recorded(path, request):
    """`pytest tests/golden --update` records it anew."""
    golden = golden_file.read(path)
    written = golden_file.compiled(golden.question)
    if request.config.getoption("--update"):
        golden_file.write(path, golden, written)
        golden = golden_file.read(path)
    assert written == golden.sql
    assert path.read_text(encoding="utf-8").startswith("-- "), "a golden opens with a sentence"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_record_parses_in_its_dialect(path):
    golden = golden_file.read(path)
    assert golden.sql
    for section, sql in golden.sql.items():
        if section == SPARK_ASOF:
            continue
        statements = [statement for statement in sqlglot.parse(sql, read=section.partition(",")[0]) if statement]
        assert statements
        assert not any(statement.find(sqlglot.exp.Command) for statement in statements)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_record_answers_what_the_rules_say(path, warehouse):
    """A record can record a mistake: so it is run, translated, and compared with the oracle (P1-P16, O5)."""
    golden = golden_file.read(path)
    tables = golden_file.fill(warehouse, golden.question)
    expected = golden_file.expected(warehouse, golden.question, tables)
    assert any(any(value is not None for value in row[-2:]) for row in expected), "the case shows no value"
    for section, text in golden.sql.items():
        dialect = section.partition(",")[0]
        if dialect == "clickhouse" or section == SPARK_ASOF:
            continue  # it runs in its own engine: below, and tests/pit/test_spark.py
        with warehouse.session() as session:
            rows = [sql for sql in text.split(";\n") if sql and not sql.startswith(("CREATE INDEX", "ANALYZE"))]
            *made, last = [in_duckdb(sql, dialect) for sql in rows]
            for statement in made:
                session.execute(statement)
            assert same_rows(rows_of(session.sql(last).to_arrow_table()), expected), section


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_record_for_clickhouse_answers_the_same_there(path, warehouse, clickhouse):
    golden = golden_file.read(path)
    tables = golden_file.fill(warehouse, golden.question)
    golden_file.fill(clickhouse, golden.question)
    expected = golden_file.expected(warehouse, golden.question, tables)
    section, text = next(((name, text) for name, text in golden.sql.items() if name.startswith("clickhouse")), ("", ""))
    if not section:
        pytest.skip("no text for ClickHouse")
    *made, last = [sql for sql in text.split(";\n") if sql]
    for statement in made:
        clickhouse.opened.execute(statement)
    assert same_rows(rows_of(clickhouse.read(last)), expected), section
