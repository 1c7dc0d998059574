"""Every place for registry documents does the same: list, read, create once, delete, in folders."""

from __future__ import annotations

import threading

import pytest

from featurestore.registry.files.memory import MemoryFiles
from featurestore.registry.files.open import open_files

pytestmark = pytest.mark.xdist_group("registry buckets")


PLACES = {
    "disk": "registry",
    "memory": "",
    "s3": "s3://models/shop/registry",
    "whole bucket": "s3://models",
    "gs": "gs://models/registry/",
    "az": "az://models/shop/registry",
    "azurite": "az://models/shop/registry",
}
OF_A_SERVER = {"whole bucket": "s3"}
"""Fixtures that are not named as the place."""


@pytest.fixture(params=PLACES)
def files(request, tmp_path):
    if request.param == "memory":
        return MemoryFiles()
    uri = PLACES[request.param]
    if "://" in uri:
        request.getfixturevalue(OF_A_SERVER.get(request.param, request.param))
    return open_files(uri, tmp_path)


def test_a_place_where_nothing_was_written_is_empty(files):
    assert list(files.names()) == list(files.folders()) == list(files.names("tags/prod")) == []
    assert list(files.folders("tags")) == []
    assert files.read("v0000000001.json") is None
    assert files.read("tags/prod/0000000001.json") is None
    assert not files.delete("v0000000001.json")
    assert files.location


def test_a_file_is_created_once_and_never_replaced(files):
    """R1."""
    assert files.create("one.json", b"first")
    assert not files.create("one.json", b"second")
    assert files.read("one.json") == b"first"


def test_names_may_lead_through_folders(files):
    for name in ("two.json", "one.json", "tags/prod/2.json", "tags/prod/1.json", "tags/staging/1.json", "tags/readme"):
        assert files.create(name, name.encode())
    assert list(files.names()) == ["one.json", "two.json"]
    assert list(files.folders()) == ["tags"]
    assert list(files.names("tags")) == ["readme"]
    assert list(files.folders("tags")) == ["prod", "staging"]
    assert list(files.names("tags/prod")) == ["1.json", "2.json"]
    assert list(files.folders("tags/prod")) == list(files.names("tag")) == list(files.names("tags/pro")) == []
    assert files.read("tags/prod/2.json") == b"tags/prod/2.json"
    assert files.read("tags/prod/3.json") is None
    assert not files.create("tags/prod/1.json", b"")


def test_what_was_deleted_is_gone_and_its_folder_with_it(files):
    files.create("tags/prod/1.json", b"first")
    assert files.delete("tags/prod/1.json")
    assert not files.delete("tags/prod/1.json")
    assert files.read("tags/prod/1.json") is None
    assert list(files.names("tags/prod")) == list(files.folders("tags")) == []
    assert files.create("tags/prod/1.json", b"second")
    assert files.read("tags/prod/1.json") == b"second"


def test_a_stamp_is_of_one_file_and_not_of_its_name(files):
    assert files.stamp("one.json") is None
    files.create("one.json", b"first")
    stamp = files.stamp("one.json")
    assert stamp is not None
    files.names()
    assert files.stamp("one.json") == stamp
    files.delete("one.json")
    assert files.stamp("one.json") is None
    files.create("one.json", b"second")
    assert files.stamp("one.json") not in {None, stamp}
    files.names("tags")
    assert files.stamp("one.json") not in {None, stamp}


def test_of_many_writers_of_one_name_one_wins(files):
    """R1."""
    start = threading.Barrier(8)
    won: list[int] = []

    def write(number):
        start.wait()
        if files.create("tags/prod/1.json", b"%d" % number):
            won.append(number)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1
    assert files.read("tags/prod/1.json") == b"%d" % won[0]


@pytest.mark.parametrize(
    "name", ["../one.json", "tags//one.json", "/one.json", "tags/", ".hidden", "tags/.one", "a\\b", "c:one", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_a_mistake_of_ours(files, name):
    for call in (files.read, files.delete, files.names, files.folders, lambda each: files.create(each, b"")):
        with pytest.raises(AssertionError, match="not a file name"):
            call(name)
