"""All of a Feast repository as files of a dbt project, in memory: nothing is read but what is passed in.

The same repository gives the same bytes, so that a second import has nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from featurestore.definitions.places import SETTINGS_FILE
from featurestore.manifest.dialects import DIALECTS
from featurestore.scaffold.feast.escape import resource_problem, yaml_bytes
from featurestore.scaffold.feast.notes import Made, Note
from featurestore.scaffold.feast.services import Around, make_service, reads_of
from featurestore.scaffold.feast.sources import Rows, SourceTables, Target, note_repository_variable
from featurestore.scaffold.feast.views import declared_entities, join_key, make_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.scaffold.feast.objects import FeastEntity, FeastRepository, FeastView
    from featurestore.scaffold.feast.settings import StoreSettings
    from featurestore.scaffold.feast.views import Model

FOLDER = "feast"
SOURCES = "feast.sources.yml"
SERVICES = "feast.services.yml"
"""With a dot, which no view's name has."""
_RENAME = "rename it in Feast, or write it by hand; see docs/guides/metadata.md for names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A repository in our words.

    Attributes:
        files: contents by path, relative to the dbt project; without `featurestore.yml` and the report.
        models: names of the dbt models among them.
        settings: what `featurestore.yml` has to say.
        made, notes: what was made of what, and what has no equal.
    """

    files: Mapping[str, bytes]
    models: tuple[str, ...]
    settings: Mapping[str, Any]
    made: tuple[Made, ...]
    notes: tuple[Note, ...]


def convert(found: FeastRepository, settings: StoreSettings, adapter: str, model_path: str = "models") -> Converted:
    """Write all files of an import.

    Args:
        found: what the repository defines.
        settings: what `feature_store.yaml` says.
        adapter: dbt's, of the project that is written into.
        model_path: its folder of models.
    """
    folder = f"{model_path}/{FOLDER}"
    dialect = DIALECTS.get(adapter, "duckdb")
    notes: list[Note] = list(settings.notes)
    entities = {each.name: each for each in _entities(found, notes)}
    views = list(_named("view", found.views, notes))
    tables = SourceTables(
        target=Target(adapter=adapter, dialect=dialect, repository=settings.folder, offline=settings.offline)
    )
    models = _models([_with_known_keys(view, entities, found, notes) for view in views], tables, entities)
    notes += [note for model in models.values() for note in model.notes]
    notes += [*tables.notes, *note_repository_variable(tables.blocks.values(), settings.folder)]
    around = Around(
        models=models,
        on_demand={each.name: each for each in found.on_demand_views},
        adapter=adapter,
        dialect=dialect,
        owner=found.owner or settings.project,
    )
    exposures = _exposures(found, around, notes)
    made = [_made_view(view, models[view.name], folder) for view in views]
    made += [_made("feature service", name, f"{folder}/{SERVICES}", "exposure") for name in exposures]
    made += [_made("entity", name, SETTINGS_FILE, "entity") for name in entities]
    if settings.online_store is not None:
        kind = settings.online_store.partition(":")[0]
        made.append(_made("online store", kind, SETTINGS_FILE, "online_store"))
    return Converted(
        files=_files(folder, models, tables, exposures),
        models=tuple(models),
        settings=_wanted(entities.values(), settings),
        made=tuple(made),
        notes=tuple(dict.fromkeys((*notes, *_without_equal(found)))),
    )


def _models(views: list[FeastView], tables: SourceTables, entities: Mapping[str, FeastEntity]) -> dict[str, Model]:
    """Models by name; one is apart where any source's table has its name, so all sources come first."""
    rows = [Rows() if view.source is None else tables.rows_of(view.source) for view in views]
    dialect = tables.target.dialect
    return {
        view.name: make_model(view, of_view, entities, dialect, is_apart=view.name.casefold() in tables.read)
        for view, of_view in zip(views, rows, strict=True)
    }


def _files(
    folder: str, models: Mapping[str, Model], tables: SourceTables, exposures: Mapping[str, dict[str, Any]]
) -> dict[str, bytes]:
    files = {f"{folder}/{name}.sql": model.sql.encode() for name, model in models.items()}
    files |= {f"{folder}/{name}.yml": yaml_bytes({"models": [model.meta]}) for name, model in models.items()}
    sources = tables.yaml()
    if sources is not None:
        files[f"{folder}/{SOURCES}"] = yaml_bytes(sources)
    if exposures:
        files[f"{folder}/{SERVICES}"] = yaml_bytes({"exposures": list(exposures.values())})
    return files


