"""History: who applied what, going back, tags, and removing old versions, in every kind of place on this machine."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from featurestore.definitions.graph import Graph
from featurestore.errors import (
    RegistryConflictError,
    RegistryCorruptError,
    UnknownNameError,
    UsageError,
)
from featurestore.registry.author import Author, author_of
from featurestore.registry.collect import collect, removable
from featurestore.registry.files.local import LocalFiles
from featurestore.registry.files.memory import MemoryFiles
from featurestore.registry.history import History
from featurestore.registry.tags import move_tag, tag_history, tagged_version, tags
from featurestore.registry.versions import Registry
from tests.registry.shop import GRAPH, MANIFEST, ORDERS, SHOP, with_view

ANNA = Author(user="anna", git_commit="1f2e3d4c5b", git_branch="main")


@pytest.fixture(params=["disk", "memory"])
def registry(request, tmp_path):
    return Registry(LocalFiles(tmp_path / "registry") if request.param == "disk" else MemoryFiles())


def shop(number):
    """The shop with another ttl for each number."""
    return with_view(SHOP, replace(ORDERS, ttl_us=number * 1_000_000))


def applied(registry, count, graphs=False):
    """Apply so many versions."""
    for number in range(1, count + 1):
        graph = Graph(nodes=(replace(GRAPH.nodes[0], sql=f"select {number}"),)) if graphs else None
        registry.apply(shop(number), MANIFEST, expected=number - 1 or None, author=ANNA, graph=graph)
    return registry


def test_a_version_says_who_applied_it_and_from_which_commit(registry):
    (line,) = applied(registry, 1).versions()
    assert (line.applied_by, line.applied_by.commit) == (ANNA, "1f2e3d4")
    assert replace(ANNA, is_dirty=True).commit == "1f2e3d4+"
    assert Author(is_dirty=True).commit == ""


def test_the_graph_of_a_version_lies_beside_it_and_equal_ones_are_kept_once(registry):
    registry.apply(SHOP, MANIFEST, expected=None, graph=GRAPH)
    registry.apply(shop(2), MANIFEST, expected=1, graph=GRAPH)
    document = registry.latest()
    assert registry.graph(document) == GRAPH
    assert registry.files.names("graphs") == [f"{document.graph}.json"]
    assert registry.numbers() == (1, 2)


def test_a_version_without_a_graph_or_whose_graph_is_lost_is_read_all_the_same(registry):
    assert registry.graph(registry.apply(SHOP, MANIFEST, expected=None).document) is None
    document = registry.apply(shop(2), MANIFEST, expected=1, graph=GRAPH).document
    registry.files.delete(f"graphs/{document.graph}.json")
    assert registry.graph(registry.latest()) is None
    assert registry.graph(replace(document, graph="../../etc/passwd")) is None


def test_a_graph_that_was_changed_is_refused(tmp_path):
    registry = Registry(LocalFiles(tmp_path))
    document = registry.apply(SHOP, MANIFEST, expected=None, graph=GRAPH).document
    (tmp_path / "graphs" / f"{document.graph}.json").write_text("[]")
    with pytest.raises(RegistryCorruptError, match="the dbt graph was changed after it was written"):
        registry.graph(document)


def test_going_back_is_a_new_version_equal_to_the_old_one(registry):
    applied(registry, 3, graphs=True)
    back = registry.rollback(1, author=ANNA)
    old = registry.version(1)
    assert (back.created, back.document.version, back.document.rolled_back_to) == (True, 4, 1)
    assert (back.document.content, back.document.content_hash) == (old.content, old.content_hash)
    assert (back.document.graph, back.document.source) == (old.graph, old.source)
    assert [line.rolled_back_to for line in registry.versions()] == [None, None, None, 1]
    assert not registry.rollback(1, author=ANNA).created
    assert not registry.rollback(4, author=ANNA).created
    assert registry.numbers() == (1, 2, 3, 4)


def test_going_back_to_what_is_not_there_changes_nothing(registry):
    applied(registry, 1)
    with pytest.raises(UnknownNameError, match="no version '7'"):
        registry.rollback(7, author=ANNA)
    assert registry.numbers() == (1,)


def test_a_tag_moves_and_its_history_stays(registry):
    applied(registry, 3)
    for version in (1, 3, 2):
        assert registry.tag("prod", version, author=ANNA).version == version
    registry.tag("staging", 3, author=ANNA)
    assert [(tag.tag, tag.version) for tag in tags(registry.files)] == [("prod", 2), ("staging", 3)]
    assert [(tag.move, tag.version, tag.moved_by.user) for tag in tag_history(registry.files, "prod")] == [
        (1, 1, "anna"), (2, 3, "anna"), (3, 2, "anna"),
    ]  # fmt: skip
    assert [line.tags for line in registry.versions()] == [(), ("prod",), ("staging",)]


def test_a_tag_that_means_it_already_is_not_moved(registry):
    applied(registry, 1)
    registry.tag("prod", 1, author=ANNA)
    assert registry.tag("prod", 1, author=ANNA) is None
    assert len(tag_history(registry.files, "prod")) == 1


def test_a_removed_tag_means_nothing_and_can_come_back(registry):
    applied(registry, 2)
    registry.tag("prod", 1, author=ANNA)
    registry.tag("prod", None, author=ANNA)
    assert tags(registry.files) == ()
    with pytest.raises(UnknownNameError, match="no tag 'prod'"):
        tagged_version(registry.files, "prod")
    with pytest.raises(UnknownNameError):
        registry.tag("prod", None, author=ANNA)
    registry.tag("prod", 2, author=ANNA)
    assert [tag.version for tag in tag_history(registry.files, "prod")] == [1, None, 2]


@pytest.mark.parametrize("name", ["", "1", "a b", "../x", "a/b", "a.b", "@prod", "x" * 64, "-x", "ä"])
def test_what_no_tag_can_be_named(registry, name):
    applied(registry, 1)
    with pytest.raises(UsageError, match="cannot be the name of a tag"):
        registry.tag(name, 1, author=ANNA)


def test_a_tag_of_a_version_that_is_not_there_is_refused(registry):
    applied(registry, 1)
    with pytest.raises(UnknownNameError, match="no version '5'"):
        registry.tag("prod", 5, author=ANNA)
    assert tags(registry.files) == ()


class Overtaken(MemoryFiles):
    """Somebody else moves the tag just before we do."""

    def create(self, name, data):
        super().create(name, data.replace(b'"version": 2', b'"version": 1'))
        return super().create(name, data)


def test_of_two_who_move_a_tag_the_second_is_told():
    registry = applied(Registry(MemoryFiles()), 2)
    files = Overtaken()
    with pytest.raises(RegistryConflictError, match="tag 'prod' was moved meanwhile"):
        move_tag(files, "prod", 2, ANNA)
    assert tagged_version(files, "prod") == 1
    assert registry.numbers() == (1, 2)


class Collected(MemoryFiles):
    """A collection removes the first version just when a tag moves to it."""

    def create(self, name, data):
        done = super().create(name, data)
        if name.startswith("tags/") and b'"version": 1' in data:
            self.delete("v0000000001.json")
        return done


def test_a_tag_that_moved_to_a_version_just_removed_is_put_back():
    registry = applied(Registry(Collected()), 2)
    registry.tag("prod", 2, author=ANNA)
    with pytest.raises(UnknownNameError, match="no version '1'"):
        registry.tag("prod", 1, author=ANNA)
    assert tagged_version(registry.files, "prod") == 2
    with pytest.raises(UnknownNameError):
        registry.tag("new", 1, author=ANNA)


class TaggedMeanwhile(MemoryFiles):
    """Somebody has looked that the first version is there, and then moves a tag to it, just when it is deleted."""

    def delete(self, name):
        if name == "v0000000001.json":
            move_tag(self, "prod", 1, ANNA)
        return super().delete(name)


def test_a_version_that_a_tag_moved_to_while_it_was_removed_is_put_back():
    registry = applied(Registry(TaggedMeanwhile()), 4, graphs=True)
    before = registry.data(1)
    assert collect(registry, keep=1, author=ANNA) == (2, 3)
    assert (registry.data(1), registry.numbers()) == (before, (1, 4))
    assert registry.graph(registry.pinned("@prod")) is not None


def test_the_version_that_readers_are_pinned_to_is_kept(registry):
    applied(registry, 4)
    assert removable(registry, keep=1, pin="@prod") == (1, 2, 3)
    assert collect(registry, keep=1, author=ANNA, pin="2") == (1, 3)


def test_another_projects_tags_and_versions_stay(registry):
    applied(registry, 2)
    registry.tag("prod", 1, author=ANNA)
    ours = History(registry=registry, project="bank", author=ANNA, look_again=lambda: None)
    for change in (
        lambda: ours.tag("prod", None),
        lambda: ours.tag("prod", 2),
        lambda: ours.removable(1),
        lambda: ours.collect(1),
        lambda: ours.rollback(1, expected=2),
    ):
        with pytest.raises(UsageError, match="belongs to the dbt project 'shop', got 'bank'"):
            change()
    assert (tagged_version(registry.files, "prod"), registry.numbers()) == (1, (1, 2))


def test_who_goes_back_is_told_of_a_version_that_came_meanwhile(registry):
    applied(registry, 3)
    with pytest.raises(RegistryConflictError, match="made against version 2, version 3 was applied") as caught:
        registry.rollback(1, author=ANNA, expected=2)
    assert "look at the new version" in str(caught.value)
    assert registry.numbers() == (1, 2, 3)


def test_a_damaged_tag_keeps_no_other_one_from_moving(tmp_path):
    registry = applied(Registry(LocalFiles(tmp_path)), 2)
    registry.tag("prod", 1, author=ANNA)
    (tmp_path / "tags" / "prod" / "0000000001.json").write_text("{")
    assert registry.tag("staging", 2, author=ANNA).version == 2


def test_an_old_version_that_is_damaged_has_its_own_way_out(tmp_path):
    registry = applied(Registry(LocalFiles(tmp_path)), 2)
    (tmp_path / "v0000000001.json").write_text("{")
    with pytest.raises(RegistryCorruptError, match="or take another one: featurestore registry versions"):
        registry.rollback(1, author=ANNA)


class CollectedMeanwhile(MemoryFiles):
    """A collection removes the first version between the list and the read."""

    def names(self, folder=""):
        found = super().names(folder)
        if not folder:
            self.delete("v0000000001.json")
        return found


def test_a_version_that_is_removed_while_versions_are_listed_is_left_out():
    registry = applied(Registry(MemoryFiles()), 3)
    meanwhile = Registry(CollectedMeanwhile(registry.files._data))
    assert [(line.version, line.problem) for line in meanwhile.versions()] == [(2, None), (3, None)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "not a move of a tag"),
        ('{"tag": "x", "move": 9, "version": 1, "moved_at": "2026-11-27T00:00:00Z"}', "says move 9"),
    ],
)
def test_a_damaged_move_is_one_clear_error(tmp_path, data, said):
    registry = applied(Registry(LocalFiles(tmp_path)), 1)
    registry.tag("prod", 1, author=ANNA)
    (tmp_path / "tags" / "prod" / "0000000001.json").write_text(data)
    with pytest.raises(RegistryCorruptError, match=said):
        tagged_version(registry.files, "prod")


def test_a_pin_is_a_number_or_a_tag(registry):
    applied(registry, 3)
    registry.tag("prod", 2, author=ANNA)
    assert [registry.pinned(pin).version for pin in ("1", "@prod", "3")] == [1, 2, 3]
    with pytest.raises(UnknownNameError, match="no tag 'pord'") as caught:
        registry.pinned("@pord")
    assert "did you mean prod?" in str(caught.value)
    for pin in ("prod", "v2", "-1", "2.0", "latest", ""):
        with pytest.raises(UsageError, match="expected a version of the registry"):
            registry.pinned(pin)


def test_old_versions_are_removed_but_those_with_a_tag(registry):
    applied(registry, 6, graphs=True)
    registry.tag("prod", 2, author=ANNA)
    assert removable(registry, keep=2) == (1, 3, 4)
    assert collect(registry, keep=2, author=ANNA) == (1, 3, 4)
    assert registry.numbers() == (2, 5, 6)
    assert {registry.version(number).graph for number in (2, 5, 6)} == {
        name.removesuffix(".json") for name in registry.files.names("graphs")
    }
    assert [line.problem for line in registry.versions()] == [None, None, None]
    assert collect(registry, keep=2, author=ANNA) == ()
    with pytest.raises(UnknownNameError, match="version 3 was removed by gc"):
        registry.version(3)


def test_a_gap_that_nobody_made_is_still_pointed_at(tmp_path):
    registry = applied(Registry(LocalFiles(tmp_path)), 6)
    collect(registry, keep=5, author=ANNA)
    (tmp_path / "v0000000004.json").unlink()
    assert [line.problem for line in registry.versions() if line.problem] == ["version 4 is missing"]


def test_versions_go_on_after_a_collection(registry):
    applied(registry, 3)
    collect(registry, keep=1, author=ANNA)
    assert registry.apply(shop(4), MANIFEST, expected=3).document.version == 4


def test_a_graph_that_a_kept_version_shares_stays(registry):
    for number in (1, 2, 3):
        registry.apply(shop(number), MANIFEST, expected=number - 1 or None, graph=GRAPH)
    collect(registry, keep=1, author=ANNA)
    assert registry.graph(registry.latest()) == GRAPH


def test_a_collection_that_was_killed_is_finished_by_the_next_one(monkeypatch):
    def die(_files, _name):
        raise KeyboardInterrupt

    registry = applied(Registry(MemoryFiles()), 4)
    with monkeypatch.context() as killed:
        killed.setattr(MemoryFiles, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            collect(registry, keep=1, author=ANNA)
    assert registry.version(1).version == 1
    assert collect(registry, keep=1, author=ANNA) == (1, 2, 3)
    assert [line.problem for line in registry.versions()] == [None]


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=folder, check=True,
                   capture_output=True)  # fmt: skip


def test_the_author_is_asked_of_git(tmp_path):
    git(tmp_path, "init", "-b", "trunk")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    author = author_of(tmp_path, {"FEATURESTORE_USER": "anna"})
    assert (author.user, author.git_branch, author.is_dirty, len(author.git_commit)) == ("anna", "trunk", False, 40)
    (tmp_path / "b").write_text("b")
    assert author_of(tmp_path, {}).is_dirty


def test_without_git_the_ci_system_is_believed(tmp_path):
    author = author_of(
        tmp_path,
        {
            "GITHUB_ACTOR": "anna",
            "GITHUB_SHA": "1f2e3d",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "shop/features",
            "GITHUB_RUN_ID": "77",
            "GITHUB_TOKEN": "hunter2",
        },
    )
    job = "https://github.com/shop/features/actions/runs/77"
    assert author == Author(user="anna", git_commit="1f2e3d", git_branch="main", job=job)


@pytest.mark.parametrize(
    ("variable", "value", "kept"),
    [
        ("FEATURESTORE_USER", "an\x1b[31mna\n", "an[31mna"),
        ("FEATURESTORE_USER", " anna@shop.example\r\n", "anna@shop.example"),
        ("FEATURESTORE_USER", "a" * 10_000, "a" * 200),
        ("GITHUB_ACTOR", "anna https://x/ https://bot:hunter2@y/", ""),
        ("GITHUB_SHA", "1f2e3d\n", "1f2e3d"),
        ("GITHUB_SHA", "hunter2 " * 1000, ""),
        ("GITHUB_REF_NAME", "feature/a-b", "feature/a-b"),
        ("GITHUB_REF_NAME", "https://bot:hunter2@x/y", ""),
        (
            "CI_JOB_URL",
            "https://bot:hunter2@ci.example:8443/job/1?token=hunter3#hunter4",
            "https://ci.example:8443/job/1",
        ),
        ("CI_JOB_URL", "https://ci.example/\njob/1", "https://ci.example/job/1"),
        ("CI_JOB_URL", "https://ci.example?token=hunter2", "https://ci.example"),
        ("CI_JOB_URL", "https://ci.example/job/1;token=hunter2", "https://ci.example/job/1"),
        ("CI_JOB_URL", f"https://bot:{'hunter2' * 100}@ci.example/job/1", "https://ci.example/job/1"),
        ("CI_JOB_URL", f"https://ci.example/{'x' * 10_000}", f"https://ci.example/{'x' * 181}"),
        ("CI_JOB_URL", "https://bot:hunter/2@ci.example/job/1", ""),
        ("CI_JOB_URL", "https://bot:1/hunter2@ci.example/job/1", ""),
        ("CI_JOB_URL", "https://bot:1?hunter2@ci.example/job/1", ""),
        ("CI_JOB_URL", "https://ci.example/https://bot:hunter2@other/", ""),
        ("CI_JOB_URL", "bot:hunter2@ci.example/job/1", ""),
        ("CI_JOB_URL", "https:\\\\bot:hunter2@ci.example", ""),
        ("CI_JOB_URL", "https://[::1", ""),
    ],
)
def test_no_password_and_no_control_character_enters_the_registry_r3(tmp_path, variable, value, kept):
    author = author_of(tmp_path, {variable: value})
    facts = {author.git_commit, author.git_branch, author.job, *([author.user] if "USER" in variable else [])}
    assert facts - {""} == ({kept} - {""})
    assert "hunter" not in author.user


def test_a_variable_that_says_nothing_usable_leaves_it_to_the_next(tmp_path):
    environ = {"FEATURESTORE_USER": " ", "GITHUB_ACTOR": "anna", "GITHUB_SHA": "?", "CI_COMMIT_SHA": "1f2e3d"}
    assert author_of(tmp_path, environ) == Author(user="anna", git_commit="1f2e3d")
