"""Whatever the YAML of a view says, the dbt macro and the Python package answer with the same rows (SEMANTICS P1-P14).

One ``dbt build`` makes a training set per question; the same manifest is then applied and asked in Python.
"""

from __future__ import annotations

import pytest

from featurestore.store import FeatureStore
from tests.equality.both_ways import built_by_dbt, differences
from tests.equality.tricky import QUESTIONS, VIEWS, ask, build, examples
from tests.shop import built_once, shared_folder

pytestmark = pytest.mark.slow

SEES_NOTHING = {"empty_set", "of_nothing_set"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    """The tricky project, built and applied; the registry is the worker's own."""
    folder = built_once(shared_folder(tmp_path_factory) / "tricky", build)
    opened = FeatureStore(folder, profiles_dir=folder, registry=str(tmp_path_factory.mktemp("tricky_registry")))
    opened.apply()
    return opened


@pytest.mark.parametrize("asked", QUESTIONS, ids=[asked.name for asked in QUESTIONS])
def test_macro_and_package_give_equal_columns_and_rows(store, asked):
    macro = built_by_dbt(store, asked.name)
    assert differences(macro, ask(store, asked).to_arrow()) == {}
    assert macro.num_rows == (len(examples().rows) if asked.spine == "examples" else macro.num_rows)
    found = [name for name in macro.column_names if name.endswith("__found")]
    seen = {value for name in found for value in macro.column(name).to_pylist()}
    assert asked.name in SEES_NOTHING or not found or True in seen, "a question that finds nothing compares nothing"


def test_every_view_is_asked(store):
    """The manifest has no other view, so none is left out."""
    others = {"versioned", "snapshot_of_a"}
    assert {view.name for view in store.project.views} == {*VIEWS, *others}
