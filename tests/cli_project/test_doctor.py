"""doctor: one line per check, with what to do; it finds what is wrong, and writes nothing."""

from __future__ import annotations

import os
import re
import time

import pytest

from featurestore.doctor.installation import is_within, requirement
from tests.cli.tiny import churn, labels, orders

DBT = {"DBT_EXECUTABLE": "/bin/true"}
PATIENT = "?read_timeout=60&connect_timeout=60"


@pytest.fixture
def synced(applied):
    """Applied and synced; the view has no ttl, so that its values do not grow old."""
    applied.write_manifest(orders({"ttl": None}), labels(), churn())
    assert applied.run("apply").code == 0
    assert applied.run("materialize").code == 0
    return applied


def findings(project, *arguments, environ=DBT):
    checks = project.run("doctor", "--json", *arguments, environ=environ).json["checks"]
    return {each["check"]: each for each in checks}


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_all_is_well(synced):
    before = snapshot(synced.folder)
    ran = synced.run("doctor", environ=DBT)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.lines] == ["OK"] * len(ran.lines)
    said = [re.sub(r"\d+(s|m) (old|ago)", "T", re.sub(r" /\S+", " PATH", line)) for line in ran.lines]
    assert said[3:] == [
        "OK    dbt project   shop in .",
        "OK    profile       shop, target dev, adapter duckdb",
        "OK    settings      featurestore.yml",
        "OK    manifest      v12 of dbt 1.11.16, T",
        "OK    definitions   feature views: 1, feature services: 1",
        "OK    registry      version 2 in PATH as the manifest says",
        "OK    warehouse     duckdb opens; tables of feature views: 1",
        re.sub(
            r"generation .*",
            f"generation {ran.lines[10].split()[-1]}",
            "OK    online store  sqlite: filled, generation ",
        ),
        "OK    view orders   synced T, data up to 2026-06-05 10:00:00 UTC",
    ]
    assert snapshot(synced.folder) == before


def test_a_long_name_of_a_view_moves_the_columns_of_all(synced):
    long = {**orders({"ttl": None}), "name": "a_view_of_a_long_name", "unique_id": "model.shop.long"}
    synced.write_manifest(orders({"ttl": None}), long, labels(), churn())
    assert synced.run("apply").code == 0
    lines = synced.run("doctor", environ=DBT).lines
    place = lines[-3].index("never synced")
    assert lines[-2] == f"{' ' * place}-> featurestore materialize a_view_of_a_long_name"
    assert {line[place - 2 : place] for line in lines} == {"  "}
    assert not any(line[place] == " " for line in lines)


def test_looking_at_a_project_writes_nothing(tiny):
    before = snapshot(tiny.folder)
    assert tiny.run("doctor", environ=DBT).code == 0
    assert snapshot(tiny.folder) == before


def without(name):
    return lambda project: (project.folder / name).unlink()


def written(name, text):
    return lambda project: (project.folder / name).write_text(text)


def touched_model(project):
    model = project.folder / "models" / "orders.sql"
    model.parent.mkdir()
    model.touch()
    os.utime(model, (time.time() + 60, time.time() + 60))


