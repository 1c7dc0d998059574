"""The shop, synced, with each embedded store."""

from __future__ import annotations

import pytest

from tests.operations.shops import opened


@pytest.fixture(params=["memory", "sqlite"])
def shop(request, tmp_path):
    uri = f"memory:{tmp_path}" if request.param == "memory" else "sqlite:online.sqlite"
    with opened(tmp_path, uri) as made:
        made.sync()
        yield made
