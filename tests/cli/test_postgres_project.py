"""A dbt project on Postgres, from its profile to a training set: the whole way through the command line."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime
from decimal import Decimal
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
import yaml

from tests.cli.logged import logged_churn, serve, served
from tests.cli.tiny import Tiny, churn, labels, orders
from tests.warehouse.postgres_server import PASSWORD

ANSWER = [(1, True, 1, Decimal("10.50")), (9, False, None, None)]


@pytest.fixture
def shop_on_postgres(postgres_server, tmp_path):
    """A project whose models dbt seems to have built in Postgres, applied."""
    database = "cli_shop"
    if not postgres_server.run(f"select 1 from pg_database where datname = '{database}'"):
        postgres_server.run(f"create database {database}")
    postgres_server.run(
        "drop schema if exists marts cascade",
        "create schema marts",
        "create table marts.orders (customer_id bigint, placed_at timestamp, loaded_at timestamp, order_count bigint, "
        "amount numeric(10, 2), tags text[])",
        "insert into marts.orders values (1, '2026-06-01 10:00', '2026-06-01 11:00', 1, 10.50, '{new}'), "
        "(1, '2026-06-05 10:00', '2026-06-05 11:00', 2, 30.00, '{}'), "
        "(3, '2026-06-03 10:00', '2026-06-03 11:00', null, null, null)",
        "create table marts.labels as select * from (values (1::bigint, timestamp '2026-06-04', true), "
        "(9, '2026-06-04', false)) t(customer_id, label_at, bought)",
        database=database,
    )
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: '1.0'\n")
    settings = postgres_server.settings(dbname=database, schema="marts", password="{{ env_var('PG_SECRET') }}")
    profile = {"target": "dev", "outputs": {"dev": {"type": "postgres", "threads": 4, **settings}}}
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump({"shop": profile}))
    (tmp_path / "featurestore.yml").write_text("entities:\n  - {name: customer, join_keys: [customer_id]}\n")
    project = Tiny(folder=tmp_path)
    place = {"database": database, "schema": "marts"}
    project.write_manifest(
        orders({"ttl": "3650d"}, **place, relation_name=f'"{database}"."marts"."orders"'),
        {**labels(), **place, "relation_name": f'"{database}"."marts"."labels"'},
        churn(),
        metadata={"adapter_type": "postgres"},
    )
    assert run(project, "apply").code == 0
    return project


def run(project, *arguments, secret=PASSWORD):
    ran = project.run(*arguments, environ={"PG_SECRET": secret})
    assert PASSWORD not in ran.out + ran.err
    return ran


def rows_of(path):
    table = pq.read_table(path)
    wanted = ["customer_id", "bought", "order_count", "amount"]
    return sorted(zip(*(table.column(name).to_pylist() for name in wanted), strict=True))


@pytest.mark.parametrize(
    "asked",
    [
        ("labels",),
        ("ref('labels')",),
        ("marts.labels",),
        ("select * from labels",),
        ("examples.csv",),
        ("labels", "--strategy", "lateral"),
        ("labels", "--strategy", "range_argmax"),
    ],
    ids=" ".join,
)
def test_a_training_set_goes_into_a_file(shop_on_postgres, asked):
    (shop_on_postgres.folder / "examples.csv").write_text(
        "customer_id,label_at,bought\n1,2026-06-04 00:00:00,true\n9,2026-06-04 00:00:00,false\n"
    )
    options = ("--service", "churn", "--output", "train.parquet")
    ran = run(shop_on_postgres, "training-set", "--spine", *asked, *options)
    assert ran.code == 0, ran.err
    assert rows_of(shop_on_postgres.folder / "train.parquet") == ANSWER
    record = json.loads((shop_on_postgres.folder / "train.parquet.json").read_text())
    assert (record["rows"], record["dialect"]) == (2, "postgres")


def test_a_training_set_goes_into_a_table_of_the_targets_schema(shop_on_postgres, postgres_server):
    asked = ("--spine", "labels", "--service", "churn", "--into", "train_v1")
    assert run(shop_on_postgres, "training-set", *asked).code == 0
    sql = "select customer_id, bought, order_count, amount::text from marts.train_v1 order by customer_id"
    assert postgres_server.run(sql, database="cli_shop") == [(1, True, 1, "10.50"), (9, False, None, None)]
    again = run(shop_on_postgres, "training-set", *asked)
    assert again.code == 1
    assert "the table train_v1 already exists\n  -> replace it, or append" in again.err


def test_an_index_is_seen_and_walked(shop_on_postgres, postgres_server):
    asked = ("training-sql", "--spine", "labels", "--service", "churn", "--explain")
    before = run(shop_on_postgres, *asked)
    assert "has an index" not in before.out + before.err
    postgres_server.run("create index on marts.orders (customer_id, placed_at)", database="cli_shop")
    ran = run(shop_on_postgres, *asked)
    assert ran.code == 0
    assert "lateral" in ran.out + ran.err
    assert "has an index on keys and event time" in ran.out + ran.err


def test_a_frame_gets_its_features_back_row_by_row(shop_on_postgres, monkeypatch):
    pd = pytest.importorskip("pandas")
    from featurestore.store import FeatureStore

    monkeypatch.setenv("PG_SECRET", PASSWORD)
    frame = pd.DataFrame(
        {"customer_id": [9, 1, 1], "event_timestamp": [datetime(2026, 6, 6)] * 2 + [datetime(2026, 6, 2)]},
        index=["a", "b", "c"],
    )
    store = FeatureStore(shop_on_postgres.folder)
    found = store.get_historical_features(frame, ["orders:order_count", "orders:tags"]).to_df()
    assert list(found.index) == ["a", "b", "c"]
    assert found["order_count"].tolist() == [pd.NA, 2, 1]
    assert [None if tags is None else list(tags) for tags in found["tags"]] == [None, [], ["new"]]


def test_the_online_store_is_filled_from_postgres(shop_on_postgres):
    assert run(shop_on_postgres, "materialize").code == 0
    ran = run(shop_on_postgres, "get-online", "--service", "churn", "--entity", "customer_id=1", "--json")
    assert ran.code == 0, ran.err
    assert "30.00" in ran.out


def test_the_doctor_opens_it_and_says_what_is_not_built(shop_on_postgres, postgres_server):
    checks = {check["check"]: check for check in run(shop_on_postgres, "doctor", "--json").json["checks"]}
    assert checks["warehouse"]["status"] == "OK"
    postgres_server.run("drop table marts.orders", database="cli_shop")
    checks = {check["check"]: check for check in run(shop_on_postgres, "doctor", "--json").json["checks"]}
    assert "not built" in json.dumps(checks["warehouse"])


def test_a_wrong_password_ends_with_4_and_one_sentence(shop_on_postgres):
    ran = run(shop_on_postgres, "training-set", "--spine", "labels", "--service", "churn", secret="wrong")
    assert ran.code == 4
    assert "cannot open Postgres at 127.0.0.1:" in ran.err
    assert "password authentication failed" in ran.err
    assert len(ran.err.strip().splitlines()) <= 3


def test_a_role_that_only_reads_gets_its_training_set_and_the_explanation_says_so(shop_on_postgres, postgres_server):
    """Without the right to make temporary tables, one SELECT does it all."""
    try:
        postgres_server.run(
            f"create role cli_reader login password '{PASSWORD}'",
            "grant usage on schema marts to cli_reader",
            "grant select on all tables in schema marts to cli_reader",
            "revoke temporary on database cli_shop from public",
            database="cli_shop",
        )
        profiles = shop_on_postgres.folder / "profiles.yml"
        profiles.write_text(profiles.read_text().replace("user: admin", "user: cli_reader"))
        asked = ("--spine", "labels", "--service", "churn")
        assert run(shop_on_postgres, "training-set", *asked, "--output", "train.parquet").code == 0
        assert rows_of(shop_on_postgres.folder / "train.parquet") == ANSWER
        explained = run(shop_on_postgres, "training-sql", *asked, "--explain").out
        assert "union_first" in explained
        assert "no temporary table can be made here" in explained
        refused = run(shop_on_postgres, "training-set", *asked, "--into", "train_v1")
        assert (refused.code, refused.out) == (1, "")
        assert "permission denied for schema marts\n  -> ask the owner to GRANT it" in refused.err
    finally:
        postgres_server.run(
            "grant temporary on database cli_shop to public",
            "drop owned by cli_reader",
            "drop role cli_reader",
            database="cli_shop",
        )


def test_ctrl_c_ends_with_130_and_leaves_no_table(shop_on_postgres, postgres_server):
    spine = (
        "select 1::bigint as customer_id, timestamp '2026-06-04' as label_at "
        "from (select generate_series(1, 1000000000000)) g"
    )
    running = (
        "select count(*)::int from pg_stat_activity where datname = 'cli_shop' and state = 'active' "
        "and query like '%1000000000000%' and pid <> pg_backend_pid()"
    )
    asked = ("training-set", "--spine", spine, "--service", "churn", "--into", "train_v1")
    with shop_on_postgres.start(*asked, environ={"PG_SECRET": PASSWORD}) as process:
        try:
            assert eventually(lambda: postgres_server.run(running) == [(1,)])
            process.send_signal(signal.SIGINT)
            assert eventually(lambda: postgres_server.run(running) == [(0,)])
            process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    assert postgres_server.run("select 1 from pg_tables where tablename = 'train_v1'", database="cli_shop") == []


def eventually(is_so, *, within_s=120.0):
    import time

    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_what_is_served_is_verified_against_postgres(shop_on_postgres, postgres_server):
    """P17: all keys, a sample, and a row that the store lost."""
    assert run(shop_on_postgres, "verify").code == 3
    assert run(shop_on_postgres, "materialize").code == 0
    for options in ((), ("--all",), ("--sample", "50%")):
        ran = run(shop_on_postgres, "verify", *options)
        assert (ran.code, ran.err) == (0, ""), ran
        assert " OK " in ran.out
    fresh = run(shop_on_postgres, "freshness", "--json").json["views"][0]
    assert (fresh["state"], fresh["offline"], fresh["waiting"]) == ("fresh", "2026-06-05T10:00:00Z", 0)
    assert run(shop_on_postgres, "online", "delete-entity", "--entity", "customer_id=3", "--yes").code == 0
    assert "1 missing" in run(shop_on_postgres, "verify").out
    postgres_server.run(
        "insert into marts.orders values (3, '2026-06-04', '2026-06-07', 1, 1.00, null)", database="cli_shop"
    )
    assert "1 waiting" in run(shop_on_postgres, "verify").out
    assert run(shop_on_postgres, "freshness", "--json").json["views"][0]["waiting"] == 1


@pytest.mark.parametrize("to", ["warehouse", "lake"])
def test_what_was_served_is_logged_made_a_training_set_and_verified(shop_on_postgres, postgres_server, to):
    place = {"database": "cli_shop", "schema": "marts"}
    shop_on_postgres.write_manifest(
        orders({"ttl": "3650d"}, **place, relation_name='"cli_shop"."marts"."orders"'),
        {**labels(), **place, "relation_name": '"cli_shop"."marts"."labels"'},
        logged_churn(logging={"to": to}),
        metadata={"adapter_type": "postgres"},
    )
    assert run(shop_on_postgres, "apply").code == 0
    with patch.dict(os.environ, {"PG_SECRET": PASSWORD}):
        serve(
            shop_on_postgres,
            served(1, "2026-06-04 00:00", 1, "10.50"),
            served(9, "2026-06-04 00:00", None, status="NOT_FOUND"),
            served(1, "2026-06-06 00:00", 1, "10.50"),
        )
    assert run(shop_on_postgres, "log", "load").out == "churn  3 rows loaded\n"
    if to == "warehouse":
        sql = "select customer_id, order_count, amount, amount__status from marts.churn__log order by served_at, 1"
        assert postgres_server.run(sql, database="cli_shop") == [
            (1, 1, "10.50", "PRESENT"),
            (9, None, None, "NOT_FOUND"),
            (1, 1, "10.50", "PRESENT"),
        ]
    verified = run(shop_on_postgres, "verify", "--log", "churn", "--json")
    assert (verified.code, verified.json["rows"]["equal"], verified.json["rows"]["lag"]) == (0, 2, 1)
    later = run(shop_on_postgres, "verify", "--log", "churn", "--json", "--start", "2026-06-05", "--sample", "10").json
    assert (later["compared"], later["rows"]["lag"]) == (1, 1)
    made = run(shop_on_postgres, "training-set", "--from-log", "churn", "--json").json["rows"]
    assert sorted(row["customer_id"] for row in made) == [1, 1, 9]
    spined = run(
        shop_on_postgres, "training-set", "--from-log", "churn", "--spine", "labels", "--output", "train.parquet"
    )
    assert (spined.code, rows_of(shop_on_postgres.folder / "train.parquet")) == (0, ANSWER)
