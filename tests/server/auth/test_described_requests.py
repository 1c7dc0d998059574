"""What `/openapi.json` describes is what the server does: schemathesis makes requests of it, and finds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.auth.running import make_shop, serving, settings_text

EVERYTHING = "fsk_may-do-everything"
CASES = "20"
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501]
positive_data_acceptance.enabled = false
"""
"""501 says that rows are not pushed offline. And which names exist, or which texts are times, no schema says: a request
that fits it may be refused."""
COMMAND = Path(sys.executable).parent / "schemathesis"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMMAND.exists(), reason="schemathesis needs Python 3.11"),
]


@pytest.mark.parametrize("keys", [{}, {EVERYTHING: ["read:*", "write:*", "admin:*"]}], ids=["open", "keys"])
def test_no_request_that_the_description_leads_to_is_answered_otherwise(tmp_path, keys):
    tiny = make_shop(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(settings_text(keys))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with serving(tiny) as server:
        ran = subprocess.run(
            [
                COMMAND,
                *("run", f"{server.url}/openapi.json", "--max-examples", CASES, "--generation-deterministic"),
                *("--request-timeout", "120", "--no-color"),
                *(part for key in keys for part in ("--header", f"Authorization: Bearer {key}")),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert server.is_alive()
        assert "Traceback" not in server.said.read_text()
