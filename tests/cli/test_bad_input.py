"""Bad input: one clear error, the right exit code, nothing on stdout, no traceback, nothing lost.

Each row: what is wrong, what breaks the project, the command, its exit code and all it says.
"""

from __future__ import annotations

import duckdb
import pytest

from tests.cli.tiny import churn, labels, orders

PLAN = ("plan",)
META = "models/orders.yml: config.meta.feature_view"
FEATURES = ("--features", "orders:amount")
ONE = ("--entity", "customer_id=1")


def nothing(_tiny):
    """The project is fine."""


def manifest(*resources, **changes):
    """Another manifest."""
    return lambda tiny: tiny.write_manifest(*resources, **changes)


def view(**changes):
    """Another manifest, in which the view's metadata is changed."""
    return manifest(orders(changes), labels())


def sql(statement):
    """Another warehouse."""
    return lambda tiny: tiny.sql(statement)


def without(path):
    """A file is gone."""
    return lambda tiny: (tiny.folder / path).unlink()


def text(path, content):
    """A file holds something else."""
    return lambda tiny: (tiny.folder / path).write_text(content)


def offline(tiny):
    """The only view is not online."""
    tiny.write_manifest(orders({"online": False}), labels())
    assert tiny.run("apply", "--allow-breaking", "orders").code == 0


def synced(tiny):
    """The online store is filled."""
    assert tiny.run("materialize").code == 0


