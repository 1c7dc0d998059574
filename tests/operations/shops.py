"""A shop without a ttl whose online rows can be spoiled by hand."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace

import duckdb

from featurestore.definitions.part import read_part
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.protocol import Route
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER, microseconds, tombstone
from featurestore.online.encode import RowEncoder
from featurestore.online.keys import entity_key, key_prefix
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.state import read_state
from featurestore.operations.sides import Sides
from featurestore.operations.verify import VerifyRequest, verify_view
from featurestore.warehouse.duckdb.warehouse import DuckDBWarehouse
from tests.shop_in_memory import ORDERS, PROJECT, make_shop

FOREVER = replace(ORDERS, ttl_us=None)


class Shop:
    """The tiny shop in a folder, with an online store that is filled by real syncs."""

    def __init__(self, folder, uri, view=FOREVER, project=PROJECT.name):
        self.folder = folder
        self.view = view
        self.project = replace(PROJECT, name=project, views=(view,), services=())
        self.store = open_online_store(uri, project=project, base_dir=folder)
        if not (folder / "shop.duckdb").exists():
            make_shop(folder)
        self.connection = duckdb.connect(str(folder / "shop.duckdb"))

    def warehouse(self):
        """Open it so that others may write meanwhile."""
        return DuckDBWarehouse(self.connection.cursor())

    def sql(self, statement):
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(statement)

    def sync(self, view=None, on_rows=None, **request):
        with closing(self.warehouse()) as warehouse:
            route = Route(
                project=self.project.name, warehouse=warehouse, store=self.store, store_uri="", base_dir=self.folder
            )
            return sync_view(view or self.view, SyncRequest(**request), route, LocalEngine(route), on_rows=on_rows)

    @property
    def sides(self):
        return Sides(project=self.project, store=self.store, open_warehouse=self.warehouse)

    def verify(self, *, sample=None, at=None, seed=0, view=None):
        request = VerifyRequest(part=read_part(sample=sample, seed=seed), at=at, seed=seed)
        sides = replace(self.sides, project=replace(self.project, views=(view,))) if view else self.sides
        return verify_view(view or self.view, request, sides)

    def key(self, *texts):
        """The online key of an entity in the set in use."""
        number = read_state(self.store, self.view).set_for(self.view)
        return entity_key(key_prefix(self.project.name, self.view, number), [str(text) for text in texts])

    def put(self, key, row, event_us=None, created_us=None):
        """Put bytes into the store as they are; the guard is gone around."""
        _, _, _, ev, _, cr, _, _ = HEADER.unpack_from(row)
        self.store.delete([key])
        self.store.write(
            batch_of([key], [row], event_us=[event_us or ev], created_us=[cr if created_us is None else created_us])
        )

    def encode(self, sql):
        """Encode rows of a SELECT over the shop as a sync would."""
        number = read_state(self.store, self.view).set_for(self.view)
        with closing(self.warehouse()) as warehouse:
            table = warehouse.read(sql).read_all().combine_chunks()
        encoder = RowEncoder(self.view, project=self.project.name, row_set=number)
        (batch,) = table.to_batches()
        rows = encoder.encode(batch).rows
        return list(zip(rows.keys.to_pylist(), rows.values.to_pylist(), strict=True))

    @contextmanager
    def warehouse_rows(self, sql):
        """Rows of a SELECT, as dicts."""
        with closing(self.warehouse()) as warehouse:
            yield warehouse.read(sql).read_all().to_pylist()

    @staticmethod
    def us(moment):
        """Microseconds since 1970, as a row's header has them."""
        return NO_CREATED_TIME if moment is None else microseconds(moment)

    def serve(self, sql):
        """Serve rows that the warehouse never had."""
        for key, row in self.encode(sql):
            self.put(key, row)

    def bury(self, key):
        """Put a tombstone where a row is."""
        (row,) = self.store.read([key])
        _, _, _, event_us, _, created_us, _, fingerprint = HEADER.unpack_from(row)
        self.put(key, tombstone(event_us, created_us, fingerprint))


def row(customer, placed, loaded, count="1", amount="1.00", tags="null"):
    """A SELECT of one order."""
    return (
        f"select {customer}::bigint customer_id, timestamp '{placed}' placed_at, timestamp '{loaded}' loaded_at, "
        f"{count}::bigint order_count, {amount}::decimal(10,2) amount, {tags}::varchar[] tags"
    )


def faults(found):
    """The counts that are not zero."""
    counts = {name: getattr(found.rows, name) for name in found.rows.__slots__}
    return {name: count for name, count in counts.items() if count and name != "equal"}


def of_feature(found, feature):
    counts = found.features[feature]
    return {name: getattr(counts, name) for name in counts.__slots__ if getattr(counts, name)}


@contextmanager
def opened(folder, uri, view=FOREVER, project="shop"):
    shop = Shop(folder, uri, view, project)
    try:
        yield shop
    finally:
        shop.store.close()
        shop.connection.close()
