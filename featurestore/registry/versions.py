"""The registry: numbered documents that are created once and never changed.

``apply`` creates version N+1 for a plan made against N, or fails with "changed meanwhile" (SEMANTICS R1). A
definition that is already the newest creates nothing (R4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import (
    OperationError,
    RegistryConflictError,
    RegistryCorruptError,
    RegistryUnavailableError,
    UsageError,
    unknown_name,
)
from featurestore.registry.document import (
    Document,
    Envelope,
    ManifestFacts,
    content_bytes,
    decode_document,
    decode_envelope,
    encode_document,
    new_document,
)
from featurestore.registry.files.protocol import RegistryFiles

if TYPE_CHECKING:
    from featurestore.definitions.project import Project

_NAME = re.compile(r"^v(\d{10})\.json$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply did: the newest version, and whether this apply created it."""

    document: Document
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """One line of the list of versions.

    Attributes:
        version: its number.
        applied_at: when, UTC; None when the document cannot be read.
        content_hash: as in the document, empty when it cannot be read.
        entities, views, services: how many it defines.
        problem: why the document cannot be read, or that it is missing; None when all is well.
    """

    version: int
    applied_at: datetime | None = None
    content_hash: str = ""
    entities: int = 0
    views: int = 0
    services: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    entities: list[msgspec.Raw]
    views: list[msgspec.Raw]
    services: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in one place."""

    files: RegistryFiles

    def numbers(self) -> tuple[int, ...]:
        """Numbers of all versions, ascending. Files of other names are none of ours."""
        matches = (_NAME.match(name) for name in self.files.names())
        return tuple(sorted(int(match[1]) for match in matches if match is not None))

    def latest(self, *, project: str | None = None) -> Document | None:
        """Read the newest version.

        Args:
            project: the dbt project it must belong to; None accepts any.

        Returns:
            The document, None while there is no version.

        Raises:
            RegistryCorruptError: the newest document is damaged; an older one is never served in its place.
            UsageError: the registry belongs to another project.
        """
        numbers = self.numbers()
        if not numbers:
            return None
        document = self._read(numbers[-1])
        if project is not None and document.content.name != project:
            raise UsageError(
                f"this registry belongs to the dbt project '{document.content.name}', got '{project}'",
                where=self.files.location,
                hint="give each project a registry of its own: `registry` in featurestore.yml",
            )
        return document

    def version(self, number: int) -> Document:
        """Read one version; raises UnknownNameError if it is not there, RegistryCorruptError if damaged."""
        numbers = self.numbers()
        if number not in numbers:
            raise unknown_name("version", str(number), map(str, numbers), place=f"the registry {self.files.location}")
        return self._read(number)

    def versions(self) -> tuple[VersionSummary, ...]:
        """List all versions, ascending; one that cannot be read, and the last of a gap, is a line with a problem."""
        lines: list[VersionSummary] = []
        previous: int | None = None
        for number in self.numbers():
            if previous is not None and number > previous + 1:
                lines.append(VersionSummary(version=number - 1, problem=_gap(previous + 1, number - 1)))
            lines.append(self._summary(number))
            previous = number
        return tuple(lines)

    def apply(self, project: Project, source: ManifestFacts, *, expected: int | None) -> Applied:
        """Make these definitions the newest version.

        Args:
            project: the definitions.
            source: the dbt manifest they came from.
            expected: number of the version that the plan was made against; None when there was none.

        Returns:
            The newest version; `created` is False when it had these definitions, whoever applied them.

        Raises:
            RegistryConflictError: another version came between plan and apply; nothing was written.
            UsageError: the registry belongs to another project.
            RegistryUnavailableError: it cannot be written; nothing was.
        """
        data = content_bytes(project)
        head = self.latest(project=project.name)
        if head is not None and content_bytes(head.content) == data:
            return Applied(document=head, created=False)
        if (head.version if head is not None else None) != expected:
            raise self._conflict(head, expected)
        document = new_document(project, source, version=(expected or 0) + 1)
        if self.files.create(document_name(document.version), encode_document(document)):
            return Applied(document=document, created=True)
        winner = self.latest(project=project.name)
        if winner is not None and content_bytes(winner.content) == data:
            return Applied(document=winner, created=False)
        raise self._conflict(winner, expected)

    def _read(self, number: int) -> Document:
        name = document_name(number)
        document = decode_document(self._data(name), where=self._where(name))
        _refuse_renamed(document, number, self._where(name))
        return document

    def _summary(self, number: int) -> VersionSummary:
        name = document_name(number)
        try:
            envelope = decode_envelope(self._data(name), where=self._where(name))
            _refuse_renamed(envelope, number, self._where(name))
            counted = msgspec.json.decode(envelope.content, type=_Counted)
        except OperationError as error:  # damaged, or of a newer format
            return VersionSummary(version=number, problem=error.what)
        except msgspec.DecodeError as error:
            return VersionSummary(version=number, problem=f"content: {error}")
        return VersionSummary(
            version=number,
            applied_at=envelope.applied_at,
            content_hash=envelope.content_hash,
            entities=len(counted.entities),
            views=len(counted.views),
            services=len(counted.services),
        )

    def _data(self, name: str) -> bytes:
        data = self.files.read(name)
        if data is None:
            raise RegistryUnavailableError(
                "cannot read the registry: this file is not there",
                where=self._where(name),
                hint="someone removed it meanwhile; run the command again",
            )
        return data

    def _where(self, name: str) -> str:
        return f"{self.files.location}/{name}"

    def _conflict(self, head: Document | None, expected: int | None) -> RegistryConflictError:
        planned = "an empty registry" if expected is None else f"version {expected}"
        now = (
            "the registry is empty now"
            if head is None
            else f"version {head.version} was applied at {head.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        return RegistryConflictError(
            f"the registry changed meanwhile: the plan was made against {planned}, {now}",
            where=self.files.location,
            hint="nothing was written; run plan again, look at it, and apply",
        )


def document_name(number: int) -> str:
    """File name of a version: ``v0000000042.json``."""
    return f"v{number:010d}.json"


def _refuse_renamed(document: Document | Envelope, number: int, where: str) -> None:
    if document.version != number:
        raise RegistryCorruptError(
            f"the file's name says version {number}, the document says {document.version}",
            where=where,
            hint="documents are never renamed or copied; restore this file from a backup, or move it away",
        )


def _gap(first: int, last: int) -> str:
    return f"version {first} is missing" if first == last else f"versions {first} to {last} are missing"
