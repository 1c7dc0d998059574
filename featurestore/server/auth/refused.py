"""Requests that are refused because of who asks: nobody knows who (401), or they may not (403)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from featurestore.definitions.scopes import Action
    from featurestore.server.auth.scopes import Grant

_UNKNOWN = ((b"www-authenticate", b"Bearer"),)
_INSUFFICIENT = ((b"www-authenticate", b'Bearer error="insufficient_scope"'),)


def unknown_caller(what: str, *, hint: str | None = None) -> RefusedError:
    """Build the error for somebody whom nobody knows; `what` must hold nothing of what was sent."""
    return RefusedError(401, what, hint=hint, headers=_UNKNOWN)


def not_allowed(grant: Grant, action: Action, view: str) -> RefusedError:
    """Build the error for somebody who may not do this."""
    what = "do this" if view == "*" else f"{action} feature view '{view}'"
    hint = f"it needs the scope {action}:{view}"
    return RefusedError(403, f"'{grant.name}' may not {what}", hint=hint, headers=_INSUFFICIENT)
