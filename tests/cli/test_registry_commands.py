"""plan, apply, validate, list, show, registry: what a person reads and what a program gets."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.cli.tiny import VIEW, churn, labels, orders

FIRST_PLAN = """\
Registry .featurestore/registry, empty
Manifest of dbt project shop, target dev, {age} old
  +  project  shop
  +  entity   customer  customer_id                                    (used by churn)
  +  view     orders    3 features: order_count, amount, tags          (used by churn)
  +  service  churn     2 features: orders:order_count, orders:amount
Plan: 4 to add, 0 to change, 0 to remove.
"""


def test_a_first_plan_shows_everything_as_new_and_writes_nothing(tiny):
    ran = tiny.run("plan")
    age = ran.lines[1].partition("dev, ")[2].removesuffix(" old")
    assert (ran.code, ran.err, ran.out) == (0, "", FIRST_PLAN.format(age=age))
    assert tiny.versions() == []


def test_a_project_whose_models_are_no_feature_views_is_told_what_to_write(tiny):
    tiny.write_manifest(labels())
    assert tiny.run("plan").err.startswith(
        "Warning: no model is a feature view\n  -> give one `config.meta.feature_view`"
    )


def test_apply_shows_the_same_and_makes_a_version(tiny):
    planned, ran = tiny.run("plan").lines, tiny.run("apply")
    assert (ran.code, ran.err) == (0, "")
    shown, wanted = (
        [re.sub(r", [\w ]+ old$", ", AGE old", line) for line in lines] for lines in (ran.lines, planned[:-1])
    )
    assert shown == [*wanted, "Applied version 1: 4 added, 0 changed, 0 removed."]
    assert tiny.versions() == ["v0000000001.json"]


def test_applying_twice_makes_nothing_r4(applied):
    assert applied.run("apply").out == "Nothing changed: version 1.\n"
    assert applied.run("plan").lines[-1] == "Nothing to change: version 1 is what the manifest says."
    assert applied.versions() == ["v0000000001.json"]


def test_a_version_holds_no_secret_and_no_path_of_the_machine_r3(tiny):
    (tiny.folder / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main, token: hunter1}}}\n"
    )
    assert tiny.run("apply", environ={"FEATURESTORE_ONLINE_STORE": "redis://:hunter2@localhost/0"}).code == 0
    (name,) = tiny.versions()
    written = (tiny.folder / ".featurestore" / "registry" / name).read_text()
    assert '"orders"' in written
    assert [found for found in ("hunter1", "hunter2", str(tiny.folder)) if found in written] == []


def test_a_plan_marks_what_breaks_and_names_who_uses_it(applied):
    applied.write_manifest(orders({"ttl": "7 days"}), labels(), churn("orders:amount", "orders:tags"))
    ran = applied.run("plan")
    assert ran.code == 0
    assert ran.lines[2:] == [
        "  !  view     orders  ttl 30d -> 7d                  (breaking, used by churn)",
        "  !  service  churn   features - orders:order_count  (breaking)",
        "  ~  service  churn   features + orders:tags         (compatible)",
        "Plan: 0 to add, 3 to change (2 breaking), 0 to remove.",
        "apply will refuse it: make new dbt model versions, or run featurestore apply --allow-breaking orders",
    ]


def test_what_is_gone_has_a_minus(applied):
    applied.write_manifest(orders(), labels())
    (line,) = [line for line in applied.run("plan").lines if line.startswith("  -")]
    assert line.split() == [
        "-",
        "service",
        "churn",
        "2",
        "features:",
        "orders:order_count,",
        "orders:amount",
        "(breaking)",
    ]


def test_plan_and_apply_as_json(tiny):
    planned = tiny.run("plan", "--json").json
    assert planned["version"] is None
    assert planned["counts"]["added"] == 4
    assert planned["changes"][1] == {
        "kind": "added",
        "what": "entity",
        "name": "customer",
        "field": None,
        "before": None,
        "after": ["customer_id"],
        "impact": "compatible",
        "services": ["churn"],
        **{key: [] for key in ("features", "through", "uncompiled", "unbuilt", "exposures", "training_sets")},
    }
    assert planned["manifest"]["target"] == "dev"
    done = tiny.run("apply", "--json").json
    assert (done["version"], done["created"], len(done["content_hash"])) == (1, True, 64)
    assert tiny.run("apply", "--json").json["created"] is False


def test_warnings_go_to_stderr_and_into_the_json(tiny):
    (tiny.folder / "models").mkdir()
    changed = tiny.folder / "models" / "orders.yml"
    changed.touch()
    written_at = (tiny.folder / "target" / "manifest.json").stat().st_mtime
    os.utime(changed, (written_at + 60, written_at + 60))
    ran = tiny.run("plan")
    assert ran.err == (
        "Warning: changed after dbt wrote the manifest: models/orders.yml\n  -> run dbt parse or dbt build\n"
    )
    assert "Warning" not in ran.out
    assert tiny.run("plan", "--json").json["warnings"] == [
        {"message": message, "hint": hint}
        for message, _, hint in [ran.err.removeprefix("Warning: ").strip().partition("\n  -> ")]
    ]


def test_validate_reads_the_definitions_only(tiny):
    ran = tiny.run("validate")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Definitions are valid: 1 feature view, 1 entity, 1 feature service.\n"
    assert tiny.run("validate", "--json").json == {
        "valid": True,
        "views": ["orders"],
        "services": ["churn"],
        "warnings": [],
    }


def test_validate_warehouse_finds_nothing_in_good_data(tiny):
    ran = tiny.run("validate", "--warehouse")
    assert (ran.code, ran.err, ran.lines[1]) == (0, "", "orders  4 rows  OK")


def test_validate_warehouse_names_every_row_that_can_never_be_used(tiny):
    tiny.sql(
        "insert into orders values (null, timestamp '2026-06-01', null, 1, 1, null), (5, null, null, 1, 1, null), "
        "(6, timestamp '2999-01-01', null, 1, 1, null), "
        "(2, timestamp '2026-06-02 10:00', timestamp '2026-06-02 11:00', 7, 7, null)"
    )
    ran = tiny.run("validate", "--warehouse")
    assert (ran.code, ran.lines[1:]) == (
        3,
        [
            "orders  8 rows  1 row with a NULL key (customer_id), which no example matches",
            "                1 row without an event time (placed_at), never used",
            "                1 row with an event time (placed_at) in the future",
            "                1 row with the same (customer_id, placed_at, loaded_at) as another one",
        ],
    )
    assert ran.err.startswith("Error: the data of 1 of 1 feature view has problems\n  -> ")
    (check,) = tiny.run("validate", "--warehouse", "--json").json["checks"]
    assert (check["view"], check["rows"], len(check["problems"])) == ("orders", 8, 4)


def test_each_problem_of_the_definitions_has_its_hint_in_json(tiny):
    tiny.write_manifest(orders({"ttl": 7, "as_off": "event"}), labels())
    ran = tiny.run("validate", "--json")
    assert (ran.code, ran.out) == (2, "")
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert [each["hint"] for each in error["problems"]] == [
        "write `ttl: 7 days`, or remove the key if values never expire",
        "did you mean as_of?",
    ]
    assert error["message"] == "\n".join(each["message"] for each in error["problems"])
    assert "->" not in error["message"]


@pytest.mark.parametrize(
    ("change", "view", "problem"),
    [
        ("update orders set loaded_at = null where customer_id = 1", {}, None),
        (
            "insert into orders select * from orders",
            {"created_at": None, "features": ["amount"]},
            "4 rows with the same (customer_id, placed_at) as another one",
        ),
        (
            "insert into orders select null, placed_at, loaded_at, 1, 1, null from orders",
            {"entities": [], "features": ["amount"]},
            "4 rows with the same (placed_at, loaded_at) as another one",
        ),
        ("drop table orders", {}, "cannot be read: "),
    ],
)
def test_rows_are_told_apart_by_keys_event_time_and_created_time_p4(tiny, change, view, problem):
    tiny.write_manifest(orders(view), labels())
    tiny.sql(change)
    ran = tiny.run("validate", "--warehouse")
    if problem is None:
        assert (ran.code, ran.lines[1]) == (0, "orders  4 rows  OK")
    else:
        assert ran.code == 3
        assert problem in ran.lines[1]


def test_list_views_entities_services_and_features(applied):
    assert applied.run("list").lines == [
        "VIEW    ENTITIES  FEATURES  TTL  ONLINE  DESCRIPTION",
        "orders  customer  3         30d  yes     Orders so far. One row per order.",
    ]
    assert applied.run("list", "entities").lines == [
        "ENTITY    JOIN KEYS    VIEWS",
        "customer  customer_id  orders",
    ]
    assert applied.run("list", "services").lines == [
        "SERVICE  OWNER  FEATURES  LOGGED  DESCRIPTION",
        "churn    Risk   2         -",
    ]
    assert applied.run("list", "features").lines == [
        "FEATURE             TYPE           DESCRIPTION",
        "orders:order_count  int64",
        "orders:amount       decimal(10,2)",
        "orders:tags         list<string>",
    ]


def test_lists_as_json(applied):
    (view,) = applied.run("list", "--json").json
    assert (view["name"], view["ttl_us"], view["features"][0]["name"]) == ("orders", 2_592_000_000_000, "order_count")
    assert [entity["join_keys"] for entity in applied.run("list", "entities", "--json").json] == [["customer_id"]]
    assert [service["name"] for service in applied.run("list", "services", "--json").json] == ["churn"]
    references = [feature["reference"] for feature in applied.run("list", "features", "--json").json]
    assert references == ["orders:order_count", "orders:amount", "orders:tags"]


def test_an_empty_list_says_so_beside_the_result(tiny):
    tiny.write_manifest(orders(), labels())
    tiny.run("apply")
    ran = tiny.run("list", "services")
    assert (ran.code, ran.out, ran.err) == (0, "", "No services in the registry.\n")
    assert tiny.run("list", "services", "--json").json == []


def test_show_a_view(applied):
    ran = applied.run("show", "orders")
    assert (ran.code, ran.lines) == (
        0,
        [
            "feature view orders",
            "  description  Orders so far. One row per order.",
            "  dbt          model.shop.orders  models/orders.yml",
            '  table        "shop"."main"."orders"',
            "  entities     customer  (customer_id int64)",
            "  event time   placed_at timestamp",
            "  created at   loaded_at timestamp",
            "  ttl          30d",
            "  online       yes",
            "  used by      churn",
            "  freshness    never synced",
            "",
            "  FEATURE      TYPE           DESCRIPTION",
            "  order_count  int64",
            "  amount       decimal(10,2)",
            "  tags         list<string>",
        ],
    )


def test_show_a_view_that_a_stream_feeds_names_it_and_ends_with_the_sql(tiny):
    (tiny.folder / "featurestore.yml").write_text(
        "streams: {sales: {columns: {customer_id: bigint, at: timestamp, amount: 'decimal(10,2)'}}}\n"
    )
    sql = "select customer_id, at as placed_at, 1 as order_count, amount, ['new'] as tags from sales where amount > 0"
    tiny.write_manifest(orders({"entities": ["customer_id"], "stream": {"source": "sales", "sql": sql}}), labels())
    ran = tiny.run("apply")
    assert (ran.code, ran.err) == (0, "")
    shown = tiny.run("show", "orders").lines
    assert "  stream       sales" in shown
    assert shown[shown.index("  ROWS OF EVENTS") - 1 :] == [
        "",
        "  ROWS OF EVENTS",
        "  SELECT",
        "    customer_id,",
        '    "at" AS placed_at,',
        "    1 AS order_count,",
        "    amount,",
        "    ['new'] AS tags",
        "  FROM events AS sales",
        "  WHERE",
        "    amount > 0",
    ]


def test_show_a_view_whose_rows_are_the_events_has_no_sql_to_show(tiny):
    (tiny.folder / "featurestore.yml").write_text("streams: {sales: {url: 'redis://localhost:6379/0'}}\n")
    tiny.write_manifest(orders({"entities": ["customer_id"], "stream": "sales"}), labels())
    assert tiny.run("apply").code == 0
    shown = tiny.run("show", "orders").lines
    assert "  stream       sales" in shown
    assert shown[-1].split()[0] == "tags"


def test_show_a_view_with_versions_names_the_others(tiny):
    old = orders(version=1, latest_version=2, unique_id="model.shop.orders.v1")
    new = orders(version=2, latest_version=2, unique_id="model.shop.orders.v2")
    tiny.write_manifest(old, new)
    assert tiny.run("apply").code == 0
    assert "  version      2, the latest; also orders@v1" in tiny.run("show", "orders").lines
    assert "  version      1; also orders@v2" in tiny.run("show", "orders@v1").lines


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        ("orders:amount", "feature", "  used by       churn"),
        ("customer", "entity", "  join keys  customer_id"),
        ("churn", "service", "  features  orders:order_count"),
    ],
)
def test_show_a_feature_an_entity_a_service(applied, name, kind, line):
    ran = applied.run("show", name)
    assert ran.code == 0
    assert line in ran.lines
    (found,) = applied.run("show", name, "--json").json
    assert found["kind"] == kind
    assert found["definition"]["name"] == name.rpartition(":")[2]


def test_show_shows_everything_of_one_name(tiny):
    (tiny.folder / "featurestore.yml").write_text("entities: [{name: orders, join_keys: [customer_id]}]\n")
    tiny.write_manifest(orders({**VIEW, "entities": ["orders"]}), labels())
    assert tiny.run("apply").code == 0
    assert [found["kind"] for found in tiny.run("show", "orders", "--json").json] == ["view", "entity"]
    assert tiny.run("show", "orders").out.count("\n\n") == 2


def test_registry_versions_show_and_diff(applied):
    applied.write_manifest(orders({"ttl": "7 days"}), labels(), churn())
    applied.run("apply", "--allow-breaking", "orders")
    lines = applied.run("registry", "versions").lines
    assert [line.split()[0] for line in lines] == ["VERSION", "1", "2"]
    assert "1 view, 1 entity, 1 service" in lines[1]
    assert applied.run("registry", "show", "1").lines[0] == "version 1"
    assert applied.run("registry", "show").lines[0] == "version 2"
    diff = applied.run("registry", "diff", "1", "2")
    assert diff.lines == [
        "  !  view  orders  ttl 30d -> 7d  (breaking, used by churn)",
        "From version 1 to 2: 0 added, 1 changed (1 breaking), 0 removed.",
    ]
    assert applied.run("registry", "diff", "1").out == diff.out
    assert applied.run("registry", "diff", "2", "2").out == "Versions 2 and 2 define the same.\n"


def test_registry_as_json(applied):
    (version,) = applied.run("registry", "versions", "--json").json
    assert (version["version"], version["views"], version["problem"]) == (1, 1, None)
    assert applied.run("registry", "show", "1", "--json").json["content"]["views"][0]["name"] == "orders"
    assert applied.run("registry", "diff", "1", "1", "--json").json["changes"] == []


def test_a_damaged_version_is_a_line_of_its_own(applied):
    (applied.folder / ".featurestore" / "registry" / "v0000000001.json").write_text("{")
    ran = applied.run("registry", "versions")
    assert (ran.code, ran.lines[1].split()[:3]) == (0, ["1", "-", "not"])
    assert applied.run("list").code == 1


def test_a_version_of_a_newer_format_does_not_hide_the_others(applied):
    path = applied.folder / ".featurestore" / "registry" / "v0000000002.json"
    path.write_text('{"format": 2, "written_by": "3.1.0"}')
    ran = applied.run("registry", "versions")
    assert (ran.code, len(ran.lines)) == (0, 3)
    assert ran.lines[2].split(maxsplit=2)[:2] == ["2", "-"]
    assert "  document format 2, written by featurestore 3.1.0" in ran.lines[2]


def test_show_writes_a_description_of_several_lines_in_one(tiny):
    tiny.write_manifest(orders(description="Orders.\n\nOne row\nper order.\n"))
    assert tiny.run("apply").code == 0
    assert "  description  Orders. One row per order." in tiny.run("show", "orders").lines


def test_a_manifest_with_a_time_that_cannot_be_read_is_planned_all_the_same(tiny):
    tiny.write_manifest(metadata={"generated_at": "just now"})
    ran = tiny.run("plan")
    assert (ran.code, ran.err, ran.lines[1]) == (0, "", "Manifest of dbt project shop, target dev")


def test_a_registry_without_versions_says_so_beside_the_result(tiny):
    ran = tiny.run("registry", "versions")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"The registry {tiny.folder}/.featurestore/registry holds no version yet.\n"
