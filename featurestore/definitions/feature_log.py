"""The log of a feature service: the columns of what was served, and the log as a feature view.

Shape of a log: ``row_id, request_id, served_at, registry_version``, a column per join key, then per feature
``<output>``, ``<output>__status``, ``<output>__event_time``.
The rule: a log is a feature view whose event time is the moment of serving, so that the point-in-time join reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from featurestore.definitions.references import select
from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import NameClashError

if TYPE_CHECKING:
    from featurestore.definitions.project import Project
    from featurestore.definitions.references import Output
    from featurestore.definitions.services import FeatureService

ROW_ID, REQUEST_ID, SERVED_AT, REGISTRY_VERSION = "row_id", "request_id", "served_at", "registry_version"
OWN_COLUMNS = (
    Column(name=ROW_ID, type="string"),
    Column(name=REQUEST_ID, type="string"),
    Column(name=SERVED_AT, type="timestamptz"),
    Column(name=REGISTRY_VERSION, type="int64"),
)
STATUS, EVENT_TIME = "__status", "__event_time"
_SAME = INTEGERS | FLOATS | {"boolean", "string", "bytes", "date", "time", "timestamp", "timestamptz"}
_OTHERS = {"int128": "decimal(38,0)", **dict.fromkeys(("timestamp_s", "timestamp_ms", "timestamp_ns"), "timestamp")}


def log_type(value_type: str) -> str:
    """Return the type that a value has in a log; what has no type of its own there is JSON text (``string``)."""
    other = _OTHERS.get(value_type)
    if other is not None:
        return other
    if value_type in _SAME or value_type.startswith("decimal("):
        return value_type
    if is_logged_list(value_type):
        return f"list<{log_type(value_type[len('list<') : -1])}>"
    return "string"


def is_logged_list(value_type: str) -> bool:
    """Whether a value is logged as a list, and not as JSON text: a list of what has a type of its own."""
    inner = value_type[len("list<") : -1] if value_type.startswith("list<") else ""
    return bool(inner) and (inner in _SAME or inner in _OTHERS or inner == "uuid" or inner.startswith("decimal("))


def is_json_text(value_type: str) -> bool:
    """Whether a value is logged as JSON text, because a log has no type for it."""
    return log_type(value_type) == "string" and value_type not in {"string", "json", "uuid"}


def log_table_name(service: str) -> str:
    """Return the name of the table that holds a service's log."""
    return f"{service}__log"


def log_folder_name(service: str) -> str:
    """Return the name of a folder that holds a service's log, a name on every disk."""
    name = quote(service, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLog:
    """What is logged of one service.

    Attributes:
        service: its name.
        keys: the columns of its join keys as every request brings them, with the types that their views declare.
        outputs: its features in the order in which they are answered, each with the name of its column.
    """

    service: str
    keys: tuple[Column, ...]
    outputs: tuple[Output, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in order."""
        features = [column for output in self.outputs for column in _columns_of(output)]
        return (*OWN_COLUMNS, *self._logged_keys, *features)

    @property
    def _logged_keys(self) -> tuple[Column, ...]:
        return tuple(Column(name=key.name, type=log_type(key.type)) for key in self.keys)

    def view(self, relation: str) -> FeatureView:
        """The log, kept in the table `relation`, as a feature view: what was served, from the moment it was."""
        return FeatureView(
            name=log_table_name(self.service),
            relation=relation,
            entities=tuple(key.name for key in self.keys),
            join_keys=self._logged_keys,
            event_time=Column(name=SERVED_AT, type="timestamptz"),
            tie_breakers=(ROW_ID,),
            features=tuple(
                Feature(name=output.name, type=log_type(output.feature.type), description=output.feature.description)
                for output in self.outputs
            ),
            description=f"What was served of {self.service}.",
        )


def log_of(project: Project, service: FeatureService) -> ServiceLog:
    """Say what a service's log holds.

    Features have their bare names, or full ones (``view__feature``) in a service where bare ones clash.

    Raises:
        NameClashError: a join key or a feature has the name of a column that is the log's own.
        UnknownNameError: a view or feature that is not there.
    """
    taken = [column.name for column in OWN_COLUMNS]
    every = select(project, service.features, full_feature_names=True)
    types = {name: key.type for use in every.uses for key, name in zip(use.view.join_keys, use.spine_keys, strict=True)}
    keys = tuple(Column(name=name, type=types[name]) for name in every.spine_keys)
    try:
        selection = select(project, service.features, taken=[*taken, *every.spine_keys])
    except NameClashError:
        selection = every
    log = ServiceLog(service=service.name, keys=keys, outputs=selection.outputs)
    _refuse_equal_names(log)
    return log


def _columns_of(output: Output) -> tuple[Column, ...]:
    return (
        Column(name=output.name, type=log_type(output.feature.type)),
        Column(name=f"{output.name}{STATUS}", type="string"),
        Column(name=f"{output.name}{EVENT_TIME}", type="timestamptz"),
    )


def _refuse_equal_names(log: ServiceLog) -> None:
    seen: set[str] = set()
    for column in log.columns:
        if column.name.casefold() in seen:
            raise NameClashError(
                f"two columns of the log of feature service '{log.service}' would be named '{column.name}'",
                hint="give the join key another name, 'view[view_key=request_key]', or the use: '... as name'",
            )
        seen.add(column.name.casefold())
