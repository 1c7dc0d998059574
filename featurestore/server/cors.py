"""Which pages may ask from a browser: those of the origins in ``server.cors``, and by default none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.server.asgi import App

_METHODS = ("GET", "POST")
_ASKED_WITH = ("authorization", "content-type", "x-request-id")
_ANSWERED_WITH = ("x-request-id", "retry-after", "www-authenticate")
_KEPT_S = 600


def with_cors(app: App, origins: Sequence[str]) -> App:
    """Tell browsers that pages of these origins may ask; cookies are never asked for."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_ASKED_WITH,
        expose_headers=_ANSWERED_WITH,
        max_age=_KEPT_S,
    )
