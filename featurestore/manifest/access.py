"""dbt's groups and access for feature services: a private view is for the services of its own group.

dbt gives exposures no group, and lets none of them depend on a private model; so a service says its group in its own
metadata, and a private view is left out of its ``depends_on``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.definitions.references import parse_reference
from featurestore.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.blocks import Block

PRIVATE = "private"


def read_group(block: Block, manifest: Manifest) -> str:
    """Read the dbt group that a service belongs to; one that does not exist is noted. Empty if it says none."""
    name = block.text("group", "the name of a dbt group")
    if name is None:
        return ""
    groups = sorted({str(group.get("name")) for group in manifest.groups.values()})
    if name not in groups:
        hint = did_you_mean(name, groups) or "declare it under `groups:` in a YAML file of the dbt project"
        block.problems.error(f"no dbt group '{name}'", where=block.place("group"), hint=hint)
    return name


def check_access(texts: Iterable[str], group: str, views: Mapping[str, tuple[FeatureView, ...]], block: Block) -> None:
    """Note private views of other groups among a service's references (each once)."""
    references = [parse_reference(text) for text in texts]
    for name, version in dict.fromkeys((reference.view, reference.version) for reference in references):
        for view in views.get(name, ()):
            is_meant = view.is_latest if version is None else view.version == version
            if is_meant and view.access == PRIVATE and view.group != group:
                is_of = f"a service of group '{group}'" if group else "a service without a group"
                block.problems.error(
                    f"view '{view.reference}' is private to group '{view.group}', and this is {is_of}",
                    where=block.place("features"),
                    hint=f"write `group: {view.group}` if the service is theirs, else ask {view.owner or 'its owner'} "
                    "for `access: protected`",
                )
