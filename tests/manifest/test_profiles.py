"""`dbt_project.yml` and `profiles.yml` are read as dbt reads them; their secrets stay out of every message."""

from __future__ import annotations

import pytest

from featurestore.errors import UsageError
from featurestore.manifest.dbt_project import load_dbt_project
from featurestore.manifest.profiles import load_profile

PROFILES = """
config: {send_anonymous_usage_stats: false}
shop:
  target: "{{ env_var('SHOP_TARGET', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: shop.duckdb, schema: main, threads: "{{ env_var('THREADS', '4') | as_number }}"}
    prod:
      type: postgres
      host: "{{ env_var('PG_HOST') }}"
      password: "{{ env_var('DBT_ENV_SECRET_PG') }}"
other: {outputs: {default: {type: duckdb}}}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A dbt project with profiles.yml beside it, in the current directory; nothing in the home directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(PROFILES)
    return tmp_path


def profile(shop, *, environ=None, **options):
    variables = environ or {}
    return load_profile(load_dbt_project(shop, environ=variables), environ=variables, **options)


def refusal(shop, *, environ=None, **options):
    with pytest.raises(UsageError) as caught:
        profile(shop, environ=environ, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_projects_profile_and_its_usual_target(shop):
    found = profile(shop)
    assert (found.name, found.target, found.type) == ("shop", "dev", "duckdb")
    assert found.values == {"path": "shop.duckdb", "schema": "main", "threads": 4}


@pytest.mark.parametrize(
    ("how", "environ", "options", "expected"),
    [
        ("named", {}, {"target": "dev"}, ("shop", "dev")),
        ("in the environment", {"DBT_TARGET": "dev", "SHOP_TARGET": "prod"}, {}, ("shop", "dev")),
        ("by Jinja in the profile", {"SHOP_TARGET": "dev"}, {}, ("shop", "dev")),
        ("another profile, whose target is `default`", {}, {"profile": "other"}, ("other", "default")),
        ("another profile in the environment", {"DBT_PROFILE": "other"}, {}, ("other", "default")),
        ("named goes before the environment", {"DBT_TARGET": "prod"}, {"target": "dev"}, ("shop", "dev")),
    ],
)
def test_profile_and_target_are_chosen_as_dbt_does(shop, how, environ, options, expected):
    found = profile(shop, environ=environ, **options)
    assert (found.name, found.target) == expected, how


def test_secrets_are_in_the_values_and_nowhere_else(shop):
    environ = {"PG_HOST": "db.example", "DBT_ENV_SECRET_PG": "hunter2"}
    found = profile(shop, target="prod", environ=environ)
    assert found.values == {"host": "db.example", "password": "hunter2"}
    assert repr(found) == "Profile(name='shop', target='prod', type='postgres')"


def test_a_missing_environment_variable_is_named(shop):
    assert refusal(shop, target="prod", environ={"DBT_ENV_SECRET_PG": "hunter2"}) == (
        "profiles.yml: shop.outputs.prod.host: environment variable 'PG_HOST' is not set\n"
        "  -> set it, or give a default: env_var('PG_HOST', 'default')"
    )


def test_unknown_names_are_told_with_near_ones(shop):
    assert refusal(shop, profile="shp") == "profiles.yml: no profile 'shp'\n  -> did you mean shop?"
    assert refusal(shop, target="prd") == "profiles.yml: no target 'prd' in profile 'shop'\n  -> did you mean prod?"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\"{{ env_var('N') | as_number }}\"", 7),
        ("\"{{ '0.5' | as_number }}\"", 0.5),
        ("\"{{ env_var('N') }}\"", "7"),
        ("\"{{ env_var('N') | as_text }}\"", "7"),
        ("\"{{ 'True' | as_bool }}\"", True),
        ("\"{{ '[1, 2]' | as_native }}\"", [1, 2]),
        ("\"x{{ env_var('N') | as_number }}\"", "x7"),
        ("\"{{ env_var('M', 'A/b') | lower | replace('/', '_') }}\"", "a_b"),
        ("\"{{ var('M', 'given') }}\"", "given"),
        ("\"{% if env_var('N') == '7' %}seven{% endif %}\"", "seven"),
        ("2026-01-01", "2026-01-01"),
        ("[\"{{ env_var('N') }}\", {a: \"{{ env_var('N') }}\"}]", ["7", {"a": "7"}]),
    ],
)
def test_values_are_rendered_and_typed_as_dbt_does(shop, text, value):
    (shop / "profiles.yml").write_text(f"shop: {{outputs: {{default: {{type: duckdb, x: {text}}}}}}}\n")
    assert profile(shop, environ={"N": "7"}).values == {"x": value}


@pytest.mark.parametrize("text", ["{{ 'x' | as_number }}", "{{ 'x' | as_bool }}", "{{ 'x y' | as_native }}"])
def test_a_value_that_has_not_the_wanted_type_is_not_shown(shop, text):
    (shop / "profiles.yml").write_text(f'shop: {{outputs: {{default: {{type: duckdb, x: "{text}"}}}}}}\n')
    assert refusal(shop) == "profiles.yml: shop.outputs.default.x: the Jinja template cannot be rendered"


def test_a_password_that_looks_like_jinja_is_taken_as_it_is(shop):
    (shop / "profiles.yml").write_text('shop: {outputs: {default: {type: duckdb, password: "ab{{cd"}}}\n')
    assert profile(shop).values == {"password": "ab{{cd"}


@pytest.mark.parametrize(
    "line",
    [
        "password: [hunter2",
        "password: *hunter2",
        "password: !hunter2 x",
        "password: 'hunter2",
        'password: "{{ hunter2\n"',
    ],
)
def test_no_message_about_a_broken_file_shows_what_is_in_it(shop, line):
    (shop / "profiles.yml").write_text(f"shop:\n  outputs:\n    default:\n      type: 7\n      {line}\n")
    message = refusal(shop)
    assert message.startswith("profiles.yml")
    assert "hunter2" not in message


def test_a_key_written_twice_is_fine_where_dbt_lets_the_last_one_win(shop):
    (shop / "profiles.yml").write_text("shop: {outputs: {default: {type: duckdb, path: a, path: b}}}\n")
    assert profile(shop).values == {"path": "b"}


def test_anchors_and_merge_keys_work(shop):
    (shop / "profiles.yml").write_text(
        "shop:\n  target: b\n  outputs:\n    a: &a {type: duckdb, path: a}\n    b:\n      <<: *a\n      schema: s\n"
    )
    assert profile(shop).values == {"path": "a", "schema": "s"}


@pytest.mark.parametrize(
    ("mistake", "text", "message"),
    [
        ("no outputs", "shop: {target: dev}\n", "profiles.yml: shop: expected a mapping `outputs:` of targets"),
        (
            "no type",
            "shop: {outputs: {default: {path: a}}}\n",
            "profiles.yml: shop.outputs.default.type: expected the name of a dbt adapter, e.g. `type: duckdb`",
        ),
        (
            "a target that is a word",
            "shop: {outputs: {default: duckdb}}\n",
            "profiles.yml: shop.outputs.default: expected a mapping of keys",
        ),
    ],
)
def test_one_clear_problem(shop, mistake, text, message):
    (shop / "profiles.yml").write_text(text)
    assert refusal(shop) == message, mistake


def test_where_profiles_yml_is_looked_for(shop):
    """--profiles-dir, DBT_PROFILES_DIR, the project, the current directory, ~/.dbt."""
    places = [shop / "flag", shop / "variable", shop / "project", shop, shop / "home" / ".dbt"]
    for number, place in enumerate(places):
        place.mkdir(parents=True, exist_ok=True)
        (place / "profiles.yml").write_text(f"shop: {{outputs: {{default: {{type: duckdb, number: {number}}}}}}}\n")
    (shop / "project" / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    environ = {"DBT_PROFILES_DIR": str(shop / "variable")}

    def number(**options):
        return profile(shop / "project", **options).values["number"]

    assert number(profiles_dir=shop / "flag", environ=environ) == 0
    assert number(environ=environ) == 1
    assert number() == 2
    (shop / "project" / "profiles.yml").unlink()
    assert number() == 3
    (shop / "profiles.yml").unlink()
    assert number() == 4
    (shop / "home" / ".dbt" / "profiles.yml").unlink()
    assert refusal(shop / "project") == (
        "no profiles.yml in project, ., home/.dbt\n  -> name its folder: --profiles-dir or DBT_PROFILES_DIR"
    )


def test_a_named_folder_without_profiles_yml_is_not_made_up_for_elsewhere(shop):
    (shop / "empty").mkdir()
    assert refusal(shop, profiles_dir=shop / "empty").startswith("no profiles.yml in empty\n")


def test_a_project_that_names_no_profile(shop):
    (shop / "dbt_project.yml").write_text("name: shop\n")
    assert refusal(shop) == (
        "the dbt project names no profile\n  -> add `profile: NAME` to dbt_project.yml, or pass --profile"
    )


def test_no_dbt_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        load_dbt_project(tmp_path, environ={})
    assert str(caught.value) == (
        "no dbt_project.yml in .\n  -> change to a dbt project's folder, or name it: --project-dir"
    )


def test_where_dbt_writes_its_artifacts(shop):
    assert load_dbt_project(shop, environ={}).target_dir == shop / "target"
    (shop / "dbt_project.yml").write_text("name: shop\ntarget-path: \"{{ env_var('T', 'out') }}\"\n")
    assert load_dbt_project(shop, environ={}).target_dir == shop / "out"
    assert load_dbt_project(shop, environ={"T": "there"}).target_dir == shop / "there"
    assert load_dbt_project(shop, environ={"DBT_TARGET_PATH": "/var/t"}).target_dir.as_posix() == "/var/t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: shop\n", "dbt_project.yml: the key 'name' is missing"),
        ("name: [shop]\n", "dbt_project.yml: name: expected text"),
        ("name: shop\nprofile: 7\n", "dbt_project.yml: profile: expected text"),
    ],
)
def test_a_dbt_project_file_that_cannot_be_used(shop, text, message):
    (shop / "dbt_project.yml").write_text(text)
    assert refusal(shop) == message
