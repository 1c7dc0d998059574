"""``server:`` of `featurestore.yml`, for the target that is served.

The rule: where targets have settings of their own, one has to be named; a server never starts with those of another.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.errors import UsageError
from featurestore.manifest.settings import load_settings
from featurestore.serving.places import check_target, targets_with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.server import ServerSettings

_NEEDED_FOR_TOKENS = ("jwt", "cryptography", "httpx")


def load_server_settings(base_dir: Path, target: str | None) -> ServerSettings:
    """Read what a server is told.

    Args:
        base_dir: the folder of `featurestore.yml`, if there is one.
        target: the dbt target; else ``DBT_TARGET``.

    Raises:
        UsageError: no target is named where they differ, a variable is missing, or a library that tokens need.
        UnknownNameError: nobody knows this target.
        DefinitionError: problems in `featurestore.yml`.
    """
    named, with_settings = target or os.environ.get("DBT_TARGET"), targets_with_settings(base_dir)
    if named is not None:
        check_target(base_dir, named, with_settings)
    elif with_settings:
        hint = f"add --target {with_settings[0]}, or set DBT_TARGET; known: {', '.join(with_settings)}"
        where = f"{SETTINGS_FILE}: targets"
        raise UsageError("the settings differ by dbt target, and none is named", where=where, hint=hint)
    settings = load_settings(base_dir, target=named or "", environ=os.environ).server
    if settings.oidc is not None:
        missing = [name for name in _NEEDED_FOR_TOKENS if find_spec(name) is None]
        if missing:
            hint = "pip install 'featurestore[server]'"
            raise UsageError(f"tokens need {', '.join(missing)}, which is not installed", hint=hint)
    return settings
