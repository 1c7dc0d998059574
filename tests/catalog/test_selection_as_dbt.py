"""`featurestore list --select` means what ``dbt ls --select`` means: by recorded answers, and by asking dbt itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurestore import FeatureStore
from featurestore.definitions.selection import Selectable, select_nodes
from featurestore.manifest.graph import graph_of

pytestmark = pytest.mark.slow
ANSWERS = [
    [cell.strip() for cell in line.split("|")]
    for line in Path(__file__).with_name("dbt_answers.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.fixture(scope="module")
def among(shop):
    store = FeatureStore(shop.project_dir, profiles_dir=shop.profiles_dir)
    return Selectable(graph=graph_of(store.workspace.manifest()), project=store.definitions().project)


def names(unique_ids):
    return sorted(each.split(".shop.", 1)[1] for each in unique_ids)


@pytest.mark.parametrize(("select", "exclude", "answer"), ANSWERS)
def test_it_means_what_dbt_said(among, select, exclude, answer):
    found = select_nodes(among, select=(select,), exclude=(exclude,) if exclude else ())
    assert names(found.unique_ids) == answer.split()


def test_it_means_what_dbt_says_now(among, shop, tmp_path):
    select, exclude = ["+exposure:repeat*,tag:feature_view", "@product_price,*price*", "1+stg_orders"], ["shop_days"]
    target = ("--target-path", str(tmp_path), "--log-path", str(tmp_path))
    done = shop.dbt(
        "--quiet", "ls", "--select", *select, "--exclude", *exclude, "--output", "json",
        "--output-keys", "unique_id", *target,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = {json.loads(line)["unique_id"] for line in done.stdout.splitlines()}
    found = select_nodes(among, select=select, exclude=exclude)
    assert names(found.unique_ids) == names(said & among.graph.by_id.keys())
