"""A defect of ours costs one answer, and is in the log once: with its traceback, under the id that was answered."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import httpx
import pytest

from featurestore.online.open import open_online_store
from featurestore.registry.read import read_latest_document
from featurestore.server.app import build
from featurestore.server.instruments import make_instruments
from featurestore.server.served import Newest
from tests.server.running import config_of, error_class, message


class Broken:
    """A registry version with a defect: whatever is asked of it fails."""

    version = 1

    @property
    def project(self):
        raise ZeroDivisionError("by a defect")

    def planned(self, *_, **__):
        raise ZeroDivisionError("by a defect")


@pytest.mark.parametrize(("method", "path"), [("POST", "/get-online-features"), ("GET", "/feature-services")])
def test_a_defect_is_answered_under_an_id_and_logged_once(shop_folder, tmp_path, caplog, method, path):
    folder = Path(shop_folder)
    config = config_of(folder, tmp_path)
    caplog.set_level(logging.ERROR)
    document = read_latest_document("registry", folder)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=folder)

    async def ask():
        newest = Newest(config, document, store)
        app = build(config, newest, store, make_instruments(config, newest)).everything
        newest.now = Broken()
        transport = httpx.ASGITransport(app=app)  # raises what an application raises, of which uvicorn logs a traceback
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            content = json.dumps({"features": ["days:n"], "entities": {}}) if method == "POST" else None
            return await client.request(method, path, content=content, headers={"x-request-id": "mine"})

    try:
        answer = asyncio.run(ask())
    finally:
        store.close()
    assert (answer.status_code, error_class(answer)) == (500, "FeastError")
    (line,) = caplog.records
    assert line.exc_info[0] is ZeroDivisionError
    assert "in request mine" in line.getMessage()
    assert line.getMessage().split()[1] in message(answer)
