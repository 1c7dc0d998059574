"""Random worlds of the oracle's, as dbt models: the macro answers what the rules say (SEMANTICS P1-P12, P14).

Each world is up to three views with options of every kind and one request; hundreds of tiny cases lie in its tables,
told apart by one more join key. DuckDB's own way of the join and the one for all other warehouses take turns.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.dbt.small_project import Model, SmallProject, TrainingSet, small_project
from tests.pit.duckdb_answers import Warehouse, rows_of, same_rows
from tests.pit.oracle import training_set
from tests.pit.strategies import draw_rows, draw_table, draw_world
from tests.shop import built_once, shared_folder

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.views import FeatureView
    from tests.pit.strategies import Rows, World

pytestmark = pytest.mark.slow

WAYS = ("duckdb", "portable")
WORLDS = 14
CASES = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A world, its place in the project, and the rows of its cases."""

    number: int
    world: World
    batch: tuple[Rows, ...]

    @property
    def training_set(self) -> TrainingSet:
        """The world's request, as a model."""
        options: dict[str, Any] = {
            "full_feature_names": self.world.full_names,
            "event_timestamps": self.world.event_timestamps,
            "as_of": self.world.as_of,
        }
        references = [f"w{self.number}_{reference}" for reference in self.world.references]
        return TrainingSet(
            name=f"w{self.number}_set",
            spine=f"w{self.number}_spine",
            spine_time=self.world.spine.time,
            features=references,
            options=options,
        )

    def models(self) -> list[Model]:
        """The views and the spine."""
        spine = Model(name=f"w{self.number}_spine", columns={}, rows=None)
        return [spine, *(self._model(view) for view in self.world.views)]

    def answer(self) -> list[tuple[Any, ...]]:
        """What the oracle says."""
        question = self.world.question
        return [row for rows in self.batch for row in training_set(question, rows.spine, rows.tables)]

    def _model(self, view: FeatureView) -> Model:
        metadata = {
            "entities": list(view.entities),
            "event_time": view.event_time.name,
            "created_at": view.created_at.name if view.created_at else None,
            "valid_to": view.valid_to.name if view.valid_to else None,
            "ttl": f"{view.ttl_us}us" if view.ttl_us is not None else None,
            "delay": f"{view.delay_us}us",
            "as_of": view.as_of,
            "boundary": view.boundary,
            "tie_breakers": list(view.tie_breakers),
            "features": [feature.name for feature in view.features],
        }
        return Model(name=f"w{self.number}_{view.name}", columns={}, rows=None, feature_view=metadata)


def draw(number: int) -> Drawn:
    """Draw a world; equal numbers are equal worlds."""
    choose = random.Random(f"macro/{number}").choice
    world = draw_world(choose, is_batched=True)
    shared = {
        view.name: draw_table(choose, world, world.columns(view), case=0, sizes=range(9))
        for view in world.views
        if not view.join_keys
    }
    batch = tuple(draw_rows(choose, world, case=case, shared=shared) for case in range(CASES))
    return Drawn(number=number, world=world, batch=batch)


def numbers_of(way: str) -> range:
    """Which worlds are answered in this way; no two ways share one."""
    return range(WAYS.index(way), WORLDS * len(WAYS), len(WAYS))


def build(folder: Path, way: str) -> None:
    """Load the rows and build the worlds of one way."""
    drawn = [draw(number) for number in numbers_of(way)]
    models = [model for one in drawn for model in one.models()]
    sets = [one.training_set for one in drawn]
    project = small_project(folder, models, sets, is_portable=way == "portable")
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("create schema raw")
        for one in drawn:
            load(connection, one)
    done = project.dbt("run")
    assert done.returncode == 0, done.stdout + done.stderr


def load(connection: duckdb.DuckDBPyConnection, drawn: Drawn) -> None:
    """Copy a world's relations into the project's database."""
    warehouse = Warehouse()
    try:
        warehouse.load(drawn.world, drawn.batch)
        for name in ("spine", *(view.name for view in drawn.world.views)):
            connection.register("uploaded", warehouse.read(f"select * from {name}"))
            connection.execute(f"create table raw.w{drawn.number}_{name} as select * from uploaded")
            connection.unregister("uploaded")
    finally:
        warehouse.close()


@pytest.fixture(scope="session", params=WAYS)
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, SmallProject]:
    """The worlds of one way, built."""
    folder = shared_folder(tmp_path_factory) / f"worlds_{request.param}"
    built_once(folder, lambda new: build(new, request.param))
    return request.param, SmallProject(project_dir=folder)


@pytest.mark.parametrize("turn", range(WORLDS))
def test_the_macro_answers_what_the_rules_say(worlds, turn):
    way, project = worlds
    drawn = draw(numbers_of(way)[turn])
    assert same_rows(rows_of(project.table(f"w{drawn.number}_set")), drawn.answer()), describe(drawn)


def describe(drawn: Drawn) -> str:
    """What was asked, for the message of a failure."""
    return json.dumps([drawn.training_set.sql, *(model.properties for model in drawn.models())], indent=1)
