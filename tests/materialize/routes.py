"""The way from the tiny shop's warehouse to an online store."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.protocol import Route
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.open import open_online_store
from featurestore.online.protocol import OnlineStore
from tests.shop_in_memory import ORDERS, change_shop, make_shop, shop_warehouse


@contextmanager
def opened_route(folder, uri="sqlite:online.sqlite"):
    with (
        closing(shop_warehouse(folder)) as warehouse,
        closing(open_online_store(uri, project="shop", base_dir=folder)) as store,
    ):
        yield Route(project="shop", warehouse=warehouse, store=store, store_uri=uri, base_dir=folder)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The tiny shop in a folder, and its online store, open; the warehouse is opened for each sync."""

    folder: Path
    store: OnlineStore

    def sync(self, view=ORDERS, on_rows=None, **request):
        with opened_route(self.folder) as route:
            return sync_view(view, SyncRequest(**request), route, LocalEngine(route), on_rows=on_rows)

    def change(self, statement):
        change_shop(self.folder, statement)


@contextmanager
def opened_shop(folder):
    make_shop(folder)
    with closing(open_online_store("sqlite:online.sqlite", project="shop", base_dir=folder)) as store:
        yield Shop(folder=folder, store=store)
