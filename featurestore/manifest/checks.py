"""What is only seen when all views of a project lie side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.definitions.types import family_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.entities import Entity
    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.nodes import Node
    from featurestore.manifest.problems import Problems


def refuse_equal_names(nodes: Sequence[Node], problems: Problems) -> None:
    """Note feature views of one name; versions of one model share theirs rightly."""
    first: dict[str, Node] = {}
    for node in nodes:
        other = first.setdefault(node.name, node)
        if (other.package, other.resource_type) != (node.package, node.resource_type):
            what = f"two feature views are named '{node.name}': also in {_place(other)} (package {other.package})"
            problems.error(what, where=f"{_place(node)} (package {node.package})", hint="rename one of the models")


def warn_of_missing_latest(views: Sequence[FeatureView], problems: Problems) -> None:
    """Note versioned views none of which is the latest, so that a reference without a version means nothing."""
    has_latest = {view.name for view in views if view.is_latest}
    for name in sorted({view.name for view in views} - has_latest):
        versions = [view for view in views if view.name == name]
        what = f"no feature view is the latest version of '{name}', so `{name}:feature` means nothing"
        hint = f"make the latest version a feature view, or refer to {' or '.join(view.reference for view in versions)}"
        problems.warn(what, where=versions[0].source.yaml_path or versions[0].source.path, hint=hint)


def warn_of_unequal_keys(views: Sequence[FeatureView], entities: Mapping[str, Entity], problems: Problems) -> None:
    """Note join keys of one entity that cannot be compared between two views, e.g. a number and a text."""
    first: dict[tuple[str, str], tuple[FeatureView, str]] = {}
    for view in views:
        types = {key.name.casefold(): key.type for key in view.join_keys}
        for entity in view.entities:
            for key in entities[entity].join_keys:
                own = types.get(key.casefold(), "")
                other, other_type = first.setdefault((entity, key.casefold()), (view, own))
                if family_of(other_type) != family_of(own):
                    what = (
                        f"join key '{key}' of entity '{entity}' is {own} in {view.reference}, "
                        f"but {other_type} in {other.reference}"
                    )
                    where = view.source.yaml_path or view.source.path
                    problems.warn(what, where=where, hint="cast one of them, so that one example can join both")


def _place(node: Node) -> str:
    return node.yaml_path or node.path
