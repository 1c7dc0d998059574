"""A dbt project as this machine sees it: where its files, registry, warehouse and online store are.

Everything opens on demand; nothing here computes.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from featurestore.catalog.graph import whole_graph, with_compiled
from featurestore.definitions.places import pinned_to
from featurestore.errors import DefinitionError, UsageError, WarehouseError, format_problem
from featurestore.manifest.artifacts import load_catalog, load_manifest, newer_sources
from featurestore.manifest.dbt_project import DbtProject, load_dbt_project
from featurestore.manifest.dialects import dialect_of
from featurestore.manifest.health import faults, last_run, silent_command
from featurestore.manifest.profiles import Profile, load_profile
from featurestore.manifest.settings import Settings, load_settings
from featurestore.manifest.targets import check_target
from featurestore.online.open import open_online_store
from featurestore.plugins import WAREHOUSES, load_backend
from featurestore.registry.author import author_of
from featurestore.registry.document import Document, manifest_facts
from featurestore.registry.history import History
from featurestore.registry.read import forget_looks, open_registry, read_latest_document
from featurestore.registry.versions import nothing_applied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Column, FeatureView
    from featurestore.manifest.artifacts import Manifest
    from featurestore.manifest.read import Reading
    from featurestore.manifest.streams import StreamSql
    from featurestore.materialize.engines.protocol import Route
    from featurestore.online.protocol import OnlineStore
    from featurestore.registry.planned import Planned
    from featurestore.registry.versions import Applied, Registry
    from featurestore.streams.offline.protocol import OfflineRows
    from featurestore.streams.places import StreamPlaces
    from featurestore.training.examples import Model
    from featurestore.training.request import Surroundings
    from featurestore.training.verify import FoundCard
    from featurestore.warehouse.protocol import Warehouse

STATE_DIR = ".featurestore"
_BRIEFLY: Mapping[str, Mapping[str, object]] = {"duckdb": {"lock_timeout_s": 2.0}}
"""How a warehouse is opened for events: what waits in a spool is safe, so nobody stands still for another's lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the caller says about where things are; None asks dbt's and our own settings.

    Attributes:
        project_dir: the dbt project's folder.
        profiles_dir, profile, target: as dbt's options of these names.
        registry, online_store: URIs that win over environment and `featurestore.yml`.
        registry_version: the version that readers take, likewise: a number, or a tag as ``@prod``.
    """

    project_dir: Path = Path()
    profiles_dir: Path | None = None
    profile: str | None = None
    target: str | None = None
    registry: str | None = None
    registry_version: str | int | None = None
    online_store: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One dbt project for one target.

    Attributes:
        dbt: the project's name and folders.
        profile: how to reach the target's warehouse.
        settings: registry, online store, entities.
    """

    dbt: DbtProject
    profile: Profile
    settings: Settings

    @property
    def dialect(self) -> str:
        """Sqlglot's name of the target's warehouse."""
        return dialect_of(self.profile.type)

    @property
    def schema(self) -> str | None:
        """The schema (BigQuery: dataset) of the target; None if it names none."""
        named = self.profile.values.get("schema") or self.profile.values.get("dataset")
        return None if named is None else str(named)

    @property
    def state_dir(self) -> Path:
        """Where this machine keeps what is not committed."""
        return self.dbt.project_dir / STATE_DIR

    @property
    def cards_dir(self) -> Path:
        """Where cards of training sets in tables are."""
        return self.state_dir / "training_sets"

    def surroundings(self, document: Document) -> Surroundings:
        """What a training set of these definitions is asked with."""
        from featurestore.training.request import Surroundings

        return Surroundings(
            project=document.content,
            registry_version=document.version,
            registry_hash=document.content_hash,
            model=self.model,
            open_warehouse=self.open_warehouse,
            cards_dir=self.cards_dir,
            owner=self.owner,
            schema=self.schema,
            base_dir=self.dbt.project_dir,
        )

    def find_card(self, given: str | Path) -> FoundCard:
        """Read a card of this project (`training.verify.find_card`)."""
        from featurestore.training.verify import find_card

        return find_card(given, project=self.dbt.name, cards_dir=self.cards_dir)

    def registry(self) -> Registry:
        """Open the registry; nothing is read yet."""
        return open_registry(self.settings.registry, self.dbt.project_dir)

    def look_again(self) -> None:
        """Have readers of this user see what was just written to the registry, also within its ``cache``."""
        forget_looks(self.settings.registry, self.dbt.project_dir)

    def latest(self) -> Document:
        """Read the newest definitions. Raises UsageError while there are none, or where they are another project's."""
        return read_latest_document(self.settings.registry, self.dbt.project_dir, project=self.dbt.name)

    def open_warehouse(self, read_only: bool = True, **options: object) -> Warehouse:
        """Connect to the target's warehouse; `options` are that warehouse's own. Raises WarehouseError."""
        opened: Warehouse = load_backend(WAREHOUSES, self.profile.type)(
            self.profile.values, base_dir=self.dbt.project_dir, read_only=read_only, **options
        )
        return opened

    @contextmanager
    def open_route(self) -> Iterator[Route]:
        """Open the warehouse and the online store for a sync; both are closed afterwards."""
        from featurestore.materialize.engines.protocol import Route

        with closing(self.open_warehouse()) as warehouse, closing(self.open_online_store()) as store:
            yield Route(
                project=self.dbt.name,
                warehouse=warehouse,
                store=store,
                store_uri=self.settings.online_store,
                base_dir=self.dbt.project_dir,
            )

    def open_online_store(self) -> OnlineStore:
        """Open the online store; it connects on first use."""
        return open_online_store(self.settings.online_store, project=self.dbt.name, base_dir=self.dbt.project_dir)

    def stream_places(self) -> StreamPlaces:
        """Where the streams of the project are, and where their events go."""
        from featurestore.streams.places import StreamPlaces

        def project_of() -> tuple[Project, int]:
            document = self.latest()
            return document.content, document.version

        return StreamPlaces(
            project=self.dbt.name,
            base_dir=self.dbt.project_dir,
            state_dir=self.state_dir,
            online_store=self.settings.online_store,
            connection=self.settings.connection,
            open_store=self.open_online_store,
            open_warehouse=partial(self.open_warehouse, read_only=False, **_BRIEFLY.get(self.profile.type, {})),
            dialect=self.dialect,
            schema=self.schema,
            project_of=project_of,
        )

    def pushed_rows(self, view: FeatureView) -> OfflineRows:
        """The table of the rows that are pushed to a view."""
        from featurestore.definitions.pushed import PUSHED_AT, pushed_table
        from featurestore.warehouse.names import table_in

        places = self.stream_places()
        known_by = [*(column.name for column in view.known_by), PUSHED_AT]
        schema, name = pushed_table(view)
        relation = table_in(schema or self.schema, name, self.dialect)
        return places.table(relation, places.pushed(view.reference), known_by=known_by)

    def faults(self, views: Iterable[FeatureView], gate: bool | Path) -> Mapping[str, str]:
        """Say which views should not be served, and why, by the unique ids of their nodes (`manifest.health`).

        Args:
            views: which to ask about.
            gate: False asks nothing; else in dbt's target folder, or in this one.
        """
        if gate is False:
            return {}
        return faults([view.source.unique_id for view in views], self._results_dir(gate))

    def last_run(self, gate: bool | Path) -> str:
        """Name dbt's last command by its results, which lie where `faults` reads them; empty where that is nowhere."""
        return "" if gate is False else last_run(self._results_dir(gate))

    def _results_dir(self, gate: Literal[True] | Path) -> Path:
        return self.dbt.target_dir if gate is True else gate

    def silent_command(self) -> str | None:
        """Name dbt's last command if it built and tested nothing, so that `faults` has nothing to go by."""
        return silent_command(self.dbt.target_dir)

    def manifest(self) -> Manifest:
        """Read dbt's manifest. Raises UsageError if there is none, or one of another target."""
        manifest = load_manifest(self.dbt.target_dir)
        check_target(manifest, self.profile)
        return manifest

    def read_definitions(self, manifest: Manifest) -> Reading:
        """Compile the definitions: the manifest's metadata, with the warehouse's column types.

        Where the warehouse cannot be opened, types come from the catalog and the contracts alone, if these suffice.

        Raises:
            DefinitionError: all problems at once.
            WarehouseError: it is needed for types and cannot be opened.
        """
        from featurestore.manifest.read import declared_relations, read_project

        catalog = load_catalog(self.dbt.target_dir, dialect=self.dialect)
        read = partial(
            read_project,
            manifest,
            self.settings,
            target=self.profile.target,
            catalog=catalog,
            compiled=self._compiled,
        )
        try:
            columns = self._columns(declared_relations(manifest))
        except WarehouseError:
            with suppress(DefinitionError):
                return self._with_staleness(read(columns={}), manifest)
            raise
        return self._with_staleness(read(columns=columns), manifest)

    def plan(self) -> Planned:
        """Compare the dbt manifest with the registry's newest version. Raises as `manifest` and `read_definitions`."""
        from featurestore.impact.review import review
        from featurestore.manifest.graph import graph_of
        from featurestore.registry.planned import Planned

        manifest = self.manifest()
        reading, graph = self.read_definitions(manifest), graph_of(manifest)
        registry = self.registry()
        head = registry.latest(project=reading.project.name)
        before, kept = (None, None) if head is None else (head.content, registry.graph(head))
        return Planned(
            changes=review(before, reading.project, old=kept, new=graph),
            project=reading.project,
            graph=graph,
            source=manifest_facts(manifest.metadata, target=self.profile.target),
            current=None if head is None else head.version,
            warnings=reading.warnings,
        )

    def apply(self, planned: Planned) -> Applied:
        """Make what was planned the newest version. Raises RegistryConflictError if another came between."""
        author = author_of(self.dbt.project_dir, os.environ)
        applied = self.registry().apply(
            planned.project, planned.source, expected=planned.current, author=author, graph=planned.graph
        )
        self.look_again()
        return applied

    def newest(self) -> Document:
        """Read the newest version, whatever is pinned or kept. Raises UsageError while nothing was applied."""
        registry = self.registry()
        document = registry.latest(project=self.dbt.name)
        if document is None:
            raise nothing_applied(registry.files.location)
        return document

    def history(self) -> History:
        """The registry's versions and tags, to be changed by whoever is at work here."""
        author, pin = author_of(self.dbt.project_dir, os.environ), self.settings.registry.version
        return History(
            registry=self.registry(), project=self.dbt.name, author=author, pin=pin, look_again=self.look_again
        )

    def usable_manifest(self) -> Manifest | None:
        """Read dbt's manifest; None if there is none, or one that cannot be used."""
        with suppress(UsageError):
            return self.manifest()
        return None

    def is_as_applied(self, manifest: Manifest, project: Project) -> bool:
        """Whether the manifest says what was applied (`manifest.applied`), as far as that was of this target."""
        from featurestore.manifest.applied import says_the_same

        return project.target != self.profile.target or says_the_same(manifest, self.settings, project, self._compiled)

    def graph(self, document: Document, *, is_compiled: bool = False) -> Graph:
        """The manifest's graph while it says what was applied (`is_compiled`: `with_compiled`), else the version's."""
        manifest, project = self.usable_manifest(), document.content
        is_own = project.target == self.profile.target and manifest and self.is_as_applied(manifest, project)
        graph = whole_graph(manifest if is_own else self.registry().graph(document), project)
        return with_compiled(graph, self.registry().graph(document)) if is_own and is_compiled else graph

    def staleness(self, manifest: Manifest) -> str | None:
        """Name the files that changed after dbt wrote the manifest, as a warning; None if none did."""
        newer = newer_sources(manifest, self.dbt.project_dir, self.dbt.target_dir)
        if not newer:
            return None
        named = f"{', '.join(newer[:3])}{', ...' if len(newer) > 3 else ''}"
        return format_problem(f"changed after dbt wrote the manifest: {named}", hint="run dbt parse or dbt build")

    def _with_staleness(self, reading: Reading, manifest: Manifest) -> Reading:
        warning = self.staleness(manifest)
        return reading if warning is None else replace(reading, warnings=(warning, *reading.warnings))

    def _compiled(self, sql: StreamSql, stream: Stream, view: FeatureView) -> str:
        """Check the SQL that makes a view's rows of events."""
        from featurestore.streams.compile import compile_sql

        return compile_sql(view, stream, sql.sql, dialect=sql.dialect, names=sql.names, is_own=sql.is_own)

    def _columns(self, relations: tuple[str, ...]) -> Mapping[str, tuple[Column, ...]]:
        if not relations:
            return {}
        with closing(self.open_warehouse()) as warehouse:
            return warehouse.columns(relations)

    def model(self, name: str) -> Model | None:
        """Find a dbt model, seed, snapshot or source table by name; None without a manifest or such a node."""
        from featurestore.manifest.tables import find_table
        from featurestore.training.examples import Model

        if not (self.dbt.target_dir / "manifest.json").is_file():
            return None
        node = find_table(self.manifest(), name, dialect=self.dialect)
        return None if node is None else Model(relation=node.relation, columns=node.columns)

    def owner(self, relation: str) -> str | None:
        """What of dbt's has a table's name, e.g. ``model.shop.orders``; None if nothing has, and without a manifest."""
        from featurestore.manifest.tables import relations
        from featurestore.warehouse.names import relation_name

        if not (self.dbt.target_dir / "manifest.json").is_file():
            return None
        asked = relation_name(relation, self.dialect)
        if asked.schema is None and self.profile.values.get("schema"):
            asked = replace(asked, schema=str(self.profile.values["schema"]))
        named = relations(load_manifest(self.dbt.target_dir))
        alike = ((unique_id, its) for unique_id, its in named if asked.name.casefold() in its.casefold())
        return next((each for each, its in alike if asked.names(relation_name(its, self.dialect))), None)


def open_workspace(places: Places, environ: Mapping[str, str]) -> Workspace:
    """Find a dbt project's files and settings.

    Raises:
        UsageError: no dbt project, profile or target there; names what is near.
    """
    dbt = load_dbt_project(places.project_dir, environ=environ)
    profile = load_profile(
        dbt, profiles_dir=places.profiles_dir, profile=places.profile, target=places.target, environ=environ
    )
    settings = load_settings(dbt.project_dir, target=profile.target, environ=environ)
    if places.registry is not None:
        settings = replace(settings, registry=replace(settings.registry, uri=places.registry))
    settings = replace(settings, registry=pinned_to(settings.registry, places.registry_version))
    if places.online_store is not None:
        settings = replace(settings, online_store=places.online_store)
    return Workspace(dbt=dbt, profile=profile, settings=settings)
