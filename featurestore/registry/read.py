"""Read the newest definitions: all that the light serving client needs of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.registry.files.open import open_files
from featurestore.registry.versions import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.places import RegistryPlace
    from featurestore.definitions.project import Project
    from featurestore.registry.document import Document


def open_registry(place: RegistryPlace | str, base_dir: Path) -> Registry:
    """Open the registry at a place; nothing is read or made. Arguments and errors: `files.open.open_files`."""
    return Registry(open_files(place, base_dir))


def read_latest_document(place: RegistryPlace | str, base_dir: Path) -> Document:
    """Read the newest version of the registry.

    Args:
        place: the place, or its URI alone.
        base_dir: what a relative path is relative to.

    Raises:
        UsageError: nothing has been applied yet, or no such kind of registry exists.
        RegistryCorruptError: the newest document is damaged.
        RegistryUnavailableError: the place cannot be read.
    """
    registry = open_registry(place, base_dir)
    document = registry.latest()
    if document is None:
        raise UsageError(
            "the registry holds no version yet",
            where=registry.files.location,
            hint="run `featurestore apply`",
        )
    return document


def read_latest_project(place: RegistryPlace | str, base_dir: Path) -> Project:
    """Read the newest definitions; arguments and errors as in `read_latest_document`."""
    return read_latest_document(place, base_dir).content
