"""A registry in a bucket: what is asked, what a store that is away, slow or wrong costs, and who may not be asked."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.buckets.connect import Bucket, Patience
from featurestore.definitions.places import RegistryPlace
from featurestore.errors import OperationError, RegistryConflictError, RegistryUnavailableError, UsageError
from featurestore.registry.files.object_store import PROOF, ObjectFiles
from featurestore.registry.files.open import open_files
from featurestore.registry.read import open_registry, read_latest_document
from featurestore.registry.versions import Registry, document_name
from tests.bucket_servers import no_deletion, served
from tests.moto_server import CREDENTIALS
from tests.registry.appliers import applier, conflicts_of, go, views_of
from tests.registry.shop import MANIFEST, ORDERS, SHOP, with_view
from tests.warehouse.interrupts import interrupted

pytestmark = pytest.mark.xdist_group("registry buckets")

URI = "s3://models/shop/registry"
HERE = Path()
REPOSITORY = Path(__file__).parents[2]
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
HASTE = Patience(timeout_s=1, retries=1, retry_timeout_s=1)
CLOCK = "set the clock: the store refuses requests of another time"


def in_haste():
    return ObjectFiles(Bucket(scheme="s3", name="models"), "shop/registry", HASTE)


def refused(call):
    with pytest.raises(RegistryUnavailableError) as caught:
        call()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_the_newest_version_is_read_with_two_requests(faults):
    registry = open_registry(URI, HERE)
    registry.apply(SHOP, MANIFEST, expected=None)
    registry.apply(replace(SHOP, services=()), MANIFEST, expected=1)
    faults.requests.clear()
    assert open_registry(URI, HERE).latest().version == 2
    assert [(method, path.partition("?")[0]) for method, path in faults.requests] == [
        ("GET", "/models"),
        ("GET", f"/models/shop/registry/{document_name(2)}"),
    ]


@pytest.mark.slow
def test_a_thousand_versions_are_listed_with_one_request_and_two_thousand_with_two(faults, s3):
    for number in range(1, 1002):
        s3.put_object(Bucket="models", Key=f"shop/registry/{document_name(number)}", Body=b"{}")
    faults.requests.clear()
    assert len(open_registry(URI, HERE).numbers()) == 1001
    assert len(faults.requests) == 2


def test_an_apply_proves_with_one_request_that_the_store_knows_conditions(faults, s3):
    open_files(URI, HERE).create("one.json", b"1")
    assert [method for method, _ in faults.requests] == ["PUT", "PUT", "PUT"]
    faults.requests.clear()
    files = open_files(URI, HERE)
    files.create("two.json", b"2")
    files.create("three.json", b"3")
    assert [path.rpartition("/")[2] for _, path in faults.requests] == [PROOF, "two.json", "three.json"]
    assert files.names() == ["one.json", "three.json", "two.json"]


@pytest.mark.parametrize("before", ["an empty bucket", "a registry copied from elsewhere"])
def test_a_store_that_ignores_conditions_is_refused_before_a_version_is_written(faults, s3, before):
    if before != "an empty bucket":
        open_registry(URI, HERE).apply(SHOP, MANIFEST, expected=None)
    faults.ignored.add("if-none-match")
    registry = open_registry(URI, HERE)
    numbers = registry.numbers()
    with pytest.raises(OperationError) as caught:
        registry.apply(replace(SHOP, services=()), MANIFEST, expected=len(numbers) or None)
    assert str(caught.value) == (
        f"{URI}: this store ignores the condition `If-None-Match: *`: of two appliers at once it would keep one\n"
        "  -> take a store that has conditional writes (S3, Google Cloud Storage, Azure, MinIO do), or a directory"
    )
    assert registry.numbers() == numbers


@pytest.mark.parametrize("fault", ["lost", 409, 503])
def test_a_version_whose_answer_was_lost_is_ours(faults, fault):
    """R1: a repeated request finds the object that the first one made."""
    registry = open_registry(URI, HERE)
    registry.files.create("warm-up", b"")
    faults.statuses["PUT"] = [fault, 0]
    assert registry.apply(SHOP, MANIFEST, expected=None).created
    assert registry.numbers() == (1,)
    faults.statuses["PUT"] = ["lost", "lost", "lost", "lost", "lost", 0]
    assert registry.apply(replace(SHOP, services=()), MANIFEST, expected=1).created
    assert registry.numbers() == (1, 2)


def test_a_version_that_another_made_while_our_answer_was_lost_is_a_conflict(faults, s3):
    """R1."""
    registry = open_registry(URI, HERE)
    registry.files.create("warm-up", b"")
    other = open_registry(URI, HERE)
    faults.statuses["PUT"] = [503, 503, 503, 503, 503, 0]
    listed = other.numbers()

    class OvertakenFiles(ObjectFiles):
        """Another applier comes first, after this one has looked."""

        def create(self, name, data):
            faults.statuses.clear()
            other.apply(SHOP, MANIFEST, expected=None)
            faults.statuses["PUT"] = [0, 503, 0]
            return super().create(name, data)

    late = Registry(OvertakenFiles(Bucket(scheme="s3", name="models"), "shop/registry"))
    assert listed == ()
    with pytest.raises(RegistryConflictError):
        late.apply(replace(SHOP, services=()), MANIFEST, expected=None)
    assert registry.numbers() == (1,)


def test_a_store_that_is_away_is_one_clear_error_within_seconds(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    started = time.monotonic()
    assert refused(open_registry(URI, HERE).latest) == (
        f"{URI}: cannot read the registry: the store cannot be reached\n"
        "  -> is the endpoint right, and the network there?"
    )
    assert time.monotonic() - started < 30


def test_a_store_that_says_nothing_is_one_clear_error_in_the_time_that_was_given(s3, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert "the store cannot be reached" in refused(in_haste().names)
    assert time.monotonic() - started < 10


def test_ctrl_c_is_heard_while_a_store_says_nothing(s3, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        signal.siginterrupt(signal.SIGINT, False)  # as polars asks, when it is imported
        try:
            with pytest.raises(KeyboardInterrupt):
                interrupted(open_registry(URI, HERE).latest)
        finally:
            signal.siginterrupt(signal.SIGINT, True)
    assert time.monotonic() - started < 10


def test_a_write_whose_end_is_not_known_says_so(faults):
    files = in_haste()
    files.create("warm-up", b"")
    faults.statuses["PUT"], faults.statuses["GET"] = ["always 503"], ["always 503"]
    said = refused(lambda: files.create("one.json", b"1"))
    assert said.startswith(f"{URI}/one.json: cannot write the registry: the store answered SlowDown\n  -> ")
    assert "Whether this was written is not known: `featurestore plan` says what is there" in said


def test_a_busy_store_is_asked_again(faults):
    open_registry(URI, HERE).apply(SHOP, MANIFEST, expected=None)
    faults.statuses["GET"], faults.slow_s = [503, "slow", 503, 0], 1.0
    patient = Patience(timeout_s=0.5, retries=4, retry_timeout_s=20)
    files = ObjectFiles(Bucket(scheme="s3", name="models"), "shop/registry", patient)
    assert Registry(files).latest().version == 1


@pytest.mark.parametrize(
    ("server", "uri", "code"),
    [
        ("s3", "s3://nowhere/registry", "NoSuchBucket"),
        ("gs", "gs://nowhere/registry", "NoSuchBucket"),
        ("az", "az://nowhere/registry", "ContainerNotFound"),
        ("azurite", "az://nowhere/registry", "ContainerNotFound"),
    ],
)
def test_a_bucket_that_is_not_there_is_told(request, server, uri, code):
    request.getfixturevalue(server)
    files = open_files(uri, HERE)
    said = f"cannot read the registry: no bucket 'nowhere' ({code})\n  -> make it first, or check its name"
    for call in (files.names, lambda: files.read("one.json")):
        assert said in refused(call)


def test_wrong_credentials_are_told_and_not_repeated(s3, moto):
    moto.post("reset-auth", b"0")
    try:
        said = refused(open_registry(URI, HERE).latest)
    finally:
        moto.post("reset-auth", b"1000000")
    assert said.startswith(f"{URI}: cannot read the registry: the store refuses these credentials (InvalidAccessKeyId)")


def test_a_right_to_delete_that_is_missing_is_told(s3, monkeypatch):
    with served(no_deletion("shop/registry/v0000000001.json")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        said = refused(lambda: open_registry(URI, HERE).files.delete("v0000000001.json"))
    assert said.startswith(
        f"{URI}/v0000000001.json: cannot delete from the registry: the store refuses this to these credentials "
        "(AccessDenied)\n  -> give them the right to do it, or set AWS_ACCESS_KEY_ID and "
    )


def test_a_clock_that_is_wrong_is_told(faults):
    faults.statuses["GET"] = [403, 0]
    said = refused(open_registry(URI, HERE).latest)
    assert said == (
        f"{URI}: cannot read the registry: this machine's clock is wrong (RequestTimeTooSkewed)\n  -> {CLOCK}"
    )


def test_without_credentials_it_says_what_to_set(no_credentials):
    said = refused(in_haste().names)
    assert said == (
        f"{URI}: cannot read the registry: there are no credentials\n"
        "  -> set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL in the environment"
    )


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://key:hunter2@models/registry", "expected s3://BUCKET/PREFIX, got more than that"),
        ("s3://models/registry?endpoint=http://hunter2", "expected s3://BUCKET/PREFIX, got more than that"),
        ("az://models/registry#hunter2", "expected az://CONTAINER/PREFIX, got more than that"),
        ("s3:models/registry", "expected s3://BUCKET/PREFIX, got no bucket's name"),
        ("gs:///registry", "expected gs://BUCKET/PREFIX, got no bucket's name"),
        ("s3://models/../registry", "expected s3://BUCKET/PREFIX, got a prefix with an empty or hidden folder"),
        ("s3://models/a//b", "expected s3://BUCKET/PREFIX, got a prefix with an empty or hidden folder"),
    ],
)
def test_a_uri_is_a_bucket_and_a_prefix_and_nothing_else(uri, said):
    with pytest.raises(UsageError) as caught:
        open_files(uri, HERE)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_endpoint_and_a_region_are_named_beside_the_uri(s3, moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    place = RegistryPlace(uri=URI, endpoint=moto.endpoint, region="us-east-1")
    open_registry(place, HERE).apply(SHOP, MANIFEST, expected=None)
    assert read_latest_document(place, HERE).version == 1


PROFILES = """
[default]
aws_access_key_id = wrong
[ann]
aws_access_key_id = key
aws_secret_access_key = {secret}
[team]
role_arn = arn:aws:iam::123456789012:role/readers
source_profile = ann
[half]
aws_access_key_id = key
"""


@pytest.fixture
def profiles(s3, monkeypatch, tmp_path):
    """Credentials in the user's files only."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_REGION")
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(PROFILES.format(secret=SECRET))
    (folder / "config").write_text(
        "[profile ann]\nregion = us-east-1\n[profile team]\nregion = us-east-1\n[profile lost]\nsso_session = x\n"
    )
    return folder


