"""A project of one table full of traps, some forty views over it, and the questions that are asked in both ways.

Every view reads the same history, so what differs between them is their YAML alone.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.dbt.small_project import Model, TrainingSet, small_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from featurestore.store import FeatureStore
    from featurestore.training.dataset import HistoricalFeatures

NOON = datetime(2026, 6, 10, 12)  # naive times are UTC (SEMANTICS P14)
MICROSECOND, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
INSTANTS = [
    NOON + offset
    for offset in (
        -7 * DAY - MICROSECOND,
        -7 * DAY,
        -1 * HOUR - MICROSECOND,
        -1 * HOUR,
        -1 * MICROSECOND,
        0 * HOUR,
        1 * MICROSECOND,
        1 * HOUR,
    )
]
OR_NULL = [*INSTANTS, None]
ROWS = 150


def history() -> Model:
    """Feature rows: NULL keys and times, ties, exact duplicates, keys that collide when they are joined as text."""
    choose = random.Random("history").choice
    rows = []
    for _ in range(ROWS):
        a, b = choose(["1", "12", "ann", None]), choose(["23", "3", None])
        x = choose([None, 1, 2, 3])
        tags = {None: None, 1: "[]", 2: "[q]", 3: "[q, null]"}[x]  # not orderable, so it must not differ within a tie
        at, loaded_at, until = choose(OR_NULL), choose(OR_NULL), choose(OR_NULL)
        rows.append((a, b, at, loaded_at, until, x, choose([None, 0.5, -1.5, float("nan")]), tags))
    columns = {
        "a": "varchar",
        "b": "varchar",
        "happened_at": "timestamp",
        "loaded_at": "timestamp",
        "until": "timestamp",
        "x": "bigint",
        "y": "double",
        "tags": "varchar[]",
    }
    return Model(name="history", columns=columns, rows=[*rows, *rows[:20]])


def examples() -> Model:
    """Every key at every instant, NULL ones too; the first forty twice."""
    combinations = product(["1", "12", "ann", "zoe", None], ["23", "3", None], OR_NULL)
    rows = [
        (number, a, b, "ann" if b == "3" else a, at, f"{at}+00" if at else None, at.date() if at else None)
        for number, (a, b, at) in enumerate(combinations)
    ]
    columns = {
        "no": "bigint",
        "a": "varchar",
        "b": "varchar",
        "other_a": "varchar",
        "seen_at": "timestamp",
        "seen_at_zoned": "timestamptz",
        "seen_on": "date",
    }
    return Model(name="examples", columns=columns, rows=[*rows, *rows[:40]])


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A feature view over the history.

    Attributes:
        meta: its config.meta.feature_view; the entity `a` and the event time `happened_at` where it says nothing.
        sql: the model's text.
        columns: descriptions of columns in the YAML.
        config: the rest of the model's config.
    """

    meta: Mapping[str, Any] = field(default_factory=dict)
    sql: str = "select * from {{ ref('history') }}"
    columns: tuple[Mapping[str, Any], ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    def properties(self, name: str) -> dict[str, Any]:
        """The model's YAML."""
        has_time = "event_time" in self.config or {"event_time", "valid_from"} & set(self.meta)
        defaults = {"entities": ["a"], **({} if has_time else {"event_time": "happened_at"})}
        meta = {key: value for key, value in {**defaults, **self.meta}.items() if value is not None}
        return {"name": name, "config": {**self.config, "meta": {"feature_view": meta}}, "columns": list(self.columns)}


LOADED, INTERVAL = {"created_at": "loaded_at"}, {"valid_to": "until"}
KNOWLEDGE = {**LOADED, "as_of": "knowledge"}
ZONED = """select a, x, y, happened_at at time zone 'UTC' as happened_at, loaded_at at time zone 'UTC' as loaded_at,
    until at time zone 'UTC' as until from {{ ref('history') }}"""
INFINITE = """select * replace (
        case x when 1 then 'infinity' when 2 then '-infinity' else happened_at end as happened_at,
        case y when 0.5 then 'infinity' when -1.5 then '-infinity' else loaded_at end as loaded_at,
        case y when 0.5 then '-infinity' when -1.5 then 'infinity' else until end as until
    ) from {{ ref('history') }}"""
ENUMS = """select * replace (
        cast(case x when 1 then 'm' when 2 then 'z' when 3 then 'a' end as enum('z', 'a', 'm')) as x
    ) from {{ ref('history') }}"""
VIEWS = {
    "plain": View(),
    "enums": View(sql=ENUMS),
    "ttl_week": View(meta={"ttl": "7 days"}),
    "ttl_parts": View(meta={"ttl": "59m 60s"}),
    "ttl_microsecond": View(meta={"ttl": "1us"}),
    "exclusive": View(meta={"boundary": "exclusive"}),
    "exclusive_ttl": View(meta={"boundary": "exclusive", "ttl": "1h"}),
    "created": View(meta=LOADED),
    "created_ttl": View(meta={**LOADED, "ttl": "1w"}),
    "tie_breaker": View(meta={"tie_breakers": ["y"]}),
    "tie_breaker_elsewhere": View(meta={**LOADED, "tie_breakers": ["until"], "features": ["x"]}),
    "features_turned": View(meta={"features": ["y", "x"]}),
    "feature_alone": View(
        meta={"features": ["tags"]}, sql="select distinct on (a, happened_at) * from {{ ref('history') }} order by all"
    ),
    "delay": View(meta={"delay": "1h"}),
    "delay_none": View(meta={"delay": "0s"}),
    "delay_ttl": View(meta={"delay": "1h", "ttl": "2h"}),
    "delay_exclusive": View(meta={"delay": "1us", "boundary": "exclusive"}),
    "knowledge": View(meta=KNOWLEDGE),
    "knowledge_ttl": View(meta={**KNOWLEDGE, "ttl": "7d"}),
    "knowledge_delay": View(meta={**KNOWLEDGE, "delay": "1h"}),
    "knowledge_exclusive": View(meta={**KNOWLEDGE, "boundary": "exclusive", "delay": "1us", "ttl": "7d"}),
    "knowledge_days": View(
        meta={**KNOWLEDGE, "event_time": "day", "features": ["x", "y"]},
        sql="select *, cast(happened_at as date) as day from {{ ref('history') }}",
    ),
    "interval": View(meta=INTERVAL),
    "interval_by_name": View(meta={**INTERVAL, "valid_from": "happened_at"}),
    "interval_created": View(meta={**INTERVAL, **LOADED}),
    "interval_ttl": View(meta={**INTERVAL, "ttl": "1h"}),
    "interval_days": View(
        meta={"valid_from": "since", "valid_to": "before", "features": ["x", "y"]},
        sql="""select a, x, y, cast(happened_at as date) as since, cast(until as date) as before
            from {{ ref('history') }}""",
    ),
    "interval_zoned": View(meta=INTERVAL, sql=ZONED),
    "infinite": View(meta=LOADED, sql=INFINITE),
    "infinite_ttl": View(meta={"ttl": "1h", "delay": "1h"}, sql=INFINITE),
    "infinite_knowledge": View(meta={**KNOWLEDGE, "delay": "1us"}, sql=INFINITE),
    "infinite_interval": View(meta=INTERVAL, sql=INFINITE),
    "nobody": View(meta={"entities": []}),
    "nobody_ttl": View(meta={"entities": [], "ttl": "1h", **LOADED}),
    "nobody_knowledge": View(meta={"entities": [], **KNOWLEDGE}),
    "nobody_interval": View(meta={"entities": [], **INTERVAL}),
    "pair": View(meta={"entities": ["pair"]}),
    "pair_by_parts": View(meta={"entities": ["b", "a"], **LOADED, "ttl": "1h"}),
    "pair_and_part": View(meta={"entities": ["pair", "a"]}),
    "thing": View(meta={"entities": ["thing"]}),
    "own_entity": View(
        meta={"entities": None}, columns=({"name": "a", "entity": {"type": "primary", "name": "owner"}},)
    ),
    "own_pair": View(
        meta={"entities": None},
        columns=tuple({"name": name, "entity": {"type": "natural", "name": "couple"}} for name in ("b", "a")),
    ),
    "own_unnamed": View(meta={"entities": None}, columns=({"name": "b", "entity": {"type": "unique"}},)),
    "couple": View(meta={"entities": ["couple"]}),
    "types": View(),  # named like a key of the metadata that the macro reads
    "time_in_config": View(config={"event_time": "happened_at"}),
    "contract": View(
        config={"contract": {"enforced": True}},
        sql="select a, happened_at, x from {{ ref('history') }}",
        columns=tuple(
            {"name": name, "data_type": kind}
            for name, kind in (("a", "varchar"), ("happened_at", "timestamp"), ("x", "bigint"))
        ),
    ),
    "zoned": View(meta={**LOADED, "ttl": "1h"}, sql=ZONED),
    "zoned_knowledge": View(meta=KNOWLEDGE, sql=ZONED),
    "milliseconds": View(
        meta={"ttl": "7d"},
        sql="select * replace (cast(happened_at as timestamp_ms) as happened_at) from {{ ref('history') }}",
    ),
    "nanoseconds": View(
        meta={**KNOWLEDGE, "ttl": "7d"},
        sql="""select * replace (
                cast(happened_at as timestamp_ns) as happened_at, cast(loaded_at as timestamp_ns) as loaded_at
            )
            from {{ ref('history') }}""",
    ),
    "sub_microseconds": View(  # within a microsecond is a tie, which the created time decides, not the nanosecond
        meta={**LOADED, "features": ["x", "y"]},
        sql="""select * replace (make_timestamp_ns(epoch_ns(happened_at) + 100 * coalesce(x, 4)) as happened_at)
            from {{ ref('history') }}""",
    ),
    "days": View(
        meta={"event_time": "day", "features": ["x", "y"]},
        sql="select *, cast(happened_at as date) as day from {{ ref('history') }}",
    ),
    "days_undelayed": View(
        meta={"event_time": "day", "delay": "0s", "ttl": "1 day", "features": ["x", "y"]},
        sql="select *, cast(happened_at as date) as day from {{ ref('history') }}",
    ),
    "upper_case": View(meta={"entities": ["A"], "event_time": "HAPPENED_AT", "features": ["X"]}),
    "quoted": View(
        meta={"event_time": "the time", "features": ["Größe", "select"]},
        sql="""select a, happened_at as "the time", x as "Größe", y as "select" from {{ ref('history') }}""",
    ),
    "in_a_view": View(meta={**LOADED, "ttl": "1h"}, config={"materialized": "view"}),
    "empty": View(sql="select * from {{ ref('history') }} where false"),
}
VERSIONED = {"entities": ["a"], "event_time": "happened_at"}
OTHERS = {
    "pairs": {"config": {"meta": {"feature_entity": {"name": "pair", "join_keys": ["a", "b"]}}}},
    "things": {"columns": [{"name": "a", "entity": {"type": "primary", "name": "thing"}}]},
    "versioned": {
        "config": {"meta": {"feature_view": {**VERSIONED, "features": ["x"]}}},
        "latest_version": 2,
        "versions": [
            {"v": 1, "config": {"meta": {"feature_view": {**VERSIONED, "ttl": "1h"}}}},
            {"v": 2},
            {"v": 3, "config": {"meta": {"feature_view": {**VERSIONED, "boundary": "exclusive"}}}},
        ],
    },
}
SNAPSHOT = {
    "name": "snapshot_of_a",
    "relation": "ref('newest_of_a')",
    "config": {
        "strategy": "timestamp",
        "unique_key": "a",
        "updated_at": "happened_at",
        "dbt_valid_to_current": "cast('9999-12-31' as timestamp)",
        "snapshot_meta_column_names": {"dbt_valid_from": "valid_from", "dbt_valid_to": "valid_to"},
        "meta": {"feature_view": {"entities": ["a"], "features": ["x", "y", "tags"]}},
    },
}
NEWEST = """select * from {{ ref('history') }} where a is not null and happened_at is not null
qualify row_number() over (partition by a order by happened_at desc, loaded_at desc, x desc, y desc, until desc) = 1"""
PROJECT = {"name": "small", "profile": "small", "config-version": 2, "models": {"small": {"+materialized": "table"}}}


def question(name: str, *features: str, spine: str = "examples", time: str = "seen_at", **options: Any) -> TrainingSet:
    """A training set with full names and the evidence of P6, unless the options say otherwise."""
    given = {"full_feature_names": True, "event_timestamps": True, **options}
    return TrainingSet(name=f"{name}_set", spine=spine, spine_time=time, features=features, options=given)


QUESTIONS = [
    *(question(name, name) for name in VIEWS),
    question(
        "upper_case_keys", "upper_case", spine='select a as "A", seen_at as "Seen At" from examples', time="Seen At"
    ),
    question("asked_as_of_knowledge", "created", "interval_created", "zoned", as_of="knowledge"),
    question("asked_as_of_event", "knowledge", "knowledge_ttl", "created", as_of="event"),
    question("by_zoned_time", "plain:x", "zoned:x", "days:x", "interval:x", time="seen_at_zoned"),
    question("by_day", "plain:x", "zoned:x", "days:x", "interval:x", "exclusive:x", time="seen_on"),
    question(
        "aliases", "plain[a=other_a] as other:x", "plain:x", "plain as same-as:x", "pair[a=other_a, b=b] as turned"
    ),
    question("interval_aliases", "interval[a=other_a] as other:x", "interval:y", "interval:x"),
    question("bare_names", "plain:x", "created:y", full_feature_names=False, event_timestamps=False),
    question("versions", "versioned", "versioned@v1 as first", "versioned@3 as third:x"),
    question("snapshot", "snapshot_of_a"),
    question(
        "of_a_select",
        "ttl_week:x",
        "nobody:y",
        spine="select a, seen_at, count(*) as weight from examples where b = '3' group by all",
    ),
    question("of_nothing", "ttl_week:x", spine="select * from examples where no < 0"),
]


def build(folder: Path) -> None:
    """Write the project and build it in one go."""
    views = {f"models/{name}.sql": view.sql for name, view in VIEWS.items()}
    described = [view.properties(name) for name, view in VIEWS.items()]
    described += [{"name": name, **properties} for name, properties in OTHERS.items()]
    keys = "select distinct a, b from {{ ref('history') }}"
    files = {
        **views,
        "dbt_project.yml": json.dumps(PROJECT),
        "models/views.yml": json.dumps({"models": described}),
        "models/pairs.sql": keys,
        "models/things.sql": keys,
        "models/newest_of_a.sql": NEWEST,
        **{
            f"models/versioned_v{number}.sql": "select a, happened_at, x from {{ ref('history') }}"
            for number in (1, 2, 3)
        },
        "snapshots/snapshots.yml": json.dumps({"snapshots": [SNAPSHOT]}),
        # ref() in a comment tells dbt what a spine's own SELECT reads
        **{
            f"models/{asked.name}.sql": "-- depends_on: {{ ref('examples') }}\n" + asked.sql
            for asked in QUESTIONS
            if " " in asked.spine
        },
    }
    project = small_project(folder, [history(), examples()], QUESTIONS, files=files)
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout + done.stderr


def ask(store: FeatureStore, asked: TrainingSet) -> HistoricalFeatures:
    """Ask the Python package what a model asks the macro."""
    return store.get_historical_features(asked.spine, list(asked.features), time=asked.spine_time, **asked.options)
