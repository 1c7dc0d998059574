"""The guide of the metadata is complete, and its YAML is read without a problem."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from featurestore.definitions.places import ENVIRONMENT, RegistryPlace
from featurestore.definitions.server import Limits
from featurestore.manifest import (
    features,
    options,
    registry_settings,
    server_settings,
    service_logs,
    services,
    settings,
    stream_settings,
)
from featurestore.manifest.settings import load_settings
from tests.manifest.manifests import exposure, model, read

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "metadata.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)]


def resources():
    """The guide's models, snapshots and exposures as nodes of a manifest."""
    for block in BLOCKS:
        for kind in ("models", "snapshots"):
            for written in block.get(kind, ()):
                node = model(written["name"], meta=written["config"]["meta"], config=written["config"])
                node |= {"resource_type": kind.rstrip("s"), "unique_id": f"{kind.rstrip('s')}.shop.{written['name']}"}
                yield node | {"columns": {column["name"]: column for column in written["columns"]}}
        for written in block.get("exposures", ()):
            nodes = ["model.shop.customer_orders", "snapshot.shop.customer_tier"]
            yield exposure([], name=written["name"]) | {"config": written["config"], "depends_on": {"nodes": nodes}}


def section(title):
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def documented(title):
    """The keys in the first column of a section's tables."""
    return set(re.findall(r"^\| `(\w+)` \|", section(title), flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("title", "keys"),
    [
        ("Feature view", options.VIEW_KEYS),
        ("Feature", features.FEATURE_KEYS),
        ("Entity", settings.ENTITY_KEYS),
        (
            "Feature service",
            {
                *services.SERVICE_KEYS,
                *services.USE_KEYS,
                *services.REQUEST_COLUMN_KEYS,
                *service_logs.LOGGING_KEYS,
            },
        ),
        ("featurestore.yml", settings.KEYS),
        ("The registry", registry_settings.KEYS),
        ("Streams", {*stream_settings.DEFINITION_KEYS, *stream_settings.CONNECTION_KEYS}),
        (
            "The feature server",
            {
                *server_settings.SERVER_KEYS,
                *server_settings.KEY_KEYS,
                *server_settings.OIDC_KEYS,
                *server_settings.COUNT_KEYS,
                *server_settings.SECONDS_KEYS,
            },
        ),
    ],
)
def test_every_key_is_documented_and_nothing_else(title, keys):
    assert documented(title) == set(keys)


def test_every_environment_variable_is_documented():
    assert all(f"`{name}`" in section("featurestore.yml") for name in ENVIRONMENT.values())


def test_the_guides_views_and_service_are_read_without_a_problem_or_a_warning():
    reading = read(*resources())
    assert [view.name for view in reading.project.views] == ["customer_orders", "customer_tier"]
    assert [service.name for service in reading.project.services] == ["churn_v1"]
    (service,) = reading.project.services
    assert (len(service.features), [it.name for it in service.request_columns]) == (3, ["basket_usd"])


def test_the_guides_settings_are_read_without_a_problem(tmp_path):
    (written,) = [block for block in BLOCKS if isinstance(block.get("registry"), str)]
    (tmp_path / "featurestore.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
    found = load_settings(tmp_path, target="prod", environ={"REGISTRY": "s3://bucket/prefix"})
    assert (found.registry.uri, found.online_store) == ("s3://bucket/prefix", "redis://localhost:6379/0")
    assert [entity.name for entity in found.entities] == ["session"]


def test_the_guides_registry_is_read_without_a_problem(tmp_path):
    (written,) = [block for block in BLOCKS if isinstance(block.get("registry"), dict)]
    (tmp_path / "featurestore.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
    found = load_settings(tmp_path, target="prod", environ={}).registry
    assert found == RegistryPlace(
        uri="s3://models/shop/registry",
        cache_s=60.0,
        version="12",
        endpoint="https://minio.example.com:9000",
        region="eu-central-1",
    )


def test_the_guides_server_is_read_without_a_problem_and_its_defaults_are_the_real_ones(tmp_path):
    (written,) = [block for block in BLOCKS if "server" in block]
    (tmp_path / "featurestore.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
    found = load_settings(tmp_path, target="prod", environ={"WEB_SHOP_KEY_SHA256": "ab" * 32}).server
    assert [key.name for key in found.keys] == ["web-shop", "loader"]
    assert (found.limits.entities, found.limits.body_s, found.oidc.jwks_url) == (200, 5.0, "")
    limits = re.findall(
        r"^\| `(\w+)` \| (?:bytes|number|seconds) \| (\d+) \|", section("The feature server"), re.MULTILINE
    )
    assert {name: float(value) for name, value in limits} == asdict(Limits())
