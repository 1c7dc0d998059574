"""The logs of feature services as sources of the dbt project, so that models can read what was served.

A file of ours begins with a mark; one without it is a person's, and is never replaced.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from featurestore.definitions.feature_log import (
    EVENT_TIME,
    REGISTRY_VERSION,
    REQUEST_ID,
    ROW_ID,
    SERVED_AT,
    STATUS,
    log_of,
    log_table_name,
    log_type,
)
from featurestore.definitions.services import WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.definitions.feature_log import ServiceLog
    from featurestore.definitions.project import Project

LOG_SOURCES_FILE = "models/feature_log.yml"
MARK = "# Written by `featurestore log sources`; written anew by it, so what is added by hand is lost."
SOURCE = "feature_log"
_OWN = {
    ROW_ID: "Identifies the row: equal ones are one row that came twice.",
    REQUEST_ID: "Of the request, as its client gave it or the server made it.",
    SERVED_AT: "When it was answered, UTC.",
    REGISTRY_VERSION: "Of the definitions that answered.",
}


def logged_services(project: Project) -> tuple[ServiceLog, ...]:
    """The logs that come to the warehouse, by service."""
    return tuple(
        log_of(project, service)
        for service in project.services
        if service.logging is not None and service.logging.to == WAREHOUSE
    )


def log_sources(project: Project) -> str | None:
    """Write the YAML of the sources; None where no service is logged to the warehouse."""
    logs = logged_services(project)
    if not logs:
        return None
    lines = [
        MARK,
        "sources:",
        f"  - name: {SOURCE}",
        "    description: What feature servers answered. One row per entity of an answer.",
        '    schema: "{{ target.schema }}"',
        "    tables:",
    ]
    for log in logs:
        lines += [
            f"      - name: {json.dumps(log_table_name(log.service), ensure_ascii=False)}",
            f"        description: {json.dumps(f'What was served of {log.service}.', ensure_ascii=False)}",
            "        columns:",
            *(f"          - {_column(name, text)}" for name, text in _columns(log)),
        ]
    return "\n".join(lines) + "\n"


def _columns(log: ServiceLog) -> Iterator[tuple[str, str]]:
    yield from _OWN.items()
    for key in log.keys:
        yield key.name, f"Join key, {log_type(key.type)}."
    for output in log.outputs:
        said = " ".join(output.feature.description.split())
        kind = log_type(output.feature.type)
        view = f" In the view: {said}" if said else ""
        yield output.name, f"As served, {kind}; NULL unless its status is PRESENT.{view}"
        yield f"{output.name}{STATUS}", "PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE."
        yield f"{output.name}{EVENT_TIME}", f"Since when {output.name} was true, UTC; NULL where nothing was found."


def _column(name: str, description: str) -> str:
    """A column in YAML; JSON's texts are YAML's too."""
    quoted = json.dumps(description.replace("{{", "{ {").replace("{%", "{ %"), ensure_ascii=False)
    return f"{{name: {json.dumps(name, ensure_ascii=False)}, description: {quoted}}}"
