"""What can go wrong between us and a server, before it is told to a user (`explain`).

LinkError               the connection: broken, in the middle of anything
├── LinkTimeoutError    no answer in time
├── NotConnectedError   it was never made
│   └── BusyError       no free place for one more
└── BreakerOpenError    not even tried: too many have failed
ServerError             the server answered: no
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError

if TYPE_CHECKING:
    from featurestore.online.redis.uri import RedisAddress

TRY_AGAIN = frozenset({"LOADING", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS", "BUSY"})
"""Codes of answers that will be others in a moment."""
REDIRECTED = frozenset({"MOVED", "ASK"})
"""Codes by which a Cluster's node names another."""


class LinkError(Exception):
    """The connection broke, or the server answers in another language."""


class LinkTimeoutError(LinkError):
    """The server took too long."""


class NotConnectedError(LinkError):
    """No connection could be made."""


class BusyError(NotConnectedError):
    """All connections are in use, and none became free in time."""


class BreakerOpenError(LinkError):
    """Nothing was sent: the last lookups all failed."""


class ServerError(Exception):
    """An error that a server answered.

    Attributes:
        text: the whole answer.
        code: its first word, e.g. ``WRONGTYPE``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.code = text.partition(" ")[0]


def broken(problem: OSError) -> LinkError:
    """Return a failed system call as one of ours."""
    if isinstance(problem, (TimeoutError, BlockingIOError)):
        return LinkTimeoutError("no answer in time")
    return LinkError(problem.strerror or str(problem) or type(problem).__name__)


def not_connected(problem: Exception) -> NotConnectedError:
    """Return what kept a connection from being made as one of ours."""
    if isinstance(problem, NotConnectedError):
        return problem
    if isinstance(problem, (TimeoutError, LinkTimeoutError)):
        return NotConnectedError("no connection in time")
    return NotConnectedError(f"no connection: {broken(problem) if isinstance(problem, OSError) else problem}")


_REMEDIES = {
    "WRONGPASS": ("refused the login", "check user and password in the URI of the online store"),
    "NOAUTH": ("wants a login", "write user and password into its URI: redis://user:password@host"),
    "OOM": ("is out of memory", "raise maxmemory or free keys, then sync again: rows that landed are whole"),
    "READONLY": (
        "is a replica, which takes no writes",
        "name the master in the URI, or let Sentinels name it: redis+sentinel://host:port/master",
    ),
    "MOVED": ("is a node of a Redis Cluster", "write redis+cluster:// instead of redis:// in its URI"),
    "LOADING": ("is still reading its data from disk", "wait a moment and try again"),
    "MISCONF": ("takes no writes because it cannot save to disk", "see the server's log: a full disk, perhaps"),
    "NOREPLICAS": ("takes no writes because too few replicas follow it", "see min-replicas-to-write and the replicas"),
    "BUSY": ("runs a script that takes too long", "see whose it is: SCRIPT KILL ends one that has not written yet"),
    "CLUSTERDOWN": ("has slots that no node serves", "see CLUSTER INFO; wait until a replica has taken over"),
}
_IS_IT_SLOW = (
    "raise max_connections or max_requests in its URI, or ask less at once, unless the server is slow or hangs"
)
_IS_IT_RUNNING = "is the server running and the URI right?"


def explain(problem: Exception, address: RedisAddress, project_keys: str) -> OnlineStoreError:
    """Return what a user is told.

    Args:
        problem: a LinkError or a ServerError.
        address: of the store; its passwords are blotted out.
        project_keys: what all keys of the project begin with.
    """
    what, hint = _what_and_hint(problem, project_keys)
    return OnlineStoreError(f"the online store at {address.place} {address.without_secrets(what)}", hint=hint)


def _what_and_hint(problem: Exception, project_keys: str) -> tuple[str, str]:
    if isinstance(problem, ServerError):
        return _refusal(problem, project_keys)
    if isinstance(problem, BusyError):
        return f"is busy: {problem}", _IS_IT_SLOW
    said = str(problem) if isinstance(problem, BreakerOpenError) else f"cannot be used: {problem}"
    return said, _IS_IT_RUNNING


def _refusal(problem: ServerError, project_keys: str) -> tuple[str, str]:
    if problem.code == "NOPERM":
        hint = f"allow the user the keys ~{project_keys}* and the commands in docs/guides/redis.md"
        return f"refused a command: {problem.text}", hint
    if problem.code in _REMEDIES:
        return _REMEDIES[problem.code]
    if "max number of clients" in problem.text:
        return "has no place for one more client", "raise maxclients of the server, or lower max_connections in the URI"
    if "cluster support disabled" in problem.text:
        return "is no Redis Cluster", "write redis:// instead of redis+cluster:// in its URI"
    if "DB index" in problem.text:
        return "has no such database", "name a smaller number in its URI, or raise `databases` of the server"
    return f"cannot be used: {(problem.text.splitlines() or ['?'])[0]}", _IS_IT_RUNNING
