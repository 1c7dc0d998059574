"""From a registry's URI to the place that holds its documents: a path, or ``file:`` and a path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.registry.files.local import LocalFiles

if TYPE_CHECKING:
    from featurestore.registry.files.protocol import RegistryFiles

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a path
_HINT = "write a path or file:PATH; these are the kinds of registry that exist today"


def open_files(uri: str, base_dir: Path) -> RegistryFiles:
    """Open the place that a registry URI names; nothing is read or made.

    Args:
        uri: a path, or ``file:PATH``, ``file:///PATH``; ``~`` is the home directory.
        base_dir: what a relative path is relative to.

    Raises:
        UsageError: an empty URI, or an unknown scheme; the URI is not repeated, it may hold a password.
    """
    if not uri.strip():
        raise UsageError("registry: expected a path or a URI, got an empty text", hint=_HINT)
    match = _SCHEME.match(uri)
    if match is None:
        return LocalFiles((base_dir / Path(uri).expanduser()).absolute())
    scheme = match[1].lower()
    if scheme != "file":
        raise UsageError(f"registry: no registry of kind '{scheme}:' exists", hint=_HINT)
    return LocalFiles((base_dir / _path_of_file_uri(uri[len("file:") :])).absolute())


def _path_of_file_uri(rest: str) -> Path:
    from urllib.parse import unquote

    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in {"", "localhost"} or not slash:
            raise UsageError("registry: a file: URI names a path of this machine, not a host", hint=_HINT)
        rest = f"/{path}"
    if not rest:
        raise UsageError("registry: expected a path after file:, got none", hint=_HINT)
    return Path(unquote(rest)).expanduser()
