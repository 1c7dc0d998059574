"""Feature services: exposures of type ``ml`` with ``config.meta.feature_service``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.definitions.names import folder_name_problem, name_problem
from featurestore.definitions.project import Project
from featurestore.definitions.references import parse_reference, select
from featurestore.definitions.services import FeatureService
from featurestore.definitions.types import is_known, parse_type
from featurestore.definitions.views import Column
from featurestore.errors import NameClashError, UsageError, did_you_mean
from featurestore.manifest.access import PRIVATE, check_access, read_group
from featurestore.manifest.blocks import Block, open_block, show
from featurestore.manifest.nodes import (
    SERVICE_KEY,
    VIEW_KEY,
    as_mapping,
    as_texts,
    file_of,
    project_path,
    warn_of_near_misses,
)
from featurestore.manifest.service_logs import check_log, read_logging

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.definitions.references import Reference
    from featurestore.definitions.views import FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.problems import Problems

SERVICE_KEYS = ("features", "request_columns", "logging", "group")
REQUEST_COLUMN_KEYS = ("name", "data_type")
USE_KEYS = ("view", "version", "name", "join_keys", "features")
_PATH = f"config.meta.{SERVICE_KEY}"
_FORM = 'write "view:feature", or a mapping with the keys view, name, join_keys, features'


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownViews:
    """What a service may refer to.

    Attributes:
        manifest: for what is disabled, or is a model but no feature view.
        views: the views that were read, all versions of each, by name.
        broken: names of views that have problems of their own; references to them are not judged.
        dialect: sqlglot's name of the warehouse, whose types request columns have.
    """

    manifest: Manifest
    views: Mapping[str, tuple[FeatureView, ...]]
    broken: frozenset[str]
    dialect: str

    def project_of(self, texts: Iterable[str]) -> Project:
        """A project of only the views that these references name, so that looking them up is fast."""
        names = dict.fromkeys(parse_reference(text).view for text in texts)
        return Project(name="", views=tuple(view for name in names for view in self.views.get(name, ())))


def read_services(known: KnownViews, problems: Problems) -> tuple[FeatureService, ...]:
    """Read all feature services, sorted by name; problems and doubts are noted with file and key."""
    found: dict[str, FeatureService] = {}
    for unique_id in sorted(known.manifest.exposures):
        raw = known.manifest.exposures[unique_id]
        block = _service_block(raw, known.manifest, problems)
        if block is None:
            continue
        name = str(raw.get("name"))
        if name in found:
            what = f"two feature services are named '{name}': also in {found[name].path}"
            problems.error(what, where=block.file, hint="rename one of the exposures")
        found[name] = FeatureService(
            name=name,
            features=_features(block, raw, known),
            request_columns=_request_columns(block, known.dialect),
            logging=read_logging(block),
            description=str(raw.get("description") or "").strip(),
            owner=owner_name(raw.get("owner")),
            tags=as_texts(as_mapping(raw.get("config")).get("tags") or raw.get("tags")),
            unique_id=unique_id,
            path=project_path(raw, "original_file_path", known.manifest),
            group=read_group(block, known.manifest),
        )
        check_access(found[name].features, found[name].group, known.views, block)
        if found[name].logging is not None and found[name].features:
            check_log(known.project_of(found[name].features), found[name], block)
    return tuple(found[name] for name in sorted(found))


def owner_name(owner: Any) -> str:  # noqa: ANN401
    """Return the name of a dbt owner, else the e-mail address (dbt allows several), else nothing."""
    values = as_mapping(owner)
    said = values.get("name") or values.get("email") or ""
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said)


def _service_block(raw: Mapping[str, Any], manifest: Manifest, problems: Problems) -> Block | None:
    """Open the service's metadata; None for other exposures, and for one that is not of type ml or misplaced."""
    file = file_of(raw, manifest)
    meta = as_mapping(as_mapping(raw.get("config")).get("meta"))
    warn_of_near_misses(meta, (SERVICE_KEY,), where=f"{file}: config.meta", problems=problems)
    values = meta.get(SERVICE_KEY)
    if values is None:
        if SERVICE_KEY in as_mapping(raw.get("meta")):
            hint = f"move it under config: `config: {{meta: {{{SERVICE_KEY}: ...}}}}`"
            problems.error("read only under config.meta", where=f"{file}: meta.{SERVICE_KEY}", hint=hint)
        return None
    if "unrendered_config" in raw and not as_mapping(raw["unrendered_config"]).get("meta"):
        hint = f"move it under config: `config: {{meta: {{{SERVICE_KEY}: ...}}}}`"
        problems.warn("newer dbt versions refuse it here", where=f"{file}: meta.{SERVICE_KEY}", hint=hint)
    if raw.get("type") != "ml":
        what = f"expected `type: ml` on a feature service, got {show(raw.get('type'))}"
        problems.error(what, where=f"{file}: type", hint=f"write `type: ml`, or remove {_PATH}")
    why = folder_name_problem(str(raw.get("name")))
    if why is not None:
        problems.error(f"'{raw.get('name')}' {why}", where=file, hint="rename the exposure")
    return open_block(values, file=file, path=_PATH, known=SERVICE_KEYS, problems=problems)


