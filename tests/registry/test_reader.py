"""Readers: what they keep, when they ask, how they outlive a registry that is away, and what they decode."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.definitions.places import RegistryPlace
from featurestore.errors import (
    RegistryConflictError,
    RegistryCorruptError,
    RegistryUnavailableError,
    UnknownNameError,
    UsageError,
)
from featurestore.registry.cached.folder import Mark, cache_folder
from featurestore.registry.read import forget_looks, open_registry, read_definitions, read_latest_document
from featurestore.registry.reader import Reader
from featurestore.registry.versions import document_name
from tests.registry.shop import CHURN, MANIFEST, ORDERS, SHOP, wide_project, with_view

pytestmark = pytest.mark.xdist_group("registry buckets")

URI = "s3://models/shop/registry"
HERE = Path()
SMALLER = replace(SHOP, services=())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder that readers keep things in."""
    monkeypatch.setenv("FEATURESTORE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def apply(project, expected=None, uri=URI, base_dir=HERE):
    return open_registry(uri, base_dir).apply(project, MANIFEST, expected=expected).document


def read(uri=URI, **settings):
    return read_latest_document(RegistryPlace(uri=uri, **settings), HERE)


def kept(cache):
    return sorted(path.name for path in cache.glob("registry/*/*"))


def test_a_version_that_was_read_is_not_read_again_but_looked_for(faults, cache):
    """One request: the list."""
    document = apply(SHOP)
    faults.requests.clear()
    assert read() == document
    assert len(faults.requests) == 2
    assert read() == document
    assert len(faults.requests) == 3
    assert kept(cache) == ["newest.json", "v0000000001.kept"]
    after = apply(SMALLER, 1)
    assert read() == after


def test_within_its_time_nothing_is_asked(faults):
    document = apply(SHOP)
    assert read(cache_s=3600.0) == document
    apply(SMALLER, 1)
    faults.requests.clear()
    assert read(cache_s=3600.0) == document
    assert Reader(RegistryPlace(uri=URI, cache_s=3600.0), HERE).look().number == 1
    assert faults.requests == []
    assert read(cache_s=0.0).version == 2
    assert read(cache_s=3600.0).version == 2


def test_those_who_plan_and_apply_always_ask(faults):
    apply(SHOP)
    read(cache_s=3600.0)
    apply(SMALLER, 1)
    place = RegistryPlace(uri=URI, cache_s=3600.0)
    assert open_registry(place, HERE).latest().version == 2
    with pytest.raises(RegistryConflictError):
        open_registry(place, HERE).apply(replace(SHOP, views=()), MANIFEST, expected=1)


def test_a_registry_that_is_made_anew_is_not_taken_for_the_one_before(s3):
    """Version 1 again, of other content: its entity tag says so."""
    apply(SHOP)
    read()
    open_registry(URI, HERE).files.delete(document_name(1))
    document = apply(SMALLER)
    assert document.version == 1
    assert read() == document


def test_who_writes_has_this_users_readers_look_again(faults, caplog):
    apply(SHOP)
    read(cache_s=3600.0)
    apply(SMALLER, 1)
    assert read(cache_s=3600.0).version == 1
    forget_looks(RegistryPlace(uri=URI, cache_s=3600.0), HERE)
    faults.statuses["GET"] = ["always gone"]
    assert read(cache_s=3600.0).version == 1
    assert re.match(r"version 1, as it was \d{1,2}s ago, is used", caplog.messages[-1])
    faults.statuses.clear()
    assert read(cache_s=3600.0).version == 2


def test_a_bucket_of_the_same_name_elsewhere_is_another_one(s3, monkeypatch):
    apply(SHOP)
    read(cache_s=3600.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RegistryUnavailableError):
        read(cache_s=3600.0)


def test_a_registry_that_is_away_is_answered_for_and_that_is_said(faults, caplog):
    document = apply(SHOP)
    read()
    faults.statuses["GET"] = ["always gone"]
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="featurestore.registry"):
        assert read() == document
    assert time.monotonic() - started < 15
    (said,) = caplog.messages
    assert said.startswith("version 1, as it was ")
    assert said.endswith(f" ago, is used: {URI}: cannot read the registry: the store cannot be reached")
    with pytest.raises(RegistryUnavailableError):
        Reader(URI, HERE).look()
    with pytest.raises(RegistryUnavailableError):
        read("s3://models/another")


def test_a_version_that_cannot_be_fetched_is_no_reason_to_stop(faults, caplog):
    """The list is there, the document is not."""
    document = apply(SHOP)
    read()
    apply(SMALLER, 1)
    faults.statuses["GET"] = [0, 403, 0]
    with caplog.at_level(logging.WARNING, logger="featurestore.registry"):
        assert read() == document
    assert len(caplog.messages) == 1
    faults.statuses["GET"] = ["always gone"]
    assert read(cache_s=3600.0) == document, "the look that found a newer one does not count"
    faults.statuses.clear()
    assert read().version == 2


def test_a_damaged_version_is_no_outage(s3):
    """R2."""
    apply(SHOP)
    read()
    s3.put_object(Bucket="models", Key=f"shop/registry/{document_name(2)}", Body=b"{")
    with pytest.raises(RegistryCorruptError):
        read()


