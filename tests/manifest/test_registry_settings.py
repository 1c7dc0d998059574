"""``registry:`` of `featurestore.yml`: a URI or a mapping, per target, and what the environment replaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.definitions.places import RegistryPlace
from featurestore.errors import UsageError
from featurestore.manifest.settings import load_settings
from featurestore.serving.places import find_places

WHOLE = """
registry:
  uri: s3://models/registry
  cache: 1m 30s
  version: "@prod"
  endpoint: https://minio.example.com:9000
  region: eu-central-1
targets:
  dev: {registry: .featurestore/registry}
  ci: {registry: {version: 12}}
"""
PLACE = RegistryPlace(
    uri="s3://models/registry",
    cache_s=90.0,
    version="@prod",
    endpoint="https://minio.example.com:9000",
    region="eu-central-1",
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FEATURESTORE_REGISTRY", "FEATURESTORE_REGISTRY_VERSION", "FEATURESTORE_REGISTRY_CACHE", "DBT_TARGET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def registry_of(project, text, *, target="prod", **environ):
    (project / "featurestore.yml").write_text(text)
    return load_settings(project, target=target, environ=environ).registry


def test_a_mapping_says_how_the_registry_is_read(project):
    assert registry_of(project, WHOLE) == PLACE


def test_what_a_target_says_replaces_the_whole(project):
    assert registry_of(project, WHOLE, target="dev") == RegistryPlace(uri=".featurestore/registry")
    assert registry_of(project, WHOLE, target="ci") == RegistryPlace(version="12")


def test_the_environment_replaces_its_own_part_only(project):
    moved = registry_of(project, WHOLE, FEATURESTORE_REGISTRY="s3://other", FEATURESTORE_REGISTRY_VERSION="7")
    assert (moved.uri, moved.version, moved.endpoint, moved.cache_s) == ("s3://other", "7", PLACE.endpoint, 90.0)
    assert registry_of(project, WHOLE, FEATURESTORE_REGISTRY_CACHE="0s").cache_s == 0.0


def test_values_are_rendered_but_not_a_uri_that_the_environment_replaces(project):
    text = "registry: {uri: \"{{ env_var('BUCKET') }}/x\", version: \"{{ env_var('TAG', '@prod') }}\"}\n"
    assert registry_of(project, text, BUCKET="s3://b") == RegistryPlace(uri="s3://b/x", version="@prod")
    assert registry_of(project, text, FEATURESTORE_REGISTRY="here").uri == "here"


@pytest.mark.parametrize(
    ("mistake", "block", "message"),
    [
        ("an unknown key", "{regoin: eu}", "registry: unknown key 'regoin'\n  -> did you mean region?"),
        ("a number for a URI", "{uri: 7}", "registry.uri: expected a path or URI, got 7"),
        ("a list", "[a]", 'registry: expected a path or URI, got ["a"]'),
        ("a number for a duration", "{cache: 60}", 'registry.cache: expected a duration such as "7 days", got 60'),
        ("no duration", "{cache: soon}", "registry.cache: expected a duration such as"),
        ("no version", "{version: prod}", "registry.version: expected a version's number such as 12, or a tag such as"),
        ("version zero", "{version: 0}", "registry.version: expected a version's number such as 12, or a tag such as"),
        (
            "a yes for a version",
            "{version: true}",
            "registry.version: expected a version's number such as 12, or a tag",
        ),
        (
            "an endpoint of a folder",
            "{uri: reg, endpoint: 'https://minio'}",
            "registry.endpoint: only a registry in an object store has it\n  -> remove `endpoint`, or let `uri` be s3://",
        ),
        (
            "a region of a folder",
            "{region: eu-central-1}",
            "registry.region: only a registry in an object store has it\n  -> remove `region`, or let `uri` be s3://",
        ),
        (
            "an endpoint with a password",
            "{uri: s3://b, endpoint: 'https://ann:hunter2@minio'}",
            "registry.endpoint: expected the URL of an object store, without user, password and query, got one with",
        ),
        (
            "an endpoint that is no URL",
            "{uri: s3://b, endpoint: minio}",
            "registry.endpoint: expected the URL of an object",
        ),
        ("a region that is none", "{uri: s3://b, region: 'eu/x'}", "registry.region: expected a region such as"),
    ],
)
@pytest.mark.parametrize("at", ["", "targets.prod."])
def test_a_wrong_value_names_its_key(project, mistake, block, message, at):
    text = f"registry: {block}\n" if not at else f"targets: {{prod: {{registry: {block}}}}}\n"
    with pytest.raises(UsageError) as caught:
        registry_of(project, text)
    assert f"featurestore.yml: {at}{message}" in str(caught.value), mistake
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "FEATURESTORE_REGISTRY_VERSION",
            "prod",
            "expected a version's number such as 12, or a tag such as @prod, got 'p",
        ),
        ("FEATURESTORE_REGISTRY_CACHE", "soon", 'expected a duration such as "7 days", "1h 30m" or "250ms", got'),
    ],
)
def test_a_wrong_variable_is_named(project, name, value, said):
    with pytest.raises(UsageError) as caught:
        registry_of(project, "", **{name: value})
    assert str(caught.value).startswith(f"{name}: {said}")


def test_a_client_finds_what_the_file_says_of_a_bucket_whose_uri_it_is_given(project, monkeypatch):
    (project / "featurestore.yml").write_text(WHOLE.partition("targets")[0])
    monkeypatch.setenv("FEATURESTORE_ONLINE_STORE", "memory:")

    def found(registry):
        return find_places(Path(), target=None, registry=registry, online_store=None).registry

    assert found(None) == PLACE
    assert (found("s3://other").uri, found("s3://other").endpoint) == ("s3://other", PLACE.endpoint)
    assert found("reg") == RegistryPlace(uri="reg")
    monkeypatch.setenv("FEATURESTORE_REGISTRY_VERSION", "3")
    assert found("reg") == RegistryPlace(uri="reg", version="3")
