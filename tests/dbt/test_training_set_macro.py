"""What an example sees, when a training set is a dbt model: one `dbt build` of many tiny views."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.dbt.small_project import Model, SmallProject, TrainingSet, small_project
from tests.shop import built_once, shared_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow

NOON = datetime(2026, 6, 10, 12)
MICROSECOND, SECOND, HOUR, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
COLUMNS = {"user_id": "varchar", "at": "timestamp", "loaded_at": "timestamp", "until": "timestamp", "x": "bigint"}


def row(
    x: int | None,
    at: datetime | None,
    *,
    user: str | None = "ann",
    loaded_at: datetime | None = None,
    until: datetime | None = None,
) -> tuple[Any, ...]:
    """A feature row."""
    return (user, at, loaded_at, until, x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A view, and what examples see of it; an example is a user and a time."""

    rule: str
    rows: Sequence[tuple[Any, ...]]
    seen: Sequence[int | None]
    examples: Sequence[tuple[str | None, datetime | None]] = (("ann", NOON),)
    view: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


LOADED, INTERVAL = {"created_at": "loaded_at"}, {"valid_to": "until"}
KNOWLEDGE = {**LOADED, "as_of": "knowledge"}
CASES = [
    Case(rule="P1 equal examples stay apart", rows=[row(1, NOON)], examples=[("ann", NOON)] * 3, seen=[1, 1, 1]),
    Case(rule="P1 no example is lost", rows=[], examples=[("ann", NOON), ("bob", NOON)], seen=[None, None]),
    Case(rule="P2 a row at the very moment is seen", rows=[row(3, NOON)], seen=[3]),
    Case(rule="P2 a row a microsecond later is not", rows=[row(9, NOON + MICROSECOND)], seen=[None]),
    Case(rule="P2 exclusive: not at the very moment", rows=[row(3, NOON)], view={"boundary": "exclusive"}, seen=[None]),
    Case(rule="P2 exclusive: just before", rows=[row(3, NOON - MICROSECOND)], view={"boundary": "exclusive"}, seen=[3]),
    Case(rule="P2 NULL matches nothing", rows=[row(1, NOON, user=None)], examples=[(None, NOON)], seen=[None]),
    Case(rule="P2 a NULL time asks nothing", rows=[row(1, NOON)], examples=[("ann", None)], seen=[None]),
    Case(rule="P2 a row without a time is never seen", rows=[row(1, None)], seen=[None]),
    Case(rule="P3 the last instant of the ttl", rows=[row(4, NOON - 7 * DAY)], view={"ttl": "7 days"}, seen=[4]),
    Case(
        rule="P3 and not a moment longer", rows=[row(4, NOON - 7 * DAY - MICROSECOND)], view={"ttl": "1w"}, seen=[None]
    ),
    Case(rule="P3 a microsecond is exact", rows=[row(4, NOON - MICROSECOND)], view={"ttl": "1us"}, seen=[4]),
    Case(rule="P3 several parts", rows=[row(4, NOON - HOUR * 1.5)], view={"ttl": "1h 30m"}, seen=[4]),
    Case(rule="P3 no ttl, no end", rows=[row(4, datetime(1970, 1, 1))], seen=[4]),
    Case(
        rule="P4 the greatest event time",
        rows=[row(1, NOON - DAY), row(2, NOON - SECOND), row(3, NOON - HOUR)],
        seen=[2],
    ),
    Case(
        rule="P4 of a tie the later loaded",
        rows=[row(1, NOON, loaded_at=NOON + DAY), row(2, NOON, loaded_at=NOON)],
        view=LOADED,
        seen=[1],
    ),
    Case(
        rule="P4 a NULL created time is the oldest",
        rows=[row(9, NOON), row(1, NOON, loaded_at=NOON)],
        view=LOADED,
        seen=[1],
    ),
    Case(rule="P4 still tied: the greatest feature", rows=[row(1, NOON), row(None, NOON), row(2, NOON)], seen=[2]),
    Case(
        rule="P4 still tied: the declared tie-breaker",
        rows=[row(9, NOON, until=NOON), row(1, NOON, until=NOON + DAY)],
        view={"tie_breakers": ["until"]},
        seen=[1],
    ),
    Case(rule="P5 an older value never shines through", rows=[row(5, NOON - DAY), row(None, NOON - HOUR)], seen=[None]),
    Case(
        rule="P7 not before the delay is over",
        rows=[row(1, NOON - HOUR + MICROSECOND)],
        view={"delay": "1h"},
        seen=[None],
    ),
    Case(rule="P7 when it is over", rows=[row(1, NOON - HOUR)], view={"delay": "1h"}, seen=[1]),
    Case(
        rule="P7 the ttl counts from the event time",
        rows=[row(1, NOON - 2 * HOUR - MICROSECOND)],
        view={"delay": "1h", "ttl": "2h"},
        seen=[None],
    ),
    Case(
        rule="P8 not before it was loaded",
        rows=[row(1, NOON - DAY, loaded_at=NOON + MICROSECOND)],
        view=KNOWLEDGE,
        seen=[None],
    ),
    Case(rule="P8 when it was loaded", rows=[row(1, NOON - DAY, loaded_at=NOON)], view=KNOWLEDGE, seen=[1]),
    Case(
        rule="P8 an old event that is loaded last is still old",
        rows=[row(1, NOON - DAY, loaded_at=NOON), row(2, NOON - HOUR, loaded_at=NOON - HOUR)],
        view=KNOWLEDGE,
        seen=[2],
    ),
    Case(rule="P8 loaded no one knows when", rows=[row(1, NOON - DAY)], view=KNOWLEDGE, seen=[None]),
    Case(
        rule="P8 asked by the request",
        rows=[row(1, NOON - DAY, loaded_at=NOON + DAY)],
        view=LOADED,
        options={"as_of": "knowledge"},
        seen=[None],
    ),
    Case(
        rule="P8 by event, for this request", rows=[row(1, NOON)], view=KNOWLEDGE, options={"as_of": "event"}, seen=[1]
    ),
    Case(rule="P9 valid from its first instant", rows=[row(1, NOON, until=NOON + DAY)], view=INTERVAL, seen=[1]),
    Case(rule="P9 not at its last", rows=[row(1, NOON - DAY, until=NOON)], view=INTERVAL, seen=[None]),
    Case(rule="P9 still valid", rows=[row(1, NOON - DAY)], view=INTERVAL, seen=[1]),
    Case(
        rule="P9 the newest row is over, an older one is valid",
        rows=[row(1, NOON - 2 * DAY), row(2, NOON - DAY, until=NOON - HOUR)],
        view=INTERVAL,
        seen=[1],
    ),
    Case(
        rule="P10 matches on time alone",
        rows=[row(1, NOON, user=None)],
        view={"entities": []},
        examples=[(None, NOON)],
        seen=[1],
    ),
]

