"""Buckets for tests of the registry: S3 as `moto` speaks it, Google's and Azure's as `bucket_servers` do, Azurite."""

from __future__ import annotations

import json
import os

import pytest

from tests.azurite_server import ACCOUNT, ACCOUNT_KEY, AZURITE, start_azurite
from tests.bucket_servers import Faults, Objects, azure, google, served, way_to
from tests.moto_server import CREDENTIALS, start_moto

VENDORS = ("AWS_", "AZURE_", "GOOGLE_")


@pytest.fixture(scope="session")
def moto():
    """One server for all tests of a worker."""
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    """An environment, and a home, that know no store."""
    for name in [each for each in os.environ if each.startswith(VENDORS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")


@pytest.fixture
def s3(moto, no_credentials, monkeypatch):
    """The bucket `models`, empty, and the environment that leads there; boto3's client."""
    import boto3  # not there where only the SQL is tested

    moto.reset()
    for name, value in {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": moto.endpoint}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=moto.endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    return client


@pytest.fixture
def faults(s3, moto, monkeypatch):
    """The way to S3 leads through faults, and counts what is asked."""
    found = Faults()
    with served(way_to(moto.endpoint, found)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield found


@pytest.fixture
def gs(no_credentials, monkeypatch, tmp_path):
    """Google's bucket `models`, and a service account as emulators have it: no token is asked for."""
    objects = Objects()
    with served(google(objects)) as url:
        account = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        path = tmp_path / "account.json"
        path.write_text(json.dumps({"gcs_base_url": url, **account}))
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(path))
        monkeypatch.setenv("GOOGLE_BASE_URL", url)
        yield objects


@pytest.fixture
def az(no_credentials, monkeypatch):
    """Azure's container `models`."""
    objects = Objects()
    with served(azure(objects)) as url:
        _to_azure(monkeypatch, f"{url}/{ACCOUNT}")
        yield objects


@pytest.fixture(scope="session")
def azurite_server():
    if AZURITE is None:
        pytest.skip("no Azurite is installed: `make test-azure` installs it")
    server = start_azurite()
    yield server
    server.stop()


@pytest.fixture
def azurite(azurite_server, no_credentials, monkeypatch):
    """The container `models` of Azurite, empty, and the environment that leads there."""
    azurite_server.reset("models")
    _to_azure(monkeypatch, azurite_server.endpoint)


def _to_azure(monkeypatch, endpoint):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
