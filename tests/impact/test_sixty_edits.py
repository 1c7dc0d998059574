"""The plan against edits of a real project: each with the class, the services, and the features it must name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import duckdb
import pytest

from featurestore.store import FeatureStore
from tests.impact.edits import EDITS, prepare
from tests.shop import REPOSITORY, Shop, built_once, copy_of, shared_folder, shop

__all__ = ["shop"]
pytestmark = pytest.mark.xdist_group("edits")


@pytest.fixture(scope="module")
def edited(shop, tmp_path_factory):
    """The shop with what was applied, and the manifests of all edits."""

    def build(folder):
        folder.mkdir()
        copied = copy_of(shop, folder / "copy")
        prepare(copied.project_dir)
        (folder / "manifests").mkdir()
        environ = {
            **os.environ,
            "DBT_PROFILES_DIR": str(copied.profiles_dir),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        command = [sys.executable, "-m", "tests.impact.edits", str(copied.project_dir), str(folder / "manifests")]
        subprocess.run(command, cwd=REPOSITORY, env=environ, check=True, capture_output=True, timeout=600)

    folder = built_once(shared_folder(tmp_path_factory) / "edits", build)
    return Edited(folder)


class Edited:
    """The project, whose manifest and warehouse are put in place for one edit after the other."""

    def __init__(self, folder):
        copied = Shop(project_dir=folder / "copy" / "dbt_project", profiles_dir=folder / "copy" / "profiles")
        self.project, self.profiles, self.database = copied.project_dir, copied.profiles_dir, copied.database
        self.manifests = folder / "manifests"
        self.kept = folder / "before.duckdb"
        shutil.copy(self.database, self.kept)
        self.put("before")
        self.store().apply()

    def store(self):
        return FeatureStore(self.project, profiles_dir=self.profiles)

    def put(self, name, sql=""):
        shutil.copy(self.manifests / f"{name}.json", self.project / "target" / "manifest.json")
        if sql:
            with duckdb.connect(str(self.database)) as connection:
                connection.execute(sql)

    def plan(self, number):
        """The plan of one edit."""
        try:
            self.put(str(number), EDITS[number].sql)
            return self.store().plan().changes
        finally:
            if EDITS[number].sql:
                shutil.copy(self.kept, self.database)


def test_there_are_sixty():
    assert len(EDITS) >= 60


@pytest.mark.parametrize("number", range(len(EDITS)), ids=[edit.says for edit in EDITS])
def test_what_a_reviewer_is_told_of_an_edit(edited, number):
    edit, plan = EDITS[number], edited.plan(number)
    told = [(it.impact, f"{it.what} {it.name}", it.field, it.services) for it in plan.changes]
    assert sorted(told, key=str) == sorted(edit.told, key=str)
    features = {it.name: it.features for it in plan.changes if it.field in {"sql", "upstream"}}
    assert features == edit.features
    if edit.others is not None:
        assert sorted({name for it in plan.changes for name in (*it.exposures, *it.training_sets)}) == list(edit.others)
