"""Whether an address may be listened on: without keys or an issuer only this machine may ask."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from featurestore.definitions.server import ServerSettings


def is_exposed(listener: socket.socket) -> bool:
    """Whether other machines can reach this listener; a Unix socket is guarded by its file's mode."""
    if listener.family == socket.AF_UNIX:
        return False
    return not ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


def refuse_exposure(listener: socket.socket, settings: ServerSettings) -> None:
    """Refuse to let other machines ask without saying who they are.

    Raises:
        UsageError: it is exposed, and there is neither a key nor an issuer.
    """
    if is_exposed(listener) and not settings.asks_who:
        place = listener.getsockname()[0]
        hint = (
            "make a key with `featurestore server-key`, listen on 127.0.0.1, or give --insecure if whoever reaches the "
            "port may read every feature"
        )
        raise UsageError(f"{place} can be reached from other machines, and nobody is asked who asks", hint=hint)
