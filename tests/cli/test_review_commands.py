"""plan for reviewers, apply that refuses, and the registry's history: what a person reads and what a program gets."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.tiny import churn, labels, orders
from tests.manifest.manifests import exposure, model

SQL = "select customer_id, placed_at, loaded_at, order_count, amount, tags\nfrom {{ ref('stg_orders') }}\n"
STAGING = "select *, cast(total as decimal(10, 2)) as amount\nfrom {{ source('shop', 'raw_orders') }}\n"
DASHBOARD = exposure([], name="revenue", type="dashboard", config={"meta": {}}, unrendered_config={}) | {
    "depends_on": {"nodes": ["model.shop.orders"]},
    "resource_type": "exposure",
}
SOURCE = {
    "unique_id": "source.shop.shop.raw_orders",
    "name": "raw_orders",
    "source_name": "shop",
    "resource_type": "source",
    "package_name": "shop",
}
ALLOWED = ("--allow-breaking", "orders")


def sql_of(name, text, parents, **changes):
    """What dbt says of a model's SQL."""
    checksum = {"name": "sha256", "checksum": str(hash(text))}
    return {"raw_code": text, "checksum": checksum, "depends_on": {"nodes": parents, "macros": []}, **changes}


def write(tiny, view=None, sql=SQL, staging=STAGING, features=()):
    """The shop with its SQL: orders are made of stg_orders, and that of a source."""
    staged = model("stg_orders", meta={}, **sql_of("stg_orders", staging, [SOURCE["unique_id"]]))
    own = orders(view, **sql_of("orders", sql, ["model.shop.stg_orders"]))
    tiny.write_manifest(own, staged, labels(), churn(*features), DASHBOARD, sources={SOURCE["unique_id"]: SOURCE})


@pytest.fixture
def written(tiny):
    """The shop with its SQL, applied."""
    write(tiny)
    assert tiny.run("apply", environ={"FEATURESTORE_USER": "anna"}).code == 0
    return tiny


def test_a_change_of_sql_names_the_features_it_hits_their_readers_and_how_to_sync_again(written):
    write(written, sql=SQL.replace("order_count,", "order_count + 1 as order_count,"))
    ran = written.run("plan")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[2:] == [
        "  *  view  orders  sql changed: order_count  (value-changing, used by churn, exposure revenue)",
        "orders (models/orders.sql), in orders",
        "  @@ -1,2 +1,2 @@",
        "  -select customer_id, placed_at, loaded_at, order_count, amount, tags",
        "  +select customer_id, placed_at, loaded_at, order_count + 1 as order_count, amount, tags",
        "   from {{ ref('stg_orders') }}",
        "Sync again after dbt has built the models:",
        "  orders  other values of order_count  featurestore materialize orders --full",
        "Plan: 0 to add, 1 to change (1 value-changing), 0 to remove.",
    ]


def test_a_change_far_above_is_told_of_the_view(written):
    write(written, staging=STAGING.replace("total as", "total * 2 as"))
    line = written.run("plan").lines[2]
    assert (
        line
        == "  *  view  orders  changed through stg_orders: amount  (value-changing, used by churn, exposure revenue)"
    )
    (change,) = written.run("plan", "--json").json["changes"]
    assert (change["field"], change["features"], change["through"]) == ("upstream", ["amount"], ["stg_orders"])


def test_columns_that_come_and_go_are_told_though_the_table_is_of_an_older_build(written):
    write(written, sql=SQL.replace("order_count", "order_count as orders"))
    line = written.run("plan").lines[2]
    assert "sql changed: order_count; columns +orders, -order_count, not built yet  (value-changing" in line
    assert written.run("plan", "--json").json["changes"][0]["unbuilt"] == ["+orders", "-order_count"]


def test_columns_that_were_no_features_before_are_not_told(written):
    only, read = {"features": ["order_count"]}, ("orders:order_count",)
    write(written, features=read)
    assert written.run("apply").code == 0
    write(written, view=only, features=read)
    assert written.run("apply").code == 0
    write(written, view=only, sql=SQL.replace("order_count", "order_count, 1 as one"), features=read)
    assert written.run("plan", "--json").json["changes"][0]["unbuilt"] == []


def test_what_only_reads_otherwise_needs_no_sync(written):
    write(written, sql=f"-- All orders.\n{SQL.upper().replace('STG_ORDERS', 'stg_orders').replace('REF', 'ref')}")
    ran = written.run("plan")
    assert "sql changed: no other values" in ran.lines[2]
    assert "(cosmetic)" in ran.lines[2]
    assert not any("Sync again" in line for line in ran.lines)


