"""What the graph of a version keeps of dbt's nodes."""

from __future__ import annotations

import pytest

from featurestore.manifest.graph import graph_of
from tests.manifest.manifests import manifest, snapshot


@pytest.mark.parametrize(
    ("config", "watched"),
    [
        ({"strategy": "timestamp", "unique_key": "ID", "updated_at": "changed_at"}, ("changed_at", "id")),
        ({"strategy": "check", "unique_key": ["id", "day"], "check_cols": ["tier"]}, ("day", "id", "tier")),
        ({"strategy": "check", "unique_key": "id", "check_cols": ["tier"], "updated_at": "at"}, ("at", "id", "tier")),
        ({"strategy": "check", "unique_key": "id", "check_cols": "all"}, ()),
        ({"strategy": "timestamp", "unique_key": "id || day", "updated_at": "changed_at"}, ()),
        ({"strategy": "timestamp", "unique_key": "id", "updated_at": "changed_at::timestamp"}, ()),
        ({"strategy": "of_our_own", "unique_key": "id"}, ()),
        ({}, ()),
    ],
)
def test_a_snapshot_watches_its_key_and_what_tells_that_a_row_is_another(config, watched):
    (node,) = graph_of(manifest(snapshot(config=config))).nodes
    assert node.watched == watched
