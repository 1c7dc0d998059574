"""The form in which a version is kept: a line, an index, and the tested content without white space.

The index says where each view and service lies in the content, so that a client decodes those alone that it is asked
for. The first line has the rest's checksum: a damaged file is no file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.project import Project
from featurestore.errors import RegistryCorruptError
from featurestore.registry.cached.lazy import LazyProject, Place
from featurestore.registry.document import FORMAT, Document, Envelope, decode_content, document_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST_LINE = 100
_MAGIC = b"featurestore registry cache 3"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    name: str
    version: str | None = None
    is_latest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The content, its longest lists unread."""

    name: str
    target: str = ""
    dialect: str = "duckdb"
    entities: tuple[msgspec.Raw, ...] = ()
    views: list[msgspec.Raw]
    services: list[msgspec.Raw]
    streams: tuple[msgspec.Raw, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A version without its content, and where what is.

    Attributes:
        stamp: of the file it was read from, see `RegistryFiles.stamp`.
        envelope: the document, with null in place of its content.
        name: the project's.
        views: by name and version, and by the name alone for the latest.
        services: by name.
    """

    stamp: str
    envelope: Envelope
    name: str
    views: list[tuple[str, str | None, Place]]
    services: list[tuple[str, Place]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """One version, its content as text.

    Attributes:
        index: what it is.
        content: the definitions, compact JSON.
        where: names its document in errors.
    """

    index: Index
    content: memoryview
    where: str

    def document(self) -> Document:
        """Decode all of it. Raises RegistryCorruptError when the content is of another shape than this package's."""
        return document_of(self.index.envelope, self._whole())

    def definitions(self) -> LazyProject:
        """The definitions, decoded when they are asked for."""
        return LazyProject(
            name=self.index.name,
            content=self.content,
            views={(name, version): place for name, version, place in self.index.views},
            services=dict(self.index.services),
            whole=self._whole,
        )

    def _whole(self) -> Project:
        try:
            return msgspec.json.decode(self.content, type=Project)
        except _UNREADABLE as error:
            raise _of_another_shape(error, self.where) from error


def pack(envelope: Envelope, *, stamp: str, where: str) -> bytes:
    """Write a version whose hash was tested in the form that is kept.

    Args:
        envelope: the version.
        stamp: of its file.
        where: names it in errors.

    Raises:
        RegistryCorruptError: the content is no project, or none that apply could have written.
    """
    decode_content(envelope, where=where)
    try:
        parts = msgspec.json.decode(envelope.content, type=_Parts)
        content, views, services = _lay_out(parts)
    except _UNREADABLE as error:
        raise _of_another_shape(error, where) from error
    index = Index(
        stamp=stamp,
        envelope=replace(envelope, content=msgspec.Raw(b"null")),
        name=parts.name,
        views=[*_by_name(views)],
        services=[(named.name, place) for named, place in services],
    )
    written = msgspec.json.encode(index)
    checksum = zlib.crc32(content, zlib.crc32(written))
    return b"%s %d %08x\n%s%s" % (_MAGIC, len(written), checksum, written, content)


def unpack(data: bytes, *, where: str) -> KeptVersion | None:
    """Read what `pack` wrote; None for anything else, damaged or of another version of this package."""
    end = data.find(b"\n", 0, _LONGEST_LINE)
    line, rest = data[: max(end, 0)], memoryview(data)[end + 1 :]
    facts = line.removeprefix(_MAGIC + b" ").split(b" ")
    try:
        length, checksum = int(facts[0]), int(facts[1], 16)
        if not line.startswith(_MAGIC) or zlib.crc32(rest) != checksum:
            return None
        index = msgspec.json.decode(rest[:length], type=Index)
    except (ValueError, IndexError, *_UNREADABLE):
        return None
    return KeptVersion(index=index, content=rest[length:], where=where) if index.envelope.format == FORMAT else None


def _lay_out(parts: _Parts) -> tuple[bytes, list[tuple[_Named, Place]], list[tuple[_Named, Place]]]:
    """Write the content without white space, and find out where each view and service begins and how long it is."""
    head = msgspec.json.encode({"name": parts.name, "target": parts.target, "dialect": parts.dialect})[:-1]
    content = bytearray(head)
    found: dict[str, list[tuple[_Named, Place]]] = {}
    lists = {"entities": parts.entities, "views": parts.views, "services": parts.services, "streams": parts.streams}
    for key, items in lists.items():
        content += b',"%s":' % key.encode()
        found[key] = [*_append(content, items)]
    content += b"}"
    return bytes(content), found["views"], found["services"]


def _append(content: bytearray, items: Sequence[msgspec.Raw]) -> Iterator[tuple[_Named, Place]]:
    before = b"["
    for item in items:
        content += before
        before = b","
        compact = msgspec.json.format(bytes(item), indent=-1)
        yield msgspec.json.decode(compact, type=_Named), (len(content), len(compact))
        content += compact
    content += b"]" if items else b"[]"


def _by_name(views: Sequence[tuple[_Named, Place]]) -> Iterator[tuple[str, str | None, Place]]:
    """Each by its version, and the latest by none; of two alike the first, as `Project.view` finds it."""
    found: dict[tuple[str, str | None], Place] = {}
    for named, place in views:
        if named.version is not None:
            found.setdefault((named.name, named.version), place)
        if named.is_latest:
            found.setdefault((named.name, None), place)
    for (name, version), place in found.items():
        yield name, version, place


def _of_another_shape(error: Exception, where: str) -> RegistryCorruptError:
    hint = "restore it from a backup, or move it away to return to the version before it, then apply again"
    return RegistryCorruptError(f"content: {error}", where=where, hint=hint)
