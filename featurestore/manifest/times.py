"""Which columns say when a row of a view became true, became known, and stopped being true (SEMANTICS P2, P7-P9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import DAY
from featurestore.definitions.types import TIMES
from featurestore.manifest.columns import UNTYPED, label
from featurestore.manifest.nodes import VIEW_KEY, as_mapping
from featurestore.manifest.options import PATH

if TYPE_CHECKING:
    from featurestore.definitions.views import Column
    from featurestore.manifest.columns import Table
    from featurestore.manifest.nodes import Node
    from featurestore.manifest.options import ViewOptions
    from featurestore.manifest.problems import Problems

BOOKKEEPING = ("dbt_valid_from", "dbt_valid_to", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The time columns of a view, and its delay in microseconds."""

    event_time: Column
    created_at: Column | None
    valid_to: Column | None
    delay_us: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """All of them."""
        return tuple(column for column in (self.event_time, self.created_at, self.valid_to) if column is not None)


def bookkeeping_columns(node: Node) -> dict[str, str]:
    """Names of the columns that dbt adds to a snapshot, by their usual names; empty for anything else."""
    if node.resource_type != "snapshot":
        return {}
    renamed = as_mapping(node.config.get("snapshot_meta_column_names"))
    return {name: str(renamed.get(name) or name) for name in BOOKKEEPING}


def read_times(options: ViewOptions, table: Table, problems: Problems) -> Times | None:
    """Find the time columns of a view and check that they and the rules of time fit together.

    Returns:
        The times; None, with the problem noted, when there is no usable event time.
    """
    node = table.node
    added = bookkeeping_columns(node)
    valid_to_name = options.valid_to or added.get("dbt_valid_to")
    _check_together(options, node, has_interval=valid_to_name is not None, problems=problems)
    key, name = _event_time_name(options, node, added)
    if name is None and any(node.meta[VIEW_KEY].get(key) is not None for key in ("event_time", "valid_from")):
        return None  # it is there, but no text, which is noted already
    if name is None:
        what = "no event time: expected `event_time` here or in the model's config, got neither"
        problems.error(what, where=node.place(PATH), hint="write `config: {event_time: COLUMN}` (a timestamp)")
        return None
    event_time = _time_column(name, key, table, problems)
    created_at = valid_to = None
    if options.created_at is not None:
        created_at = _time_column(options.created_at, f"{PATH}.created_at", table, problems)
    if valid_to_name is not None:
        valid_to = _time_column(valid_to_name, f"{PATH}.valid_to", table, problems)
    if event_time is None:
        return None
    has_interval = valid_to_name is not None
    delay_us = _delay(options, event_time, node.place(key), has_interval=has_interval, problems=problems)
    return Times(event_time=event_time, created_at=created_at, valid_to=valid_to, delay_us=delay_us)


def _event_time_name(options: ViewOptions, node: Node, added: dict[str, str]) -> tuple[str, str | None]:
    """Return the key that names the event time, and the column; None if nothing names it."""
    if options.valid_from is not None:
        return f"{PATH}.valid_from", options.valid_from
    if options.event_time is not None or added:
        return f"{PATH}.event_time", options.event_time or added["dbt_valid_from"]
    configured = node.config.get("event_time")
    return "config.event_time", configured if isinstance(configured, str) and configured else None


def _check_together(options: ViewOptions, node: Node, *, has_interval: bool, problems: Problems) -> None:
    if options.as_of == "knowledge" and options.created_at is None:
        what = "as_of: knowledge needs to know when rows were loaded (SEMANTICS P8), and there is no created_at"
        problems.error(what, where=node.place(f"{PATH}.as_of"), hint="add `created_at: COLUMN`, or remove the key")
    if options.valid_from is not None and not has_interval:
        what = "valid_from without valid_to: rows have no validity interval (SEMANTICS P9)"
        problems.error(what, where=node.place(f"{PATH}.valid_from"), hint="add `valid_to: COLUMN`, or use event_time")
    if None not in (options.valid_from, options.event_time) and options.valid_from != options.event_time:
        what = f"valid_from '{options.valid_from}' and event_time '{options.event_time}' mean the same, but differ"
        problems.error(what, where=node.place(f"{PATH}.valid_from"), hint="keep one of them")
    if not has_interval:
        return
    refused = {
        "delay": options.delay_us is not None,
        "as_of": options.as_of == "knowledge",
        "boundary": options.boundary == "exclusive",
    }
    for key in (key for key, is_given in refused.items() if is_given):
        what = "not possible with validity intervals: a row counts from its start until before its end (SEMANTICS P9)"
        hint = "remove the key" if node.resource_type == "snapshot" else "remove the key, or remove valid_to"
        problems.error(what, where=node.place(f"{PATH}.{key}"), hint=hint)


def _time_column(name: str, key: str, table: Table, problems: Problems) -> Column | None:
    where = table.node.place(key)
    column = table.find(name, where=where, problems=problems)
    if column is None or column.type == UNTYPED or column.type in TIMES:
        return column
    what = f"expected a timestamp, got column '{column.name}' of type {column.type} in {label(table.node)}"
    problems.error(what, where=where, hint=f"cast it in the model, e.g. cast({column.name} as timestamp)")
    return None


def _delay(options: ViewOptions, event_time: Column, where: str, *, has_interval: bool, problems: Problems) -> int:
    """Return the delay; a DATE is only known after its day, so it has one day unless the YAML says (P7)."""
    if has_interval:
        return 0
    if options.delay_us is not None or event_time.type != "date":
        return options.delay_us or 0
    what = f"'{event_time.name}' is a DATE and no delay is declared, so rows count from one day later (SEMANTICS P7)"
    problems.warn(what, where=where, hint="declare it: `delay: 1 day`, or what holds")
    return DAY
