"""The registry: numbered documents that are created once and never changed.

``apply`` creates version N+1 for a plan made against N, or fails with "changed meanwhile" (SEMANTICS R1). A
definition that is already the newest creates nothing (R4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import (
    OperationError,
    RegistryConflictError,
    RegistryCorruptError,
    RegistryUnavailableError,
    UnknownNameError,
    UsageError,
    unknown_name,
)
from featurestore.registry.author import Author
from featurestore.registry.collect import removed_versions
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
from featurestore.registry.graphs import keep_graph, load_graph
from featurestore.registry.tags import Tag, move_tag, newest_move, tagged_version, tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project

_NUMBER = re.compile(r"^\d{1,10}$", re.ASCII)
_PLAN_AGAIN = "nothing was written; run plan again, look at it, and apply"
_BACK_AGAIN = "nothing was written; look at the new version (featurestore registry show), and go back again"
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
        applied_by: who, and from which commit.
        rolled_back_to: as in the document.
        tags: those that mean it now, sorted.
        content_hash: as in the document, empty when it cannot be read.
        entities, views, services: how many it defines.
        problem: why the document cannot be read, or that it is missing; None when all is well.
    """

    version: int
    applied_at: datetime | None = None
    applied_by: Author = field(default_factory=Author)
    rolled_back_to: int | None = None
    tags: tuple[str, ...] = ()
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
        refuse_foreign(document, project, self.files.location)
        return document

    def pinned(self, pin: str) -> Document:
        """Read the version that a pin means: a number, or a tag as ``@prod``.

        Raises:
            UsageError: neither of the two.
            UnknownNameError: no such version or tag.
            RegistryCorruptError: the document is damaged.
        """
        if pin.startswith("@"):
            return self.version(tagged_version(self.files, pin[1:]))
        if not _NUMBER.match(pin):
            hint = "write a number, or a tag with an @ in front: 42, @prod"
            raise UsageError(f"expected a version of the registry, got '{pin}'", hint=hint)
        return self.version(int(pin))

    def version(self, number: int) -> Document:
        """Read one version; raises UnknownNameError if it is not there, RegistryCorruptError if damaged."""
        numbers = self.numbers()
        if number not in numbers and number in removed_versions(self):
            hint = f"there is {', '.join(map(str, numbers[-3:]))}; versions with a tag are never removed"
            raise UnknownNameError(f"version {number} was removed by gc", where=self.files.location, hint=hint)
        if number not in numbers:
            raise unknown_name("version", str(number), map(str, numbers), place=f"the registry {self.files.location}")
        try:
            return self._read(number)
        except RegistryCorruptError as error:
            if number == numbers[-1]:
                raise
            hint = "restore it from a backup, or take another one: featurestore registry versions"
            raise RegistryCorruptError(error.what, where=error.where, hint=hint) from error

    def versions(self, *, last: int | None = None) -> tuple[VersionSummary, ...]:
        """List versions, ascending; one that cannot be read, and the last of a gap, is a line with a problem.

        What `collect` has removed is no gap; what it removes meanwhile is left out.

        Args:
            last: how many of the newest; None lists all. Each is read.
        """
        numbers = self.numbers()[-last if last is not None else 0 :]
        has_gaps = bool(numbers) and numbers[-1] - numbers[0] >= len(numbers)
        known = sorted({*numbers, *(removed_versions(self) if has_gaps else ())})
        gaps = [(one + 1, other - 1) for one, other in pairwise(known) if other > one + 1 and other > numbers[0]]
        tagged: dict[int, list[str]] = {}
        for tag in tags(self.files):
            tagged.setdefault(tag.version or 0, []).append(tag.tag)
        lines = [
            VersionSummary(version=last, problem=_gap(first, last)) for first, last in gaps if first <= numbers[-1]
        ]
        found = filter(None, map(self._summary, numbers))
        lines += [replace(each, tags=tuple(tagged.get(each.version, ()))) for each in found]
        return tuple(sorted(lines, key=lambda line: line.version))

    def graph(self, document: Document) -> Graph | None:
        """Read the dbt graph that a version came with; None if it has none. Raises RegistryCorruptError."""
        return load_graph(self.files, document.graph)

    def rollback(self, number: int, *, author: Author, expected: int | None = None) -> Applied:
        """Make the definitions of an older version the newest ones, as a new version.

        Args:
            number: of the version to return to.
            author: who does it.
            expected: number of the newest version, as the author has seen it; None takes whichever it is.

        Returns:
            The newest version; `created` is False when it had these definitions.

        Raises:
            UnknownNameError: no such version.
            RegistryConflictError: somebody applied meanwhile; nothing was written.
        """
        head, document = self.latest(), self.version(number)
        if head is None or content_bytes(head.content) == content_bytes(document.content):
            return Applied(document=head or document, created=False)
        if expected is not None and head.version != expected:
            raise self._conflict(head, expected, hint=_BACK_AGAIN)
        again = new_document(
            document.content,
            document.source,
            version=head.version + 1,
            applied_by=author,
            rolled_back_to=document.version,
            graph=document.graph,
        )
        return self._create(again, expected=head.version)

    def tag(self, name: str, version: int | None, *, author: Author) -> Tag | None:
        """Let a tag mean a version, or nothing (`tags.move_tag`).

        Raises:
            UnknownNameError: no such version, or it was removed while the tag moved; then the tag is where it was.
            RegistryConflictError: somebody else moved the tag meanwhile.
        """
        if version is None:
            return move_tag(self.files, name, None, author)
        self.version(version)
        before = newest_move(self.files, name)
        moved = move_tag(self.files, name, version, author)
        if version not in self.numbers():
            move_tag(self.files, name, None if before is None else before.version, author)
            self.version(version)
        return moved

    def apply(
        self,
        project: Project,
        source: ManifestFacts,
        *,
        expected: int | None,
        author: Author | None = None,
        graph: Graph | None = None,
    ) -> Applied:
        """Make these definitions the newest version.

        Args:
            project: the definitions.
            source: the dbt manifest they came from.
            author: who applies them.
            graph: the dbt graph around them, kept for those who review the next version.
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
            raise self._conflict(head, expected, hint=_PLAN_AGAIN)
        kept = "" if graph is None else keep_graph(self.files, graph)
        document = new_document(project, source, version=(expected or 0) + 1, applied_by=author, graph=kept)
        return self._create(document, expected=expected)

    def _create(self, document: Document, *, expected: int | None) -> Applied:
        if self.files.create(document_name(document.version), encode_document(document)):
            return Applied(document=document, created=True)
        winner = self.latest(project=document.content.name)
        if winner is not None and content_bytes(winner.content) == content_bytes(document.content):
            return Applied(document=winner, created=False)
        hint = _PLAN_AGAIN if document.rolled_back_to is None else _BACK_AGAIN
        raise self._conflict(winner, expected, hint=hint)

    def _read(self, number: int) -> Document:
        name = document_name(number)
        document = decode_document(self.data(number), where=self._where(name))
        refuse_renamed(document, number, self._where(name))
        return document

    def _summary(self, number: int) -> VersionSummary | None:
        name = document_name(number)
        try:
            data = self.files.read(name)
            if data is None:
                return None
            envelope = decode_envelope(data, where=self._where(name))
            refuse_renamed(envelope, number, self._where(name))
            counted = msgspec.json.decode(envelope.content, type=_Counted)
        except OperationError as error:  # damaged, or of a newer format
            return VersionSummary(version=number, problem=error.what)
        except msgspec.DecodeError as error:
            return VersionSummary(version=number, problem=f"content: {error}")
        return VersionSummary(
            version=number,
            applied_at=envelope.applied_at,
            applied_by=envelope.applied_by,
            rolled_back_to=envelope.rolled_back_to,
            content_hash=envelope.content_hash,
            entities=len(counted.entities),
            views=len(counted.views),
            services=len(counted.services),
        )

    def data(self, number: int) -> bytes:
        """Read one version's document as it stands there. Raises RegistryUnavailableError if it is not there."""
        name = document_name(number)
        data = self.files.read(name)
        if data is None:
            raise RegistryUnavailableError(
                "cannot read the registry: this file is not there",
                where=self._where(name),
                hint="someone removed it meanwhile; run the command again",
            )
        return data

    def file_of(self, number: int) -> str:
        """The file of a version, in `files`."""
        return document_name(number)

    def _where(self, name: str) -> str:
        return f"{self.files.location}/{name}"

    def _conflict(self, head: Document | None, expected: int | None, *, hint: str) -> RegistryConflictError:
        planned = "an empty registry" if expected is None else f"version {expected}"
        now = (
            "the registry is empty now"
            if head is None
            else f"version {head.version} was applied at {head.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        return RegistryConflictError(
            f"the registry changed meanwhile: the plan was made against {planned}, {now}",
            where=self.files.location,
            hint=hint,
        )