@pytest.mark.parametrize("profile", ["ann", "team"])
def test_credentials_may_be_those_of_a_profile(profiles, monkeypatch, profile):
    """One with keys of its own is read here; one that leads to a role is asked of boto3."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    assert open_files(URI, HERE).create("one.json", b"1")


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("nobody", "AWS_PROFILE names the profile 'nobody', which is not in ~/.aws/credentials or ~/.aws/config"),
        ("half", "the AWS profile 'half' has an aws_access_key_id without aws_secret_access_key"),
        ("lost", "the AWS profile 'lost' gives no credentials"),
    ],
)
def test_a_profile_that_gives_no_credentials_is_told(profiles, monkeypatch, profile, said):
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(UsageError) as caught:
        open_files(URI, HERE).names()
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


WITHOUT = """
import sys
from pathlib import Path
sys.modules[sys.argv[2]] = None
from featurestore.errors import UsageError
from featurestore.registry.files.open import open_files
try:
    open_files(sys.argv[1], Path()).names()
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(("uri", "extra"), [(URI, "s3"), ("gs://models", "gcs"), ("az://models", "azure")])
def test_without_obstore_it_says_which_extra_to_install(uri, extra):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, uri, "obstore"], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    scheme = uri.partition(":")[0]
    assert done.stdout == f"{scheme}:// needs the package obstore\n  -> pip install 'featurestore[{extra}]'\n"


