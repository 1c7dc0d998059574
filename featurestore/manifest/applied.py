"""Whether dbt's manifest still says what was applied: an answer in milliseconds, for which no warehouse is asked.

The columns that a reading needs are those of the applied definitions. So what changed in dbt's files is seen, and what
changed in the tables alone is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.definitions.views import Column
from featurestore.errors import DefinitionError
from featurestore.manifest.read import read_project

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.settings import Settings
    from featurestore.manifest.streams import Compile


def says_the_same(manifest: Manifest, settings: Settings, applied: Project, compiled: Compile) -> bool:
    """Read the manifest, and compare.

    Args:
        manifest: dbt's, made for the target of `applied`.
        settings: `featurestore.yml`.
        applied: the registry's definitions.
        compiled: as for `read_project`.

    Returns:
        False also where it cannot be told without the warehouse, e.g. for a new view.
    """
    columns = {view.relation: _columns(view) for view in applied.views}
    columns |= {stream.relation: stream.columns for stream in applied.streams if stream.relation}
    try:
        reading = read_project(manifest, settings, target=applied.target, columns=columns, compiled=compiled)
    except DefinitionError:
        return False
    return reading.project == applied


def _columns(view: FeatureView) -> tuple[Column, ...]:
    special = (*view.join_keys, view.event_time, view.created_at, view.valid_to)
    named = {column.name: column.type for column in (*special, *view.features) if column is not None}
    return tuple(Column(name=name, type=kind) for name, kind in named.items())
