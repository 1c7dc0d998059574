"""Whether definitions are such as our own reading of a dbt project makes them: what a registry document may say.

A hash tells that a document was not damaged, not that it means well. So what is read is judged before it is used:
names that could be paths, relations that are no table, ages below zero, references to nothing. The judge is pure and
quick (a thousand views of fifty features in some milliseconds), and knows no SQL: who runs SQL of a document checks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import LONGEST_US
from featurestore.definitions.names import (
    LONGEST_NAME_BYTES,
    folder_name_problem,
    is_path_of_a_machine,
    is_pushed_table,
    name_problem,
    relation_problem,
    unseen_problem,
)
from featurestore.definitions.references import parse_reference
from featurestore.definitions.services import WAREHOUSE
from featurestore.definitions.streams import ICEBERG_PREFIX, NOWHERE, TOPIC_PREFIX
from featurestore.definitions.types import TIMES, is_servable, is_type
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService
    from featurestore.definitions.streams import Stream
    from featurestore.definitions.views import Column, Feature, FeatureView

_SHOWN = 60
_SCHEMES = ("s3://", "gs://", "az://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsound:
    """One thing that no project of ours has.

    Attributes:
        pointer: where it is in the project's JSON, e.g. ``/views/0/ttl_us``.
        what: what is wrong: expected and got, in one line, without invisible characters.
    """

    pointer: str
    what: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.what}"


class _Judge:
    """Notes what is unsound; `types` and `served` are those seen to be good."""

    def __init__(self, project: Project) -> None:
        self.found: list[Unsound] = []
        self.dialect = project.dialect
        self.keys = {entity.name: tuple(map(str.casefold, entity.join_keys)) for entity in project.entities}
        self.streams = frozenset(stream.name for stream in project.streams)
        self.types: set[str] = set()
        self.served: set[str] = set()

    def other(self, at: str, expected: str, got: object) -> None:
        """Note that something else was expected."""
        self.found.append(Unsound(pointer=at, what=f"expected {expected}, got {_shown(got)}"))

    def refuse(self, at: str, text: str, problem: str | None) -> None:
        """Note the problem of a text, if it has one."""
        if problem is not None:
            self.found.append(Unsound(pointer=at, what=f"{_shown(text)} {problem}"))

    def refuse_repeated(self, at: str, names: Sequence[str], key: str = "/name") -> None:
        """Note the first name that comes again."""
        if len(set(names)) != len(names):
            number = next(number for number, name in enumerate(names) if name in names[:number])
            self.other(f"{at}/{number}{key}", "a name that is not there yet", names[number])

    def span(self, at: str, microseconds: int | None, *, least: int = 0) -> None:
        """Note a time span that is out of bounds."""
        if microseconds is not None and not least <= microseconds <= LONGEST_US:
            self.other(at, f"microseconds, {least} to {LONGEST_US}", microseconds)


def first_unsound(project: Project) -> Unsound | None:
    """Find something that no project of ours has; None if all is sound."""
    judge = _Judge(project)
    for key, text in (("name", project.name), ("target", project.target), ("dialect", project.dialect)):
        judge.refuse(f"/{key}", text, unseen_problem(text))
    judge.refuse_repeated("/entities", [entity.name for entity in project.entities])
    for number, entity in enumerate(project.entities):
        judge.refuse(f"/entities/{number}/name", entity.name, _label_problem(entity.name))
        if not entity.join_keys:
            judge.other(f"/entities/{number}/join_keys", "at least one column", "none")
        _judge_names(f"/entities/{number}/join_keys", entity.join_keys, judge, key="")
    judge.refuse_repeated("/views", [view.reference for view in project.views])
    _judge_latest(project, judge)
    for number, view in enumerate(project.views):
        _judge_view(f"/views/{number}", view, judge)
    judge.refuse_repeated("/services", [service.name for service in project.services])
    views = _Views(project)
    for number, service in enumerate(project.services):
        _judge_service(f"/services/{number}", service, views, judge)
    judge.refuse_repeated("/streams", [stream.name for stream in project.streams])
    for number, stream in enumerate(project.streams):
        _judge_stream(f"/streams/{number}", stream, judge)
    return judge.found[0] if judge.found else None


def _judge_view(at: str, view: FeatureView, judge: _Judge) -> None:
    judge.refuse(f"{at}/name", view.name, folder_name_problem(view.name))
    if view.version is not None:
        judge.refuse(f"{at}/version", view.version, folder_name_problem(view.version))
    judge.refuse(f"{at}/relation", view.relation, relation_problem(view.relation, judge.dialect))
    _judge_view_keys(at, view, judge)
    _judge_view_times(at, view, judge)
    if view.pushed and not is_pushed_table(view.pushed):
        judge.other(f"{at}/pushed", "a table, as NAME or SCHEMA.NAME", view.pushed)
    if view.stream is not None:
        if view.stream.source not in judge.streams:
            judge.other(f"{at}/stream/source", "the name of a stream of /streams", view.stream.source)
        judge.span(f"{at}/stream/ahead_us", view.stream.ahead_us)
    _judge_path(f"{at}/source/path", view.source.path, judge)
    _judge_path(f"{at}/source/yaml_path", view.source.yaml_path, judge)
    _judge_features(at, view, judge)


def _judge_view_keys(at: str, view: FeatureView, judge: _Judge) -> None:
    names = [key.name.casefold() for key in view.join_keys]
    for number, entity in enumerate(view.entities):
        if entity not in judge.keys:
            judge.other(f"{at}/entities/{number}", "the name of an entity of /entities", entity)
            return
        missing = [key for key in judge.keys[entity] if key not in names]
        if missing:
            judge.other(f"{at}/join_keys", f"the join key {missing[0]} of entity {entity}", ", ".join(names) or "none")
    _judge_columns(f"{at}/join_keys", view.join_keys, judge)
    for number, name in enumerate(view.tie_breakers):
        judge.refuse(f"{at}/tie_breakers/{number}", name, _label_problem(name))


def _judge_view_times(at: str, view: FeatureView, judge: _Judge) -> None:
    named = (("event_time", view.event_time), ("created_at", view.created_at), ("valid_to", view.valid_to))
    for key, column in named:
        if column is None:
            continue
        judge.refuse(f"{at}/{key}/name", column.name, _label_problem(column.name))
        if column.type not in TIMES:
            judge.other(f"{at}/{key}/type", "a timestamp", column.type)
    judge.span(f"{at}/ttl_us", view.ttl_us, least=1)
    judge.span(f"{at}/delay_us", view.delay_us)
    judge.span(f"{at}/lookback_us", view.lookback_us, least=1)
    if view.as_of == "knowledge" and view.created_at is None:
        judge.other(f"{at}/created_at", "a column, since as_of is knowledge", "null")


def _judge_features(at: str, view: FeatureView, judge: _Judge) -> None:
    features = view.features
    names = [feature.name for feature in features]
    if not names:
        judge.other(f"{at}/features", "at least one feature", "none")
        return
    judge.refuse_repeated(f"{at}/features", names)
    joined = "".join(names)
    # One look at all names where they are plain words; else each by itself.
    if not (f"_{joined}".isidentifier() and joined.isascii() and "__" not in joined and min(map(len, names))) or (
        max(map(len, names)) > LONGEST_NAME_BYTES
    ):
        for number, name in enumerate(names):
            judge.refuse(f"{at}/features/{number}/name", name, name_problem(name))
    taken = {column.name for column in (*view.join_keys, view.event_time, view.created_at, view.valid_to) if column}
    if not taken.isdisjoint(names):
        number = next(number for number, name in enumerate(names) if name in taken)
        judge.other(f"{at}/features/{number}/name", "another name than a join key's or a time's", names[number])
    if not {feature.type for feature in features} <= (judge.served if view.online else judge.types):
        _judge_types(f"{at}/features", features, judge, is_online=view.online)


def _judge_types(at: str, columns: Sequence[Column | Feature], judge: _Judge, *, is_online: bool = False) -> None:
    for number, column in enumerate(columns):
        if column.type not in judge.types:
            if not is_type(column.type) or unseen_problem(column.type) is not None:
                judge.other(f"{at}/{number}/type", "a type such as int64", column.type)
            judge.types.add(column.type)
        if is_online and column.type not in judge.served:
            if not is_servable(column.type):
                judge.other(f"{at}/{number}/type", "a type that can be served online", column.type)
            judge.served.add(column.type)


class _Views:
    """The views of a project by what references call them, and their features; made once they are asked for."""

    def __init__(self, project: Project) -> None:
        self._latest = {view.name: view for view in project.views if view.is_latest}
        self._versions = {(view.name, view.version): view for view in project.views}
        self._features: dict[str, frozenset[str]] = {}

    def problem(self, text: str) -> str | None:
        """What a reference should have been; None if it is good."""
        try:
            reference = parse_reference(text)
        except UsageError:
            return "a reference such as view:feature"
        name, version = reference.view, reference.version
        view = self._latest.get(name) if version is None else self._versions.get((name, version))
        if view is None:
            return "a reference to a view of /views"
        if reference.feature is not None and reference.feature not in self._features_of(view):
            return f"a reference to a feature of {view.reference}"
        if not {key for key, _ in reference.join_keys} <= {key.name for key in view.join_keys}:
            return f"join keys of {view.reference}"
        return None

    def _features_of(self, view: FeatureView) -> frozenset[str]:
        if view.reference not in self._features:
            self._features[view.reference] = frozenset(feature.name for feature in view.features)
        return self._features[view.reference]


def _judge_service(at: str, service: FeatureService, views: _Views, judge: _Judge) -> None:
    judge.refuse(f"{at}/name", service.name, folder_name_problem(service.name))
    if not service.features:
        judge.other(f"{at}/features", "at least one reference", "none")
    for number, text in enumerate(service.features):
        problem = views.problem(text)
        if problem is not None:
            judge.other(f"{at}/features/{number}", problem, text)
        judge.refuse(f"{at}/features/{number}", text, unseen_problem(text))
    _judge_columns(f"{at}/request_columns", service.request_columns, judge)
    if service.logging is not None:
        if not 0 < service.logging.sample <= 1:
            judge.other(f"{at}/logging/sample", "a share above 0 and at most 1", service.logging.sample)
        _judge_destination(f"{at}/logging/to", service.logging.to, judge)
    _judge_path(f"{at}/path", service.path, judge)


def _judge_stream(at: str, stream: Stream, judge: _Judge) -> None:
    judge.refuse(f"{at}/name", stream.name, folder_name_problem(stream.name))
    if stream.relation:
        judge.refuse(f"{at}/relation", stream.relation, relation_problem(stream.relation, judge.dialect))
    for key, text in (("topic", stream.topic), ("field", stream.field), ("message", stream.message)):
        judge.refuse(f"{at}/{key}", text, unseen_problem(text))
    _judge_columns(f"{at}/columns", stream.columns, judge)
    _judge_destination(f"{at}/to", stream.to, judge, words=(WAREHOUSE, NOWHERE), prefix=ICEBERG_PREFIX)
    if stream.dead_letters:
        _judge_destination(f"{at}/dead_letters", stream.dead_letters, judge, words=(), prefix=TOPIC_PREFIX)
    _judge_path(f"{at}/path", stream.path, judge)


def _judge_columns(at: str, columns: Sequence[Column], judge: _Judge) -> None:
    _judge_names(at, [column.name for column in columns], judge)
    _judge_types(at, columns, judge)


def _judge_names(at: str, names: Sequence[str], judge: _Judge, *, key: str = "/name") -> None:
    for number, name in enumerate(names):
        judge.refuse(f"{at}/{number}{key}", name, _label_problem(name))
    judge.refuse_repeated(at, names, key)


def _label_problem(name: str) -> str | None:
    """Columns and entities may be called anything that can be seen."""
    return unseen_problem(name) if name.strip() else "is empty"


def _judge_destination(
    at: str, text: str, judge: _Judge, *, words: tuple[str, ...] = (WAREHOUSE,), prefix: str | None = None
) -> None:
    """Judge where rows go: one of a few words, a name after a prefix, a bucket, or a folder of the project."""
    judge.refuse(at, text, unseen_problem(text))
    if text in words or (prefix is not None and text.startswith(prefix)):
        return
    is_bucket = text.startswith(_SCHEMES) and not set(text) & {"@", "?"}
    if not text or (not is_bucket and ("://" in text or is_path_of_a_machine(text))):
        judge.other(at, "a folder below the dbt project, or a bucket", text)


def _judge_path(at: str, path: str, judge: _Judge) -> None:
    judge.refuse(at, path, unseen_problem(path))
    if path.startswith(("/", "\\")):
        judge.other(at, "a path in the dbt project (SEMANTICS R3)", path)


def _judge_latest(project: Project, judge: _Judge) -> None:
    latest: set[str] = set()
    for number, view in enumerate(project.views):
        if view.is_latest and view.name in latest:
            judge.other(f"/views/{number}/is_latest", f"one latest version of {view.name}", "a second one")
        if view.is_latest:
            latest.add(view.name)


def _shown(value: object) -> str:
    """Python's own writing of a value has no invisible character in it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
