"""The facade that a notebook and the command line use: one dbt project, from its models to online features.

Methods delegate; each names the module that does the work.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.garbage import uncollected
from featurestore.store_online import OnlineHalf
from featurestore.store_streams import StreamPart
from featurestore.workspace import Places, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from featurestore.checks import ViewCheck
    from featurestore.definitions.labels import Unlabelled
    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Reference
    from featurestore.definitions.views import AsOf, Column
    from featurestore.manifest.read import Reading
    from featurestore.registry.document import Document
    from featurestore.registry.planned import Planned
    from featurestore.registry.versions import Applied
    from featurestore.sql.dialects.table import Strategy
    from featurestore.training.card import Card
    from featurestore.training.dataset import HistoricalFeatures
    from featurestore.training.explain.explanation import Explanation
    from featurestore.training.explain.run import Asked
    from featurestore.training.replay import Replay
    from featurestore.training.request import Question
    from featurestore.training.verify import Verification


class FeatureStore(OnlineHalf, StreamPart):
    """A dbt project as a feature store.

    Args:
        project_dir: the folder with `dbt_project.yml`.
        target: the dbt target; else DBT_TARGET, else the profile's default.
        profile: the dbt profile; else the project's.
        profiles_dir: the folder with `profiles.yml`; else where dbt looks.
        registry: URI that wins over FEATURESTORE_REGISTRY and `featurestore.yml`.
        registry_version: whose definitions are used: a version's number, or a tag as ``@prod``; else as
            FEATURESTORE_REGISTRY_VERSION or `featurestore.yml` says, else the newest. `plan` and `apply` go on from the
            newest.
        online_store: URI that wins over FEATURESTORE_ONLINE_STORE and `featurestore.yml`.

    Raises:
        UsageError: no dbt project, profile or target there.
    """

    def __init__(  # noqa: PLR0913  as the command line has them
        self,
        project_dir: str | Path = ".",
        *,
        target: str | None = None,
        profile: str | None = None,
        profiles_dir: str | Path | None = None,
        registry: str | None = None,
        registry_version: str | int | None = None,
        online_store: str | None = None,
    ) -> None:
        places = Places(
            project_dir=Path(project_dir),
            profiles_dir=None if profiles_dir is None else Path(profiles_dir),
            profile=profile,
            target=target,
            registry=registry,
            registry_version=registry_version,
            online_store=online_store,
        )
        self.workspace: Workspace = open_workspace(places, os.environ)

    @property
    def document(self) -> Document:
        """The newest registry version. Raises UsageError while nothing was applied."""
        return self.workspace.latest()

    @property
    def project(self) -> Project:
        """The definitions of the newest registry version."""
        return self.document.content

    def definitions(self) -> Reading:
        """Read the definitions as the dbt manifest has them now (`manifest.read`); the registry is not asked.

        Raises:
            DefinitionError: all problems of the metadata at once.
            UsageError: no manifest, or one of another target.
        """
        return self.workspace.read_definitions(self.workspace.manifest())

    def plan(self) -> Planned:
        """Compare the dbt manifest with the registry (`impact.review`).

        Raises:
            DefinitionError: all problems of the metadata at once.
            UsageError: no manifest, or one of another target.
        """
        with uncollected():
            return self.workspace.plan()

    def check_data(self, project: Project | None = None) -> Iterator[ViewCheck]:
        """Look for rows that can never be used, or only by chance, in every feature view (`checks`).

        Args:
            project: whose views; None takes the newest registry version's.

        Yields:
            One result per view, when its query is done.

        Raises:
            WarehouseError: the warehouse cannot be opened.
        """
        from featurestore.checks import check_views

        views = (project or self.project).views
        with closing(self.workspace.open_warehouse()) as warehouse:
            yield from check_views(views, warehouse)

    def apply(self, planned: Planned | None = None, *, allow_breaking: Sequence[str] = ()) -> Applied:
        """Make the manifest's definitions the newest registry version (`registry.versions`).

        Args:
            planned: what was looked at; None plans now.
            allow_breaking: names of views and entities that may break although a feature service uses them.

        Raises:
            BreakingChangeError: a change would break what a feature service uses; nothing was written.
            RegistryConflictError: the registry changed since; nothing was written (SEMANTICS R1).
        """
        from featurestore.impact.guard import refuse_breaking

        planned = planned or self.plan()
        refuse_breaking(planned.changes, planned.project, allowed=allow_breaking)
        with uncollected():
            return self.workspace.apply(planned)

    def get_historical_features(  # noqa: PLR0913  one call for a notebook, in the spellings people know
        self,
        entity_df: object = None,
        features: Sequence[str | Reference] | None = None,
        *,
        feature_service: str | None = None,
        from_log: str | None = None,
        time: str | None = None,
        full_feature_names: bool = False,
        as_of: AsOf | None = None,
        overrides: Mapping[str, Mapping[str, object]] | None = None,
        labels: Sequence[str] | str | None = None,
        label_at: str | None = None,
        label_horizon: str | timedelta | None = None,
        label_cutoff: datetime | str | None = None,
        unlabelled: Unlabelled = "keep",
        limit: int | None = None,
        sample: int | str | None = None,
        seed: int = 0,
        event_timestamps: bool = False,
        strategy: Strategy | None = None,
        at: datetime | str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        spine_columns: tuple[Column, ...] | None = None,
    ) -> HistoricalFeatures:
        """Prepare a point-in-time correct training set (`training.request`); nothing runs yet.

        Args:
            entity_df: the examples: a pandas, polars or Arrow frame, Parquet, CSV, TSV or JSON-lines files (one, a
                pattern, a folder), a SQL file, a table's name, ``ref('model')``, ``source('a', 'b')``, or a SELECT.
                None with `at`, or with `start` and `end`.
            features: references ``view:feature`` or ``view``, or what `view` makes of them, in output order.
            feature_service: a service's name, in place of `features`.
            from_log: in place of both, a service whose logged answers are taken: what was served, by the time it was
                served (`training.logged`). Without examples, every logged row, each once.
            time: the examples' time column; else ``event_timestamp``, else the only timestamp.
            full_feature_names: name columns ``view__feature``.
            as_of: ``knowledge`` uses only rows that had been loaded by then, in every view (SEMANTICS P8).
            overrides: other rules of time for some views, e.g. ``{"orders": {"ttl": "7d", "delay": "1h"}}``; keys
                ``ttl``, ``delay``, ``boundary``, ``as_of``, by the name of a view, of a version or of a use.
            labels: columns of the examples that stand last in the result, and that no feature is made of.
            label_at: the column that says when they became known; or
            label_horizon: how long after the example's time they do.
            label_cutoff: labels not known by then are NULL, and ``label_known`` says so; else the moment of asking.
            unlabelled: what becomes of such examples: ``keep``, ``drop``, or ``refuse`` (an error that counts them).
            limit: only so many examples: a frame's first, else the latest by time.
            sample: ``"10%"`` or a number of examples, the same ones each time for one `seed`.
            seed: see `sample`.
            event_timestamps: add ``<view>__event_timestamp`` and ``<view>__found`` (P6).
            strategy: how rows are searched: ``asof``, ``range_argmax``, ``lateral`` or ``union_first``; None chooses.
            at: one snapshot per entity at this time (P16).
            start: with `end`, every row of one view in this range, both ends inclusive (P16).
            end: see `start`.
            spine_columns: what columns the examples have; then nothing is asked of the warehouse until it runs.

        Returns:
            A training set with ``.sql``, ``.to_df()``, ``.to_arrow()``, ``.to_polars()``, ``.to_parquet(path)``,
            ``.to_table(name)``. Rows: one per example. Columns: the examples', then the features.

        Raises:
            UsageError: unknown names, clashes, or examples without a key or a time.
            WarehouseError: the warehouse cannot be opened.
        """
        from featurestore.definitions.labels import read_labels
        from featurestore.definitions.moments import parse_moment
        from featurestore.definitions.part import read_part
        from featurestore.definitions.rules import read_overrides
        from featurestore.training.request import Question

        return self.ask(
            Question(
                features=features,
                feature_service=feature_service,
                from_log=from_log,
                spine=entity_df,
                time=time,
                spine_columns=spine_columns,
                full_feature_names=full_feature_names,
                as_of=as_of,
                overrides=read_overrides(overrides),
                labels=read_labels(
                    labels, at=label_at, horizon=label_horizon, cutoff=label_cutoff, unlabelled=unlabelled
                ),
                part=read_part(limit=limit, sample=sample, seed=seed),
                event_timestamps=event_timestamps,
                strategy=strategy,
                at=parse_moment(at, where="at"),
                start=parse_moment(start, where="start"),
                end=parse_moment(end, where="end"),
            )
        )

    def view(self, name: str) -> Reference:
        """A feature view, to be used under another name: ``.with_name("origin").with_join_key_map({...})["rain"]``.

        Args:
            name: ``view`` or ``view@v2``.

        Raises:
            UnknownNameError: no such view.
        """
        from featurestore.definitions.references import parse_reference

        reference = parse_reference(name)
        self.project.view(reference.view, version=reference.version)
        return reference

    def ask(self, question: Question) -> HistoricalFeatures:
        """Answer a `training.request.Question`; `get_historical_features` in one argument."""
        from featurestore.training.request import ask

        return ask(question, self.workspace.surroundings(self.document))

    def verify_training_set(self, card: str | Path) -> Verification:
        """Compare a training set with its card (`training.verify`); give the path, URI or table of one of the two."""
        from featurestore.training.verify import verify

        return verify(self.workspace.find_card(card), open_warehouse=self.workspace.open_warehouse)

    def replay_training_set(
        self, card: str | Path, write: Callable[[HistoricalFeatures], Card] | None = None, *, spine: object = None
    ) -> Replay:
        """Make a training set again from its card, with that version's definitions, and compare (`training.replay`).

        `write` says where to, e.g. ``lambda job: job.to_parquet("again.parquet")``; None compares and keeps nothing.
        The examples come from the card; a frame must be given again as `spine`.
        """
        from featurestore.training.replay import replay

        found = self.workspace.find_card(card)
        document = self.workspace.registry().version(found.card.registry_version)
        return replay(found, self.workspace.surroundings(document), write, spine=spine)

    def explain_row(  # noqa: PLR0913  as get_historical_features
        self,
        features: Sequence[str | Reference] | None = None,
        *,
        feature_service: str | None = None,
        keys: Mapping[str, object] | None = None,
        time: datetime | str | None = None,
        as_of: AsOf | None = None,
        overrides: Mapping[str, Mapping[str, object]] | None = None,
        limit: int = 5,
    ) -> Explanation:
        """Explain what an example with these keys at this time gets, and why (`training.explain.run.explain_row`).

        The request is made as for `get_historical_features`, without a spine; `HistoricalFeatures.explain_row` explains
        a row of a spine. ``print`` the explanation, show it in a notebook, ``.to_html(path)``, ``.to_dict()``.
        """
        from featurestore.definitions.rules import read_overrides
        from featurestore.training.explain.run import explain_row
        from featurestore.training.request import Question

        rules = read_overrides(overrides)
        question = Question(features=features, feature_service=feature_service, as_of=as_of, overrides=rules)
        return explain_row(self.to_explain(question), keys=keys or {}, time=time, limit=limit)

    def to_explain(self, question: Question) -> Asked:
        """Prepare to explain examples of a `training.request.Question` without a spine, named by keys and a time."""
        from featurestore.training.request import to_explain

        return to_explain(question, self.workspace.surroundings(self.document))

    def __repr__(self) -> str:
        return f"<FeatureStore of dbt project {self.workspace.dbt.name}, target {self.workspace.profile.target}>"

    def _repr_html_(self) -> str:
        from html import escape

        name, target = escape(self.workspace.dbt.name), escape(self.workspace.profile.target)
        return f"<b>FeatureStore</b> of dbt project <code>{name}</code>, target <code>{target}</code>"
