"""Versions: apply, conflicts, four appliers at once (R1), appliers killed at any point (R2)."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.errors import (
    RegistryConflictError,
    RegistryCorruptError,
    RegistryUnavailableError,
    UnknownNameError,
    UsageError,
)
from featurestore.registry.document import encode_document, new_document
from featurestore.registry.files.local import SWEEP_AFTER_S, TEMPORARY_PREFIX, LocalFiles
from featurestore.registry.read import read_latest_document, read_latest_project
from featurestore.registry.versions import Registry, document_name
from tests.registry.appliers import conflicts_of, start, views_of
from tests.registry.shop import MANIFEST, ORDERS, SHOP, VISITS, with_view

REPOSITORY = Path(__file__).parents[2]
WITHOUT_TTL = with_view(SHOP, replace(ORDERS, ttl_us=None))


@pytest.fixture
def registry(tmp_path):
    return Registry(LocalFiles(tmp_path / "registry"))


def test_apply_creates_the_next_version_and_keeps_those_before(registry):
    assert registry.latest() is None
    first = registry.apply(SHOP, MANIFEST, expected=None)
    second = registry.apply(WITHOUT_TTL, MANIFEST, expected=1)
    assert (first.created, first.document.version) == (True, 1)
    assert (second.created, second.document.version) == (True, 2)
    assert registry.files.names() == ["v0000000001.json", "v0000000002.json"]
    assert registry.latest() == second.document
    assert registry.version(1) == first.document


@pytest.mark.parametrize("expected", [None, 1, 7])
def test_applying_the_same_again_creates_nothing(registry, expected):
    """R4, also when another apply with equal definitions came first."""
    first = registry.apply(SHOP, MANIFEST, expected=None)
    again = registry.apply(SHOP, replace(MANIFEST, invocation_id="another run"), expected=expected)
    assert not again.created
    assert again.document == first.document
    assert registry.numbers() == (1,)


def test_going_back_to_older_definitions_is_a_new_version(registry):
    registry.apply(SHOP, MANIFEST, expected=None)
    registry.apply(WITHOUT_TTL, MANIFEST, expected=1)
    back = registry.apply(SHOP, MANIFEST, expected=2)
    assert (back.created, back.document.version) == (True, 3)
    assert back.document.content_hash == registry.version(1).content_hash


@pytest.mark.parametrize(("expected", "planned"), [(None, "an empty registry"), (1, "version 1"), (9, "version 9")])
def test_a_plan_that_is_out_of_date_is_refused_and_writes_nothing(registry, expected, planned):
    """R1."""
    registry.apply(SHOP, MANIFEST, expected=None)
    other = registry.apply(WITHOUT_TTL, MANIFEST, expected=1).document
    with pytest.raises(RegistryConflictError) as caught:
        registry.apply(with_view(SHOP, replace(ORDERS, online=False)), MANIFEST, expected=expected)
    assert str(caught.value) == (
        f"{registry.files.location}: the registry changed meanwhile: the plan was made against {planned}, "
        f"version 2 was applied at {other.applied_at:%Y-%m-%d %H:%M:%S} UTC\n"
        "  -> nothing was written; run plan again, look at it, and apply"
    )
    assert registry.numbers() == (1, 2)


def test_a_plan_against_versions_that_are_gone_is_refused(registry):
    with pytest.raises(RegistryConflictError, match="made against version 3, the registry is empty now"):
        registry.apply(SHOP, MANIFEST, expected=3)


def test_a_registry_belongs_to_one_project(registry):
    registry.apply(SHOP, MANIFEST, expected=None)
    for call in (
        lambda: registry.apply(replace(SHOP, name="blog"), MANIFEST, expected=1),
        lambda: registry.latest(project="blog"),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert "this registry belongs to the dbt project 'shop', got 'blog'\n  -> give each project" in str(
            caught.value
        )


def test_an_unknown_version_names_those_that_exist(registry):
    registry.apply(SHOP, MANIFEST, expected=None)
    with pytest.raises(UnknownNameError, match=r"no version '4' in the registry .*\n  -> known: 1"):
        registry.version(4)


def test_the_newest_definitions_are_read_by_uri(tmp_path):
    with pytest.raises(UsageError, match="the registry holds no version yet\n  -> run `featurestore apply`"):
        read_latest_project("registry", tmp_path)
    applied = Registry(LocalFiles(tmp_path / "registry")).apply(SHOP, MANIFEST, expected=None)
    assert read_latest_project("registry", tmp_path) == SHOP
    assert read_latest_document("file:registry", tmp_path) == applied.document


def test_a_damaged_newest_version_is_never_answered_with_an_older_one(registry):
    """R2."""
    registry.apply(SHOP, MANIFEST, expected=None)
    path = Path(registry.files.location) / document_name(2)
    path.write_bytes(b"")
    for call in (registry.latest, lambda: registry.apply(SHOP, MANIFEST, expected=1)):
        with pytest.raises(RegistryCorruptError, match=r"v0000000002\.json: the file is empty"):
            call()
    path.unlink()
    assert registry.latest() is not None


def test_a_version_that_goes_away_between_the_listing_and_the_read_is_one_clear_error(registry):
    registry.apply(SHOP, MANIFEST, expected=None)

    class Vanishing(LocalFiles):
        __slots__ = ()

        def read(self, name):
            self.delete(name)
            return super().read(name)

    with pytest.raises(
        RegistryUnavailableError, match=r"v0000000001\.json: cannot read the registry: this file is not there\n  -> "
    ):
        Registry(Vanishing(registry.files.root)).latest()


def test_a_renamed_document_is_refused(registry):
    data = encode_document(new_document(SHOP, MANIFEST, version=1))
    registry.files.create(document_name(2), data)
    with pytest.raises(RegistryCorruptError, match="file's name says version 2, the document says 1"):
        registry.latest()


def test_the_list_of_versions_counts_and_points_at_what_is_wrong(registry):
    registry.apply(SHOP, MANIFEST, expected=None)
    last = encode_document(new_document(WITHOUT_TTL, MANIFEST, version=6))
    registry.files.create(document_name(2), b"{")
    registry.files.create(document_name(3), last)
    registry.files.create(document_name(6), last)
    registry.files.create("README.md", b"not ours")
    found = [(line.version, line.entities, line.views, line.services, line.problem) for line in registry.versions()]
    assert found == [
        (1, 1, 2, 2, None),
        (2, 0, 0, 0, "not a whole registry document: Input data was truncated"),
        (3, 0, 0, 0, "the file's name says version 3, the document says 6"),
        (5, 0, 0, 0, "versions 4 to 5 are missing"),
        (6, 1, 2, 2, None),
    ]
    assert registry.latest().version == 6
    assert registry.apply(SHOP, MANIFEST, expected=6).document.version == 7


def leftovers_in(registry):
    return list(Path(registry.files.location).glob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.slow
def test_four_appliers_at_once_lose_none_of_a_hundred_changes(registry):
    """R1: again, should they never have met."""
    owners, conflicts = [], 0
    while conflicts == 0 and len(owners) < 20:
        new = range(len(owners), len(owners) + 4)
        owners += new
        conflicts = conflicts_of(new, registry.files.location)
        assert {view.name for view in registry.latest().content.views} == views_of(owners)
        assert registry.numbers() == tuple(range(1, 25 * len(owners) + 1))
    assert conflicts > 0, "they never met: this run has proved nothing"
    assert leftovers_in(registry) == []


APPLY_FOREVER = """
import sys
from dataclasses import replace
from pathlib import Path
from featurestore.registry.files.local import LocalFiles
from featurestore.registry.versions import Registry
from tests.registry.shop import MANIFEST, SHOP, wide_project
registry, project = Registry(LocalFiles(Path(sys.argv[1]))), wide_project(100)
print("ready", flush=True)
while True:
    head = registry.latest()
    number = head.version if head else 0
    registry.apply(replace(project, target=str(number + 1)), MANIFEST, expected=number or None)
    print(number + 1, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_an_applier_killed_at_any_point_leaves_a_whole_version_or_the_one_before(registry):
    """R2: until a write was hit; what was said to be applied is there, the newest is whole, leftovers are swept."""
    chance = random.Random(20261123)
    kills, longest_s = 0, 0.05
    while kills < 40 or (not leftovers_in(registry) and kills < 300):
        kills += 1
        applier = start("-c", APPLY_FOREVER, registry.files.location)
        assert applier.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, longest_s))
        applier.send_signal(signal.SIGKILL)
        said, _ = applier.communicate(timeout=120)
        acknowledged = int(said.splitlines()[-1]) if said.strip() else 0
        if not said.strip():
            longest_s = min(longest_s * 1.2, 2.0)  # a slow machine: nothing was applied in this time
        newest = registry.latest()
        assert newest is None or newest.content.target == str(newest.version)
        assert (newest.version if newest else 0) >= acknowledged
        assert registry.numbers() == tuple(range(1, (newest.version if newest else 0) + 1))
    leftovers = leftovers_in(registry)
    assert leftovers, "no kill has hit a write: this run has proved nothing"
    long_ago = time.time() - SWEEP_AFTER_S - 1
    for path in leftovers:
        os.utime(path, (long_ago, long_ago))
    head = registry.latest()
    registry.apply(replace(SHOP, views=(VISITS,), services=()), MANIFEST, expected=head.version if head else None)
    assert leftovers_in(registry) == []


