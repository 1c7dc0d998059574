"""`featurestore.yml`: defaults, overrides, the environment, and what is refused."""

from __future__ import annotations

import pytest

from featurestore.definitions.entities import Entity
from featurestore.errors import UsageError
from featurestore.manifest.settings import Settings, load_settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project, text, *, target="dev", **environ):
    (project / "featurestore.yml").write_text(text)
    return load_settings(project, target=target, environ=environ)


def refusal(project, text, *, target="dev", **environ):
    with pytest.raises(UsageError) as caught:
        settings(project, text, target=target, **environ)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_a_file_there_are_defaults(project):
    found = load_settings(project, target="dev", environ={})
    assert found == Settings()
    assert (found.registry.uri, found.online_store) == (".featurestore/registry/", "sqlite:.featurestore/online.sqlite")
    assert settings(project, "# nothing yet\n") == found


@pytest.mark.parametrize("text", ["", "# registry: here\n", "---\n", "registry:\nentities:\n"])
def test_a_file_that_says_nothing_is_as_good_as_none(project, text):
    assert settings(project, text) == Settings()


def test_the_file_the_targets_overrides_and_the_environment_win_in_this_order(project):
    text = "registry: reg\nonline_store: 'memory:'\ntargets: {prod: {online_store: 'redis://prod:6379/0'}}\n"
    assert settings(project, text).online_store == "memory:"
    assert settings(project, text, target="prod").online_store == "redis://prod:6379/0"
    assert settings(project, text, target="prod").registry.uri == "reg"
    both = settings(project, text, target="prod", FEATURESTORE_ONLINE_STORE="memory:", FEATURESTORE_REGISTRY="s3://b/p")
    assert (both.online_store, both.registry.uri) == ("memory:", "s3://b/p")
    assert settings(project, text, FEATURESTORE_REGISTRY="").registry.uri == "reg"


def test_values_are_rendered_with_env_var(project):
    text = (
        "registry: \"{{ env_var('BUCKET') }}/x\"\nonline_store: \"redis://{{ env_var('HOST', 'localhost') }}:6379\"\n"
    )
    found = settings(project, text, BUCKET="s3://b")
    assert (found.registry.uri, found.online_store) == ("s3://b/x", "redis://localhost:6379")


def test_only_the_value_that_wins_is_rendered(project):
    text = "registry: \"{{ env_var('PROD_BUCKET') }}\"\ntargets: {dev: {registry: reg}}\n"
    assert settings(project, text).registry.uri == "reg"
    assert settings(project, text, target="prod", FEATURESTORE_REGISTRY="here").registry.uri == "here"
    assert refusal(project, text, target="prod") == (
        "featurestore.yml: registry: environment variable 'PROD_BUCKET' is not set\n"
        "  -> set it, or give a default: env_var('PROD_BUCKET', 'default')"
    )


def test_entities_are_a_mapping_or_a_list(project):
    expected = (
        Entity(name="session", join_keys=("session_id",), description="a visit"),
        Entity(name="user", join_keys=("user",)),
    )
    mapping = "entities:\n  user:\n  session: {join_keys: [session_id], description: a visit}\n"
    assert settings(project, mapping).entities == expected
    listed = "entities:\n  - user\n  - {name: session, join_keys: [session_id], description: a visit}\n"
    assert settings(project, listed).entities == expected


def test_an_online_stores_password_is_not_in_the_repr(project):
    assert "hunter2" not in repr(settings(project, "online_store: redis://:hunter2@host:6379/0\n"))


