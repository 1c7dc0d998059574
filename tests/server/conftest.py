"""A server for the tests that only ask: one per process that runs tests."""

from __future__ import annotations

import pytest

from tests.server.running import running
from tests.server.scene import scene


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A running server of the scene, two workers; do not end it, and change nothing of it."""
    folder = tmp_path_factory.mktemp("served")
    scene(folder)
    with running(folder, "--workers", "2") as server:
        yield server