def _features(block: Block, raw: Mapping[str, Any], known: KnownViews) -> tuple[str, ...]:
    items = block.values.get("features")
    if not isinstance(items, list) or not items:
        block.refuse("features", "a list of references", _FORM)
        return ()
    texts: dict[str, None] = {}
    for position, item in enumerate(items):
        where = f"{block.place('features')}[{position}]"
        written = [item] if isinstance(item, str) else _use_references(item, block, position)
        texts |= dict.fromkeys(text for text in written if _is_good(text, where, known, block.problems))
    if texts:
        _check_together(tuple(texts), block, raw, known)
    return tuple(texts)


def _use_references(item: Any, block: Block, position: int) -> list[str]:  # noqa: ANN401
    """Translate the mapping form into references."""
    path = f"{_PATH}.features[{position}]"
    if not isinstance(item, dict):
        what = f"expected a reference, got {show(item)}"
        block.problems.error(what, where=f"{block.file}: {path}", hint=_FORM)
        return []
    use = open_block(item, file=block.file, path=path, known=USE_KEYS, problems=block.problems)
    view = use.text("view", "the name of a feature view") if use is not None else None
    if use is None or view is None:
        if use is not None and use.values.get("view") is None:
            use.refuse("view", "the name of a feature view")
        return []
    pairs = use.values.get("join_keys")
    if pairs is not None and not _is_text_mapping(pairs):
        use.refuse("join_keys", "a mapping from the view's join keys to the spine's columns")
        return []
    version = use.values.get("version")
    name = use.text("name")
    reference = "".join(
        (
            view,
            "" if version is None else f"@v{str(version).removeprefix('v')}",
            f"[{', '.join(f'{key}={value}' for key, value in pairs.items())}]" if pairs else "",
            "" if name is None else f" as {name}",
        )
    )
    features = use.names("features")
    if features == ():
        use.refuse("features", "at least one feature", "remove the key to take all of them")
    return [reference] if features is None else [f"{reference}:{feature}" for feature in features]


def _request_columns(block: Block, dialect: str) -> tuple[Column, ...]:
    """Read what every request to the service brings; a column that is wrong is noted and left out."""
    items = block.values.get("request_columns")
    if items is None:
        return ()
    form = "write `- {name: amount, data_type: double}`"
    if not isinstance(items, list):
        block.refuse("request_columns", "a list of columns", form)
        return ()
    found: dict[str, Column] = {}
    for position, item in enumerate(items):
        path = f"{_PATH}.request_columns[{position}]"
        one = open_block(item, file=block.file, path=path, known=REQUEST_COLUMN_KEYS, problems=block.problems)
        column = None if one is None else _request_column(one, dialect, form)
        if column is None:
            continue
        other = found.setdefault(column.name.casefold(), column)
        if other != column:  # dbt may give equal ones twice
            block.problems.error(f"'{column.name}' is declared twice, and otherwise", where=f"{block.file}: {path}")
    return tuple(found.values())


