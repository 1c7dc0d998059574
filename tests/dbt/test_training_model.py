"""`training-model` writes a dbt model per feature service; real dbt builds it into the Python training set's rows."""

from __future__ import annotations

import shutil

import pytest

from featurestore.errors import SpineError, UsageError
from featurestore.store import FeatureStore
from featurestore.training.dbt_model import training_model
from featurestore.training.request import Question
from tests.equality.both_ways import built_by_dbt, differences
from tests.shop import copy_of

pytestmark = pytest.mark.slow

QUESTIONS = {
    "repeat_purchase": {"feature_service": "repeat_purchase_v1", "spine": "ref('order_labels')"},
    "delivery_delay": {
        "feature_service": "delivery_delay_v1",
        "spine": "delivery_labels",
        "time": "shipped_at",
        "full_feature_names": True,
        "event_timestamps": True,
    },
}


@pytest.fixture(scope="module")
def mine(shop, tmp_path_factory):
    """A built shop of this file's own, applied."""
    copied = copy_of(shop, tmp_path_factory.mktemp("models") / "mine")
    shutil.copy(copied.profiles_dir / "profiles.yml", copied.project_dir)
    store = FeatureStore(copied.project_dir)
    store.apply()
    return copied, store


def text_of(store, **question):
    workspace = store.workspace
    return training_model(Question(**question), ask=store.ask, manifest=workspace.manifest(), dialect=workspace.dialect)


def test_the_built_models_are_the_python_training_sets(mine):
    """P1 to P13: names, types and rows, for every service of the shop."""
    shop, store = mine
    assert {each.name for each in store.project.services} == {it["feature_service"] for it in QUESTIONS.values()}
    for name, question in QUESTIONS.items():
        path = shop.project_dir / "models" / f"{name}_written.sql"
        path.write_text(text_of(store, **question), encoding="utf-8")
    built = shop.dbt("build", "--select", *(f"{name}_written" for name in QUESTIONS))
    assert built.returncode == 0, built.stdout
    for name, question in QUESTIONS.items():
        python = store.ask(Question(**question)).to_arrow()
        assert python.num_rows > 100
        assert differences(built_by_dbt(store, f"{name}_written"), python) == {}


def test_the_model_says_what_it_is_and_calls_the_macro(mine):
    _, store = mine
    text = text_of(store, feature_service="repeat_purchase_v1", spine="order_labels", as_of="event")
    first = "-- One row per example of order_labels, with the features of the service repeat_purchase_v1 as of that"
    assert text.startswith(f"{first} moment.\n{{{{ featurestore.training_set(\n")
    assert 'spine=ref("order_labels"),\n    spine_time="asked_at",\n    features=[\n        "customer_orders:' in text
    assert text.endswith('    ],\n    as_of="event",\n) }}\n')


@pytest.mark.parametrize("spine", ["select 1 as customer_id", "labels.csv", "no_such_model", "ref('no_such_model')"])
def test_examples_that_dbt_does_not_know_are_refused(mine, spine):
    with pytest.raises(SpineError, match="a dbt model, seed, snapshot or source"):
        text_of(mine[1], feature_service="repeat_purchase_v1", spine=spine)


def test_what_cannot_be_answered_is_refused_as_in_python(mine):
    with pytest.raises(UsageError, match="no feature service 'repeat_purchase'"):
        text_of(mine[1], feature_service="repeat_purchase", spine="order_labels")
