"""What /openapi.json says is what the server does: its paths are the routes, and requests are answered so."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from featurestore.definitions.server import ApiKey, ServerSettings
from featurestore.server.endpoints import ENDPOINTS
from featurestore.server.openapi import openapi
from tests.server.running import running
from tests.server.scene import scene

KEY = {"name": "all", "sha256": "0" * 64, "scopes": ["read:*", "write:*", "admin:*"]}
EVERYTHING = ServerSettings(keys=(ApiKey(name="all", sha256="0" * 64, scopes=("read:*", "write:*", "admin:*")),))
ALL = [(each.method, each.path) for each in ENDPOINTS]


def test_every_route_is_described_and_nothing_else(tmp_path):
    """A route that is not described fails the description itself."""
    scene(tmp_path)
    (tmp_path / "featurestore.yml").write_text(f"server: {json.dumps({'keys': [KEY]})}\n")
    with running(tmp_path) as server:
        answer = server.get("/openapi.json")
    assert answer.status_code == 200, server.log
    assert json.loads(answer.content) == json.loads(openapi(ALL, EVERYTHING))


def test_what_does_not_exist_is_not_described(served):
    described = served.get("/openapi.json").json()
    assert set(described["paths"]) == {path for method, path in ALL} - {
        "/push",
        "/write-to-online-store",
        "/materialize",
        "/materialize-incremental",
        "/jobs",
        "/jobs/{id}",
    }
    assert "security" not in described


def test_it_is_valid_openapi():
    from openapi_spec_validator import OpenAPIV31SpecValidator

    for settings in (ServerSettings(), EVERYTHING):
        OpenAPIV31SpecValidator(json.loads(openapi(ALL, settings))).validate()


def test_every_example_fits_its_schema():
    document = json.loads(openapi(ALL, EVERYTHING))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                schema = {**media["schema"], "components": document["components"]}
                for example in media["examples"].values():
                    Draft202012Validator(schema).validate(example["value"]), path


def test_every_schema_says_what_its_properties_are():
    schemas = json.loads(openapi(ALL, EVERYTHING))["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema["description"], name
        assert "Attributes:" not in schema["description"]
    assert schemas["GetOnlineFeatures"]["properties"]["entities"]["description"].startswith("one list of values")


def test_it_tells_no_name_of_a_feature_view_or_service(served):
    text = served.get("/openapi.json").text
    for name in ("orders_7d", "tier", "weather", "trips"):
        assert f'"{name}"' not in text


needs_schemathesis = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis needs Python 3.11"
)


@pytest.mark.slow
@needs_schemathesis
def test_what_is_asked_of_an_open_server_is_answered_as_it_says(served, tmp_path):
    expect_no_failure(served, tmp_path, "--max-examples", "200")


@pytest.mark.slow
@needs_schemathesis
def test_what_is_asked_with_a_key_is_answered_as_it_says(tmp_path):
    scene(tmp_path)
    key = {**KEY, "sha256": hashlib.sha256(b"fsk_all").hexdigest()}
    (tmp_path / "featurestore.yml").write_text(f"server: {json.dumps({'keys': [key]})}\n")
    with running(tmp_path) as server:
        server.client.headers["authorization"] = "Bearer fsk_all"
        expect_no_failure(server, tmp_path, "--header", "Authorization: Bearer fsk_all", "--max-examples", "25")


def expect_no_failure(server, folder, *options):
    """Ask a server what its description allows, and what it does not."""
    # What no schema can know of is answered 400 or 404 (a name, a key of it), 409 (another sync), 501 (`to: offline`).
    (folder / "schemathesis.toml").write_text(
        "[checks.positive_data_acceptance]\nexpected-statuses = [200, 202, 400, 404, 409, 501]\n"
        "[checks.not_a_server_error]\nexpected-statuses = ['2xx', '4xx', 501]\n"
    )
    told = folder / "openapi.json"
    told.write_bytes(server.get("/openapi.json").content)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", str(told)]
    done = subprocess.run(
        [*command, "--url", server.url, "--seed", "1", "--no-color", "--warnings", "off", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "No issues found" in done.stdout
