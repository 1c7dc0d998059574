"""Whether an address may be listened on, and asked by its name: without keys or an issuer only this machine may ask."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from featurestore.definitions.server import ServerSettings

_OPEN = "whoever reaches this address may read every feature (--insecure)"
_THIS_MACHINE = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_MOST_HOSTS_KEPT = 64
_UNENCRYPTED = "keys and tokens travel unencrypted; give --cert and --key, or put a proxy with TLS in front"


def is_exposed(listener: socket.socket) -> bool:
    """Whether other machines can reach this listener; a Unix socket is guarded by its file's mode."""
    if listener.family == socket.AF_UNIX:
        return False
    return not ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


class Hosts:
    """Names by which this machine may be asked where nobody is asked who asks.

    A page in a browser here may have had its own name point to 127.0.0.1, and would read what it is answered; what it
    cannot change is the header Host.
    """

    def __init__(self) -> None:
        self._good: set[bytes | None] = {None}  # browsers send one

    def check(self, host: bytes | None) -> None:
        """Check a request's header Host. Raises RefusedError (403) for another name than this machine's own."""
        if host in self._good:
            return
        if host is None or _THIS_MACHINE.fullmatch(host) is None:
            raise RefusedError(
                403,
                "without keys this server answers only to localhost, 127.0.0.1 and [::1], and the header Host says "
                "something else",
                hint="ask by one of these names; a proxy on this machine must set it, or use a Unix socket (--uds)",
            )
        if len(self._good) < _MOST_HOSTS_KEPT:
            self._good.add(host)


def hosts_to_check(listener: socket.socket, settings: ServerSettings) -> Hosts | None:
    """Return the names to answer to; None where keys or a file's mode guard it, or other machines are let in."""
    is_guarded = settings.asks_who or listener.family == socket.AF_UNIX
    return None if is_guarded or is_exposed(listener) else Hosts()


def check_exposure(
    listener: socket.socket, settings: ServerSettings, *, has_tls: bool, is_insecure: bool = False
) -> str:
    """Refuse to let other machines ask without saying who they are.

    Args:
        listener: a bound socket.
        settings: who may ask.
        has_tls: whether what is sent is encrypted.
        is_insecure: whether that is meant.

    Returns:
        What to warn of; empty if there is nothing.

    Raises:
        UsageError: it is exposed, and there is neither a key nor an issuer.
    """
    if not is_exposed(listener):
        return ""
    if settings.asks_who:
        return "" if has_tls else _UNENCRYPTED
    if is_insecure:
        return _OPEN
    hint = (
        "make a key with `featurestore server-key`, listen on 127.0.0.1, or give --insecure if whoever reaches the "
        "port may read every feature"
    )
    place = listener.getsockname()[0]
    raise UsageError(f"{place} can be reached from other machines, and nobody is asked who asks", hint=hint)
