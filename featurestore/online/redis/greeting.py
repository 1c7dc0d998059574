"""The first words on a new connection: protocol, login, database; what the server says of itself.

Shape: ``HELLO 3 AUTH .. SETNAME ..`` and ``SELECT`` in one exchange; a server without HELLO or RESP3 is spoken to
in RESP2. What a server can do is asked, never concluded from its version: Valkey 9 calls itself Redis 7.2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from featurestore.online.redis.replies import ServerError
from featurestore.online.redis.resp import Answer, Word, pack_all, raise_if_refused

if TYPE_CHECKING:
    from collections.abc import Generator

    from featurestore.online.redis.uri import Login

CLIENT_NAME = "featurestore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a server says of itself; empty texts where it does not tell.

    Attributes:
        brand: ``redis``, ``valkey`` or another.
        version: as it calls itself.
        role: ``master`` or ``replica``.
        mode: ``standalone``, ``sentinel`` or ``cluster``.
        protocol: 3 or 2.
    """

    brand: str = ""
    version: str = ""
    role: str = ""
    mode: str = ""
    protocol: int = 2


Question: TypeAlias = "tuple[bytes, int]"
"""Packed commands, and how many they are."""
Steps: TypeAlias = "Generator[Question, list[Answer], Greeting]"
"""Yields questions, takes their answers, returns what was learned: for blocking and for asynchronous connections."""


def greet(login: Login, db: int) -> Steps:
    """Greet a server.

    Raises:
        ServerError: it refuses the login or the database.
    """
    select: list[list[Word]] = [["SELECT", db]] if db else []
    hello: list[Word] = ["HELLO", 3]
    if login.password is not None:
        hello += ["AUTH", login.username or "default", login.password]
    answers = yield _question([[*hello, "SETNAME", CLIENT_NAME], *select])
    if not _is_unknown(answers[0], is_login=login.password is not None):
        raise_if_refused(answers)
        return _greeting(answers[0])
    names = [] if login.username is None else [login.username]
    auth: list[list[Word]] = [] if login.password is None else [["AUTH", *names, login.password]]
    if auth or select:
        raise_if_refused((yield _question([*auth, *select])))
    return Greeting()


def _question(commands: list[list[Word]]) -> Question:
    return pack_all(commands), len(commands)


def _is_unknown(answer: Answer, *, is_login: bool) -> bool:
    """Whether the server knows no HELLO; its text is not for others, since it may repeat the password.

    One that wants a login says no more than that about commands it does not know, even when they hold one.
    """
    if not isinstance(answer, ServerError):
        return False
    return (
        answer.code == "NOPROTO" or "unknown command" in answer.text.lower() or (is_login and answer.code == "NOAUTH")
    )


def _greeting(answer: Answer) -> Greeting:
    said = answer if isinstance(answer, dict) else {}
    texts = {key: value.decode(errors="replace") for key, value in said.items() if isinstance(value, bytes)}
    return Greeting(
        brand=texts.get(b"server", ""),
        version=texts.get(b"version", ""),
        role=texts.get(b"role", ""),
        mode=texts.get(b"mode", ""),
        protocol=3,
    )
