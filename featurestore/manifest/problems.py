"""All problems and warnings of one reading, collected so that they are told at once, in the order of their files."""

from __future__ import annotations

from featurestore.errors import DefinitionError, format_problem


class Problems:
    """What is wrong (`errors`) and what is only doubtful (`warnings`)."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def error(self, what: str, *, where: str, hint: str | None = None) -> None:
        """Note one problem: where it is, what was expected and got, what to do."""
        self.errors.append(format_problem(what, where=where, hint=hint))

    def warn(self, what: str, *, where: str, hint: str | None = None) -> None:
        """Note one doubt; reading goes on."""
        self.warnings.append(format_problem(what, where=where, hint=hint))

    def raise_all(self) -> None:
        """Raise one DefinitionError with every problem, each once, by file; nothing if there is none."""
        if self.errors:
            raise DefinitionError(tuple(sorted(set(self.errors))))