@pytest.mark.parametrize(
    ("damage", "check", "status", "what", "fix"),
    [
        (without("dbt_project.yml"), "dbt project", "FAIL", "no dbt_project.yml in .", "--project-dir"),
        (without("profiles.yml"), "profile", "FAIL", "no profiles.yml in ", "--profiles-dir or DBT_PROFILES_DIR"),
        (written("featurestore.yml", "registri: x\n"), "settings", "FAIL", "unknown key", "validate"),
        (without("target/manifest.json"), "manifest", "FAIL", "no manifest at target/manifest.json", "dbt parse"),
        (written("target/manifest.json", '{"met'), "manifest", "FAIL", "not valid JSON", "dbt parse"),
        (touched_model, "manifest", "WARN", "but changed since: models/orders.sql", "dbt parse"),
        (
            lambda project: project.write_manifest(metadata={"adapter_type": "postgres"}),
            "manifest",
            "FAIL",
            "made for adapter postgres, but target 'dev' is duckdb",
            "dbt parse --target dev",
        ),
        (
            lambda project: project.write_manifest(
                metadata={"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v9.json"}
            ),
            "manifest",
            "FAIL",
            "expected manifest schema v12",
            "upgrade dbt",
        ),
        (
            lambda project: project.write_manifest(orders({"ttl": "7 dayz", "as_of": "x"}), labels()),
            "definitions",
            "FAIL",
            "(and 1 more)",
            "validate",
        ),
        (
            lambda project: project.write_manifest(labels()),
            "definitions",
            "WARN",
            "no feature view",
            "config.meta.feature_view",
        ),
        (
            lambda project: project.write_manifest(orders({"ttl": "9d"}), labels(), churn()),
            "registry",
            "WARN",
            "version 2",
            "featurestore apply",
        ),
        (
            lambda project: (project.folder / ".featurestore/registry/v0000000002.json").write_text("{"),
            "registry",
            "FAIL",
            "not a whole registry document",
            None,
        ),
        (
            lambda project: project.sql("drop table orders"),
            "warehouse",
            "FAIL",
            "not built: ",
            "dbt build --select orders",
        ),
        (without("shop.duckdb"), "warehouse", "FAIL", "no DuckDB file at", "dbt build"),
        (
            without(".featurestore/online.sqlite"),
            "online store",
            "WARN",
            "never filled, or it was emptied",
            "materialize",
        ),
    ],
)
def test_what_is_wrong_is_found(synced, damage, check, status, what, fix):
    damage(synced)
    found = findings(synced)[check]
    assert found["status"] == status
    assert what in found["what"]
    assert fix is None or fix in found["fix"]
    assert synced.run("doctor", environ=DBT).code == (3 if status == "FAIL" else 0)


def test_a_failed_check_is_printed_with_its_fix_and_the_exit_code_says_so(synced):
    (synced.folder / "target" / "manifest.json").unlink()
    ran = synced.run("doctor", environ=DBT)
    assert ran.code == 3
    place = ran.lines.index("FAIL  manifest      no manifest at target/manifest.json")
    assert ran.lines[place + 1] == "                    -> run dbt parse or dbt build"
    assert ran.err == f"Error: 1 of {len([line for line in ran.lines if '->' not in line])} checks failed\n"
    assert synced.run("doctor", "--json", environ=DBT).json["healthy"] is False


def test_nothing_applied_yet_is_a_warning(tiny):
    found = findings(tiny)["registry"]
    assert (found["status"], found["fix"]) == ("WARN", "featurestore apply")
    assert found["what"].endswith("registry holds no version yet")


def test_another_target_is_looked_at_when_asked_for(synced):
    found = findings(synced, "--target", "prod")
    assert found["profile"]["what"] == "shop, target prod, adapter duckdb"
    assert found["manifest"]["fix"] == "run dbt parse --target prod"


def test_a_view_that_was_never_synced_or_has_outlived_its_ttl_is_named(applied):
    """O3, O6"""
    late = {**orders({"ttl": None}), "name": "late", "unique_id": "model.shop.late"}
    applied.write_manifest(orders(), late, labels(), churn())
    assert applied.run("apply").code == 0
    assert applied.run("materialize", "orders").code == 0
    found = findings(applied)
    assert found["view late"]["what"] == "never synced"
    assert found["view late"]["fix"] == "featurestore materialize late"
    assert found["view orders"]["status"] == "WARN"
    assert found["view orders"]["what"].endswith("2026-06-05 10:00:00 UTC: every value has outlived its ttl of 30d")


def test_a_view_defined_otherwise_than_it_was_synced_is_named(synced):
    synced.write_manifest(orders({"ttl": None, "features": ["amount"]}), labels(), churn("orders:amount"))
    assert synced.run("apply", "--allow-breaking", "orders").code == 0
    assert "but the registry defines it otherwise now" in findings(synced)["view orders"]["what"]


@pytest.mark.parametrize(("policy", "status"), [("allkeys-lru", "WARN"), ("noeviction", "OK"), ("volatile-ttl", "OK")])
def test_a_server_that_may_forget_any_key_is_a_warning(synced, valkey, policy, status):
    """O8"""
    with valkey.client() as client:
        client.config_set("maxmemory-policy", policy)
        found = findings(synced, "--online-store", valkey.uri + PATIENT)["eviction"]
        client.config_set("maxmemory-policy", "noeviction")
    assert (found["status"], policy in found["what"]) == (status, True)


