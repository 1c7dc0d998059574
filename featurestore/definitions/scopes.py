"""Scopes, what a key or a token allows: ``read:orders``, ``read:*``, ``write:orders@v2``, ``admin:*``.

None holds another: who may write may not read by that. A view without a version means all its versions.
"""

from __future__ import annotations

import re
from typing import Literal

Action = Literal["read", "write", "admin"]

SCOPE_FORM = "read:VIEW, read:VIEW@v2, read:*, write:VIEW, write:* or admin:*"
_SCOPE = re.compile(r"(?P<action>read|write):(?P<view>[^\s:@*\[\]]+)(?:@v?(?P<version>[^\s:@*\[\]]+))?", re.ASCII)
_WHOLE = frozenset(("read:*", "write:*", "admin:*"))


def parse_scope(text: str) -> str:
    """Read one scope.

    Args:
        text: as written in YAML or in a token.

    Returns:
        It, in the one form in which scopes are compared: ``read:orders@2`` becomes ``read:orders@v2``.

    Raises:
        ValueError: it is none; the message shows the forms.
    """
    if text in _WHOLE:
        return text
    found = _SCOPE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a scope, {SCOPE_FORM}, got {text!r}")
    version = "" if found["version"] is None else f"@v{found['version']}"
    return f"{found['action']}:{found['view']}{version}"
