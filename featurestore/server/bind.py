"""Bind the address that is served: TCP, or a Unix socket."""

from __future__ import annotations

import errno
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from featurestore.errors import BackendError, UsageError

_BACKLOG = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen.

    Attributes:
        host, port: of TCP; port 0 is any that is free.
        unix_socket: a path, in place of them.
    """

    host: str = "127.0.0.1"
    port: int = 6566
    unix_socket: Path | None = None


def bind(address: Address) -> socket.socket:
    """Bind an address and listen.

    Raises:
        UsageError: an address that is none.
        BackendError: it is taken, or not this machine's.
    """
    if address.unix_socket is not None:
        return bind_unix(address.unix_socket)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise UsageError(f"expected an address of this machine, got {address.host!r}", where="--host") from problem
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
    except OSError as problem:
        listener.close()
        hint = "end what listens there, or give another --port"
        raise BackendError(
            f"cannot listen on {address.host}:{address.port}: {problem.strerror}", hint=hint
        ) from problem
    listener.listen(_BACKLOG)
    return listener


def bind_unix(path: Path, *, mode: int = 0o660) -> socket.socket:
    """Bind a Unix socket and listen. Raises BackendError: another server listens there, or it cannot be made."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(str(path))
    except OSError as problem:
        listener.close()
        raise BackendError(f"cannot listen on {path}: {problem.strerror or problem}") from problem
    path.chmod(mode)
    listener.listen(_BACKLOG)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nobody listens any more. Raises OSError when somebody does, or it is something else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is a file of this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, "another server listens there")
    path.unlink()
