"""``featurestore server-key``: a new key for the feature server, shown once and kept nowhere."""

from __future__ import annotations

import hashlib
import json
import secrets

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say
from featurestore.definitions.scopes import SCOPE_FORM, parse_scope
from featurestore.errors import UsageError

PREFIX = "fsk_"
"""So that tools that look for leaked secrets know one."""
_BYTES = 32


@click.command("server-key", epilog=example("featurestore server-key web-shop --scope read:orders > key.txt"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help=f"What it allows: {SCOPE_FORM}; repeatable.",
)
@common_options
def command(common: Common, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key with which NAME may ask the feature server.

    The key goes to stdout, once. On stderr stands what featurestore.yml needs to know it by, which is no secret: its
    SHA-256. No file is written.
    """
    from featurestore.manifest.server_settings import NAME_FORM, is_key_name

    if not is_key_name(name):
        raise UsageError(f"expected a name of {NAME_FORM}, got {name!r}", where="NAME")
    allowed = tuple(dict.fromkeys(_scope(text) for text in scopes))
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    known_by = {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": allowed}
    if common.as_json:
        result_json({"key": key, **known_by})
        return
    result(key)
    say("This key is shown once and kept nowhere. For the server to know it, featurestore.yml needs:\n")
    lines = [f"{field}: {json.dumps(value)}" for field, value in known_by.items()]
    say("server:\n  keys:\n    - " + "\n      ".join(lines))


def _scope(text: str) -> str:
    try:
        return parse_scope(text)
    except ValueError as error:
        raise UsageError(str(error), where="--scope") from None
