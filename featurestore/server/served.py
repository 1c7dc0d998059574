"""One registry version as it is served, and the newest of them: taken up between requests, never within one.

The rule: a version that cannot be read changes nothing; the last good one is served on, and it is said why.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, UsageError
from featurestore.registry.reader import Reader
from featurestore.serving.client import connect
from featurestore.serving.feast_json import ViewVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.registry.cached.folder import Mark
    from featurestore.registry.document import Document
    from featurestore.server.config import ServerConfig
    from featurestore.serving.plan import LookupPlan

logger = logging.getLogger("featurestore.server")

_PLANS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Planned:
    """What one kind of request asks for.

    Attributes:
        plan: how it is looked up.
        service: the feature service that was named; empty when features were.
        views: references of the views that are read, one for each use.
        versions: of these views, each once.
    """

    plan: LookupPlan
    service: str
    views: tuple[str, ...]
    versions: list[ViewVersion]


class Served:
    """One registry version.

    Attributes:
        document: the version.
        project: its definitions.
        client: answers by them.
    """

    def __init__(self, document: Document, store: OnlineStore) -> None:
        self.document = document
        self.project = document.content
        self.client = connect(document.content, store)
        self._planned: dict[tuple[object, bool], Planned] = {}

    @property
    def version(self) -> int:
        """The registry version's number."""
        return self.document.version

    def planned(self, features: Sequence[str] | None, service: str | None, *, full_feature_names: bool) -> Planned:
        """Find out what a request asks for; compiled once.

        Raises:
            UsageError: unknown or clashing names, or neither or both of features and a service.
        """
        what = service or tuple(features or ())
        key = (what, full_feature_names)
        known = self._planned.get(key)
        if known is None:
            if service and features:
                raise UsageError(
                    "expected either features or a feature service, got both", hint="leave one of them out"
                )
            if len(self._planned) >= _PLANS_KEPT:
                self._planned.clear()
            plan = self.client.plan(
                features or None, feature_service=service or None, full_feature_names=full_feature_names
            )
            used = plan.row_sets.views
            versions = [ViewVersion(*each) for each in dict.fromkeys((view.name, _number(view)) for view in used)]
            views = tuple(view.reference for view in used)
            known = self._planned[key] = Planned(plan, service or "", views, versions)
        elif service and features:
            raise UsageError("expected either features or a feature service, got both", hint="leave one of them out")
        return known


def _number(view: FeatureView) -> int:
    version = view.version or ""
    return int(version) if version.isdecimal() else 0


def settle() -> None:
    """Tell the garbage collector that what is in memory now will stay.

    Else it looks at all of it several times a second under load, and every lookup waits for it: 16 ms each time.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Newest:
    """The newest registry version that could be read.

    Attributes:
        now: what requests are answered by; a request takes it once.
        problem: why the newest version is not it; empty when it is.
        failures: how many looks failed.
    """

    def __init__(self, config: ServerConfig, document: Document, store: OnlineStore) -> None:
        self._store = store
        self._reader = Reader(config.registry, config.base_dir)
        self._mark: Mark | None = None
        self.now = Served(document, store)
        self.problem = ""
        self.failures = 0

    def look(self, *, at_once: bool = False) -> None:
        """Take up the newest version; to be called in a thread. At once is also within the registry's ``cache``."""
        try:
            mark = self._reader.look(at_once=at_once)
            if mark == self._mark:
                self.problem = ""
                return
            document = self._reader.take(mark).document()
            self._refuse_other_project(document)
        except FeatureStoreError as problem:
            self.failures += 1
            if self.problem != str(problem):
                logger.error("serving registry version %d on: %s", self.now.version, problem)
            self.problem = str(problem)
            return
        if (document.version, document.content_hash) != (self.now.version, self.now.document.content_hash):
            self.now = Served(document, self._store)
            settle()
            logger.info("serving registry version %d", document.version)
        self._mark, self.problem = mark, ""

    def _refuse_other_project(self, document: Document) -> None:
        name = self.now.project.name
        if document.content.name != name:
            raise UsageError(
                f"the registry belongs to the dbt project '{document.content.name}' now, and '{name}' is served",
                hint="start the server anew if that is meant",
            )
