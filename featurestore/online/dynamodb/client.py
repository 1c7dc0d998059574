"""Calls of DynamoDB: short timeouts, retries of our own within a deadline, and one error for whatever went wrong."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, NoRegionError
from botocore.exceptions import ConnectionError as BotoConnectionError

from featurestore.errors import OnlineStoreError, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.online.dynamodb.address import DynamoAddress

T = TypeVar("T")
Client = Any
"""boto3 makes its classes at run time."""

NO_TABLE = "ResourceNotFoundException"
CONDITION = "ConditionalCheckFailedException"
_THROTTLED_BEFORE = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
_THROTTLED = (*_THROTTLED_BEFORE, "InternalServerError", "ServiceUnavailable", "LimitExceededException")
_LOGIN = (
    "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationToken",
    "IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationTokenException",
)  # fmt: skip
_DENIED = ("AccessDeniedException", "AccessDenied", "403")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Clients of one process, made from one session: it reads the descriptions of all services, which takes a while."""

    process: int = field(default_factory=os.getpid)
    session: Client = field(default_factory=boto3.session.Session)
    clients: dict[str, Client] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Clients:
    """One client for lookups and one for the rest; made on first use, and anew after a fork."""

    def __init__(self, address: DynamoAddress) -> None:
        self._address = address
        self._made = _Made()

    @property
    def lookups(self) -> Client:
        """With the timeouts of lookups."""
        return self._client("lookups", self._address.connect_timeout_s, self._address.read_timeout_s)

    @property
    def work(self) -> Client:
        """With the timeouts of writes."""
        patient_s = max(self._address.connect_timeout_s, 5.0)
        return self._client("work", patient_s, self._address.write_timeout_s)

    def close(self) -> None:
        """Close the connections."""
        if self._made.process == os.getpid():
            for client in self._made.clients.values():
                client.close()
        self._made = _Made()

    def _client(self, name: str, connect_timeout_s: float, read_timeout_s: float) -> Client:
        if self._made.process != os.getpid():
            self._made = _Made()
        made = self._made
        with made.lock:  # boto3 makes clients in one thread at a time
            if name not in made.clients:
                config = Config(
                    connect_timeout=connect_timeout_s,
                    read_timeout=read_timeout_s,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=self._address.max_connections,
                    parameter_validation=False,
                )
                made.clients[name] = made.session.client(
                    "dynamodb", region_name=self._address.region, endpoint_url=self._address.endpoint, config=config
                )
            return made.clients[name]


def call(do: Callable[[], T], *, within_s: float, is_repeatable: bool = True) -> T:
    """Call, again after a pause while the server refuses for its rate or cannot be reached; once more in any case.

    Args:
        do: one request.
        within_s: no new try begins after that time.
        is_repeatable: whether it may be done twice; if not, it is only tried again where it was certainly not done.
    """
    again = _THROTTLED if is_repeatable else _THROTTLED_BEFORE
    until = time.monotonic() + within_s
    tries = 0
    while True:
        try:
            return do()
        except ClientError as problem:
            if code_of(problem) not in again or (tries and time.monotonic() > until):
                raise
        except (HTTPClientError, BotoConnectionError):
            if not is_repeatable or (tries and time.monotonic() > until):
                raise
        pause(tries)
        tries += 1


def pause(tries: int) -> None:
    """Wait a random time, that may be twice as long after each try."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**tries)))  # noqa: S311 -- no secret


def code_of(problem: ClientError) -> str:
    """What kind of refusal it is."""
    return str(problem.response.get("Error", {}).get("Code", ""))


@contextmanager
def explained(address: DynamoAddress) -> Iterator[None]:
    """Turn what can go wrong into an OnlineStoreError."""
    try:
        yield
    except NoCredentialsError as problem:
        raise _error(
            address, "needs credentials: none were found", "set AWS_PROFILE, or give the machine a role"
        ) from problem
    except NoRegionError as problem:
        raise _error(address, "needs a region", "add ?region=eu-central-1 to the URI, or set AWS_REGION") from problem
    except ClientError as problem:
        raise _refused(address, problem) from problem
    except (HTTPClientError, BotoConnectionError) as problem:
        said = without_secrets(str(problem)).splitlines()[0]
        raise _error(address, f"cannot be reached: {said}", "is the network up, and the region right?") from problem
    except (BotoCoreError, ValueError) as problem:  # ValueError: an endpoint that is no URL
        raise _error(address, f"cannot be used: {without_secrets(str(problem))}", "check the URI") from problem


def _refused(address: DynamoAddress, problem: ClientError) -> OnlineStoreError:
    code = code_of(problem)
    said = without_secrets(str(problem.response.get("Error", {}).get("Message", ""))).partition("\n")[0]
    if code == NO_TABLE:
        return _error(address, "holds no rows: nothing was synced yet", "run featurestore materialize")
    if code in _LOGIN:
        return _error(address, f"refused the login: {code}", "check the credentials of this environment")
    if code in _DENIED:
        hint = "allow what docs/guides/online-stores.md names for readers or for writers"
        return _error(address, f"refused: {said or code}", hint)
    if code in _THROTTLED:
        return _error(address, f"is asked for more than its rate: {code}", "raise its capacity, then sync again")
    return _error(address, f"refused: {code}: {said}", "see the limits of DynamoDB: 400 KB per row, 2 KB per key")


def _error(address: DynamoAddress, what: str, hint: str) -> OnlineStoreError:
    return OnlineStoreError(f"the online store {address.place} {what}", hint=hint)
