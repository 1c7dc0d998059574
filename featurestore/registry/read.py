"""Read the newest definitions: all that the light serving client needs of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.registry.files.open import open_files
from featurestore.registry.reader import Reader
from featurestore.registry.versions import Registry, refuse_foreign

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.places import RegistryPlace
    from featurestore.definitions.project import Definitions, Project
    from featurestore.registry.document import Document


def open_registry(place: RegistryPlace | str, base_dir: Path) -> Registry:
    """Open the registry at a place; nothing is read or made. Arguments and errors: `files.open.open_files`."""
    return Registry(open_files(place, base_dir))


def read_latest_document(place: RegistryPlace | str, base_dir: Path, *, project: str | None = None) -> Document:
    """Read the version that readers take: the newest, unless the place pins them to another.

    Args:
        place: the place, or its URI alone.
        base_dir: what a relative path is relative to.
        project: the dbt project it must belong to; None accepts any.

    Raises:
        UsageError: nothing has been applied yet, no such kind of registry exists, or it is another project's.
        UnknownNameError: the version that readers are pinned to is not there.
        RegistryCorruptError: the document is damaged.
        RegistryUnavailableError: the place cannot be read, and nothing was read of it here before.
    """
    reader = Reader(place, base_dir)
    document = reader.read().document()
    refuse_foreign(document, project, reader.location)
    return document


def read_latest_project(place: RegistryPlace | str, base_dir: Path) -> Project:
    """Read its definitions; arguments and errors as in `read_latest_document`."""
    return read_latest_document(place, base_dir).content


def read_definitions(place: RegistryPlace | str, base_dir: Path) -> Definitions:
    """Read its definitions for a client, which decodes those that it is asked for; otherwise `read_latest_project`."""
    return Reader(place, base_dir).read().definitions()


def forget_looks(place: RegistryPlace | str, base_dir: Path) -> None:
    """Have this user's readers look at the registry again, whenever they last did; for those who wrote to it."""
    Reader(place, base_dir).forget_looks()
