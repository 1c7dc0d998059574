"""The way from the tiny shop's warehouse to an online store."""

from __future__ import annotations

from contextlib import closing, contextmanager

from featurestore.materialize.engines.protocol import Route
from featurestore.online.open import open_online_store
from tests.shop_in_memory import shop_warehouse


@contextmanager
def opened_route(folder, uri="sqlite:online.sqlite"):
    with (
        closing(shop_warehouse(folder)) as warehouse,
        closing(open_online_store(uri, project="shop", base_dir=folder)) as store,
    ):
        yield Route(project="shop", warehouse=warehouse, store=store, store_uri=uri, base_dir=folder)