DIE_WHILE_WRITING = """
import resource, signal, sys
from pathlib import Path
from featurestore.registry.files.local import LocalFiles
from featurestore.registry.versions import Registry
from tests.registry.shop import MANIFEST, SHOP
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
Registry(LocalFiles(Path(sys.argv[1]))).apply(SHOP, MANIFEST, expected=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("written_bytes", [0, 1, 1000])
def test_an_applier_that_dies_within_the_write_leaves_the_version_before(registry, written_bytes):
    """R2: the kernel ends the process at exactly this byte."""
    before = registry.apply(WITHOUT_TTL, MANIFEST, expected=None).document
    applier = start("-c", DIE_WHILE_WRITING, registry.files.location, written_bytes)
    applier.communicate(timeout=120)
    assert applier.returncode == -signal.SIGXFSZ
    assert [path.stat().st_size for path in leftovers_in(registry)] == [written_bytes]
    assert registry.latest() == before
    assert registry.apply(SHOP, MANIFEST, expected=1).document.version == 2


AT_EACH_SYSTEM_CALL = """
import errno, os, shutil, signal, sys
from dataclasses import replace
from pathlib import Path
from featurestore.errors import RegistryUnavailableError
from featurestore.registry.document import canonical
from featurestore.registry.files.local import TEMPORARY_PREFIX, LocalFiles
from featurestore.registry.versions import Registry
from tests.registry.shop import GRAPH, MANIFEST, ORDERS, SHOP, with_view
root, fault = Path(sys.argv[1]), sys.argv[2]
registry, after = Registry(LocalFiles(root)), canonical(with_view(SHOP, replace(ORDERS, online=False)))
CALLS = {"listdir", "scandir", "stat", "lstat", "mkdir", "open", "fsync", "link", "unlink", "close"}
NOT_REACHED = 7


