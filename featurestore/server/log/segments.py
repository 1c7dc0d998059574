"""Segments: the files in which a worker keeps what it served until it is loaded.

Shape: ``<spool>/<service>/<worker>-<number>.open`` while it is written, ``.seg`` when it is whole. A file is its mark,
then records: a length of four bytes, then MessagePack ``[request_id, served_us, registry_version, rows, body]``.
The rule: what was written whole is read, whatever became of the writer; an ``.open`` file belongs to its writer for as
long as that process holds its lock (flock), which ends with the process.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from featurestore.definitions.feature_log import log_folder_name

if TYPE_CHECKING:
    from pathlib import Path

MARK = b"fslog\x00\x01\n"
"""What every segment begins with; its last number is the format's."""
LENGTH = struct.Struct("<I")
NEW, OPEN, WHOLE = ".new", ".open", ".seg"
REFUSED = "refused"
"""The folder in a service's own for files of rows that their destination refused again and again."""


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One answer.

    Attributes:
        request_id: of the request.
        served_us: when it was answered, microseconds since 1970.
        registry_version: of the definitions that answered.
        rows: places of the entities that are kept; None for all.
        body: the answer as it was sent, Feast's JSON.
    """

    request_id: str
    served_us: int
    registry_version: int
    rows: list[int] | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What a file holds.

    Attributes:
        records: those that are whole, in the order in which they were written.
        lost_bytes: at the end, of what is not whole.
    """

    records: list[Record]
    lost_bytes: int


_decode = msgspec.msgpack.Decoder(Record).decode


def folder_of(spool: Path, service: str) -> Path:
    """Where a service's segments are."""
    return spool / log_folder_name(service)


def service_of(folder: Path) -> str:
    """The service whose segments are in a folder."""
    return unquote(folder.name)


def read_segment(path: Path) -> Segment:
    """Read a segment up to its last whole record. Raises OSError."""
    data = path.read_bytes()
    records: list[Record] = []
    place = len(MARK)
    if not data.startswith(MARK):
        return Segment(records=records, lost_bytes=len(data))
    view = memoryview(data)
    while place + LENGTH.size <= len(data):
        (length,) = LENGTH.unpack_from(data, place)
        end = place + LENGTH.size + length
        if end > len(data):
            break
        try:
            records.append(_decode(view[place + LENGTH.size : end]))
        except (msgspec.DecodeError, UnicodeDecodeError):  # a disk that lost power keeps what it likes
            break
        place = end
    return Segment(records=records, lost_bytes=len(data) - place)
