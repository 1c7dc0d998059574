"""The wire's language: commands packed, answers unpacked; hiredis does both."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import hiredis

from featurestore.online.redis.replies import LinkError, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Answer: TypeAlias = object
"""bytes, int, None, a list or dict of answers, or a ServerError."""
Word: TypeAlias = "bytes | str | int"

NOTHING = object()
"""What a reader returns when no whole answer has come yet."""


def make_reader() -> hiredis.Reader:
    """Return a reader of answers; what is no RESP raises LinkError."""
    return hiredis.Reader(protocolError=LinkError, replyError=ServerError, notEnoughData=NOTHING)


def pack(*words: Word) -> bytes:
    """Pack one command."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows one word only
    return packed


def pack_mget(keys: Sequence[bytes]) -> bytes:
    """Pack the command that reads these keys."""
    packed: bytes = hiredis.pack_command(("MGET", *keys))  # type: ignore[arg-type]
    return packed


def pack_all(commands: Iterable[Sequence[Word]]) -> bytes:
    """Pack several commands."""
    return b"".join([pack(*words) for words in commands])


def raise_if_refused(answers: Iterable[Answer]) -> None:
    """Raise the first ServerError among answers."""
    for answer in answers:
        if isinstance(answer, ServerError):
            raise answer
