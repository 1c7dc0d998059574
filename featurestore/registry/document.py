"""A registry document: one immutable version of a project's definitions, as JSON a person can read.

Shape: an envelope (what was applied, when, from which manifest) around ``content``, the definitions.
The hash is over the compact bytes of the content alone: the same manifest gives the same hash, whoever applies
it and whenever (SEMANTICS R4). The document is data: no code, no secrets, no paths of a machine (R3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.project import Project
from featurestore.definitions.sound import first_unsound
from featurestore.errors import OperationError, RegistryCorruptError, UsageError
from featurestore.registry.author import Author
from featurestore.registry.files.protocol import MOST_BYTES, too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The format written, and the newest one that can be read."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """Which dbt manifest a version was made from; unknown facts are empty.

    Attributes:
        schema_version: of the manifest, e.g. ``v12``.
        dbt_version: the dbt that wrote it.
        generated_at: when, as the manifest says it.
        invocation_id: of the dbt run that wrote it.
        target: the dbt target it was made for.
        adapter_type: e.g. ``duckdb``.
    """

    schema_version: str = ""
    dbt_version: str = ""
    generated_at: str = ""
    invocation_id: str = ""
    target: str = ""
    adapter_type: str = ""


def manifest_facts(metadata: Mapping[str, object], *, target: str) -> ManifestFacts:
    """Take the facts from a manifest's ``metadata``."""
    known = {key: str(value or "") for key, value in metadata.items()}
    return ManifestFacts(
        schema_version=known.get("dbt_schema_version", "").rpartition("/")[2].removesuffix(".json"),
        dbt_version=known.get("dbt_version", ""),
        generated_at=known.get("generated_at", ""),
        invocation_id=known.get("invocation_id", ""),
        target=target,
        adapter_type=known.get("adapter_type", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One version of the registry.

    Attributes:
        format: of the document, see `FORMAT`.
        version: 1, 2, 3 ...
        content_hash: sha256, in hex, of the content's canonical bytes.
        applied_at: when, UTC.
        written_by: the version of this package that wrote it.
        source: the dbt manifest it came from.
        applied_by: who applied it, and from which commit.
        rolled_back_to: the version whose definitions these are again, where it was made by a rollback.
        graph: sha256, in hex, of the dbt graph that is kept beside it (`graphs`); empty without one.
        content: the definitions, in canonical order.
    """

    format: int
    version: int
    content_hash: str
    applied_at: datetime
    written_by: str
    source: ManifestFacts
    applied_by: Author = field(default_factory=Author)
    rolled_back_to: int | None = None
    graph: str = ""
    content: Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A document whose content has not been read: the same fields, `content` as text."""

    format: int
    version: int
    content_hash: str
    applied_at: datetime
    written_by: str
    source: ManifestFacts
    applied_by: Author = field(default_factory=Author)
    rolled_back_to: int | None = None
    graph: str = ""
    content: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class _FormatOnly:
    format: int
    written_by: str = "a newer version"


def canonical(project: Project) -> Project:
    """Sort a project's entities, views, services and streams by name (and version)."""
    return replace(
        project,
        entities=tuple(sorted(project.entities, key=lambda entity: entity.name)),
        views=tuple(sorted(project.views, key=lambda view: (view.name, view.version or ""))),
        services=tuple(sorted(project.services, key=lambda service: service.name)),
        streams=tuple(sorted(project.streams, key=lambda stream: stream.name)),
    )


def content_bytes(project: Project) -> bytes:
    """Write the definitions as canonical bytes: sorted, compact, equal for equal definitions (SEMANTICS R4).

    Raises:
        UsageError: a text holds half of a character (a lone surrogate), which JSON files cannot.
    """
    try:
        return msgspec.json.encode(canonical(project), order="deterministic")
    except UnicodeEncodeError as error:
        text = ascii(error.object[max(0, error.start - 20) : error.end + 20])
        raise UsageError(
            f"the definitions hold half of a character (a lone surrogate): {text}",
            hint="correct this text in the dbt project",
        ) from error


def new_document(
    project: Project,
    source: ManifestFacts,
    *,
    version: int,
    applied_by: Author | None = None,
    rolled_back_to: int | None = None,
    graph: str = "",
) -> Document:
    """Make the next version of the registry, applied now.

    Raises:
        UsageError: nobody could read it again, since no dbt project is like this (`definitions.sound`).
    """
    paths = [path for view in project.views for path in (view.source.path, view.source.yaml_path)]
    paths += [service.path for service in project.services]
    paths += [stream.path for stream in project.streams]
    for path in paths:
        assert not path.startswith(("/", "\\")), f"R3: a path of this machine would enter the registry: {path}"
    unsound = first_unsound(project)
    if unsound is not None:
        raise UsageError(f"the definitions cannot be kept: {unsound}", hint="correct this in the dbt project")
    return Document(
        format=FORMAT,
        version=version,
        content_hash=hashlib.sha256(content_bytes(project)).hexdigest(),
        applied_at=datetime.now(timezone.utc).replace(microsecond=0),
        written_by=_own_version(),
        source=source,
        applied_by=applied_by or Author(),
        rolled_back_to=rolled_back_to,
        graph=graph,
        content=canonical(project),
    )


def encode_document(document: Document) -> bytes:
    """Write a document as JSON, indented by two, with a line feed at the end.

    Raises:
        UsageError: it would be larger than a document that is read may be.
    """
    data = msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"
    if len(data) > MOST_BYTES:
        what = f"the definitions take {len(data):,} bytes, and a registry document may have {MOST_BYTES:,}"
        raise UsageError(what, hint="shorten descriptions and defaults, or make two dbt projects of it")
    return data


def decode_envelope(data: bytes, *, where: str) -> Envelope:
    """Read a document's envelope and test its hash; the content stays unread.

    Args:
        data: the file's bytes.
        where: names the file in errors.

    Raises:
        RegistryCorruptError: empty, cut off, too large, not a registry document, or changed since it was written.
        OperationError: written in a newer format than this package reads.
    """
    if len(data) > MOST_BYTES:
        raise too_large(len(data), where)
    if not data.strip():
        raise _corrupt("the file is empty", where)
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except _UNREADABLE as error:
        _refuse_newer_format(data, where)
        raise _corrupt(f"not a whole registry document: {error}", where) from error
    if envelope.applied_at.utcoffset() != timedelta():
        raise _corrupt(f"/applied_at: expected a time in UTC, got {envelope.applied_at.isoformat()}", where)
    if envelope.format != FORMAT:
        _refuse_newer_format(data, where)
        raise _corrupt(f"expected format {FORMAT}, got {envelope.format}", where)
    compact = msgspec.json.format(bytes(envelope.content), indent=-1)
    found = hashlib.sha256(compact).hexdigest()
    if found != envelope.content_hash:
        raise _corrupt(
            f"the content was changed after it was written (expected hash {_short(envelope.content_hash)}, "
            f"got {_short(found)})",
            where,
        )
    return envelope


def decode_document(data: bytes, *, where: str) -> Document:
    """Read and test a whole document; arguments and errors as in `decode_envelope` and `decode_content`."""
    envelope = decode_envelope(data, where=where)
    return document_of(envelope, decode_content(envelope, where=where))


def document_of(envelope: Envelope, content: Project) -> Document:
    """Put a document together: its envelope, and the definitions that were read out of it."""
    return Document(
        format=envelope.format,
        version=envelope.version,
        content_hash=envelope.content_hash,
        applied_at=envelope.applied_at,
        written_by=envelope.written_by,
        source=envelope.source,
        applied_by=envelope.applied_by,
        rolled_back_to=envelope.rolled_back_to,
        graph=envelope.graph,
        content=content,
    )


def decode_content(envelope: Envelope, *, where: str) -> Project:
    """Read and test the definitions of a document whose hash was tested; `where` names it in errors.

    Raises:
        RegistryCorruptError: they are of another shape, or none that our own apply could have written: the hash of a
            document that somebody made is right too.
    """
    try:
        content = msgspec.json.decode(envelope.content, type=Project)
    except _UNREADABLE as error:
        raise _corrupt(f"content: {error}", where) from error
    unsound = first_unsound(content)
    if unsound is not None:
        raise _corrupt(f"/content{unsound}", where)
    return content


def _refuse_newer_format(data: bytes, where: str) -> None:
    try:
        seen = msgspec.json.decode(data, type=_FormatOnly)
    except _UNREADABLE:
        return
    if seen.format > FORMAT:
        raise OperationError(
            f"document format {seen.format}, written by featurestore {seen.written_by}; "
            f"this is featurestore {_own_version()}, which reads formats up to {FORMAT}",
            where=where,
            hint=f"upgrade to featurestore {seen.written_by} or later: pip install --upgrade featurestore",
        )


def _corrupt(what: str, where: str) -> RegistryCorruptError:
    return RegistryCorruptError(
        what,
        where=where,
        hint="restore it from a backup, or move it away to return to the version before it, then apply again",
    )


def _own_version() -> str:
    """Ask the installed package: importing it from its top would close a circle of layers."""
    from importlib.metadata import version

    return version("featurestore")


def _short(content_hash: str) -> str:
    return content_hash[:12] or "none"
