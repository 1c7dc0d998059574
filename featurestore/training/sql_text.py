"""SQL that can be read as it is, and asked for in another dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SqlText(str):
    """The SQL of a training set: a string, and a function of the dialect.

    ``job.sql`` is the text, ``job.sql(dialect="postgres")`` the same query in another dialect.
    """

    __slots__ = ("_write",)
    _write: Callable[[str], str]

    @classmethod
    def of(cls, write: Callable[[str], str], dialect: str) -> SqlText:
        """Make the text in `dialect`, able to write itself in others."""
        made = cls(write(dialect))
        made._write = write
        return made

    def __call__(self, dialect: str) -> str:
        """The same query in another dialect (sqlglot's name)."""
        return self._write(dialect)