PAIRS = Model(
    name="pairs",
    columns={"a": "varchar", "b": "varchar", "at": "timestamp", "x": "bigint", "y": "bigint"},
    rows=[("1", "23", NOON, 100, 1), ("12", "3", NOON, 200, 2)],
    feature_view={"entities": ["a", "b"], "event_time": "at"},
)
PLACES = Model(
    name="places",
    columns={"place": "varchar", "at": "timestamptz", "degrees": "double"},
    rows=[
        ("AMS", "2026-06-10 12:00:00+00", 14.5),
        ("MAD", "2026-06-10 12:00:01+00", 33),
        ("MAD", "2026-06-09 12:00:00+00", 30),
    ],
    feature_view={"entities": ["place"], "event_time": "at"},
)
DAYS = Model(
    name="days",
    columns={"day": "date", "orders": "bigint"},
    rows=[("2026-06-09", 9), ("2026-06-10", 10)],
    feature_view={"entities": [], "event_time": "day", "delay": "1d"},
)
UNDELAYED = Model(
    name="undelayed", columns=DAYS.columns, rows=DAYS.rows, feature_view={"entities": [], "event_time": "day"}
)
TRIPS = Model(
    name="trips",
    columns={
        "no": "bigint",
        "a": "varchar",
        "b": "varchar",
        "origin": "varchar",
        "target": "varchar",
        "at": "timestamp",
        "label": "boolean",
    },
    rows=[
        (1, "1", "23", "AMS", "MAD", NOON, True),
        (2, "12", "3", "MAD", "MAD", NOON, False),
        (3, "1", "3", None, "AMS", NOON, None),
    ],
)
ALIASES = ["places[place=origin] as origin_place:degrees", "places[place=target] as target_place:degrees"]
TRAINING_SETS = [
    TrainingSet(name="of_pairs", spine="trips", spine_time="at", features=["pairs:x"]),
    TrainingSet(name="whole_view", spine="trips", spine_time="at", features=["pairs"], options={"keep": ["no"]}),
    TrainingSet(name="aliased", spine="trips", spine_time="at", features=ALIASES, options={"full_feature_names": True}),
    TrainingSet(
        name="without_entity",
        spine="trips",
        spine_time="at",
        features=["days:orders", "undelayed:orders"],
        options={"full_feature_names": True},
    ),
    TrainingSet(
        name="with_evidence", spine="trips", spine_time="at", features=["pairs:x"], options={"event_timestamps": True}
    ),
    TrainingSet(
        name="of_a_query",
        spine='select no, a, b, "at" from trips_at_noon where no < 3',
        spine_time="at",
        features=["pairs:x", "pairs:y", "pairs[a=a, b=b]:x"],
    ),
]
SPINE_TABLE = Model(name="trips_at_noon", columns=TRIPS.columns, rows=TRIPS.rows)
LATEST = "{{ latest_features('case_15') }}"
OF_A_SEED = "{{ training_set(spine='trips_at_noon', spine_time='at', features=['rates:rate']) }}"
RATES_YAML = {"seeds": [{"name": "rates", "config": {"meta": {"feature_view": {"entities": [], "event_time": "day"}}}}]}
SORTED = """
{{ config(materialized="table") }}
select * from (values
    (2, timestamp '2026-06-09 12:00:00'), (1, timestamp '2026-06-11 12:00:00'), (1, timestamp '2026-06-10 12:00:00')
) as given(id, "at")
{{ order_by_entity_time() }}
"""
SORTED_YAML = {
    "models": [
        {
            "name": "sorted",
            "config": {"event_time": "at", "meta": {"feature_view": {}}},
            "columns": [{"name": "id", "entity": {"type": "primary", "name": "spot"}}],
        }
    ]
}