def test_a_profile_that_needs_boto3_says_so(profiles, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "team")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, URI, "boto3"], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.startswith("the AWS profile 'team' has no keys of its own, but leads to others")


@pytest.mark.slow
@pytest.mark.parametrize(("server", "uri"), [("s3", URI), ("azurite", "az://models/shop/registry")])
def test_four_appliers_at_once_lose_none_of_a_hundred_changes(request, server, uri):
    """R1, in a bucket."""
    request.getfixturevalue(server)
    conflicts = conflicts_of(range(4), uri)
    registry = open_registry(uri, HERE)
    assert registry.numbers() == tuple(range(1, 101))
    assert {view.name for view in registry.latest().content.views} == views_of(range(4))
    assert conflicts > 0, "they never met: this run has proved nothing"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("pause_s", [0.0, 0.03, 0.11])
def test_an_applier_that_is_killed_leaves_whole_versions(s3, pause_s):
    """R2: an object is there whole or not at all, and what was said to be applied is there."""
    process = applier(URI, 0, 1000)
    go(process)
    process.stdout.readline()
    time.sleep(pause_s)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    registry = open_registry(URI, HERE)
    newest = registry.latest()
    acknowledged = int(said.splitlines()[-1]) if said.strip() else 1
    assert newest.version >= acknowledged
    assert len(newest.content.views) == newest.version
    assert registry.apply(with_view(newest.content, ORDERS), MANIFEST, expected=newest.version).created
