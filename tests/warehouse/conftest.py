"""A Postgres to open, as users open it: by a target of their profile."""

from __future__ import annotations

import pytest

from featurestore.warehouse.postgres import open_warehouse


@pytest.fixture
def shop_db(postgres_server):
    """The name of a database with nothing in it but the empty schema `shop`."""
    name = "shop_db"
    if not postgres_server.run(f"select 1 from pg_database where datname = '{name}'"):
        postgres_server.run(f"create database {name}")
    postgres_server.run("create schema shop", database=name)
    yield name
    postgres_server.run(
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' "
        "and application_name = 'featurestore'",
        f"alter database {name} reset all",
        f"grant temporary on database {name} to public",
    )
    postgres_server.run("drop schema shop cascade", 'drop view if exists public."V 1"', database=name)


@pytest.fixture
def admin(postgres_server, shop_db):
    """A function that runs statements in that database, past the code under test."""
    return lambda *statements: postgres_server.run(*statements, database=shop_db)


@pytest.fixture
def open_postgres(postgres_server, shop_db, tmp_path):
    """A function that opens that database as a target of a profile, with changes."""
    opened = []

    def open_one(**changes):
        settings = postgres_server.settings(**{"dbname": shop_db, "schema": "shop", **changes})
        opened.append(open_warehouse(settings, base_dir=tmp_path))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def postgres(open_postgres):
    return open_postgres()