def case_models(number: int, case: Case) -> tuple[Model, TrainingSet]:
    """The view and the training set of a case; its spine is a SELECT."""
    view = {"entities": ["user_id"], "event_time": "at", "features": ["x"], **case.view}
    spine = Model(
        name="examples",
        columns={"no": "bigint", "user_id": "varchar", "seen_at": "timestamp"},
        rows=[(n, user, time) for n, (user, time) in enumerate(case.examples)],
    )
    return (
        Model(name=f"case_{number}", columns=COLUMNS, rows=case.rows, feature_view=view),
        TrainingSet(
            name=f"set_{number}",
            spine=spine.sql,
            spine_time="seen_at",
            features=[f"case_{number}:x"],
            options=case.options,
        ),
    )


def build(folder: Path) -> None:
    """Build all cases in one run."""
    cases = [case_models(number, case) for number, case in enumerate(CASES)]
    models = [view for view, _ in cases]
    sets = [training_set for _, training_set in cases]
    # ref() in a comment tells dbt what the spine's own SELECT reads
    query = next(one for one in TRAINING_SETS if one.name == "of_a_query")
    project = small_project(
        folder,
        [*models, PAIRS, PLACES, DAYS, UNDELAYED, TRIPS, SPINE_TABLE],
        [*sets, *TRAINING_SETS],
        files={
            "models/of_a_query.sql": "-- depends_on: {{ ref('trips_at_noon') }}\n" + query.sql,
            "models/latest.sql": LATEST,
            "seeds/rates.csv": "day,rate\n2026-06-10 11:00:00,2\n2026-06-10 13:00:00,9\n",
            "seeds/rates.yml": json.dumps(RATES_YAML),
            "models/of_a_seed.sql": OF_A_SEED,
            "models/sorted.sql": SORTED,
            "models/sorted.yml": json.dumps(SORTED_YAML),
        },
    )
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "run.log").write_text(done.stdout)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """All training sets, built."""
    return SmallProject(project_dir=built_once(shared_folder(tmp_path_factory) / "macro", build))


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.rule for case in CASES])
def test_what_an_example_sees(project, number, case):
    rows = sorted(project.rows(f"set_{number}", "no", "x"))
    assert rows == list(enumerate(case.seen)), case.rule


