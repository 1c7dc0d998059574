"""init: an empty folder becomes the example, a dbt project gets what it lacks, and nothing is ever overwritten."""

from __future__ import annotations

import re

import pytest

from featurestore.errors import UsageError
from featurestore.manifest.settings import ENTITY_KEYS, KEYS, TARGET_KEYS, Settings, load_settings
from featurestore.scaffold.project import scaffold
from featurestore.scaffold.shipped import defined_macros, files_below, shipped
from featurestore.scaffold.texts import SETTINGS
from tests.cli.tiny import Tiny

MACROS = files_below(shipped().macros)
PROJECT = "name: blog\nprofile: blog\n"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def folder_with(folder, **files):
    """A folder with these files; ``__`` is a slash and ``_yml`` an ending."""
    for name, text in files.items():
        path = folder / re.sub(r"_(yml|sql|md)$", r".\1", name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def blog(tmp_path):
    """A dbt project of somebody else, with a model, a macro and a .gitignore that lacks its last line feed."""
    folder = folder_with(
        tmp_path / "blog",
        dbt_project_yml=PROJECT,
        models__posts_sql="select 1 as post_id",
        macros__shout_sql="{% macro shout(x) %}upper({{ x }}){% endmacro %}",
    )
    (folder / ".gitignore").write_text("target/\nlogs/")
    return folder


def test_an_empty_folder_becomes_the_example_with_everything_in_it(tmp_path):
    ran = Tiny(folder=tmp_path).run("init", "my shop")
    made = contents(tmp_path / "my shop")
    assert ran.code == 0
    assert ran.lines[0] == f"Made the example project in my shop: {len(made)} files."
    assert "  cd 'my shop'\n  dbt build\n" in ran.err
    assert {f"macros/featurestore/{name}": content for name, content in MACROS.items()}.items() <= made.items()
    assert {"dbt_project.yml", "profiles.yml", "featurestore.yml", ".gitignore"} <= made.keys()
    assert not {name for name in made if name.startswith(("target/", "logs/", "dbt_packages/")) or "duckdb" in name}
    assert "packages.yml" not in made


def test_the_example_calls_the_macros_as_its_own(tmp_path):
    scaffold(tmp_path / "shop", environ={})
    models = {name: text.decode() for name, text in contents(tmp_path / "shop" / "models").items()}
    assert "{{ training_set(" in models["training/repeat_purchase_training.sql"]
    assert "feature_view_metadata:" in models["training/repeat_purchase_training.yml"]
    own = {name.removeprefix("test_") for text in MACROS.values() for name in defined_macros(text.decode())}
    assert "feature_view" in own
    prefixed = {name for name, text in models.items() for word in own if re.search(rf"featurestore\.{word}\b", text)}
    assert prefixed == set()


def test_the_written_settings_are_the_defaults_and_name_every_key(tmp_path):
    scaffold(tmp_path / "shop", environ={})
    assert load_settings(tmp_path / "shop", target="dev", environ={}) == Settings()
    assert load_settings(shipped().example, target="dev", environ={}).entities == ()
    for key in {*KEYS, *TARGET_KEYS, *ENTITY_KEYS}:
        assert re.search(rf"^# +(- )?{key}:|^# {key}:", SETTINGS, re.MULTILINE), key
    uncommented = re.sub(r"^# (?=( |[a-z_]+:))", "", SETTINGS, flags=re.MULTILINE)
    (tmp_path / "featurestore.yml").write_text(uncommented)
    read = load_settings(tmp_path, target="prod", environ={"REDIS_PASSWORD": "x"})
    assert (read.registry.uri, read.entities[0].join_keys) == ("/srv/featurestore/registry", ("session_id",))


def test_a_second_run_changes_nothing(tmp_path):
    scaffold(tmp_path / "shop", environ={})
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "shop").rglob("*.*")}
    ran = Tiny(folder=tmp_path).run("init", "shop")
    assert (ran.code, ran.lines[0]) == (0, "Nothing to do: the dbt project in shop has everything.")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "shop").rglob("*.*")} == before


def test_a_dbt_project_gets_what_it_lacks_and_keeps_every_byte(blog):
    before = contents(blog)
    ran = Tiny(folder=blog).run("init")
    after = contents(blog)
    assert (ran.code, ran.lines[0]) == (0, "Added the feature store to the dbt project in this folder.")
    assert {name: after[name] for name in before if name != ".gitignore"} == {
        name: content for name, content in before.items() if name != ".gitignore"
    }
    assert after[".gitignore"] == b"target/\nlogs/\n.featurestore/\n"
    assert after.keys() - before.keys() == {"featurestore.yml", *(f"macros/featurestore/{name}" for name in MACROS)}
    assert "created   featurestore.yml" in ran.out
    assert "extended  .gitignore" in ran.out
    assert "feature_view:\n            entities: [customer_id]" in ran.err
    assert Tiny(folder=blog).run("init").lines[0] == "Nothing to do: the dbt project in this folder has everything."
    assert contents(blog) == after


