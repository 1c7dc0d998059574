"""Which answers are kept: a share of the entities, or of the requests, drawn by a hash.

The rule: the hash is of the key's text (`online.keys`), so that an entity is always or never kept, whichever worker
answers, under whatever Python, and whether its key was sent as 1 or as "1".
"""

from __future__ import annotations

from binascii import crc32
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from featurestore.definitions.feature_log import log_of
from featurestore.definitions.types import INTEGERS
from featurestore.online.keys import key_text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.online.keys import KeyTextOf

EVERY = 1 << 32
_MASK = EVERY - 1
_SPREAD = 0x9E3779B1  # Knuth's: CRC alone maps keys that count up to values in a row
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A join key: its column in the request, and its texts.

    Attributes:
        name: of the column.
        text_of: writes a value's text.
        kind: how that is done at once for many: of whole numbers by their digits, of texts as they are.
    """

    name: str
    text_of: KeyTextOf
    kind: Literal["integer", "string", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """What is kept of one service.

    Attributes:
        below: hashes below this are kept; `EVERY` keeps all.
        keys: of an entity; none where whole requests are drawn.
    """

    below: int
    keys: tuple[Key, ...]

    def rows(self, request_id: str, columns: Mapping[str, Sequence[object]]) -> list[int] | None:
        """Places of the entities that are kept, of a request that has them in these columns; None for all.

        Raises:
            KeyError, ValueError, TypeError, ArithmeticError: there is no such column, or a value is no key.
        """
        if self.below == EVERY:
            return None
        if not self.keys:
            return None if hash_of(request_id.encode()) < self.below else []
        first = self.keys[0]
        values = columns[first.name]
        if len(self.keys) == 1:
            rows = _rows(first, values, self.below)
        else:
            texts = zip(*(map(key.text_of, columns[key.name]) for key in self.keys), strict=True)
            rows = [at for at, row in enumerate(texts) if hash_of(_BETWEEN.join(row).encode()) < self.below]
        return None if len(rows) == len(values) else rows


def sampler_of(project: Project, service: FeatureService) -> Sampler | None:
    """Say what of a service is kept; None for nothing."""
    logging = service.logging
    if logging is None:
        return None
    keys = tuple(
        Key(name=key.name, text_of=_text_of(key.type), kind=_kind(key.type))
        for key in (log_of(project, service).keys if logging.by == "entity" else ())
    )
    return Sampler(below=min(EVERY, max(1, round(logging.sample * EVERY))), keys=keys)


def hash_of(text: bytes) -> int:
    """A number below `EVERY`; the same for the same text, everywhere."""
    return crc32(text) * _SPREAD & _MASK


def _rows(key: Key, values: Sequence[Any], below: int) -> list[int]:
    """Places of values that are kept; `hash_of` is written out, which halves what it takes."""
    try:
        if key.kind == "integer":
            if type(values[0]) is int:
                return [at for at, it in enumerate(values) if crc32(b"%d" % it) * _SPREAD & _MASK < below]
            return [at for at, it in enumerate(values) if crc32(b"%d" % int(it)) * _SPREAD & _MASK < below]
        if key.kind == "string":
            return [at for at, it in enumerate(values) if crc32(it.encode()) * _SPREAD & _MASK < below]
    except (TypeError, ValueError, AttributeError, IndexError):  # a key is missing, or sent in another form
        pass
    text_of = key.text_of
    return [at for at, it in enumerate(values) if hash_of(text_of(it).encode()) < below]


def _kind(value_type: str) -> Literal["integer", "string", "other"]:
    return "integer" if value_type in INTEGERS else "string" if value_type == "string" else "other"


def _text_of(value_type: str) -> KeyTextOf:
    """A key's text; that of a missing key is empty, and such an entity is one too."""
    known = key_text_of(value_type)

    def text_of(value: object) -> str:
        return "" if value is None else known(value)

    return text_of
