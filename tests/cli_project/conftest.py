"""Projects to run the command line in."""

from __future__ import annotations

import pytest

from tests.cli.tiny import make_tiny
from tests.online.conftest import valkey

__all__ = ["applied", "tiny", "valkey"]


@pytest.fixture
def tiny(tmp_path):
    """A tiny project that dbt has built and nobody has applied."""
    return make_tiny(tmp_path / "shop")


@pytest.fixture
def applied(tiny):
    """The same, applied."""
    assert tiny.run("apply").code == 0
    return tiny