def test_sql_that_only_dbt_can_compile_counts_for_all_features_and_a_hint_says_so(written):
    write(written, sql=SQL.replace("order_count", "{{ dbt_utils.safe_add('order_count', '1') }} as order_count"))
    ran = written.run("plan")
    assert ran.err == (
        "Warning: not compiled, so all features count as changed: orders\n"
        "  -> run dbt compile to see which features change\n"
    )
    assert "sql changed: order_count, amount, tags" in ran.lines[2]


def test_the_exit_code_says_whether_there_is_something_to_change(written):
    assert written.run("plan", "--detailed-exitcode").code == 0
    write(written, view={"ttl": "60d"})
    assert written.run("plan", "--detailed-exitcode").code == 3
    assert written.run("plan", "--detailed-exitcode", "--json").code == 3
    assert written.run("plan").code == 0


def test_a_comment_for_a_pull_request_shows_the_worst_first_and_lets_nobody_write_html(written):
    write(
        written,
        view={"ttl": "7d", "owner": "a|b<img src=x onerror=alert(1)>`"},
        sql=SQL.replace("amount", "-amount as amount"),
    )
    ran = written.run("plan", "--markdown")
    assert (ran.code, ran.err) == (0, "")
    titles = re.findall(r"^(?:#+ |<summary>)(.*?)(?:</summary>)?$", ran.out, re.MULTILINE)
    assert titles == [
        "Feature store: 0 to add, 3 to change (1 breaking, 1 value-changing), 0 to remove",
        "Breaking: 1 change",
        "Other values: 1 change",
        "Cosmetic: 1 change",
        "Sync again, after dbt has built the models",
        "SQL of <code>orders</code> (models/orders.sql)",
    ]
    assert "| changed | view `orders` | ttl 30d -&gt; 7d | used by churn, exposure revenue |" in ran.lines
    assert "> **`apply` will refuse this**" in ran.out
    assert "<img" not in ran.out
    assert "a\\|b&lt;img" in ran.out
    assert "```diff" in ran.out
    assert "+select customer_id, placed_at, loaded_at, order_count, -amount as amount, tags" in ran.lines


def test_markdown_and_json_exclude_each_other(written):
    assert written.run("plan", "--markdown", "--json").code == 2


def test_apply_refuses_what_breaks_a_service_and_writes_nothing(written):
    write(written, view={"ttl": "7d"})
    ran = written.run("apply")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "Error: breaking changes of what feature services use; nothing was applied\n"
        "  view orders: ttl 30d -> 7d, used by churn\n"
        "  -> make a new dbt model version that carries them, or run featurestore apply --allow-breaking orders\n"
    )
    assert written.versions() == ["v0000000001.json"]
    error = json.loads(written.run("apply", "--json").err.splitlines()[-1])["error"]
    assert (error["type"], error["exit_code"]) == ("BreakingChangeError", 3)
    assert written.run("plan", "--json").json["refused"] == ["orders"]


def test_whoever_says_the_name_may_break_it(written):
    write(written, view={"ttl": "7d"})
    ran = written.run("apply", "--allow-breaking", "oders")
    assert (ran.code, ran.err.splitlines()[-1]) == (2, "  -> did you mean orders?")
    assert written.run("apply", *ALLOWED).lines[-1] == "Applied version 2: 0 added, 1 changed (1 breaking), 0 removed."


def test_what_no_service_uses_may_break(written):
    write(written, features=("orders:amount",))
    assert written.run("apply").code == 0
    write(written, view={"features": ["amount", "tags"]}, features=("orders:amount",))
    ran = written.run("apply")
    assert (ran.code, ran.lines[-1]) == (0, "Applied version 3: 0 added, 0 changed, 1 removed.")


def versioned(view=None, v2=None, latest=2):
    """The view as two versions of one model."""
    for number, changes in ((1, view), (2, v2)):
        more = {"version": number, "latest_version": latest, "relation_name": '"shop"."main"."orders"'}
        yield orders(changes, unique_id=f"model.shop.orders.v{number}", **more)


