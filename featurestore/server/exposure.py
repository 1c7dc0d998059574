"""Whether an address may be listened on: without keys or an issuer only this machine may ask."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from featurestore.definitions.server import ServerSettings

_OPEN = "whoever reaches this address may read every feature (--insecure)"
_UNENCRYPTED = "keys and tokens travel unencrypted; give --cert and --key, or put a proxy with TLS in front"


def is_exposed(listener: socket.socket) -> bool:
    """Whether other machines can reach this listener; a Unix socket is guarded by its file's mode."""
    if listener.family == socket.AF_UNIX:
        return False
    return not ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


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