@pytest.mark.parametrize(
    ("mistake", "text", "message"),
    [
        ("an unknown key", "registri: x\n", "featurestore.yml: unknown key 'registri'\n  -> did you mean registry?"),
        (
            "an unknown key of a target",
            "targets: {prod: {entities: []}}\n",
            "featurestore.yml: targets.prod: unknown key 'entities'\n  -> known: online_store, registry",
        ),
        (
            "targets as a list",
            "targets: [prod]\n",
            'featurestore.yml: targets: expected a mapping of target names, got ["prod"]',
        ),
        ("1:30 arrives as a number", "registry: 1:30\n", "featurestore.yml: registry: expected a path or URI, got 90"),
        (
            "a wrong value for another target",
            "targets: {prod: {registry: 7}}\n",
            "featurestore.yml: targets.prod.registry: expected a path or URI, got 7",
        ),
        (
            "a key written twice",
            "registry: a\nonline_store: 'memory:'\nregistry: b\n",
            "featurestore.yml:3: the key 'registry' is written twice, first on line 1\n  -> keep one of them",
        ),
        (
            "a key written twice further in",
            "entities:\n  user:\n    join_keys: [a]\n    join_keys: [b]\n",
            "featurestore.yml:4: the key 'join_keys' is written twice, first on line 3\n  -> keep one of them",
        ),
        (
            "Jinja without quotes",
            "registry: {{ env_var('X') }}\n",
            (
                "featurestore.yml:1: not YAML that can be read: found unhashable key\n"
                "  -> put Jinja in quotes: \"{{ env_var('NAME') }}\""
            ),
        ),
        ("no YAML", "registry: [a\n", "featurestore.yml:2: not YAML that can be read: expected"),
        (
            "a tag that would run code",
            "registry: !!python/name:os.system\n",
            "featurestore.yml:1: not YAML that can be read: could not determine a constructor for the tag",
        ),
        ("a list at the top", "- registry\n", "featurestore.yml: expected a mapping of keys at the top"),
        ("not text", "registry: 'a\0b'\n", "featurestore.yml: not YAML that can be read"),
        (
            "a date that is none",
            "registry: 2026-13-45\n",
            ("featurestore.yml: a date, time or number in it is none, e.g. 2026-13-45\n  -> put such texts in quotes"),
        ),
        (
            "a tag that its value does not have",
            "registry: !!timestamp soon\n",
            "featurestore.yml: a date, time or number in it is none",
        ),
        ("deep nesting", "[" * 600, "featurestore.yml: nested too deeply"),
        ("an alias in itself", "registry: &a [*a]\n", "featurestore.yml:1: an alias contains itself"),
        (
            "an alias bomb",
            "a0: &a0 [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "featurestore.yml: its aliases unfold into more than 100,000 values",
        ),
        (
            "another name of Jinja",
            'registry: "{{ target.name }}"\n',
            "featurestore.yml: registry: only env_var() and var() can be used here, got target",
        ),
        (
            "a template with a syntax error",
            "registry: \"{{ env_var('X' }}\"\n",
            "featurestore.yml: registry: expected a Jinja template, got one with a syntax error",
        ),
        (
            "a template that would take all memory",
            "registry: \"{{ 'x' * 10 ** 10 }}\"\n",
            "featurestore.yml: registry: the Jinja template cannot be rendered",
        ),
        (
            "a template that looks behind the sandbox",
            "registry: \"{{ ''.__class__.__mro__[1].__subclasses__() }}\"\n",
            "featurestore.yml: registry: the Jinja template cannot be rendered",
        ),
        (
            "a template that asks for an encoding that is not there",
            "registry: \"{{ 'x'.encode('y') }}\"\n",
            "featurestore.yml: registry: the Jinja template cannot be rendered",
        ),
        (
            "a template of nothing",
            "registry: \"{{ env_var('X', '') }}\"\n",
            "featurestore.yml: registry: expected a path or URI, got nothing after rendering",
        ),
        (
            "a variable of dbt",
            "registry: \"{{ var('bucket') }}\"\n",
            (
                "featurestore.yml: registry: dbt variable 'bucket' is not known outside dbt\n"
                "  -> use env_var(), or give a default: var('bucket', 'default')"
            ),
        ),
        (
            "entities as a word",
            "entities: user\n",
            "featurestore.yml: entities: expected a list or mapping of entities, got 'user'",
        ),
        (
            "an entity without a name",
            "entities: [{join_keys: [a]}]\n",
            "featurestore.yml: entities[0].name: expected the entity's name, got null",
        ),
        (
            "an entity of no letters in a list",
            "entities: ['']\n",
            "featurestore.yml: entities[0].name: expected the entity's name, got ''",
        ),
        (
            "an entity of no letters in a mapping",
            "entities: {' ': {}}\n",
            "featurestore.yml: entities. .name: expected the entity's name, got null",
        ),
        (
            "an entity twice",
            "entities: [user, user]\n",
            "featurestore.yml: entities[1]: entity 'user' is declared twice\n  -> keep one of them",
        ),
        (
            "one join key without brackets",
            "entities: {user: {join_keys: user_id}}\n",
            (
                "featurestore.yml: entities.user.join_keys: expected a list of names, got 'user_id'\n"
                "  -> write `join_keys: [user_id]`"
            ),
        ),
    ],
)
def test_one_clear_problem(project, mistake, text, message):
    assert refusal(project, text).startswith(message), mistake


def test_all_problems_are_told_at_once(project):
    text = "registry: 7\nonline_store: [a]\nentities: [user, user]\nservre: {}\n"
    assert len(refusal(project, text).splitlines()) == 6


def test_a_file_with_the_other_ending_is_not_passed_over_in_silence(project):
    (project / "featurestore.yaml").write_text("registry: x\n")
    with pytest.raises(UsageError, match=r"^featurestore\.yaml is not read\n  -> rename it to featurestore\.yml$"):
        load_settings(project, target="dev", environ={})


def test_a_password_in_a_value_of_the_wrong_kind_is_not_told(project):
    refused = refusal(project, f"online_store: ['redis://me:hunter2@{'h' * 80}:6379/0']\n")
    assert refused.startswith('featurestore.yml: online_store: expected a path or URI, got ["redis://me:***@hhh')