def _request_column(one: Block, dialect: str, form: str) -> Column | None:
    for key in REQUEST_COLUMN_KEYS:
        if one.values.get(key) is None:
            one.refuse(key, "text", form)
    name, written = one.text("name"), one.text("data_type", "a type of the warehouse")
    if name is None or written is None:
        return None
    why = name_problem(name)
    if why is not None:
        one.problems.error(f"'{name}' {why}", where=one.place("name"))
        return None
    column = Column(name=name, type=parse_type(written, dialect=dialect))
    if not is_known(column.type):
        one.refuse("data_type", "a type of the warehouse", "e.g. bigint, double, varchar, boolean, timestamp")
        return None
    return column


def _is_text_mapping(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and all(isinstance(text, str) and text for pair in value.items() for text in pair)


def _is_good(text: str, where: str, known: KnownViews, problems: Problems) -> bool:
    """Say whether a reference can be resolved; what is wrong with it is noted, unless the view itself is broken."""
    try:
        reference = parse_reference(text)
        if reference.view in known.broken:
            return False
        unknown = _unknown_view(reference, known)
        if unknown is not None:
            problems.error(unknown[0], where=where, hint=unknown[1])
            return False
        select(known.project_of([text]), [text], full_feature_names=True)
    except UsageError as error:
        problems.error(error.what, where=where, hint=error.hint)
        return False
    return True


def _unknown_view(reference: Reference, known: KnownViews) -> tuple[str, str] | None:
    """Say why a view is not there, and what to do; None if it is."""
    versions = known.views.get(reference.view, ())
    if any(view.is_latest if reference.version is None else view.version == reference.version for view in versions):
        return None
    if versions:
        asked = reference.view if reference.version is None else f"{reference.view}@v{reference.version}"
        return f"no feature view '{asked}'", f"there is {' and '.join(view.reference for view in versions)}"
    if reference.view in _disabled_views(known.manifest):
        return f"feature view '{reference.view}' is disabled", "enable the model, or remove the reference"
    if any(raw.get("name") == reference.view and raw.get("relation_name") for raw in known.manifest.nodes.values()):
        what = f"model '{reference.view}' is not a feature view"
        return what, f"add `config: {{meta: {{{VIEW_KEY}: ...}}}}` to it"
    return f"no feature view '{reference.view}'", did_you_mean(reference.view, {*known.views, *known.broken})


def _disabled_views(manifest: Manifest) -> set[str]:
    return {
        str(raw.get("name"))
        for raws in (manifest.disabled or {}).values()
        for raw in raws
        if VIEW_KEY in as_mapping(as_mapping(raw.get("config")).get("meta"))
    }


def _check_together(texts: tuple[str, ...], block: Block, raw: Mapping[str, Any], known: KnownViews) -> None:
    """Note clashes that even full names do not resolve, and views missing from the exposure's lineage."""
    try:
        selection = select(known.project_of(texts), texts, full_feature_names=True)
    except NameClashError as error:
        block.problems.error(error.what, where=block.place("features"), hint=error.hint)
        return
    nodes = as_mapping(raw.get("depends_on")).get("nodes") or []
    for view in dict.fromkeys(use.view for use in selection.uses):
        if view.source.unique_id not in nodes and view.access != PRIVATE:
            version = "" if view.version is None else f", v={view.version}"
            what = f"reads {view.reference}, which is not in depends_on"
            hint = f"add \"ref('{view.name}'{version})\" to depends_on so that dbt shows lineage"
            block.problems.warn(what, where=f"{block.file}: depends_on", hint=hint)
