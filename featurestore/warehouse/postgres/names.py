"""Names and literals in Postgres' own quoting, and the questions to its catalog."""

from __future__ import annotations

import re

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
ABILITIES = """
SELECT has_database_privilege(current_database(), 'TEMPORARY') AND NOT pg_is_in_recovery()
       AND current_setting('default_transaction_read_only') = 'off' AS may_make_temporary_tables
"""
# Sorts and hash tables that do not spill, and temporary tables that stay in memory while they are read: 10 to 40 % of
# the time. Only where neither server, database nor role says otherwise; both are taken only as far as they are used.
ROOM = """
SELECT set_config(name, room, false)
FROM (VALUES ('work_mem', '64MB'), ('temp_buffers', '256MB')) AS wanted(name, room)
JOIN pg_settings USING (name)
WHERE source = 'default'
"""
# A query whose client was killed ends within ten seconds, and not when it is done. Servers on Windows cannot do it.
NOTICE_THAT_WE_ARE_GONE = """
SELECT set_config(name, '10s', false) FROM pg_settings
WHERE name = 'client_connection_check_interval' AND source = 'default'
"""
_COLUMNS = """
SELECT w.number, a.attname, format_type(t.oid, typed.modifier), t.typcategory::text, element.typcategory::text
FROM (VALUES {wanted}) AS w(number, database_name, schema_name, table_name)
JOIN pg_class AS c ON c.relname = w.table_name AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS d ON d.oid = a.atttypid
CROSS JOIN LATERAL (
    SELECT CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END AS oid,
           CASE WHEN d.typtype = 'd' THEN d.typtypmod ELSE a.atttypmod END AS modifier
) AS typed
JOIN pg_type AS t ON t.oid = typed.oid
LEFT JOIN pg_type AS element ON t.typcategory = 'A' AND element.oid = t.typelem
WHERE CASE WHEN w.schema_name IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = w.schema_name END
  AND coalesce(w.database_name, current_database()) = current_database()
ORDER BY w.number, a.attnum
"""
_INDEXES = """
SELECT ARRAY(
    SELECT a.attname::text
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key(number, place)
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = key.number
    ORDER BY key.place
)
FROM pg_index AS i
JOIN pg_class AS made ON made.oid = i.indexrelid
JOIN pg_am AS method ON method.oid = made.relam
WHERE i.indrelid = to_regclass({relation}) AND i.indisvalid AND i.indpred IS NULL AND method.amname = 'btree'
"""


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal, whatever `standard_conforming_strings` is."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def parts(relation: str) -> list[str]:
    """The names of a relation, outermost first, as Postgres keeps them: folded unless quoted."""
    return [
        inside.replace('""', '"') if inside or not bare else bare.lower() for inside, bare in _PART.findall(relation)
    ]


def columns_query(relations: list[str]) -> str:
    """Ask for the columns of relations: the relation's place in the list, name, type, category, element's category."""
    return _COLUMNS.format(wanted=", ".join(_wanted(number, relation) for number, relation in enumerate(relations)))


def indexes_query(relation: str) -> str:
    """Ask for the columns of each whole, valid B-tree index of a table; NULL stands for an expression."""
    return _INDEXES.format(relation=literal(".".join(quoted(part) for part in parts(relation)[-2:])))


def _wanted(number: int, relation: str) -> str:
    names = ["NULL" if name is None else literal(name) for name in [None, None, *parts(relation)][-3:]]
    return f"({number}, {', '.join(f'{name}::text' for name in names)})"
