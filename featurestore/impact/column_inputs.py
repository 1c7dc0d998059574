"""Which columns the columns of feature views are made of, as far as their SQL says it for certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from featurestore.definitions.graph import view_id
from featurestore.impact.plain_sql import plain_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.definitions.graph import Graph, GraphNode
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.impact.plain_sql import PlainSql

Sources = tuple[tuple[str, str], ...]


def column_inputs(graph: Graph, project: Project) -> dict[str, dict[str, Sources]]:
    """Find what the columns of the feature views are made of.

    Returns:
        By unique id of a view's node and by column: unique ids of nodes that it reads and their columns, sorted. What
        cannot be told is not there: SQL with other Jinja that dbt has not compiled, a ``*`` over a table whose columns
        nobody knows.
    """
    found: dict[str, dict[str, Sources]] = {}
    for view in project.views:
        node = graph.by_id.get(view_id(project, view))
        sql = None if node is None else _sql(graph, node, project.dialect)
        if sql is not None:
            names = (column.name for column in view.row_columns if not _is_made_by_dbt(column.name, view))
            columns = {name: _sources(sql, name, project.dialect) for name in names}
            found[view_id(project, view)] = {name: sources for name, sources in columns.items() if sources}
    return {unique_id: columns for unique_id, columns in found.items() if columns}


def _is_made_by_dbt(name: str, view: FeatureView) -> bool:
    """Whether it is one of the columns that dbt adds to a snapshot."""
    return view.source.resource_type == "snapshot" and name.startswith("dbt_")


def _sql(graph: Graph, node: GraphNode, dialect: str) -> PlainSql | None:
    return plain_sql(node, tuple(graph.parents(node.unique_id)), dialect=dialect)


def _sources(sql: PlainSql, column: str, dialect: str) -> Sources:
    try:
        top = lineage(column, sql.text, schema=_schema(sql, column, dialect), dialect=dialect)
    except (SqlglotError, ValueError, RecursionError):
        return ()
    assert isinstance(top, Node)
    found: set[tuple[str, str]] = set()
    tables: Mapping[str, str] = {name.casefold(): unique_id for name, unique_id in sql.tables.items()}
    for each in top.walk():
        if each.downstream:
            continue
        if not isinstance(each.source, exp.Table):
            if each.expression.find(exp.Column, exp.Star) is not None:
                return ()
            continue
        table = tables.get(_dotted(each.source).casefold())
        name = sqlglot.parse_one(each.name, dialect=dialect)
        if table is None or not isinstance(name, exp.Column) or isinstance(name.this, exp.Star):
            return ()
        found.add((table, name.name))
    return tuple(sorted(found))


def _schema(sql: PlainSql, column: str, dialect: str) -> dict[str, object]:
    """Columns of the one table that the SQL reads: all that it names and does not make; nothing where it reads several.

    So a ``*`` over the table is followed. Over one of several, a name could be of either.
    """
    tree = sqlglot.parse_one(sql.text, dialect=dialect)
    read = [table for table in tree.find_all(exp.Table) if _dotted(table).casefold() in sql.tables]
    if len(sql.tables) != 1 or not read:
        return {}
    named = {each.name for each in tree.find_all(exp.Column)} | {column}
    made = {each.alias for each in tree.find_all(exp.Alias) if each.alias != each.this.name}
    schema: dict[str, object] = dict.fromkeys(sorted(named - made), "text")
    for part in reversed(read[0].parts):  # sqlglot wants a level for each of database, schema and table
        schema = {part.sql(dialect): schema}
    return schema


def _dotted(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts)
