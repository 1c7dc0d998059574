"""What an apply refuses: a breaking change of something that a feature service uses, unless it is carried or allowed.

A new dbt model version carries it: the old version stays as it was (or is gone, now that a later one is there), so
nothing that is pinned to it breaks unseen. Else somebody says the name out loud.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from featurestore.errors import BreakingChangeError, unknown_name

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.registry.plan import Change, Plan

_LATEST = "latest"
_SHOWN = 10


def refused(plan: Plan, after: Project, *, allowed: Iterable[str]) -> tuple[Change, ...]:
    """Pick the changes that an apply refuses.

    Args:
        plan: what would change.
        after: the definitions to be applied.
        allowed: names of views (``orders`` for all its versions, ``orders@v1``) and entities that may break.
    """
    names = set(allowed)
    versioned = {view.name for view in after.views if view.version is not None}
    return tuple(change for change in _breaking(plan, versioned) if names.isdisjoint(_names(change)))


def refuse_breaking(plan: Plan, after: Project, *, allowed: Sequence[str]) -> None:
    """Refuse a plan; arguments as for `refused`.

    Raises:
        BreakingChangeError: names each change and the feature services that it hits.
        UnknownNameError: nothing of a name that is allowed exists, before or after.
    """
    known = {name for change in plan.changes for name in _names(change)}
    known |= {view.reference for view in after.views} | {view.name for view in after.views}
    known |= {entity.name for entity in after.entities}
    for name in allowed:
        if name not in known:
            raise unknown_name("feature view or entity", name, known, place="the plan")
    found = refused(plan, after, allowed=allowed)
    if not found:
        return
    lines = [
        f"  {change.what} {change.name}: {_what(change)}, used by {', '.join(change.services)}" for change in found
    ]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    flags = " ".join(f"--allow-breaking {name}" for name in dict.fromkeys(_own_name(change) for change in found))
    raise BreakingChangeError(
        "\n".join(("breaking changes of what feature services use; nothing was applied", *lines[:_SHOWN], *more)),
        hint=f"make a new dbt model version that carries them, or run featurestore apply {flags}",
    )


def _breaking(plan: Plan, versioned: set[str]) -> Iterator[Change]:
    added = {
        change.name.partition("@")[0] for change in plan.changes if (change.what, change.kind) == ("view", "added")
    }
    latest = {change.before for change in plan.changes if change.field == _LATEST}
    for change in plan.breaking:
        if change.what not in {"view", "feature", "entity"} or not change.services or change.field == _LATEST:
            continue
        name = change.name.partition("@")[0]
        is_carried = change.kind == "removed" and change.what == "view" and name in versioned
        if not is_carried or (change.name in latest and name not in added):  # the name falls back to an old version
            yield change


def _names(change: Change) -> frozenset[str]:
    own = _own_name(change)
    return frozenset((own, own.partition("@")[0]))


def _own_name(change: Change) -> str:
    """The view (or entity) that a change is about."""
    return change.name.partition(":")[0]


def _what(change: Change) -> str:
    if change.field is None:
        return change.kind
    return f"{change.field} {_shown(change.before)} -> {_shown(change.after)}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)