def test_keys_are_compared_one_by_one_and_never_as_joined_text(project):
    """P2: '1' and '23' are not '12' and '3'."""
    assert sorted(project.rows("of_pairs", "no", "x")) == [(1, 100), (2, 200), (3, None)]


def test_the_spines_columns_come_first_then_the_features(project):
    """P1."""
    assert project.table("of_pairs").column_names == [*TRIPS.columns, "x"]


def test_a_view_alone_is_all_its_features_and_keep_chooses_the_spines_columns(project):
    """P12."""
    assert project.table("whole_view").column_names == ["no", "x", "y"]
    assert sorted(project.rows("whole_view")) == [(1, 100, 1), (2, 200, 2), (3, None, None)]


def test_one_view_is_used_under_two_names_with_two_keys(project):
    """P11; and P14: its times have a zone, the spine's have none, the session is in New York."""
    columns = ("no", "origin_place__degrees", "target_place__degrees")
    assert sorted(project.rows("aliased", *columns)) == [(1, 14.5, 30.0), (2, 30.0, 30.0), (3, None, 14.5)]


def test_a_day_is_known_when_it_is_over(project):
    """P7, P10: declared, and by default with a warning."""
    rows = project.rows("without_entity", "no", "days__orders", "undelayed__orders")
    assert sorted(rows) == [(1, 9, 9), (2, 9, 9), (3, 9, 9)]
    log = (project.project_dir / "run.log").read_text()
    assert "feature view undelayed: event_time 'day' is a DATE; its rows are usable a day later" in log
    assert "feature view days: event_time" not in log


def test_value_is_null_and_no_row_can_be_told_apart(project):
    """P6."""
    rows = sorted(project.rows("with_evidence", "no", "x", "pairs__event_timestamp", "pairs__found"))
    assert rows == [(1, 100, NOON, True), (2, 200, NOON, True), (3, None, None, False)]


def test_a_spine_may_be_a_select_and_a_feature_named_twice_is_one_column(project):
    """P12."""
    assert project.table("of_a_query").column_names == ["no", "a", "b", "at", "x", "y"]
    assert sorted(project.rows("of_a_query", "no", "x", "y")) == [(1, 100, 1), (2, 200, 2)]


def test_the_latest_row_of_a_key_is_the_one_that_wins_ties(project):
    """P4: case 15 is the tie that the created time decides."""
    assert CASES[15].rule == "P4 of a tie the later loaded"
    assert project.rows("latest") == [("ann", NOON, NOON + DAY, 1)]


def test_a_table_is_written_in_the_order_of_the_entities_that_its_columns_declare(project):
    """As everywhere else: without `entities` they are those of dbt's column property `entity`."""
    assert project.rows("sorted", "id", "at") == [(1, NOON), (1, NOON + DAY), (2, NOON - DAY)]


def test_a_seed_can_be_a_feature_view(project):
    assert project.rows("of_a_seed", "rate") == [(2,)] * len(TRIPS.rows)


def test_lineage_knows_every_view(project):
    """The macro calls ref() itself, so dbt builds the views first."""
    nodes = json.loads((project.project_dir / "target" / "manifest.json").read_text())["nodes"]
    assert set(nodes["model.small.aliased"]["depends_on"]["nodes"]) == {"model.small.trips", "model.small.places"}
