"""Places: what a directory does with files that are there, links, full disks and missing rights; URIs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from featurestore.errors import RegistryCorruptError, RegistryUnavailableError, UsageError
from featurestore.registry.files.local import SWEEP_AFTER_S, TEMPORARY_PREFIX, LocalFiles
from featurestore.registry.files.open import open_files


def run(code, *arguments):
    """Run Python code in a process of its own; its last words on stdout."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def everything_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_created_once_and_never_replaced(tmp_path):
    """R1."""
    files = LocalFiles(tmp_path / "made" / "on" / "demand")
    assert files.names() == []
    assert files.create("one.json", b"first")
    assert not files.create("one.json", b"second")
    assert files.read("one.json") == b"first"
    assert everything_in(files.root) == ["one.json"]


def test_others_may_read_what_one_has_written(tmp_path):
    files = LocalFiles(tmp_path)
    files.create("one.json", b"")
    probe = tmp_path / "probe"
    probe.touch()
    assert (tmp_path / "one.json").stat().st_mode == probe.stat().st_mode


def test_only_old_leftovers_of_ours_are_swept(tmp_path):
    """R2."""
    old, young, foreign = tmp_path / f"{TEMPORARY_PREFIX}a", tmp_path / f"{TEMPORARY_PREFIX}b", tmp_path / ".gitignore"
    long_ago = time.time() - SWEEP_AFTER_S - 60
    for path in (old, young, foreign):
        path.touch()
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    files = LocalFiles(tmp_path)
    files.create("one.json", b"")
    assert everything_in(tmp_path) == sorted([young.name, foreign.name, "one.json"])
    assert files.names() == ["one.json"]


@pytest.mark.parametrize("what", ["link to a file outside", "link to nothing", "directory", "named pipe"])
def test_what_is_not_a_file_is_refused_and_never_followed(tmp_path, what):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    root = tmp_path / "registry"
    root.mkdir()
    path = root / "v0000000001.json"
    if what == "directory":
        path.mkdir()
    elif what == "named pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(secret if what == "link to a file outside" else tmp_path / "nothing")
    files = LocalFiles(root)
    refused = pytest.raises(RegistryCorruptError, match="expected a file, got a directory, a symbolic link or a device")
    for call in (files.read, files.delete):
        with refused:
            call("v0000000001.json")
    if what == "directory":
        with refused:
            files.create("v0000000001.json", b"new")
    else:
        assert files.names() == ["v0000000001.json"]
        assert not files.create("v0000000001.json", b"new")
    assert secret.read_text() == "hunter2"


@pytest.mark.parametrize("what", ["link to a directory outside", "link to nothing", "file"])
def test_what_is_not_a_folder_is_refused_and_never_followed(tmp_path, what):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("hunter2")
    files = LocalFiles(tmp_path / "registry")
    files.create("one.json", b"")
    tags = tmp_path / "registry" / "tags"
    if what == "file":
        tags.touch()
    else:
        tags.symlink_to(elsewhere if what == "link to a directory outside" else tmp_path / "nothing")
    for call in (
        lambda: files.names("tags"),
        lambda: files.folders("tags"),
        lambda: files.read("tags/secret"),
        lambda: files.delete("tags/secret"),
        lambda: files.create("tags/new", b""),
    ):
        with pytest.raises(RegistryCorruptError, match="tags: expected a directory, got a file, a symbolic link"):
            call()
    assert files.folders() == []
    assert everything_in(elsewhere) == ["secret"]


def test_a_registry_may_be_named_by_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "there")
    files = LocalFiles(tmp_path / "here")
    assert files.create("tags/prod/1.json", b"first")
    assert files.read("tags/prod/1.json") == b"first"
    assert files.folders("tags") == ["prod"]


def test_a_file_in_place_of_the_directory_is_one_clear_error(tmp_path):
    root = tmp_path / "registry"
    root.touch()
    for call in (LocalFiles(root).names, lambda: LocalFiles(root).create("one.json", b"")):
        with pytest.raises(RegistryUnavailableError) as caught:
            call()
        assert str(root) in str(caught.value)
        assert "name a directory" in str(caught.value)
        assert caught.value.exit_code == 4


FULL_DISK = """
import resource, sys
from pathlib import Path
from featurestore.errors import RegistryUnavailableError
from featurestore.registry.files.local import LocalFiles
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
files = LocalFiles(Path(sys.argv[1]))
try:
    files.create("two.json", b"x" * 1_000_000)
except RegistryUnavailableError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_fills_up_leaves_every_version_before_and_nothing_else(tmp_path):
    files = LocalFiles(tmp_path)
    files.create("one.json", b"first")
    said = run(FULL_DISK, tmp_path)
    assert said.startswith(f"{tmp_path}/two.json: cannot write the registry: File too large\n  -> ")
    assert everything_in(tmp_path) == ["one.json"]
    assert files.read("one.json") == b"first"


NO_RIGHTS = """
import os, sys
from pathlib import Path
from featurestore.errors import RegistryUnavailableError
from featurestore.registry.files.local import LocalFiles
if os.getuid() == 0:
    os.setuid(65534)
files = LocalFiles(Path(sys.argv[1]))
for call in (lambda: files.read("one.json"), lambda: files.create("two.json", b""), lambda: files.names()):
    try:
        print(call())
    except RegistryUnavailableError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="rights are POSIX")
def test_a_directory_without_rights_is_one_clear_error(tmp_path):
    root = tmp_path / "registry"
    files = LocalFiles(root)
    files.create("one.json", b"first")
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    root.chmod(0o000)
    try:
        said = run(NO_RIGHTS, root)
    finally:
        root.chmod(0o755)
    hint = "  -> give this user the right to read and write this directory"
    assert said.splitlines() == [
        f"{root}/one.json: cannot read the registry: Permission denied",
        hint,
        f"{root}/two.json: cannot write the registry: Permission denied",
        hint,
        f"{root}: cannot read the registry: Permission denied",
        hint,
    ]
    assert everything_in(root) == ["one.json"]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (".featurestore/registry", "/project/.featurestore/registry"),
        ("/srv/registry", "/srv/registry"),
        ("file:registry", "/project/registry"),
        ("file:/srv/registry", "/srv/registry"),
        ("file:///srv/my%20registry", "/srv/my registry"),
        ("file://localhost/srv/registry", "/srv/registry"),
        ("~/registry", str(Path.home() / "registry")),
    ],
)
def test_a_uri_names_a_directory(uri, path):
    assert open_files(uri, Path("/project")) == LocalFiles(Path(path))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("redis://bucket/registry", "registry: no registry of kind 'redis:' exists"),
        ("postgresql://ann:hunter2@db/registry", "registry: no registry of kind 'postgresql:' exists"),
        ("file://server/registry", "registry: a file: URI names a path of this machine, not a host"),
        ("file:", "registry: expected a path after file:, got none"),
        ("  ", "registry: expected a path or a URI, got an empty text"),
    ],
)
def test_a_uri_of_no_known_kind_says_which_exist_and_repeats_no_password(uri, said):
    with pytest.raises(UsageError) as caught:
        open_files(uri, Path("/project"))
    assert (
        str(caught.value)
        == f"{said}\n  -> write a path, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
    )