def test_a_new_model_version_carries_a_breaking_change(tiny):
    service = churn() | {"depends_on": {"nodes": ["model.shop.orders.v1", "model.shop.orders.v2"]}}
    tiny.write_manifest(*versioned(latest=1), labels(), service)
    assert tiny.run("apply").code == 0
    tiny.write_manifest(*versioned(v2={"ttl": "7d"}), labels(), service)
    ran = tiny.run("apply")
    assert (ran.code, ran.err) == (3, ran.err), "a version that is there already is no new one"
    tiny.write_manifest(*versioned(), labels(), service)
    ran = tiny.run("apply")
    assert (ran.code, ran.err) == (0, "")
    assert any("latest orders@v1 -> orders@v2" in line for line in ran.lines)


def test_the_latest_version_may_not_go_without_another_one(tiny):
    one, two = versioned()
    service = churn("orders:amount")
    tiny.write_manifest(one, two, labels(), service)
    assert tiny.run("apply").code == 0
    tiny.write_manifest(one | {"latest_version": 1}, labels(), service)
    ran = tiny.run("apply")
    assert (ran.code, "view orders@v2: removed, used by churn" in ran.err) == (3, True)
    three = two | {"version": 3, "latest_version": 3, "unique_id": "model.shop.orders.v3"}
    tiny.write_manifest(one | {"latest_version": 3}, three, labels(), service)
    assert tiny.run("apply").code == 0
    tiny.write_manifest(three, labels(), service)
    assert tiny.run("apply").code == 0, "an older version may go"


def history(written):
    """Three versions: ttl 30d, 60d, 90d."""
    for ttl in ("60d", "90d"):
        write(written, view={"ttl": ttl})
        assert written.run("apply", environ={"FEATURESTORE_USER": "ben", "GITHUB_SHA": "1f2e3d4c5b6a"}).code == 0
    return written


def test_versions_say_who_and_from_which_commit_and_what_is_tagged(written):
    tiny = history(written)
    assert tiny.run("registry", "tag", "prod", "2").out == "@prod means version 2.\n"
    assert tiny.run("registry", "tag", "@prod", "2").out == "@prod meant already version 2.\n"
    lines = [re.split(r"  +", line) for line in tiny.run("registry", "versions").lines]
    assert lines[0][:4] == ["VERSION", "APPLIED (UTC)", "BY", "COMMIT"]
    assert [(line[0], line[2], line[3], line[5][:5]) for line in lines[2:]] == [
        ("2", "ben", "1f2e3d4", "@prod"), ("3", "ben", "1f2e3d4", lines[3][5][:5]),
    ]  # fmt: skip
    shown = tiny.run("registry", "show", "@prod").lines
    assert shown[0] == "version 2"
    assert "  by        ben" in shown
    assert "  commit    1f2e3d4c5b6a" in shown


def test_the_newest_versions_alone_may_be_asked_for(written):
    tiny = history(written)
    assert [line["version"] for line in tiny.run("registry", "versions", "--last", "2", "--json").json] == [2, 3]
    assert [line["version"] for line in tiny.run("registry", "versions", "--last", "9", "--json").json] == [1, 2, 3]


def test_versions_are_compared_by_number_and_by_tag(written):
    tiny = history(written)
    tiny.run("registry", "tag", "prod", "1")
    ran = tiny.run("registry", "diff", "@prod")
    assert ran.lines[0] == "  ~  view  orders  ttl 30d -> 90d  (compatible, used by churn)"
    assert tiny.run("registry", "diff", "@prod", "3").out == ran.out
    assert tiny.run("registry", "diff", "@prod", "@prod").out == "Versions 1 and 1 define the same.\n"


def test_going_back_shows_what_changes_and_is_a_version_of_its_own(written):
    tiny = history(written)
    looked = tiny.run("registry", "rollback", "1", "--dry-run")
    assert looked.lines[-1] == "Back to version 1: 0 to add, 1 to change (1 breaking), 0 to remove."
    assert len(tiny.versions()) == 3
    ran = tiny.run("registry", "rollback", "1")
    assert (ran.code, ran.lines[-1]) == (0, "Applied version 4, which is version 1 again.")
    assert "next apply brings its definitions again" in ran.err
    assert "rollback to 1" in tiny.run("registry", "versions").lines[-1]
    assert "  rollback  to version 1" in tiny.run("registry", "show").lines
    again = tiny.run("registry", "rollback", "1", "--json").json
    assert (again["version"], again["created"], again["changes"]) == (4, False, [])