PROJECT = [
    (
        "no dbt project",
        nothing,
        ("plan", "--project-dir", "target"),
        "no dbt_project.yml in target\n  -> change to a dbt project's folder, or name it: --project-dir",
    ),
    (
        "no manifest",
        without("target/manifest.json"),
        PLAN,
        "no manifest at target/manifest.json\n  -> run dbt parse or dbt build",
    ),
    (
        "an old manifest",
        manifest(
            metadata={
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v9.json",
                "dbt_version": "1.5.1",
            }
        ),
        PLAN,
        (
            "target/manifest.json: expected manifest schema v12 (dbt 1.8 and later), got v9 of dbt 1.5.1\n"
            "  -> upgrade dbt, then run dbt parse or dbt build"
        ),
    ),
    (
        "half a manifest",
        text("target/manifest.json", '{"metadata": {'),
        PLAN,
        (
            "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        "a manifest of another target",
        nothing,
        ("plan", "--target", "prod"),
        (
            "the manifest was made for database 'shop', but target 'prod' is database 'prod'\n"
            "  -> run dbt parse --target prod"
        ),
    ),
    (
        "an unknown target",
        nothing,
        ("plan", "--target", "prd"),
        "profiles.yml: no target 'prd' in profile 'shop'\n  -> did you mean prod?",
    ),
    (
        "an unknown setting",
        text("featurestore.yml", "registri: here\n"),
        PLAN,
        "featurestore.yml: unknown key 'registri'\n  -> did you mean registry?",
    ),
    (
        "an unknown kind of registry",
        nothing,
        ("plan", "--registry", "gopher://hole"),
        (
            "registry: no registry of kind 'gopher:' exists\n"
            "  -> write a path, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
        ),
    ),
    (
        "an unknown kind of online store",
        nothing,
        ("materialize", "--online-store", "cassandra://x"),
        (
            "no online store backend 'cassandra' is installed\n"
            "  -> known: dynamodb, memory, postgres, postgresql, redis, redis+cluster, redis+sentinel, rediss, "
            "rediss+cluster, rediss+sentinel, sqlite, unix"
        ),
    ),
]

DEFINITIONS = [
    (
        "an unknown entity",
        view(entities=["custmer"]),
        (
            f"{META}.entities: no entity 'custmer' is declared, and model orders has no column of that name\n"
            "  -> did you mean customer or customer_id?"
        ),
    ),
    (
        "the entity's column is missing",
        sql("alter table orders rename customer_id to customerid"),
        (
            f"{META}.entities: entity 'customer' has the join key 'customer_id', but model orders has no such column\n"
            "  -> did you mean customerid?"
        ),
    ),
    (
        "no event time",
        view(event_time=None),
        (
            f"{META}: no event time: expected `event_time` here or in the model's config, got neither\n"
            "  -> write `config: {event_time: COLUMN}` (a timestamp)"
        ),
    ),
    (
        "an event time that is not there",
        view(event_time="placed"),
        f"{META}.event_time: no column 'placed' in model orders\n  -> did you mean placed_at?",
    ),
    (
        "a textual event time",
        sql("alter table orders alter placed_at type varchar"),
        (
            f"{META}.event_time: expected a timestamp, got column 'placed_at' of type string in model orders\n"
            "  -> cast it in the model, e.g. cast(placed_at as timestamp)"
        ),
    ),
    (
        "a ttl of 7 dayz",
        view(ttl="7 dayz"),
        (
            f"""{META}.ttl: expected a duration such as "7 days", "1h 30m" or "250ms", got '7 dayz'\n"""
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        "a ttl of 0",
        view(ttl=0),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 0\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        "a ttl of 0s",
        view(ttl="0s"),
        (
            f"{META}.ttl: expected a duration above zero (SEMANTICS P3), got '0s'\n"
            "  -> remove the key if values never expire"
        ),
    ),
    (
        "a ttl of 1:30, which YAML reads as 90",
        view(ttl=90),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 90\n'
            "  -> YAML reads 1:30 without quotes as 90; write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        "a ttl of '1:30'",
        view(ttl="1:30"),
        (
            f"""{META}.ttl: expected a duration such as "7 days", "1h 30m" or "250ms", got '1:30'\n"""
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    ("an unknown key", view(tll="7 days"), f"{META}: unknown key 'tll'\n  -> did you mean ttl?"),
    (
        "unknown features in a service, told at once",
        manifest(orders(), labels(), churn("orders:amuont", "ordres:amount")),
        (
            "models/churn.yml: config.meta.feature_service.features[0]: no feature 'amuont' in feature view orders\n"
            "  -> did you mean amount?\n"
            "models/churn.yml: config.meta.feature_service.features[1]: no feature view 'ordres'\n"
            "  -> did you mean orders?"
        ),
    ),
]

NAMES = [
    ("no feature view 'ordres' in the registry\n  -> did you mean orders?", ("--features", "ordres:amount")),
    ("no feature 'amuont' in feature view orders\n  -> did you mean amount?", ("--features", "orders:amuont")),
    ("no feature service 'chrun' in the registry\n  -> did you mean churn?", ("--service", "chrun")),
    (
        (
            "cannot read the feature reference 'orders:a:b'\n"
            '  -> write "view:feature", "view", "view@v2:feature" or "view[view_key=spine_key] as name:feature"'
        ),
        ("--features", "orders:a:b"),
    ),
]

SPINES = [
    (
        "no key",
        "select label_at, 1::bigint as customerid from labels",
        "the spine has no column 'customer_id'\n  -> did you mean customerid?",
    ),
    (
        "a key of another type",
        "select label_at, 'x' as customer_id from labels",
        (
            "join key 'customer_id' is string in the spine but int64 in orders\n"
            "  -> cast it where the spine is made, e.g. cast(customer_id as BIGINT)"
        ),
    ),
    (
        "no time",
        "select customer_id from labels",
        (
            "the spine's time column is unclear: expected 'event_timestamp' or one timestamp column, "
            "got none among customer_id int32\n"
            "  -> name it: --time COLUMN, or time= in Python"
        ),
    ),
    (
        "two times",
        "select customer_id, label_at, now() as n from labels",
        (
            "the spine's time column is unclear: expected 'event_timestamp' or one timestamp column, got label_at, n\n"
            "  -> name it: --time COLUMN, or time= in Python"
        ),
    ),
    (
        "a textual time",
        "select customer_id, '2026' as event_timestamp from labels",
        (
            "the spine's time column 'event_timestamp' is string, expected a timestamp\n"
            "  -> cast it where the spine is made, e.g. cast(x as timestamp)"
        ),
    ),
    ("two statements", "select 1; select 2", "the spine must be one SELECT, got 2 statements"),
    ("DML", "delete from labels", "the spine must be one SELECT, got DELETE\n  -> a spine only reads"),
    (
        "DML behind WITH",
        "with x as (select 1) insert into labels select * from x",
        "the spine must be one SELECT, got INSERT\n  -> a spine only reads",
    ),
    ("DDL", "drop table labels", "the spine must be one SELECT, got DROP\n  -> a spine only reads"),
    (
        "no SQL at all",
        "select from where",
        (
            "cannot read the spine's SQL as duckdb: it stops making sense in line 1, column 17, near 'where'\n"
            "  -> write one SELECT with a row per example"
        ),
    ),
    (
        "no such file",
        "labels.csv",
        "spine: no file at labels.csv\n  -> check the path; it starts from the current folder",
    ),
    (
        "no such model",
        "ref('nope')",
        "spine: no dbt model 'nope' in the manifest\n  -> run `dbt parse` if it is new",
    ),
    (
        "a clash with a feature",
        "select customer_id, label_at, 1 as Amount from labels",
        (
            "two output columns would be named 'amount': column 'Amount' of the spine and orders:amount\n"
            "  -> ask for full feature names (view__feature), or rename the column"
        ),
    ),
]

TRAINING = [
    (
        "no examples",
        FEATURES,
        (
            "for which examples? expected --spine, or --at, or both --start and --end\n"
            "  -> e.g. --spine labels.csv, --spine my_model, --spine 'select ... from labels'"
        ),
    ),
    (
        "half a range",
        (*FEATURES, "--start", "2026-01-01"),
        (
            "for which examples? expected --spine, or --at, or both --start and --end\n"
            "  -> e.g. --spine labels.csv, --spine my_model, --spine 'select ... from labels'"
        ),
    ),
    (
        "examples and a time",
        (*FEATURES, "--spine", "labels", "--at", "2026-01-01"),
        "a spine has its own times\n  -> leave out at, start and end, or the spine",
    ),
    (
        "spine columns without a spine",
        (*FEATURES, "--at", "2026-01-01", "--spine-columns", "customer_id:bigint"),
        "a time and spine columns describe a spine, and there is none\n  -> add the spine",
    ),
    (
        "a time column without a spine",
        (*FEATURES, "--at", "2026-01-01", "--time", "label_at"),
        "a time and spine columns describe a spine, and there is none\n  -> add the spine",
    ),
    (
        "a statement that is no query",
        (*FEATURES, "--spine", "explain select 1"),
        "the spine must be one SELECT, got EXPLAIN\n  -> a spine only reads",
    ),
    (
        "empty stdin",
        (*FEATURES, "--spine", "-"),
        "--spine: expected a SELECT, a file, a table or a dbt model, got nothing",
    ),
    (
        "no features",
        ("--spine", "labels"),
        (
            "expected either --features or --service, got neither\n"
            "  -> e.g. --features view:feature,view:other or --service NAME"
        ),
    ),
    (
        "an empty list of features",
        ("--spine", "labels", "--features", " , "),
        "--features: expected a list separated by commas, got nothing",
    ),
    (
        "features and a service",
        ("--spine", "labels", *FEATURES, "--service", "churn"),
        (
            "expected either --features or --service, got both\n"
            "  -> e.g. --features view:feature,view:other or --service NAME"
        ),
    ),
    (
        "two features of one name",
        ("--spine", "labels", "--features", "orders:amount, orders as o:amount"),
        (
            "two output columns would be named 'amount': orders:amount and orders as o:amount\n"
            "  -> ask for full feature names (view__feature), or rename the column"
        ),
    ),
    (
        "a time that is none",
        (*FEATURES, "--at", "yesterday"),
        "--at: expected a time such as 2026-06-01 or 2026-06-01T12:00:00Z, got 'yesterday'",
    ),
    (
        "an unknown type",
        (*FEATURES, "--spine", "select 1", "--spine-columns", "customer_id:bigintt"),
        (
            "--spine-columns: expected name:type, got 'customer_id:bigintt'\n"
            '  -> e.g. --spine-columns "customer_id:bigint,label_at:timestamp"'
        ),
    ),
    (
        "a time column that is not there",
        (*FEATURES, "--spine", "labels", "--time", "label"),
        "the spine has no time column 'label'\n  -> did you mean label_at?",
    ),
    (
        "an unknown dialect",
        (*FEATURES, "--spine", "labels", "--time", "label_at", "--dialect", "postgre"),
        "no SQL is written for the dialect 'postgre' yet\n  -> did you mean postgres?",
    ),
]

ONLINE = [
    ("an unknown view", nothing, ("materialize", "ordres"), NAMES[0][0]),
    (
        "a range that ends before it starts",
        nothing,
        ("materialize", "--start", "2026-02-01", "--end", "2026-01-01"),
        "start 2026-02-01T00:00:00Z is after end 2026-01-01T00:00:00Z",
    ),
    (
        "nothing to sync",
        offline,
        ("materialize",),
        "no feature view is online\n  -> remove `online: false` from one, and apply",
    ),
    (
        "a view that is not online",
        offline,
        ("materialize", "orders"),
        "feature view orders is not online\n  -> remove `online: false`, and apply",
    ),
    (
        "no entity",
        synced,
        ("get-online", *FEATURES),
        "for which entities? expected --entity or --entities\n  -> write --entity customer_id=...",
    ),
    (
        "another key",
        synced,
        ("get-online", *FEATURES, "--entity", "custmer_id=1"),
        "entity_rows[0]: missing join key 'customer_id'\n  -> the features asked for need customer_id; got custmer_id",
    ),
    (
        "a key that is no number",
        synced,
        ("get-online", *FEATURES, "--entity", "customer_id=abc"),
        (
            "entity_rows[0]: join key 'customer_id' (int64): expected a whole number, got 'abc' (str)\n"
            "  -> pass the value in the key's type; a missing key is None"
        ),
    ),
    (
        "no value",
        synced,
        ("get-online", *FEATURES, "--entity", "customer_id"),
        (
            "--entity: expected KEY=VALUE, got 'customer_id'\n"
            "  -> e.g. --entity customer_id=1,code=x; where values hold commas, use --entities"
        ),
    ),
    (
        "a key twice",
        synced,
        ("get-online", *FEATURES, "--entity", "customer_id=1,customer_id=2"),
        "--entity: the key 'customer_id' is given twice\n  -> for another entity, write --entity once more",
    ),
    (
        "no such file",
        synced,
        ("get-online", *FEATURES, "--entities", "no.jsonl"),
        "--entities: cannot read no.jsonl: No such file or directory",
    ),
    (
        "an empty file",
        synced,
        ("get-online", *FEATURES, "--entities", "-"),
        '--entities: no entity is in it\n  -> write one per line, e.g. {"customer_id": 1}',
    ),
]


def cases(table):
    """The rows of a table as test parameters; the first cell names the test."""
    return [pytest.param(*row[1:], id=row[0]) for row in table]


def assert_refused(ran, said, *, code=2):
    assert (ran.code, ran.out) == (code, "")
    assert ran.err == f"Error: {said}\n"


@pytest.mark.parametrize(("breaks", "arguments", "said"), cases(PROJECT))
def test_a_project_that_cannot_be_read(applied, breaks, arguments, said):
    breaks(applied)
    assert_refused(applied.run(*arguments), said)
    assert applied.versions() == ["v0000000001.json"]


@pytest.mark.parametrize("command", ["plan", "apply", "validate"])
def test_wrong_definitions_are_refused_by_every_command_that_reads_them(applied, command):
    view(ttl="7 dayz")(applied)
    assert_refused(applied.run(command), {row[0]: row[2] for row in DEFINITIONS}["a ttl of 7 dayz"])


@pytest.mark.parametrize(("breaks", "said"), cases(DEFINITIONS))
def test_a_wrong_definition_and_the_registry_stays_as_it_is(applied, breaks, said):
    breaks(applied)
    assert_refused(applied.run("apply"), said)
    assert applied.versions() == ["v0000000001.json"]


def test_an_event_time_that_is_a_date_is_usable_a_day_later_and_said_so_p7(applied):
    applied.sql("alter table orders alter placed_at type date")
    ran = applied.run("plan")
    assert ran.code == 0
    assert ran.err == (
        f"Warning: {META}.event_time: 'placed_at' is a DATE and no delay is declared, so rows count from one day later "
        "(SEMANTICS P7)\n  -> declare it: `delay: 1 day`, or what holds\n"
    )
    assert any("delay 0s -> 1d" in line for line in ran.lines)


@pytest.mark.parametrize("command", [("training-sql", "--spine", "labels"), ("training-set", "--spine", "labels")])
@pytest.mark.parametrize(("said", "names"), NAMES)
def test_unknown_names_in_a_training_set(applied, command, said, names):
    assert_refused(applied.run(*command, *names), said)


@pytest.mark.parametrize(("said", "names"), NAMES)
def test_unknown_names_in_a_lookup(applied, said, names):
    assert_refused(applied.run("get-online", *names, *ONE), said)


@pytest.mark.parametrize(("spine", "said"), cases(SPINES))
def test_a_spine_that_cannot_be_used(applied, spine, said):
    assert_refused(applied.run("training-set", "--spine", spine, *FEATURES), said)
    with duckdb.connect(str(applied.folder / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from labels").fetchall() == [(2,)]


def test_a_spine_of_a_table_that_is_not_there(applied):
    ran = applied.run("training-sql", "--spine", "labls", *FEATURES)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: labls: DuckDB refused a statement: ")
    assert ran.err.endswith("\n  -> check the spine: its table, file or SQL\n")


def test_examples_without_a_time_or_key_stay_and_know_nothing_p1_p2(applied):
    spine = (
        "select * from (values (1::bigint, null::timestamp), (null, timestamp '2026-06-04'), "
        "(1, timestamp '2026-06-04')) t(customer_id, event_timestamp)"
    )
    ran = applied.run("training-set", "--spine", spine, *FEATURES, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert sorted((row["amount"] or "", row["customer_id"] or 0) for row in ran.json["rows"]) == [
        ("", 0),
        ("", 1),
        ("10.50", 1),
    ]


@pytest.mark.parametrize(("arguments", "said"), cases(TRAINING))
def test_a_training_set_that_cannot_be_meant(applied, arguments, said):
    assert_refused(applied.run("training-sql", *arguments), said)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("--output", "x.csv"),
            2,
            (
                "--output: expected a file ending in .parquet, got x.csv\n"
                "  -> write .parquet; for CSV, `COPY (FROM 'x.parquet') TO 'x.csv'` in DuckDB"
            ),
        ),
        (("--output", "no/x.parquet"), 2, "--output: no folder no\n  -> make it first, or check the path"),
        (("--output", "x.parquet", "--into", "x"), 2, "expected either --output or --into, got both"),
        (
            ("--into", "old"),
            1,
            "the table old already exists\n  -> replace it, or append to it: --replace or --append, in Python mode=",
        ),
        (
            ("--into", "`old`"),
            2,
            "expected the name of a table, got '`old`'\n  -> e.g. train_v1, main.train_v1 or \"my table\"",
        ),
    ],
)
def test_a_place_that_a_training_set_cannot_go_to(applied, arguments, code, said):
    applied.sql("create table old as select 1 as x")
    ran = applied.run("training-set", "--spine", "labels", "--time", "label_at", *FEATURES, *arguments)
    assert_refused(ran, said, code=code)
    assert applied.run("training-set", "--spine", "labels", *FEATURES).lines[-1] == "2 rows, 4 columns"


@pytest.mark.parametrize("how", [(), ("--replace",), ("--append",)])
@pytest.mark.parametrize("table", ["orders", "main.orders", '"Orders"', 'shop."main".orders'])
def test_a_table_that_dbt_makes_is_never_written(applied, table, how):
    ran = applied.run("training-set", "--spine", "labels", "--time", "label_at", *FEATURES, "--into", table, *how)
    assert_refused(
        ran,
        f"the table {table} is dbt's: model.shop.orders\n"
        "  -> choose another name: dbt makes this table, and features or examples may come from it",
    )


def test_a_table_called_like_a_model_but_in_another_schema_is_ones_own(applied):
    applied.sql("create schema mine")
    asked = ("training-set", "--spine", "labels", "--time", "label_at", *FEATURES, "--into", "mine.orders")
    assert applied.run(*asked).code == 0


@pytest.mark.parametrize(("breaks", "arguments", "said"), cases(ONLINE))
def test_a_sync_or_a_lookup_that_cannot_be_meant(applied, breaks, arguments, said):
    breaks(applied)
    assert_refused(applied.run(*arguments), said)


@pytest.mark.parametrize("line", ["[1]", "{", '"x"'])
def test_entities_are_one_json_object_per_line(applied, line):
    ran = applied.run("get-online", *FEATURES, "--entities", "-", stdin=f'{{"customer_id": 1}}\n{line}\n')
    said = f'--entities: line 2: expected a JSON object, got {line!r}\n  -> one per line, e.g. {{"customer_id": 1}}'
    assert_refused(ran, said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", "orders"),
        ("registry", "show"),
        ("materialize",),
        ("training-sql", "--spine", "labels", *FEATURES),
        ("get-online", *FEATURES, *ONE),
    ],
)
def test_before_the_first_apply(tiny, arguments):
    place = tiny.folder / ".featurestore" / "registry"
    said = f"{place}: the registry holds no version yet\n  -> run `featurestore apply`"
    assert_refused(tiny.run(*arguments), said)


def test_a_registry_version_that_is_not_there(applied):
    place = applied.folder / ".featurestore" / "registry"
    assert_refused(applied.run("registry", "show", "7"), f"no version '7' in the registry {place}\n  -> known: 1")


def test_a_lookup_before_the_first_sync(applied):
    said = "the online store .featurestore/online.sqlite does not exist: nothing was synced yet"
    assert_refused(applied.run("get-online", *FEATURES, *ONE), f"{said}\n  -> run featurestore materialize", code=4)


@pytest.mark.parametrize("arguments", [("materialize",), ("get-online", *FEATURES, *ONE)])
def test_the_online_store_is_down(applied, arguments):
    ran = applied.run(*arguments, "--online-store", "redis://127.0.0.1:1/0")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("Error: the online store at 127.0.0.1:1 cannot be used: ")
    assert ran.err.endswith("\n  -> is the server running and the URI right?\n")


def test_the_warehouse_is_gone(applied):
    without("shop.duckdb")(applied)
    place = applied.folder / "shop.duckdb"
    for arguments in (("materialize",), ("training-set", "--spine", "labels", "--time", "label_at", *FEATURES)):
        assert_refused(applied.run(*arguments), f"no DuckDB file at {place}\n  -> run `dbt build` first", code=4)


def test_the_warehouse_lives_in_memory(applied):
    text("profiles.yml", "shop: {target: dev, outputs: {dev: {type: duckdb}}}")(applied)
    said = "profiles.yml: path: the dbt target's DuckDB database is in memory, so nothing that dbt built can be read"
    assert_refused(applied.run("materialize"), f"{said}\n  -> give the target a file, e.g. path: shop.duckdb")
