"""Every error a user can act on; the command line prints these bare and exits with their code.

    FeatureStoreError
    ├── UsageError                 2  a call, an option or an input that cannot be meant
    │   ├── UnknownNameError          a view, feature, entity or service that is not there; names what is near
    │   ├── NameClashError            two output columns of one name; names both and the remedy
    │   ├── SpineError                the examples lack a key or a time, or are not one SELECT
    │   └── DefinitionError           all problems of a project's metadata at once, each with file and key
    ├── OperationError             1  the work was tried and did not finish
    │   ├── RegistryConflictError     another apply came first; nothing was lost
    │   ├── RegistryCorruptError      a document that does not match its own hash or schema
    │   └── QueryError                the warehouse refused a statement
    ├── CheckError                 3  a check ran and found problems
    │   └── BreakingChangeError       an apply would break what a feature service uses; nothing was written
    └── BackendError               4  a warehouse, store, broker or registry cannot be reached
        ├── WarehouseError
        ├── OnlineStoreError
        ├── ObjectStoreError
        ├── StreamError
        └── RegistryUnavailableError

Shape of every message: ``where: what (expected, got)`` and on the next line ``  -> what to do``.
Our own bugs are asserts with tracebacks.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ARROW = "\n  -> "
_NAMES_SHOWN = 16
_SECRET = re.compile(
    r"""(?P<key>\b\w*(?:password|passwd|pwd|secret|token|access_key|account_key|sas)\w*["']?\s*(?:=>|:=|[=:])\s*["']?)
        [^\s"',;)&]+
      | (?P<user>\b[a-z][a-z0-9+.-]*://[^\s/:@'"]*:)[^\s/@'"]+(?=@)""",
    re.IGNORECASE | re.VERBOSE,
)


class FeatureStoreError(Exception):
    """Base of all errors that a user can act on.

    Args:
        what: one sentence: what was got, what was expected.
        where: file and key, option, or object, put in front.
        hint: what to do, printed on a line of its own after ``->``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(format_problem(what, where=where, hint=hint))

    @property
    def message(self) -> str:
        """Where and what, without the hint."""
        return format_problem(self.what, where=self.where)


class UsageError(FeatureStoreError):
    """A call, an option or an input that cannot be meant."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not there. Build it with `unknown_name`.

    Attributes:
        kind: of what: ``feature view``, ``feature``, ``feature service``, ``join key`` ...; empty where nobody asks.
    """

    kind: str = ""


class NameClashError(UsageError):
    """Two output columns of one name (SEMANTICS P12)."""


class SpineError(UsageError):
    """The examples cannot be used: no key, no time, or not one SELECT."""


class DefinitionError(UsageError):
    """All problems found in a project's metadata, reported at once.

    Args:
        problems: each as `format_problem` writes it.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class OperationError(FeatureStoreError):
    """The work was tried and did not finish."""


class RegistryConflictError(OperationError):
    """The registry changed between plan and apply (SEMANTICS R1)."""


class RegistryCorruptError(OperationError):
    """A registry document does not match its own hash or schema."""


class QueryError(OperationError):
    """The warehouse refused a statement."""


class CheckError(FeatureStoreError):
    """A check ran and found problems."""

    exit_code = 3


class BreakingChangeError(CheckError):
    """An apply would break what a feature service uses, and nobody said that it may."""


class BackendError(FeatureStoreError):
    """A warehouse, store, broker or registry cannot be reached."""

    exit_code = 4


class WarehouseError(BackendError):
    """The warehouse cannot be opened."""


class OnlineStoreError(BackendError):
    """The online store cannot be reached or refused a command."""


class ObjectStoreError(BackendError):
    """A bucket cannot be reached, or refuses these credentials."""


class StreamError(BackendError):
    """A broker cannot be reached, has no such topic, or refuses."""


class RegistryUnavailableError(BackendError):
    """The registry's place cannot be read or written."""


def format_problem(what: str, *, where: str | None = None, hint: str | None = None) -> str:
    """Write one problem as the house style wants it: ``where: what`` and ``  -> hint``."""
    head = f"{where}: {what}" if where else what
    return f"{head}{_ARROW}{hint}" if hint else head


def split_problem(text: str) -> tuple[str, str | None]:
    """Take apart what `format_problem` wrote: ``where: what``, and the hint; None if there is none."""
    head, arrow, hint = text.partition(_ARROW)
    return head, hint if arrow else None


def without_secrets(text: str) -> str:
    """Blot out what looks like a password or a key in SQL or a URI."""
    return _SECRET.sub(lambda found: f"{found['key'] or found['user']}***", text)


def near_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three known names that resemble `name`, best first."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    return tuple(by_folded[match] for match in difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Write the hint for an unknown name: near names, else all known ones, else that there are none."""
    names = sorted(known)
    near = near_names(name, names)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return "there are none yet"
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"known: {shown}{', ...' if len(names) > _NAMES_SHOWN else ''}"


def unknown_name(kind: str, name: str, known: Iterable[str], *, place: str = "the registry") -> UnknownNameError:
    """Build the error for a name that is not there: ``no <kind> '<name>' in <place>``."""
    problem = UnknownNameError(f"no {kind} '{name}' in {place}", hint=did_you_mean(name, known))
    problem.kind = kind
    return problem