def document_name(number: int) -> str:
    """File name of a version: ``v0000000042.json``."""
    return f"v{number:010d}.json"


def nothing_applied(where: str) -> UsageError:
    """Build the error for readers of a registry without a version."""
    return UsageError("the registry holds no version yet", where=where, hint="run `featurestore apply`")


def refuse_foreign(document: Document, project: str | None, where: str) -> None:
    """Refuse a document of another dbt project; None accepts any. Raises UsageError."""
    if project is not None and document.content.name != project:
        raise UsageError(
            f"this registry belongs to the dbt project '{document.content.name}', got '{project}'",
            where=where,
            hint="give each project a registry of its own: `registry` in featurestore.yml",
        )


def refuse_renamed(document: Document | Envelope, number: int, where: str) -> None:
    """Raise RegistryCorruptError for a document of another number than its file's name."""
    if document.version != number:
        raise RegistryCorruptError(
            f"the file's name says version {number}, the document says {document.version}",
            where=where,
            hint="documents are never renamed or copied; restore this file from a backup, or move it away",
        )


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Put numbers that follow each other together: the first and the last of each run, ascending."""
    first = last = None
    for number in sorted(numbers):
        if last is not None and first is not None and number != last + 1:
            yield first, last
            first = number
        first, last = number if first is None else first, number
    if first is not None and last is not None:
        yield first, last


def _gap(first: int, last: int) -> str:
    return f"version {first} is missing" if first == last else f"versions {first} to {last} are missing"
