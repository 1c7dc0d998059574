"""How a dbt project calls our macros: by their names among its own, with the package's name in front of a package's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurestore.manifest.artifacts import Manifest

TRAINING_SET = "training_set"
_PACKAGE = "featurestore"


def training_set_macro(manifest: Manifest) -> str | None:
    """Name the macro that makes training sets as the project calls it; None where the project has not got it."""
    if f"macro.{_PACKAGE}.{TRAINING_SET}" in manifest.macros:
        return f"{_PACKAGE}.{TRAINING_SET}"
    return TRAINING_SET if f"macro.{manifest.project_name}.{TRAINING_SET}" in manifest.macros else None


def training_set_name(manifest: Manifest | None) -> str:
    """Name it for code to paste: where the project has not got it, or there is no manifest, as `init` makes it."""
    return (training_set_macro(manifest) if manifest is not None else None) or TRAINING_SET
