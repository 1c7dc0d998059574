"""``featurestore server-key``: a new key for the feature server, shown once and kept nowhere."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json, say, warn
from featurestore.definitions.scopes import SCOPE_FORM, parse_scope
from featurestore.errors import FeatureStoreError, UsageError, unknown_name

PREFIX = "fsk_"
"""So that tools that look for leaked secrets know one."""
_BYTES = 32
_HAS_SERVER = re.compile(r"^server\s*:", re.MULTILINE)


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
    for warning in _unknown_views(common, allowed):
        warn(warning)
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    known_by = {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": allowed}
    if common.as_json:
        result_json({"key": key, **known_by})
        return
    result(key)
    lines = [f"{field}: {json.dumps(value)}" for field, value in known_by.items()]
    item = "    - " + "\n      ".join(lines)
    if _has_server(Path(common.project_dir) / "featurestore.yml"):
        say("This key is shown once and kept nowhere. For the server to know it, add under server.keys:\n")
        say(item)
    else:
        say("This key is shown once and kept nowhere. For the server to know it, featurestore.yml needs:\n")
        say(f"server:\n  keys:\n{item}")


def _has_server(settings: Path) -> bool:
    """Whether there is a block `server:` already; a second one could not be appended."""
    return settings.is_file() and _HAS_SERVER.search(settings.read_text(encoding="utf-8", errors="replace")) is not None


def _unknown_views(common: Common, scopes: tuple[str, ...]) -> list[str]:
    """Say which scopes name views that the registry does not have; nothing where it cannot be read."""
    from featurestore.registry.read import read_latest_document
    from featurestore.serving.places import find_places

    base_dir = Path(common.project_dir).resolve()
    try:
        places = find_places(
            base_dir,
            target=common.target,
            registry=common.registry,
            online_store=common.online_store,
            registry_version=common.registry_version,
        )
        views = read_latest_document(places.registry, base_dir).content.views
    except FeatureStoreError:
        return []
    known = {each for view in views for each in (view.name, view.reference)}
    named = {scope: scope.partition(":")[2] for scope in scopes}
    return [
        unknown_name("feature view", view, known).message + f", so the scope {scope} allows nothing yet"
        for scope, view in named.items()
        if view != "*" and view not in known
    ]


def _scope(text: str) -> str:
    try:
        return parse_scope(text)
    except ValueError as error:
        raise UsageError(str(error), where="--scope") from None