def test_nobody_writes_a_line_of_the_table_into_their_name(written):
    path = written.folder / ".featurestore" / "registry" / "v0000000001.json"
    document = json.loads(path.read_text())
    document["applied_by"] |= {"user": "ben\n9  2026-01-01", "git_commit": "1\n2", "job": "a\r\nb"}
    path.write_text(json.dumps(document))
    assert len(written.run("registry", "versions").lines) == 2
    assert "  by        ben 9 2026-01-01" in written.run("registry", "show").lines


def test_old_versions_are_removed_after_a_look(written):
    tiny = history(written)
    tiny.run("registry", "tag", "prod", "1")
    assert tiny.run("registry", "gc", "--keep", "1", "--dry-run").out == "Would remove 1 version: 2.\n"
    assert len(tiny.versions()) == 3
    assert tiny.run("registry", "gc", "--keep", "1", "--json").json == {"removed": [2], "removable": []}
    assert tiny.versions() == ["v0000000001.json", "v0000000003.json"]
    assert tiny.run("registry", "gc", "--keep", "1").out.startswith("Nothing to remove")
    ran = tiny.run("registry", "show", "2")
    assert (ran.code, "version 2 was removed by gc" in ran.err) == (2, True)
    assert tiny.run("registry", "gc").code == 2


def test_the_version_that_a_project_is_pinned_to_is_not_removed(written):
    tiny = history(written)
    pinned = {"FEATURESTORE_REGISTRY_VERSION": "1"}
    assert tiny.run("registry", "gc", "--keep", "1", environ=pinned).out == "Removed 1 version: 2.\n"
    assert tiny.run("registry", "gc", "--keep", "1", environ=pinned).out == (
        "Nothing to remove: every version is among the newest 1, or has a tag, or is pinned to as 1.\n"
    )


def test_tags_are_listed_moved_and_removed(written):
    tiny = history(written)
    assert (
        tiny.run("registry", "tags").err
        == f"No version in the registry {tiny.folder}/.featurestore/registry has a tag yet.\n"
    )
    assert tiny.run("registry", "tag", "staging").out == "@staging means version 3.\n"
    assert tiny.run("registry", "tag", "prod", "1").code == 0
    assert tiny.run("registry", "tag", "prod", "@staging").out == "@prod means version 3.\n"
    assert [line.split()[:2] for line in tiny.run("registry", "tags").lines[1:]] == [["@prod", "3"], ["@staging", "3"]]
    assert [line.split()[1] for line in tiny.run("registry", "tags", "prod").lines[1:]] == ["1", "3"]
    assert tiny.run("registry", "untag", "prod").out == "@prod is removed.\n"
    ran = tiny.run("registry", "show", "@prod")
    assert (ran.code, ran.err.splitlines()[0].split(": ")[-1]) == (
        2,
        f"no tag 'prod' in the registry {tiny.folder}/.featurestore/registry",
    )


@pytest.mark.parametrize(("pin", "ttl"), [("1", "30d"), ("@prod", "60d"), (None, "90d")])
def test_every_command_can_be_pinned(written, pin, ttl):
    tiny = history(written)
    tiny.run("registry", "tag", "prod", "2")
    by_option = () if pin is None else ("--registry-version", pin)
    assert tiny.run("list", *by_option).lines[1].split()[3] == ttl
    if pin is not None:
        assert tiny.run("list", environ={"FEATURESTORE_REGISTRY_VERSION": pin}).lines[1].split()[3] == ttl
        settings = tiny.folder / "featurestore.yml"
        settings.write_text(f"{settings.read_text()}registry: {{uri: .featurestore/registry, version: '{pin}'}}\n")
        assert tiny.run("list").lines[1].split()[3] == ttl
    assert tiny.run("plan", *by_option).lines[-1] == "Nothing to change: version 3 is what the manifest says."


@pytest.mark.parametrize("command", [("tag", "prod", "1"), ("rollback", "1"), ("gc", "--keep", "1")])
def test_another_projects_registry_is_left_alone(written, command):
    tiny = history(written)
    project = tiny.folder / "dbt_project.yml"
    project.write_text(project.read_text().replace("name: shop", "name: blog"))
    ran = tiny.run("registry", *command)
    assert (ran.code, ran.out) == (2, "")
    assert "this registry belongs to the dbt project 'shop', got 'blog'" in ran.err
    assert tiny.versions() == [f"v000000000{number}.json" for number in (1, 2, 3)]
    assert not (tiny.folder / ".featurestore" / "registry" / "tags").exists()
