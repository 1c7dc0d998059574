"""References to features, and the output columns that a list of them asks for.

Grammar: ``view[@vVERSION][ [view_key=spine_key, ...] ][ as NAME ][:feature]``
e.g. ``user_orders:orders_7d``, ``user_orders`` (all its features), ``orders@v2:total``,
``location[location_id=origin_id] as origin:temperature`` (SEMANTICS P11, P12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.errors import NameClashError, UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.project import Definitions
    from featurestore.definitions.views import Feature, FeatureView

_REFERENCE = re.compile(
    r"""^\s*(?P<view>[^\s:@\[\]]+?)
        (?:@v?(?P<version>[^\s:@\[\]]+))?
        (?:\s*\[(?P<keys>[^\]]*)\])?
        (?:\s+as\s+(?P<alias>[^\s:@\[\]]+))?
        \s*(?::\s*(?P<feature>[^\s:]+))?\s*$""",
    re.VERBOSE,
)
_FORM = 'write "view:feature", "view", "view@v2:feature" or "view[view_key=spine_key] as name:feature"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One parsed reference; `feature` is None for a whole view. As text it is what users write.

    ``reference.with_name("origin").with_join_key_map({"location_id": "origin_id"})["temperature"]`` makes others of it.
    """

    view: str
    version: str | None = None
    join_keys: tuple[tuple[str, str], ...] = ()
    alias: str | None = None
    feature: str | None = None

    def with_name(self, name: str) -> Reference:
        """Use the view under another name (SEMANTICS P11). Raises UsageError for what no name can be."""
        return _readable(replace(self, alias=name))

    def with_join_key_map(self, join_keys: Mapping[str, str]) -> Reference:
        """Take the view's join keys (left) from these columns of the examples (right)."""
        return _readable(replace(self, join_keys=tuple(join_keys.items())))

    def __getitem__(self, feature: str) -> Reference:
        """One feature of the view."""
        return _readable(replace(self, feature=feature))

    def __str__(self) -> str:
        version = "" if self.version is None else f"@v{self.version}"
        keys = f"[{', '.join(f'{key}={column}' for key, column in self.join_keys)}]" if self.join_keys else ""
        alias = "" if self.alias is None else f" as {self.alias}"
        feature = "" if self.feature is None else f":{self.feature}"
        return f"{self.view}{version}{keys}{alias}{feature}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewUse:
    """One use of a view: under a name, with join keys taken from these spine columns.

    Attributes:
        view: the definition.
        name: the alias, else the view's name; prefix of full output names.
        spine_keys: for each of ``view.join_keys``, the spine's (or request's) column.
    """

    view: FeatureView
    name: str
    spine_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output column: which feature of which use, under which name."""

    use: ViewUse
    feature: Feature
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a request asks for.

    Attributes:
        uses: each distinct use of a view once, in order of first appearance.
        outputs: the output columns, in request order.
    """

    uses: tuple[ViewUse, ...]
    outputs: tuple[Output, ...]

    @property
    def spine_keys(self) -> tuple[str, ...]:
        """All join keys that a request must bring, each once."""
        return tuple(dict.fromkeys(key for use in self.uses for key in use.spine_keys))


def _readable(made: Reference) -> Reference:
    """Refuse a reference whose text would mean another one."""
    if parse_reference(str(made)) != made:
        raise UsageError(f"the feature reference {str(made)!r} holds a name that no reference can hold", hint=_FORM)
    return made


def parse_reference(text: str) -> Reference:
    """Read one reference; raises UsageError that shows the grammar."""
    match = _REFERENCE.match(text)
    if match is None:
        raise UsageError(f"cannot read the feature reference {text!r}", hint=_FORM)
    pairs: list[tuple[str, str]] = []
    for pair in (match["keys"] or "").split(","):
        if not pair.strip():
            continue
        view_key, separator, spine_key = (part.strip() for part in pair.partition("="))
        if not (view_key and separator and spine_key):
            raise UsageError(f"cannot read the join keys in {text!r}: got {pair.strip()!r}", hint=_FORM)
        pairs.append((view_key, spine_key))
    return Reference(
        view=match["view"],
        version=match["version"],
        join_keys=tuple(pairs),
        alias=match["alias"],
        feature=match["feature"],
    )