def _wanted(entities: Iterable[FeastEntity], settings: StoreSettings) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if settings.online_store is not None:
        wanted["online_store"] = settings.online_store
    declared = declared_entities(entities)
    return {**wanted, "entities": declared} if declared else wanted


def _entities(found: FeastRepository, notes: list[Note]) -> Iterator[FeastEntity]:
    """Entities whose name and join key can be written, each once."""
    for each in _named("entity", found.entities, notes):
        problem = resource_problem(each.name) or (
            "starts with __, which is kept for columns that queries add" if each.join_key.startswith("__") else None
        )
        if problem is None:
            if each.owner or each.tags:
                what = "its owner and tags have no place here"
                notes.append(Note(kind="entity", name=each.name, what=what, hint="put them into its description"))
            yield each


def _with_known_keys(
    view: FeastView, entities: Mapping[str, FeastEntity], found: FeastRepository, notes: list[Note]
) -> FeastView:
    """The view with entities that are declared; another one is its join key, and a note says so."""
    keys = {each.name: each.join_key for each in found.entities}
    for name in view.entities:
        if name not in entities:
            what = (
                f"its entity `{name}` is not declared here, so it is called as its join key, `{keys.get(name, name)}`"
            )
            hint = "see that this is its join key; or declare the entity in featurestore.yml, and name it in the view"
            notes.append(Note(kind=view.kind, name=view.name, what=what, hint=hint))
    view = replace(view, entities=[name if name in entities else keys.get(name, name) for name in view.entities])
    bad = [key for key in (join_key(name, entities) for name in view.entities) if key.startswith("__")]
    if bad:
        hint = "give the column another name in the model, and declare it as the entity's join key"
        what = f"its join key `{bad[0]}` starts with __, which is kept for columns that queries add"
        notes.append(Note(kind=view.kind, name=view.name, what=what, hint=hint))
        return replace(view, enabled=False)
    return view


def _named(kind: str, each_of: Iterable[Any], notes: list[Note]) -> Iterator[Any]:
    """Objects whose names dbt can have, each name once, whatever its case."""
    seen: dict[str, Any] = {}
    for each in each_of:
        told = each.kind if kind == "view" else kind
        problem = resource_problem(each.name)
        if problem is not None:
            notes.append(Note(kind=told, name=each.name, what=f"it is not written: its name {problem}", hint=_RENAME))
        elif each.name.casefold() in seen:
            if seen[each.name.casefold()] != each:
                what = "it is not written: another one has this name, or the same in other case"
                notes.append(Note(kind=told, name=each.name, what=what, hint=_RENAME))
        else:
            seen[each.name.casefold()] = each
            yield each


def _exposures(found: FeastRepository, around: Around, notes: list[Note]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for service in _named("feature service", found.services, notes):
        entry, said = make_service(service, around)
        notes += said
        if entry is not None:
            made[str(entry["name"])] = entry
    return made


def _made_view(view: FeastView, model: Model, folder: str) -> Made:
    what = "model and feature view" if model.is_enabled else "model and feature view, disabled"
    return _made(view.kind, view.name, f"{folder}/{view.name}.sql", what)


def _made(kind: str, name: str, place: str, what: str) -> Made:
    return Made(kind=kind, name=name, place=place, made=what)


def _without_equal(found: FeastRepository) -> Iterator[Note]:
    """Objects of kinds that do not exist here."""
    for view in found.on_demand_views:
        what = f"nothing is computed at the time of a request: {', '.join(f'`{each.name}`' for each in view.features)}"
        where = "in a dbt model" if not view.request else "where the model is called, from the lookup's answer"
        yield Note(
            kind="on-demand feature view", name=view.name, what=what, hint=f"compute it {where}; {reads_of(view)}"
        )
    for permission in found.permissions:
        what = f"{permission.policy} on {', '.join(permission.types) or 'all'}: {', '.join(permission.actions)}"
        hint = "give keys of the feature server scopes such as read:VIEW and write:VIEW (docs/guides/server-access.md)"
        yield Note(kind="permission", name=permission.name, what=what, hint=hint)
    used = [view.stream or view.source for view in found.views]
    for source in found.sources:
        is_used = source.kind == "RequestSource" or any(
            each is not None and source.name in {each.name, each.batch_source.name if each.batch_source else ""}
            for each in used
        )
        if not is_used:
            hint = "nothing, or declare it as a source of the dbt project"
            yield Note(kind="data source", name=source.name, what="no view uses it, so it is not declared", hint=hint)