@pytest.mark.parametrize("damage", ["cut off", "one letter", "empty", "of another form", "a folder"])
def test_what_is_kept_but_damaged_is_read_anew(faults, cache, damage):
    document = apply(SHOP)
    read()
    (path,) = cache.glob("registry/*/v*.kept")
    data = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        damaged = {
            "cut off": data[:-100],
            "one letter": data.replace(b"order_count", b"order_found"),
            "empty": b"",
            "of another form": data.replace(b"cache 3", b"cache 2"),
        }
        path.write_bytes(damaged[damage])
    faults.requests.clear()
    assert read(cache_s=3600.0) == document
    assert len(faults.requests) == 2
    (path.parent / "newest.json").write_bytes(b"{")
    assert read() == document


@pytest.mark.skipif(sys.platform == "win32", reason="rights are POSIX")
@pytest.mark.parametrize("which", ["its own", "the one above"])
def test_a_folder_that_others_can_write_to_is_not_believed(faults, cache, which):
    document = apply(SHOP)
    read(cache_s=3600.0)
    (folder,) = cache.glob("registry/*")
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    (folder if which == "its own" else folder.parent).chmod(0o770)
    faults.requests.clear()
    assert read(cache_s=3600.0) == document
    assert len(faults.requests) == 2


@pytest.mark.parametrize("place", ["a file", "a link to nothing"])
def test_without_a_folder_to_keep_things_in_all_works(s3, cache, place):
    document = apply(SHOP)
    if place == "a file":
        cache.touch()
    else:
        cache.symlink_to(cache / "nowhere")
    assert read() == read() == document


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_no_trouble(s3, cache):
    cache.mkdir(mode=0o500)
    document = apply(SHOP)
    assert read() == document


def test_old_versions_are_let_go_but_for_those_that_readers_are_pinned_to(s3, cache):
    document = apply(SHOP)
    read(version="1")
    for number in range(1, 6):
        read()
        document = apply(replace(SHOP, target=str(number)), number)
    assert read() == document
    pinned = ["1.json", "newest.json", "v0000000001.kept"]
    assert kept(cache) == [*pinned, *(f"v000000000{number}.kept" for number in (4, 5, 6))]


def test_readers_may_be_pinned_to_a_number(faults):
    first = apply(SHOP)
    apply(SMALLER, 1)
    assert read(version="1") == first
    assert read().version == 2
    faults.requests.clear()
    assert read(version="1") == first
    assert len(faults.requests) == 1
    with pytest.raises(UnknownNameError, match=r"no version '9' in the registry .*\n  -> known: 1, 2"):
        read(version="9")


@pytest.mark.parametrize("uri", ["registry", "s3://models/registry"])
def test_a_registry_without_a_version_says_so(s3, tmp_path, uri):
    with pytest.raises(UsageError, match="the registry holds no version yet\n  -> run `featurestore apply`"):
        read_latest_document(uri, tmp_path)


def test_a_small_registry_on_disk_leaves_nothing_elsewhere_and_a_large_one_is_kept(tmp_path, cache):
    apply(SHOP, uri="small", base_dir=tmp_path)
    read_latest_document("small", tmp_path)
    assert not cache.exists()
    document = apply(wide_project(300), uri="large", base_dir=tmp_path)
    assert read_latest_document("large", tmp_path) == document
    assert kept(cache) == ["v0000000001.kept"]
    assert read_latest_document("large", tmp_path) == document


def test_a_document_on_disk_that_was_changed_in_its_place_is_noticed(tmp_path):
    apply(wide_project(300), uri="large", base_dir=tmp_path)
    read_latest_document("large", tmp_path)
    path = tmp_path / "large" / document_name(1)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"feature_7"', b'"feature_x"'))
    with pytest.raises(RegistryCorruptError, match="the content was changed after it was written"):
        read_latest_document("large", tmp_path)
    path.write_bytes(data)
    assert read_latest_document("large", tmp_path).version == 1


def test_a_client_decodes_what_it_asks_for_and_finds_what_the_whole_would(tmp_path):
    second = replace(ORDERS, version="2", is_latest=False, description="Said to be ø.")
    project = with_view(with_view(SHOP, replace(ORDERS, version="1")), second)
    project = replace(project, views=tuple(view for view in project.views if view.reference != "orders"))
    whole = apply(project, uri="registry", base_dir=tmp_path).content
    lazy = read_definitions("registry", tmp_path)
    assert lazy.name == "shop"
    assert lazy.view("orders") == whole.view("orders")
    assert lazy.view("orders", version="2") == second
    assert lazy.view("orders", version="2") is lazy.view("orders", version="2")
    assert lazy.service("churn") == CHURN
    assert (lazy.views, lazy.services) == (whole.views, whole.services)
    for ask in ("view", "service"):
        said = []
        for definitions in (whole, lazy):
            with pytest.raises(UnknownNameError) as caught:
                (definitions.view if ask == "view" else definitions.service)("ordrs")
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_one_user_keeps_registries_apart_by_place_and_endpoint(tmp_path):
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    folders = {cache_folder(uri, end, environ).path for uri in ("s3://a", "s3://b") for end in (None, "https://x")}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "featurestore" / "registry"}
    assert cache_folder("s3://a", None, environ).load(Mark(number=1, stamp=""), where="") is None


OPEN_IN_TIME = """
import sys
from pathlib import Path
from featurestore.definitions.places import RegistryPlace
from featurestore.registry.read import read_definitions
print(read_definitions(RegistryPlace(uri=sys.argv[1], cache_s=3600.0), Path()).view("orders").name)
print("obstore" in sys.modules, "boto3" in sys.modules)
"""


def test_a_client_that_asks_nothing_loads_no_library_for_it(s3):
    apply(SHOP)
    read(cache_s=3600.0)
    done = subprocess.run([sys.executable, "-c", OPEN_IN_TIME, URI], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["orders", "False", "False"]