def test_what_was_written_is_told_as_json(blog):
    told = Tiny(folder=blog.parent).run("init", "blog", "--json").json
    assert (told["kind"], told["project_dir"], told["next"][0]) == ("existing", "blog", "cd blog")
    assert {"path": ".gitignore", "outcome": "extended", "note": "added .featurestore/"} in told["files"]
    assert {"path": "featurestore.yml", "outcome": "created", "note": ""} in told["files"]


@pytest.mark.parametrize("line", [".featurestore", ".featurestore/", "/.featurestore/", ".featurestore/*"])
def test_a_pattern_that_is_there_in_another_form_is_not_added(blog, line):
    (blog / ".gitignore").write_text(f"{line}\n")
    scaffold(blog, environ={})
    assert (blog / ".gitignore").read_text() == f"{line}\n"


def test_the_macros_go_to_the_first_of_the_macro_paths(blog):
    (blog / "dbt_project.yml").write_text(f"{PROJECT}macro-paths: [jinja, macros]\n")
    scaffold(blog, environ={})
    assert (blog / "jinja" / "featurestore" / "training_set.sql").is_file()
    assert not (blog / "macros" / "featurestore").exists()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"packages_yml": "packages:\n  - git: https://example.com/featurestore\n"}, "listed"),
        ({"dependencies_yml": "packages:\n  - {local: ../featurestore}\n"}, "listed"),
        ({"dbt_packages__featurestore__dbt_project_yml": "name: featurestore\n"}, "installed"),
        ({"dbt_project_yml": "name: featurestore\nprofile: x\n"}, "the package itself"),
    ],
)
def test_a_project_that_has_the_package_gets_no_second_copy(blog, files, why):
    folder_with(blog, **files)
    scaffold(blog, environ={})
    assert not (blog / "macros" / "featurestore").exists(), why
    assert (blog / "featurestore.yml").exists()


def test_a_package_that_is_only_spoken_of_is_not_installed(blog):
    folder_with(blog, packages_yml="# featurestore would go here\npackages: []\n")
    scaffold(blog, environ={})
    assert (blog / "macros" / "featurestore").exists()


@pytest.mark.parametrize(
    ("place", "text", "name"),
    [
        ("macros__own_sql", "{%- macro identifier(x) -%}{{ x }}{%- endmacro -%}", "identifier"),
        ("tests__generic__own_sql", "{% test feature_view(model) %}select 1{% endtest %}", "test_feature_view"),
    ],
)
def test_a_macro_of_the_same_name_is_named_and_nothing_is_written(blog, place, text, name):
    folder_with(blog, **{place: text})
    before = contents(blog)
    ran = Tiny(folder=blog).run("init")
    assert ran.code == 2
    assert ran.err.startswith(f"Error: the project has macros of the same names as ours: {name} (")
    assert "own.sql)\n  -> rename them, or leave our macros out (--no-macros)" in ran.err
    assert contents(blog) == before
    assert Tiny(folder=blog).run("init", "--no-macros").code == 0
    assert contents(blog).keys() - before.keys() == {"featurestore.yml"}


def test_macros_of_another_version_are_kept_whole(blog):
    folder_with(blog, macros__featurestore__identifier_sql="{% macro identifier(x) %}old{% endmacro %}")
    ran = Tiny(folder=blog).run("init")
    assert ran.code == 0
    assert "kept      macros/featurestore  another version than this one's; to have these, delete " in ran.out
    assert [path.name for path in (blog / "macros" / "featurestore").iterdir()] == ["identifier.sql"]


def test_an_init_that_was_interrupted_is_finished(blog):
    scaffold(blog, environ={})
    whole = contents(blog)
    for name in ("macros/featurestore/training_set.sql", "macros/featurestore/generic_tests/feature_view.sql"):
        (blog / name).unlink()
    scaffold(blog, environ={})
    assert contents(blog) == whole


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"notes_md": "x"},
            "neither empty nor a dbt project: no dbt_project.yml, but notes.md\n  -> name a dbt project",
        ),
        ({"dbt_project_yml": "name: [\n"}, "dbt_project.yml:2: not YAML that can be read"),
        ({"dbt_project_yml": "profile: x\n"}, "dbt_project.yml: the key 'name' is missing"),
        ({"dbt_project_yml": f"{PROJECT}macro-paths: []\n"}, "dbt_project.yml: macro-paths: expected a list with at "),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused_and_left_alone(tmp_path, files, message):
    folder = folder_with(tmp_path / "place", **files)
    before = contents(folder)
    ran = Tiny(folder=folder).run("init")
    assert ran.code == 2
    assert message in ran.err
    assert contents(folder) == before


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "shop").write_text("")
    with pytest.raises(UsageError, match="expected a folder, got a file"):
        scaffold(tmp_path / "shop", environ={})


def test_hidden_files_do_not_make_a_folder_full(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("target/\n")
    assert Tiny(folder=tmp_path).run("init").code == 0
    assert (tmp_path / ".gitignore").read_text().splitlines()[:2] == ["target/", ".featurestore/"]


def test_a_place_that_cannot_be_written_is_named(blog):
    (blog / "macros" / "featurestore").write_text("a file where the folder should be")
    ran = Tiny(folder=blog).run("init")
    assert ran.code == 1
    assert "macros/featurestore/" in ran.err
    assert "cannot be written: " in ran.err
