"""The rules of time of one request, in place of those that the views declare (SEMANTICS P2, P3, P7, P8).

An override names a view, one version of it, or one use of it under another name; the closest name wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, get_args

from featurestore.definitions.durations import LONGEST_US, format_duration, parse_duration
from featurestore.definitions.references import Selection
from featurestore.definitions.views import AsOf, Boundary
from featurestore.errors import UsageError, did_you_mean, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import FeatureView

Choice = TypeVar("Choice", bound=str)

OVERRIDE_KEYS = ("ttl", "delay", "boundary", "as_of")
NONE = "none"

_AS_OF: tuple[AsOf, ...] = get_args(AsOf)
_BOUNDARY: tuple[Boundary, ...] = get_args(Boundary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Other rules of time for a view, or for one use of it; None where the view's own rule holds.

    Attributes:
        name: of the view, of a version (``orders@v2``), or of a use (``buyer``).
        ttl_us, has_no_ttl: another ttl, or none at all.
        delay_us, boundary, as_of: as `FeatureView` has them.
    """

    name: str
    ttl_us: int | None = None
    has_no_ttl: bool = False
    delay_us: int | None = None
    boundary: Boundary | None = None
    as_of: AsOf | None = None

    @property
    def written(self) -> dict[str, str]:
        """The rules as they can be asked for again."""
        said = {
            "ttl": NONE if self.has_no_ttl else _written(self.ttl_us),
            "delay": _written(self.delay_us),
            "boundary": self.boundary,
            "as_of": self.as_of,
        }
        return {key: value for key, value in said.items() if value is not None}


def read_overrides(given: Mapping[str, Mapping[str, object]] | None) -> tuple[Override, ...]:
    """Read the overrides of a request, checked as the YAML of a view is.

    Args:
        given: by name, the keys ``ttl``, ``delay`` (durations; none lifts them), ``boundary``, ``as_of``.

    Raises:
        UsageError: an unknown key, or a value that the key does not take.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping) or not all(isinstance(options, Mapping) for options in given.values()):
        raise UsageError(f"expected overrides by view, got {given!r}", hint='e.g. {"orders": {"ttl": "7d"}}')
    return tuple(_override(name, options) for name, options in given.items())


def with_rules(selection: Selection, *, as_of: AsOf | None, overrides: Sequence[Override]) -> Selection:
    """Put the rules of a request in place of the views' own.

    Args:
        selection: what is asked for.
        as_of: for every view that no override gives another.
        overrides: for some.

    Raises:
        UnknownNameError: an override names nothing that is asked for.
        UsageError: a rule that a view cannot have.
    """
    _refuse_unknown(selection, overrides)
    if as_of is None and not overrides:
        return selection
    made = {id(use): replace(use, view=_ruled(use, as_of, overrides)) for use in selection.uses}
    return Selection(
        uses=tuple(made[id(use)] for use in selection.uses),
        outputs=tuple(replace(output, use=made[id(output.use)]) for output in selection.outputs),
    )


def _names(use: ViewUse) -> tuple[str, ...]:
    """What a use is called, the farthest name first."""
    return tuple(dict.fromkeys((use.view.name, use.view.reference, use.name)))


def _refuse_unknown(selection: Selection, overrides: Sequence[Override]) -> None:
    known = {name for use in selection.uses for name in _names(use)}
    for override in overrides:
        if override.name not in known:
            raise unknown_name("feature view", override.name, known, place="this request, whose rules it overrides")


def _ruled(use: ViewUse, as_of: AsOf | None, overrides: Sequence[Override]) -> FeatureView:
    view = use.view if as_of is None else replace(use.view, as_of=_known(use.view, as_of))
    for name in _names(use):
        for override in overrides:
            if override.name == name:
                view = _overridden(view, override)
    return view


def _overridden(view: FeatureView, override: Override) -> FeatureView:
    if view.valid_to is not None:
        _refuse_with_interval(view, override)
    ttl_us = view.ttl_us if override.ttl_us is None else override.ttl_us
    as_of = view.as_of
    if override.as_of is not None:
        as_of = _known(view, override.as_of, _place(override.name, "as_of"))
    return replace(
        view,
        ttl_us=None if override.has_no_ttl else ttl_us,
        delay_us=view.delay_us if override.delay_us is None else override.delay_us,
        boundary=override.boundary or view.boundary,
        as_of=as_of,
    )


def _known(view: FeatureView, as_of: AsOf, where: str | None = None) -> AsOf:
    if as_of == "knowledge" and view.created_at is None:
        raise UsageError(
            f"as_of: knowledge needs a created time, which {view.reference} does not have",
            where=where,
            hint="declare created_at in its metadata, or ask as_of: event",
        )
    return as_of


def _refuse_with_interval(view: FeatureView, override: Override) -> None:
    refused = {
        "delay": override.delay_us not in (None, 0),
        "boundary": override.boundary == "exclusive",
        "as_of": override.as_of == "knowledge",
    }
    for key in (key for key, is_given in refused.items() if is_given):
        raise UsageError(
            f"not possible with the validity intervals of {view.reference}: a row counts from its start until before "
            "its end (SEMANTICS P9)",
            where=_place(override.name, key),
            hint="leave it out",
        )


def _override(name: str, options: Mapping[str, object]) -> Override:
    for key in options:
        if key not in OVERRIDE_KEYS:
            hint = did_you_mean(str(key), OVERRIDE_KEYS)
            raise UsageError(f"unknown key '{key}'", where=f"overrides: {name}", hint=hint)
    ttl = options.get("ttl", 0)
    has_no_ttl = "ttl" in options and _is_none(ttl)
    return Override(
        name=name,
        ttl_us=None if has_no_ttl or "ttl" not in options else _duration(name, "ttl", ttl, least_us=1),
        has_no_ttl=has_no_ttl,
        delay_us=_duration(name, "delay", options["delay"], least_us=0) if "delay" in options else None,
        boundary=_choice(name, "boundary", options, _BOUNDARY),
        as_of=_choice(name, "as_of", options, _AS_OF),
    )


def _choice(name: str, key: str, options: Mapping[str, object], allowed: tuple[Choice, ...]) -> Choice | None:
    if key not in options:
        return None
    for word in allowed:
        if options[key] == word:
            return word
    raise UsageError(f"expected {' or '.join(allowed)}, got {options[key]!r}", where=_place(name, key))


def _duration(name: str, key: str, value: object, *, least_us: int) -> int:
    where = _place(name, key)
    if _is_none(value):
        return 0
    microseconds: int
    if isinstance(value, timedelta):
        microseconds = value // timedelta(microseconds=1)
    elif isinstance(value, str):
        try:
            microseconds = parse_duration(value)
        except ValueError as error:
            raise UsageError(str(error), where=where) from None
    else:
        raise UsageError(f'expected a duration such as "7 days", got {value!r}', where=where)
    if microseconds < least_us:
        expected = "above zero (SEMANTICS P3)" if least_us else "of at least zero (SEMANTICS P7)"
        raise UsageError(f"expected a duration {expected}, got {value!r}", where=where, hint=f"{NONE} lifts the {key}")
    if microseconds > LONGEST_US:
        raise UsageError(f"expected at most 1000 years, got {value!r}", where=where)
    return microseconds


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() == NONE)


def _place(name: str, key: str) -> str:
    return f"overrides: {name}.{key}"


def _written(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_duration(microseconds)
