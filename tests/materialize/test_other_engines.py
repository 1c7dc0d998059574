"""The engine that the guide shows works, and what a worker elsewhere refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from featurestore.errors import UsageError
from featurestore.materialize.engines import open as open_engines
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.remote import Written, remote_load, write_partition
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from tests.materialize.routes import opened_route
from tests.materialize.spark_loads import load_of, rows_in_file, rows_in_store
from tests.shop_in_memory import ORDERS, change_shop, make_shop

NOTHING = Written(read=0, landed=0, key_hashes=b"")
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "distributed-sync.md"


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def engine_of_the_guide():
    """The names that the guide's Python defines."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, str(GUIDE), "exec"), names)
    return names["open_engine"]


@pytest.mark.slow
def test_the_engine_of_the_guide_does_what_the_local_one_does(shop):
    many = "select 10 + range, '2026-06-04', '2026-06-04', range, 1, ['a'] from range(40000)"
    change_shop(shop, f"insert into orders {many}")
    made = (LocalEngine, engine_of_the_guide())
    assert synced(shop, made) == (40_003, 40_003, 0, 0)
    change_shop(shop, "delete from orders where customer_id >= 10 and customer_id % 2 = 0")
    assert synced(shop, made, full=True) == (20_003, 20_003, 0, 20_000)


def synced(shop, engines, **request):
    """Counts of a sync; all engines, with a store each, must come to the same counts and rows."""
    outcomes = []
    for make in engines:
        with opened_route(shop, f"sqlite:{len(outcomes)}.sqlite") as route:
            done = sync_view(ORDERS, SyncRequest(workers=2, **request), route, make(route))
            counts = (done.rows_read, done.rows_written, done.rows_skipped, done.rows_removed)
            outcomes.append((counts, rows_in_store(route.store)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0][0]


def test_the_engine_of_the_guide_refuses_a_store_of_one_process(shop):
    with opened_route(shop, "memory:") as route, pytest.raises(UsageError, match="a store in memory"):
        engine_of_the_guide()(route)


def one_row(route):
    rows = pa.RecordBatch.from_pydict({"a": [1]})
    return remote_load(route, load_of(ORDERS), columns=["a"]), [rows]


def test_a_worker_with_another_version_writes_nothing(shop):
    """Its rows might not be the same bytes."""
    with opened_route(shop) as route:
        told, batches = one_row(route)
        with pytest.raises(UsageError) as caught:
            write_partition(replace(told, version="9.9"), batches)
    assert re.fullmatch(
        r"a worker has featurestore [\d.]+, the sync was started by 9\.9\n"
        r"  -> install featurestore 9\.9 where the workers run",
        str(caught.value),
    )
    assert rows_in_file(shop / "online.sqlite") == []


def test_a_partition_without_rows_asks_no_store(shop):
    with opened_route(shop) as route:
        told, _ = one_row(route)
        assert write_partition(replace(told, store_uri="redis://127.0.0.1:1/0"), []) == NOTHING


def test_a_store_in_the_environment_takes_the_place_of_the_uri(shop, monkeypatch):
    with opened_route(shop) as route:
        told = remote_load(route, load_of(ORDERS), columns=[], store_variable="STORE_OF_THIS_TEST")
        assert told.store_uri == ""
        with pytest.raises(UsageError, match="the environment of a worker has no STORE_OF_THIS_TEST"):
            write_partition(told, [])
        monkeypatch.setenv("STORE_OF_THIS_TEST", route.store_uri)
        assert write_partition(told, []) == NOTHING


def test_an_engine_of_before_there_were_slices_is_refused(shop, monkeypatch):
    """With one sentence, before anything is written."""
    engines = open_engines.load_backend("featurestore.engines", "local")
    monkeypatch.setattr(open_engines, "load_backend", lambda *_: lambda _: object())
    with opened_route(shop) as route, pytest.raises(UsageError) as caught:
        open_engines.open_engine("old", route)
    assert str(caught.value).startswith("--engine old: the engine old has no `keys_per_slice`, so it was made for an ")
    monkeypatch.setattr(open_engines, "load_backend", lambda *_: engines)
    with opened_route(shop) as route:
        assert open_engines.open_engine("local", route).keys_per_slice > 0