def test_a_server_that_may_forget_rows_with_an_expiry_is_a_mild_warning(synced, valkey):
    """O8"""
    with valkey.client() as client:
        client.config_set("maxmemory-policy", "volatile-lru")
        found = findings(synced, "--online-store", valkey.uri + PATIENT)["eviction"]
        client.config_set("maxmemory-policy", "noeviction")
    assert (found["status"], found["what"]) == (
        "WARN",
        "maxmemory-policy is volatile-lru: a full server may forget live rows of views with a ttl",
    )


def test_how_full_a_server_is_is_told_and_a_warning_from_four_fifths_on(synced, valkey):
    """With so much in it that a connection more or less does not count."""
    with valkey.client() as client:
        client.execute_command("FLUSHALL", "SYNC")
        for number in range(1_000):
            client.set(f"x{number}", "x" * 10_000)
        for maxmemory, status, said in (
            (0, "WARN", r"maxmemory is unlimited, \d+ MiB used: the machine's memory is the limit"),
            (400 * 2**20, "OK", r"\d+ MiB of 400 MiB used \(\d %\)"),
            (client.info("memory")["used_memory"] * 10 // 9, "WARN", r"\d+ MiB of \d+ MiB used \([89]\d %\)"),
        ):
            client.config_set("maxmemory", maxmemory)
            found = findings(synced, "--online-store", valkey.uri + PATIENT)["memory"]
            assert (found["status"], bool(re.fullmatch(said, found["what"]))) == (status, True), found
        client.config_set("maxmemory", 0)
        client.execute_command("FLUSHALL", "SYNC")


def test_a_server_that_has_forgotten_keys_is_a_warning_even_when_it_no_longer_would(synced, valkey):
    """O8"""
    with valkey.client() as client:
        client.execute_command("FLUSHALL", "SYNC")
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 200_000)
        for number in range(2_000):
            client.set(f"x{number}", "x" * 500)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)
        found = findings(synced, "--online-store", valkey.uri + PATIENT)["eviction"]
        client.config_resetstat()
        client.execute_command("FLUSHALL", "SYNC")
    assert found["status"] == "WARN"
    assert re.fullmatch(r"the server was full and has forgotten keys: \d+", found["what"])
    assert found["fix"] == "raise maxmemory, then featurestore materialize --full"


def test_a_server_that_tells_nothing_about_itself_is_a_warning(synced, valkey):
    with valkey.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "-@all", "+mget", "+get", "+select")
    found = findings(synced, "--online-store", f"redis://reader:pw@{valkey.place}/0{PATIENT}")["eviction"]
    assert (found["status"], found["what"]) == ("WARN", "the server does not tell its maxmemory-policy")


def test_a_server_that_is_not_there_fails(synced):
    found = findings(synced, "--online-store", "redis://127.0.0.1:1/0")["online store"]
    assert (found["status"], "127.0.0.1:1 cannot be used" in found["what"]) == ("FAIL", True)


def test_dbt_is_looked_for_and_a_wrong_path_fails(synced):
    found = findings(synced, environ={"DBT_EXECUTABLE": "/nowhere/dbt"})["dbt"]
    assert (found["status"], found["what"]) == ("FAIL", "DBT_EXECUTABLE: no program at /nowhere/dbt")


@pytest.mark.parametrize(
    ("found", "wanted", "within"),
    [
        ("2.0.0", ">=1.4,<3", True),
        ("1.4", "<3,>=1.4", True),
        ("1.3.9", ">=1.4,<3", False),
        ("3.0.0", ">=1.4,<3", False),
        ("30.30.0", ">=30.8,<31", True),
        ("30.7.1", ">=30.8,<31", False),
        ("31.0.0rc1", ">=30.8,<31", False),
        ("8.1", "", True),
    ],
)
def test_ranges_of_versions(found, wanted, within):
    assert is_within(found, wanted) is within


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("click>=8.1", ("click", ">=8.1")),
        ("redis[hiredis]>=5.3", ("redis", ">=5.3")),
        ("duckdb (>=1.4,<3)", ("duckdb", ">=1.4,<3")),
        ("msgspec", ("msgspec", "")),
        ("pandas>=2; extra == 'pandas'", None),
    ],
)
def test_requirements_are_read_without_their_extras(line, found):
    assert requirement(line) == found
