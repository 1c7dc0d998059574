"""Compare what was served with what the warehouse answers for the moment of serving (SEMANTICS P2-P9, P17).

Shape: ``the log as examples -> the point-in-time join of the service's features at served_at -> value by value``.
The rule: where a view has a created time, only rows that were loaded by then count (P8), so that what came late is no
fault; a newer row that was there and not synced yet is lag.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from sqlglot import exp

from featurestore.definitions.durations import parse_duration
from featurestore.definitions.feature_log import EVENT_TIME, ROW_ID, SERVED_AT, STATUS, is_json_text, log_of, log_type
from featurestore.definitions.references import Output, Selection, ViewUse
from featurestore.definitions.spine import Spine
from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.online.codec import instant
from featurestore.online.json_values import json_value
from featurestore.operations.log_results import LogCounter, LogExample
from featurestore.operations.offline import with_created
from featurestore.operations.values import differing, key_values, microseconds_of, warehouse_values
from featurestore.operations.verify import WAREHOUSE_MEMORY_BYTES
from featurestore.serving.judged import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from featurestore.sql.part import part_of
from featurestore.sql.plan import Retrieval
from featurestore.training.compiled import Compiled
from featurestore.training.logged import check_log_table, files_of, log_relation, logged_service, readable_log
from featurestore.training.stages import stages
from featurestore.warehouse.memory import with_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from featurestore.definitions.feature_log import ServiceLog
    from featurestore.definitions.part import Part
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import Feature, FeatureView
    from featurestore.operations.log_results import LogVerdict, LogVerification
    from featurestore.serving.judged import Status
    from featurestore.warehouse.protocol import Warehouse

_BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """What is to be compared.

    Attributes:
        service: whose log.
        part: a sample of its rows, by a hash of keys and time; None for all.
        start, end: only rows served in this range, both ends inclusive, UTC; None is no bound.
        lag_us: how long a row may take from the warehouse to the store; a difference that a younger row explains is
            lag. None counts as lag only rows whose event time is after the served one's.
    """

    service: str
    part: Part | None = None
    start: datetime | None = None
    end: datetime | None = None
    lag_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSides:
    """Where both sides are.

    Attributes:
        project: the definitions.
        schema: where the log's table is.
        base_dir: the project's folder, from which a log in a folder is found.
        open_warehouse: opens the warehouse.
    """

    project: Project
    schema: str | None
    base_dir: Path
    open_warehouse: Callable[[], Warehouse]


def read_lag(given: str | timedelta | None, *, where: str = "lag") -> int | None:
    """Read how long a row may take to the store, as microseconds; None for none.

    Raises:
        UsageError: it is no duration; it was given as `where`.
    """
    if given is None:
        return None
    if isinstance(given, timedelta):
        return given // timedelta(microseconds=1)
    try:
        return parse_duration(given)
    except ValueError as error:
        raise UsageError(str(error), where=where, hint='e.g. "1h" where a sync runs every hour') from error


def verify_log(
    request: LogRequest, sides: LogSides, *, on_rows: Callable[[int], None] | None = None
) -> LogVerification:
    """Compare a service's log with the warehouse.

    Args:
        request: which rows.
        sides: the definitions and the warehouse.
        on_rows: told how many rows were compared so far; raises to stop the work.

    Raises:
        UnknownNameError: no such service.
        UsageError: it is not logged, or nothing is there yet.
        OperationError, ObjectStoreError: its files cannot be read.
        QueryError: the warehouse refused a statement, e.g. since a model was not built.
        WarehouseError: it cannot be reached.
    """
    started = monotonic()
    service = logged_service(sides.project, request.service)
    log = log_of(sides.project, service)
    dialect = sides.project.dialect
    files, table = files_of(service, sides.base_dir), log_relation(service.name, sides.schema, dialect)
    if files is not None:
        files = replace(files, start=request.start, end=request.end)
    readable = readable_log(table, files, dialect, lambda _: sides.open_warehouse())
    check_log_table(log.view(readable.relation), lambda: readable.open_warehouse(True))

    def work(size_bytes: int) -> LogCounter:
        counter = LogCounter([output.name for output in log.outputs])
        with closing(readable.open_warehouse(True)) as warehouse:
            warehouse.limit_memory(size_bytes)
            _Comparison(log, request, counter, on_rows).run(readable.relation, warehouse)
        return counter

    counter = with_enough_memory(work, first_bytes=WAREHOUSE_MEMORY_BYTES)
    return counter.result(service.name, monotonic() - started)


class _Comparison:
    """One pass over a log."""

    def __init__(
        self, log: ServiceLog, request: LogRequest, counter: LogCounter, on_rows: Callable[[int], None] | None
    ) -> None:
        self._log = log
        self._request = request
        self._counter = counter
        self._on_rows = on_rows
        self._uses = list({id(output.use): output.use for output in log.outputs}.values())
        self._number_of = {id(use): number for number, use in enumerate(self._uses)}

    def run(self, relation: str, warehouse: Warehouse) -> None:
        """Compare all rows that are asked for."""
        spine = self._spine(relation, warehouse.dialect)
        compiled = Compiled(selection=self._selection(), spine=spine, options=Retrieval(event_timestamps=True))
        statements, select = stages(compiled, warehouse, None)
        for statement in statements:
            warehouse.execute(statement)
        compared = 0
        for batch in warehouse.read(select, batch_rows=_BATCH_ROWS):
            if batch.num_rows:
                self._compare(batch)
                compared += batch.num_rows
                if self._on_rows is not None:
                    self._on_rows(compared)

    def _spine(self, relation: str, dialect: str) -> Spine:
        """The log as examples, under names that meet none of the user's."""
        log = self._log
        wanted = {
            "row_id": (ROW_ID, "string"),
            "served_at": (SERVED_AT, "timestamptz"),
            **{f"key_{at}": (key.name, log_type(key.type)) for at, key in enumerate(log.keys)},
            **{f"logged_{at}": (each.name, log_type(each.feature.type)) for at, each in enumerate(log.outputs)},
            **{f"status_{at}": (f"{each.name}{STATUS}", "string") for at, each in enumerate(log.outputs)},
            **{f"time_{at}": (f"{each.name}{EVENT_TIME}", "timestamptz") for at, each in enumerate(log.outputs)},
        }
        query = exp.select(
            *(exp.alias_(exp.column(source, quoted=True), name, quoted=True) for name, (source, _) in wanted.items())
        ).from_(exp.to_table(relation, dialect=dialect))
        for bound, compare in ((self._request.start, exp.GTE), (self._request.end, exp.LTE)):
            if bound is not None:
                moment = exp.cast(exp.Literal.string(bound.isoformat(sep=" ")), "timestamptz")
                query = query.where(compare(this=exp.column(SERVED_AT, quoted=True), expression=moment))
        columns = tuple(Column(name=name, type=kind) for name, (_, kind) in wanted.items())
        spine = Spine(sql=query.sql(dialect=dialect), columns=columns, time="served_at", dialect=dialect)
        if self._request.part is None:
            return spine
        return part_of(spine, self._request.part, [f"key_{at}" for at in range(len(log.keys))], dialect=dialect)

    def _selection(self) -> Selection:
        """Each use of a view under its ttl and without, as known at that moment."""
        places = {key.name: f"key_{at}" for at, key in enumerate(self._log.keys)}
        answers, any_age, created = [], [], []
        for at, use in enumerate(self._uses):
            keys = tuple(places[key] for key in use.spine_keys)
            view = replace(use.view, as_of="knowledge") if use.view.created_at is not None else use.view
            answers.append(ViewUse(view=view, name=f"answer_{at}", spine_keys=keys))
            ageless = with_created(replace(view, ttl_us=None))
            any_age.append(ViewUse(view=ageless, name=f"any_age_{at}", spine_keys=keys))
            if view.created_at is not None:
                created.append(Output(use=any_age[at], feature=_created(ageless), name=f"created_{at}"))
        outputs = [
            Output(use=answers[self._number_of[id(output.use)]], feature=output.feature, name=f"feature_{at}")
            for at, output in enumerate(self._log.outputs)
        ]
        return Selection(uses=(*answers, *any_age), outputs=(*outputs, *created))

    def _compare(self, batch: pa.RecordBatch) -> None:
        columns = [self._verdicts(batch, at) for at in range(len(self._log.outputs))]
        self._counter.add_rows([list(row) for row in zip(*columns, strict=True)])

    def _verdicts(self, batch: pa.RecordBatch, at: int) -> list[LogVerdict]:
        """Judge one feature's values."""
        output = self._log.outputs[at]
        served = _logged_values(batch.column(f"logged_{at}"), output.feature)
        offline = _offline_values(batch.column(f"feature_{at}"), output.feature)
        places = differing(offline, served)
        verdicts: list[LogVerdict] = ["equal"] * batch.num_rows
        if places:
            is_lag = self._lagging(batch, at)
            for place in places:
                verdicts[place] = _verdict(served[place], offline[place], is_lag=is_lag(place))
                if self._counter.wants_example(verdicts[place]):
                    self._counter.keep(self._example(batch, at, place, verdicts[place], served, offline))
        if _is_number(output.feature.type):
            self._measure(output.name, verdicts, served, offline)
        return verdicts

    def _lagging(self, batch: pa.RecordBatch, at: int) -> Callable[[int], bool]:
        """Tell at which places the warehouse had a newer row, which was not synced yet."""
        output = self._log.outputs[at]
        number = self._number_of[id(output.use)]
        logged = microseconds_of(batch.column(f"time_{at}"))
        found = microseconds_of(batch.column(f"any_age_{number}__event_timestamp"))
        served = microseconds_of(batch.column("served_at"))
        created: Sequence[int | None] = [None] * batch.num_rows
        if output.use.view.created_at is not None:
            created = microseconds_of(batch.column(f"created_{number}"))
        lag_us, delay_us = self._request.lag_us, output.use.view.delay_us

        def is_lag(place: int) -> bool:
            event, before, moment = found[place], logged[place], served[place]
            if event is None or moment is None:
                return False
            if before is not None and event > before:
                return True
            known_us = max(event + delay_us, created[place] or event)
            return lag_us is not None and known_us > moment - lag_us

        return is_lag

    def _measure(
        self, name: str, verdicts: Sequence[LogVerdict], served: Sequence[Any], offline: Sequence[Any]
    ) -> None:
        for verdict, one, other in zip(verdicts, served, offline, strict=True):
            if verdict != "lag" and one is not None and other is not None:
                pair = float(one), float(other)
                if all(map(math.isfinite, pair)):
                    self._counter.add_pair(name, *pair)

    def _example(
        self,
        batch: pa.RecordBatch,
        at: int,
        place: int,
        verdict: LogVerdict,
        served: Sequence[object],
        offline: Sequence[object],
    ) -> LogExample:
        row = batch.slice(place, 1)
        output = self._log.outputs[at]
        (served_us,) = microseconds_of(row.column("served_at"))
        keys = {
            key.name: json_value(key_values(row.column(f"key_{number}"), log_type(key.type))[0])
            for number, key in enumerate(self._log.keys)
        }
        return LogExample(
            verdict=verdict,
            feature=output.name,
            row_id=row.column("row_id")[0].as_py(),
            served_at=instant(served_us or 0),
            keys=keys,
            served=json_value(served[place]),
            served_status=row.column(f"status_{at}")[0].as_py() or "",
            warehouse=json_value(offline[place]),
            warehouse_status=self._status(row, self._number_of[id(output.use)], offline[place]),
        )

    @staticmethod
    def _status(row: pa.RecordBatch, number: int, value: object) -> Status:
        if row.column(f"answer_{number}__found")[0].as_py():
            return NULL_VALUE if value is None else PRESENT
        return OUTSIDE_MAX_AGE if row.column(f"any_age_{number}__found")[0].as_py() else NOT_FOUND


def _created(view: FeatureView) -> Feature:
    assert view.created_at is not None
    return next(feature for feature in view.features if feature.name == view.created_at.name)


def _verdict(served: object, offline: object, *, is_lag: bool) -> LogVerdict:
    if is_lag:
        return "lag"
    if served is None:
        return "missing"
    return "extra" if offline is None else "mismatch"


def _logged_values(array: pa.Array, feature: Feature) -> list[object]:
    values = warehouse_values(array, log_type(feature.type))
    if not is_json_text(feature.type):
        return values
    return [None if value is None else msgspec.json.decode(str(value)) for value in values]


def _offline_values(array: pa.Array, feature: Feature) -> list[object]:
    """The warehouse's values in the form in which the log has them."""
    if is_json_text(feature.type):
        return [json_value(value) for value in warehouse_values(array, feature.type)]
    kind = feature.type if feature.type in {"uuid", "list<uuid>"} else log_type(feature.type)
    return warehouse_values(array, kind)


def _is_number(value_type: str) -> bool:
    return value_type in INTEGERS or value_type in FLOATS or value_type.startswith("decimal(")
