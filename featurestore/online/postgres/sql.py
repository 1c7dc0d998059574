"""The statements of the online store in Postgres: three tables in a schema of their own.

The guard (SEMANTICS O1) is the WHERE of an upsert. Times are the server's: expiry and leases need no client's clock.
There is no index on the expiry: it would keep every update of a row from staying in its page.
"""

from __future__ import annotations

from dataclasses import dataclass

from featurestore.online.postgres.session import (
    BYTES,
    BYTES_ARRAY,
    FLOAT8,
    INT8,
    INT8_ARRAY,
    TEXT,
    TEXT_ARRAY,
    Question,
)
from featurestore.online.postgres.wire import COPY_COLUMNS

KEYS_PER_PAGE = 10_000
_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What the store asks; built once per store, because the schema is part of each."""

    read: Question
    read_noted: Question
    upsert: Question
    copy: str
    stored: Question
    delete: Question
    page: Question
    sizes: Question
    a_page_of_the_table: Question
    purge: Question
    read_note: Question
    write_note: Question
    add_note: Question
    swap_note: Question
    drop_note: Question
    notes: Question
    take_lease: Question
    holder: Question
    lease: Question
    end_lease: Question
    create: tuple[str, ...]


def statements(schema: str, *, is_unlogged: bool, prepares: bool) -> Statements:
    """Write the statements.

    Args:
        schema: of the tables, as it is called.
        is_unlogged: how tables are made.
        prepares: whether lookups are prepared.
    """
    place = _identifier(schema)
    rows, notes, leases = f"{place}.fs_rows", f"{place}.fs_notes", f"{place}.fs_leases"
    lives = f"(expires_ms IS NULL OR expires_ms > {_NOW_MS})"
    found = f"FROM {rows} WHERE key = ANY($1) AND {lives}"
    one_note = "project = $1 AND name = $2"
    return Statements(
        read=Question(sql=f"SELECT key, value {found}", types=(BYTES_ARRAY,), name="fs_read" if prepares else ""),
        read_noted=Question(
            sql=f"""SELECT key, value, false {found} UNION ALL
                SELECT convert_to(name, 'UTF8'), value, true FROM {notes} WHERE project = $2 AND name = ANY($3)""",
            types=(BYTES_ARRAY, TEXT, TEXT_ARRAY),
            name="fs_read_noted" if prepares else "",
        ),
        upsert=Question(
            sql=f"""INSERT INTO {rows} AS stored {COPY_COLUMNS}
                SELECT * FROM unnest($1, $2, $3, $4, $5)
                ON CONFLICT (key) DO UPDATE
                SET ev = excluded.ev, cr = excluded.cr, expires_ms = excluded.expires_ms, value = excluded.value
                WHERE (excluded.ev, excluded.cr) >= (stored.ev, stored.cr) OR stored.expires_ms <= {_NOW_MS}""",
            types=(BYTES_ARRAY, INT8_ARRAY, INT8_ARRAY, INT8_ARRAY, BYTES_ARRAY),
        ),
        copy=f"COPY {rows} {COPY_COLUMNS} FROM STDIN (FORMAT binary)",
        stored=Question(
            sql=f"SELECT key, ev, cr, expires_ms, {_NOW_MS} FROM {rows} WHERE key = ANY($1)", types=(BYTES_ARRAY,)
        ),
        delete=Question(
            sql=f"""WITH chosen AS (SELECT key FROM {rows} WHERE key = ANY($1) ORDER BY key FOR UPDATE),
                gone AS (DELETE FROM {rows} WHERE key IN (SELECT key FROM chosen) RETURNING {lives} AS was_alive)
                SELECT count(*) FILTER (WHERE was_alive) FROM gone""",
            types=(BYTES_ARRAY,),
        ),
        page=Question(
            sql=f"""SELECT key FROM {rows} WHERE key >= $1 AND ($2::bytea IS NULL OR key < $2) AND {lives}
                ORDER BY key LIMIT {KEYS_PER_PAGE}""",
            types=(BYTES, BYTES),
        ),
        # The row with its header and line pointer, and its entry in the index; each in pages that are not full.
        sizes=Question(
            sql=f"""SELECT key, ((pg_column_size(r.*) + 8) / 0.85 + (pg_column_size(key) + 16) / 0.9)::bigint
                FROM {rows} AS r WHERE key = ANY($1) AND {lives}""",
            types=(BYTES_ARRAY,),
        ),
        a_page_of_the_table=Question(
            sql="SELECT (random() * pg_relation_size($1::regclass) / current_setting('block_size')::int)::bigint",
            types=(TEXT,),
        ),
        purge=Question(
            sql=f"""DELETE FROM {rows} WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM {rows} WHERE ctid >= format('(%s,0)', $1)::tid AND ctid < format('(%s,0)', $2)::tid
                AND expires_ms <= {_NOW_MS} FOR UPDATE SKIP LOCKED))""",
            types=(INT8, INT8),
        ),
        read_note=Question(sql=f"SELECT value FROM {notes} WHERE {one_note}", types=(TEXT, TEXT)),
        write_note=Question(
            sql=f"""INSERT INTO {notes} VALUES ($1, $2, $3)
                ON CONFLICT (project, name) DO UPDATE SET value = excluded.value""",
            types=(TEXT, TEXT, BYTES),
        ),
        add_note=Question(
            sql=f"INSERT INTO {notes} VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", types=(TEXT, TEXT, BYTES)
        ),
        swap_note=Question(
            sql=f"UPDATE {notes} SET value = $3 WHERE {one_note} AND value = $4", types=(TEXT, TEXT, BYTES, BYTES)
        ),
        drop_note=Question(sql=f"DELETE FROM {notes} WHERE {one_note} AND value = $3", types=(TEXT, TEXT, BYTES)),
        notes=Question(
            sql=f"SELECT name FROM {notes} WHERE project = $1 AND starts_with(name, $2)", types=(TEXT, TEXT)
        ),
        take_lease=Question(
            sql=f"""INSERT INTO {leases} AS held
                VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second')
                ON CONFLICT (project, name) DO UPDATE SET owner = excluded.owner, ends_at = excluded.ends_at
                WHERE held.owner = excluded.owner OR held.ends_at <= clock_timestamp()""",
            types=(TEXT, TEXT, TEXT, FLOAT8),
        ),
        holder=Question(sql=f"SELECT owner FROM {leases} WHERE {one_note}", types=(TEXT, TEXT)),
        lease=Question(
            sql=f"""SELECT owner, (extract(epoch FROM ends_at - clock_timestamp()) * 1000)::bigint
                FROM {leases} WHERE {one_note} AND ends_at > clock_timestamp()""",
            types=(TEXT, TEXT),
        ),
        end_lease=Question(sql=f"DELETE FROM {leases} WHERE {one_note} AND owner = $3", types=(TEXT, TEXT, TEXT)),
        create=_create(schema, "UNLOGGED " if is_unlogged else ""),
    )


def rows_table(schema: str) -> str:
    """Name the table of rows, as `regclass` reads it."""
    return f"{_identifier(schema)}.fs_rows"


def _create(schema: str, unlogged: str) -> tuple[str, ...]:
    """Make what is missing; one at a time, because two that make one table at once disturb each other.

    The schema is only made if it is absent: to ask for it needs a right on the database that a writer may not have.
    """
    place, text = _identifier(schema), schema.replace("'", "''")
    named = 'project text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL'
    return (
        "BEGIN",
        "SELECT pg_advisory_xact_lock(hashtext('featurestore online'))",
        f"""DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{text}') THEN CREATE SCHEMA {place}; END IF;
        END $$""",
        f"""CREATE {unlogged}TABLE IF NOT EXISTS {place}.fs_rows (
            key bytea PRIMARY KEY, ev bigint NOT NULL, cr bigint NOT NULL, expires_ms bigint, value bytea NOT NULL
        ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)""",
        f"""CREATE {unlogged}TABLE IF NOT EXISTS {place}.fs_notes (
            {named}, value bytea NOT NULL, PRIMARY KEY (project, name)
        )""",
        f"""CREATE {unlogged}TABLE IF NOT EXISTS {place}.fs_leases (
            {named}, owner text NOT NULL, ends_at timestamptz NOT NULL, PRIMARY KEY (project, name)
        )""",
        "COMMIT",
    )


def _identifier(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