def apply_until(at):
    calls = []

    def on_call(frame, event, function):
        if event == "c_call" and function.__module__ == "posix" and function.__name__ in CALLS:
            calls.append(function.__name__)
            if len(calls) == at:
                print(calls[-1], flush=True)
                if fault == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.EIO, "Input/output error")

    sys.setprofile(on_call)
    try:
        registry.apply(after, MANIFEST, expected=1, graph=GRAPH)
    except RegistryUnavailableError as error:
        assert str(root) in str(error) and "Input/output error" in str(error), error
    sys.setprofile(None)
    leftovers = list(root.rglob(TEMPORARY_PREFIX + "*"))
    assert not leftovers or calls[at - 1] == "unlink", calls
    os._exit(0 if len(calls) >= at else NOT_REACHED)


status, at = 0, 0
while status != NOT_REACHED:
    at += 1
    shutil.rmtree(root, ignore_errors=True)
    head = registry.apply(SHOP, MANIFEST, expected=None).document
    child = os.fork()
    if child == 0:
        apply_until(at)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL, NOT_REACHED), status
    newest = registry.latest()
    assert newest == head or (newest.content, registry.graph(newest)) == (after, GRAPH)
    done = registry.apply(after, MANIFEST, expected=newest.version, graph=GRAPH)
    assert (done.document.version, done.document.content) == (2, after)
    assert registry.graph(done.document) == GRAPH
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork is POSIX")
@pytest.mark.parametrize("fault", ["kill", "fail"])
def test_an_apply_that_ends_at_any_system_call_loses_nothing(registry, fault):
    """R2: killed, or refused by the disk, at each call in turn, also for the graph; the next apply finishes the job."""
    applier = start("-c", AT_EACH_SYSTEM_CALL, registry.files.location, fault)
    reached, _ = applier.communicate(timeout=600)
    assert applier.returncode == 0
    assert {"listdir", "stat", "open", "fsync", "link", "unlink"} <= set(reached.split())