def select(
    project: Definitions,
    references: Sequence[str],
    *,
    full_feature_names: bool = False,
    taken: Sequence[str] = (),
) -> Selection:
    """Resolve references into view uses and named output columns.

    Args:
        project: the definitions to look names up in.
        references: as users write them, in output order. Naming a feature twice is one column.
        full_feature_names: name outputs ``view__feature`` instead of ``feature``.
        taken: column names already used (the spine's), which outputs must not repeat.

    Raises:
        UsageError: no reference, or one that cannot be read.
        UnknownNameError: an unknown view, feature or join key; names what is near.
        NameClashError: two outputs, or an output and a spine column, of one name, case ignored (P12).
    """
    if not references:
        raise UsageError("no features were asked for", hint='name at least one, e.g. features=["view:feature"]')
    uses: dict[tuple[str, str, tuple[str, ...]], ViewUse] = {}
    outputs: dict[tuple[str, str, tuple[str, ...], str], Output] = {}
    for text in references:
        reference = parse_reference(text)
        found = _use(project, reference)
        identity = (found.view.reference, found.name, found.spine_keys)
        use = uses.setdefault(identity, found)
        for feature in _features(use.view, reference):
            name = f"{use.name}__{feature.name}" if full_feature_names else feature.name
            outputs.setdefault((*identity, feature.name), Output(use=use, feature=feature, name=name))
    selection = Selection(uses=tuple(uses.values()), outputs=tuple(outputs.values()))
    _refuse_clashes(selection, taken, full_feature_names=full_feature_names)
    return selection


def _use(project: Definitions, reference: Reference) -> ViewUse:
    view = project.view(reference.view, version=reference.version)
    own_keys = [key.name for key in view.join_keys]
    mapping = dict(reference.join_keys)
    for view_key in mapping:
        if view_key not in own_keys:
            raise unknown_name("join key", view_key, own_keys, place=f"feature view {view.reference}")
    return ViewUse(
        view=view,
        name=reference.alias or view.name,
        spine_keys=tuple(mapping.get(key, key) for key in own_keys),
    )


def _features(view: FeatureView, reference: Reference) -> tuple[Feature, ...]:
    if reference.feature is None:
        return view.features
    for feature in view.features:
        if feature.name == reference.feature:
            return (feature,)
    known = [feature.name for feature in view.features]
    raise unknown_name("feature", reference.feature, known, place=f"feature view {view.reference}")


def _written(use: ViewUse) -> str:
    """Write a use as a reference does, so that two uses of one name are told apart."""
    pairs = zip((key.name for key in use.view.join_keys), use.spine_keys, strict=True)
    renamed = ", ".join(f"{view_key}={spine_key}" for view_key, spine_key in pairs if view_key != spine_key)
    keys = f"[{renamed}]" if renamed else ""
    alias = f" as {use.name}" if use.name != use.view.name else ""
    return f"{use.view.reference}{keys}{alias}"


def _refuse_clashes(selection: Selection, taken: Sequence[str], *, full_feature_names: bool) -> None:
    seen = {column.casefold(): f"column '{column}' of the spine" for column in taken}
    for output in selection.outputs:
        this = f"{_written(output.use)}:{output.feature.name}"
        other = seen.get(output.name.casefold())
        if other is not None:
            remedy = (
                "give one of the uses another name: 'view[view_key=spine_key] as name'"
                if full_feature_names
                else "ask for full feature names (view__feature), or rename the column"
            )
            raise NameClashError(f"two output columns would be named '{output.name}': {other} and {this}", hint=remedy)
        seen[output.name.casefold()] = this
