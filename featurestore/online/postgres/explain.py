"""What Postgres refused, as one sentence with a remedy; a password is never part of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, without_secrets
from featurestore.online.postgres.pool import BusyError
from featurestore.online.postgres.session import LateError, LostError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.online.postgres.address import PostgresAddress

_REMEDIES = {
    "42P01": "run featurestore materialize",
    "3F000": "run featurestore materialize",
    "42501": "grant the role what docs/guides/online-stores.md names for readers or for writers",
    "25006": "write to the primary: this server, or this role, only reads",
    "53100": "make room on the server's disk, then sync again: rows that landed are whole",
    "53200": "the server is out of memory; write smaller batches, or give it more",
    "54000": "a key may have about 2,600 bytes in Postgres: take a shorter join key",
    "57014": "raise read_timeout or write_timeout in the URI, or find out what holds the table",
}
_UNUSED = "is the server running, and the URI right?"


@contextmanager
def explained(address: PostgresAddress) -> Iterator[None]:
    """Turn what can go wrong into an OnlineStoreError."""
    try:
        yield
    except RefusedError as problem:
        raise _refused(address, problem) from problem
    except UnreachableError as problem:
        said = without_secrets(str(problem))
        if "authentication" in said or "no password" in said or "pg_hba" in said:
            raise _error(address, f"refused the login: {said}", "check user and password in the URI") from problem
        raise _error(address, f"cannot be reached: {said}", _UNUSED) from problem
    except LostError as problem:
        raise _error(address, f"broke the connection: {problem}", _UNUSED) from problem
    except LateError as problem:
        raise _error(
            address,
            f"did not answer in time (lookups {address.read_timeout_s:g} s, writes {address.write_timeout_s:g} s)",
            "is it overloaded or locked? Raise connect_timeout, read_timeout or write_timeout in the URI",
        ) from problem
    except BusyError as problem:
        raise _error(
            address,
            f"has all its {address.max_connections} connections of this process in use",
            "raise max_connections or connect_timeout in the URI",
        ) from problem


def _refused(address: PostgresAddress, problem: RefusedError) -> OnlineStoreError:
    if problem.state in ("42P01", "3F000"):
        return _error(address, "holds no rows: nothing was synced yet", _REMEDIES[problem.state])
    said = without_secrets(str(problem)).removeprefix("ERROR:").strip()
    return _error(address, f"refused: {said}", _REMEDIES.get(problem.state, "the server's log says more"))


def _error(address: PostgresAddress, what: str, hint: str) -> OnlineStoreError:
    return OnlineStoreError(f"the online store at {address.place} {what}", hint=hint)
