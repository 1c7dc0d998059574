"""An issuer of tokens for each test."""

from __future__ import annotations

import pytest

from tests.server.auth.issuer import running_issuer


@pytest.fixture
def issuer():
    with running_issuer() as running:
        yield running
