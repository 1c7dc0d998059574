"""What has no equal here, and what to do about it; and what was written for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something of the Feast repository that is not here, or not as it was.

    Attributes:
        kind: what it is, in Feast's words, e.g. ``on-demand feature view``.
        name: its name.
        what: what is not as it was.
        hint: what to do.
    """

    kind: str
    name: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Something that was made for something of the repository.

    Attributes:
        kind, name: of the object, in Feast's words.
        place: the file it is in, relative to the dbt project.
        made: what it is here.
    """

    kind: str
    name: str
    place: str
    made: str
