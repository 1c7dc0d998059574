"""A feature service: the named list of features that one model reads, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureService:
    """A dbt exposure of type ``ml``.

    Attributes:
        name: the exposure's name.
        features: references as `definitions.references` reads them, in output order.
        description, owner, tags: for people.
        unique_id, path: where it stands in the dbt project.
    """

    name: str
    features: tuple[str, ...]
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    unique_id: str = ""
    path: str = ""
