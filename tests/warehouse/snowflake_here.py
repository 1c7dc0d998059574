"""A Snowflake of this process: fakesnow answers over HTTP as an account does, from a DuckDB; started once.

What it gets wrong: a NULL time in Arrow is 1970; COPY takes no odd names and no lists; nothing can be cancelled.
"""

from __future__ import annotations

import atexit
import logging
from contextlib import ExitStack
from functools import cache

import fakesnow

_server = fakesnow.server  # before its first call, which puts a module of that name in its place


@cache
def account() -> dict[str, object]:
    """Start it; returns what a dbt-snowflake target says of an account."""
    running = ExitStack()
    atexit.register(running.close)
    options = running.enter_context(_server())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).disabled = True  # it talks to a stream that is closed before it is
    return {name: options[name] for name in ("account", "user", "password", "host", "port", "protocol")}
