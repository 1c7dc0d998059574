"""What an apply would do, and to which version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.registry.document import ManifestFacts
    from featurestore.registry.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What an apply would do.

    Attributes:
        changes: registry against manifest.
        project: the definitions as the manifest has them now.
        graph: the dbt graph around them.
        source: which manifest that is.
        current: number of the newest version, None while there is none; `apply` fails if it moved.
        warnings: doubts about the metadata; none of them stops an apply.
    """

    changes: Plan
    project: Project
    graph: Graph
    source: ManifestFacts
    current: int | None
    warnings: tuple[str, ...]
