"""All checks in the order in which one rests on the other; what rests on a failed one is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.doctor.backends import examine_online, examine_warehouse
from featurestore.doctor.definitions import examine_files, examine_manifest, read_definitions, read_registry
from featurestore.doctor.installation import examine_installation
from featurestore.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.doctor.finding import Finding
    from featurestore.workspace import Places


def examine(places: Places, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check the installation, the dbt project, the registry, the warehouse and the online store.

    Args:
        places: where things are, as the caller says.
        environ: environment variables.

    Yields:
        One finding per check, as soon as it is known; nothing is written anywhere.
    """
    yield from examine_installation(environ)
    files = list(examine_files(places, environ))
    yield from files
    if any(finding.status == "FAIL" for finding in files):
        return
    workspace = open_workspace(places, environ)
    manifest = examine_manifest(workspace)
    yield manifest
    defined = None
    if manifest.status != "FAIL":
        finding, defined = read_definitions(workspace)
        yield finding
    finding, document = read_registry(workspace, defined)
    yield finding
    applied = None if document is None else document.content
    yield examine_warehouse(workspace, defined or applied)
    yield from examine_online(workspace, applied)
