"""The engine in this process: little memory is enough, and where it is not, more is taken."""

from __future__ import annotations

from itertools import pairwise

import pytest

from featurestore.errors import QueryError
from featurestore.materialize.engines import local
from featurestore.warehouse import memory
from tests.materialize.routes import opened_shop


@pytest.fixture
def shop(tmp_path):
    with opened_shop(tmp_path) as shop:
        shop.change(
            "insert into orders"
            " select 10 + range, '2026-06-04'::timestamp + to_seconds(range % 7), '2026-06-08', range, 1,"
            " ['a tag that is long enough to count, and no two rows have the same: ' || range] from range(300000)"
        )
        yield shop


def test_where_the_warehouse_has_too_little_memory_it_is_given_more(shop, monkeypatch):
    for name in ("WAREHOUSE_MEMORY_BYTES", "SORT_MEMORY_BYTES"):
        monkeypatch.setattr(local, name, 4 * 2**20)
    monkeypatch.setattr(memory, "TRIES", 1)
    with pytest.raises(QueryError, match="Out of Memory"):
        shop.sync()
    monkeypatch.setattr(memory, "TRIES", 4)
    result = shop.sync(full=True)
    assert (result.rows_read, result.rows_written) == (300_003, 300_003)


def test_a_wide_view_is_copied_in_batches_of_fewer_rows(shop, monkeypatch):
    """Memory hangs on cells, not on rows; and where rows are wide, on bytes."""
    told = []
    monkeypatch.setattr(local, "_BATCH_CELLS", 15_000)
    assert shop.sync(on_rows=told.append).rows_read == 300_003
    assert max(later - before for before, later in pairwise([0, *told])) == 5_000
