"""What the macros say when they cannot do what is asked: what was got, what was expected, what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.dbt.small_project import Model, SmallProject, TrainingSet, small_project
from tests.shop import built_once, shared_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

COLUMNS = {"user_id": "bigint", "at": "timestamp", "x": "bigint", "y": "bigint"}
VIEW = {"entities": ["user_id"], "event_time": "at"}
WRONG_VIEWS = {
    "misspelt_ttl": {"ttl": "7 dayz"},
    "zero_ttl": {"ttl": "0s"},
    "number_ttl": {"ttl": 7},
    "clock_delay": {"delay": "1:30"},
    "wrong_as_of": {"as_of": "loaded"},
    "wrong_boundary": {"boundary": "both"},
    "unloaded": {"as_of": "knowledge"},
    "undeclared_entity": {"entities": ["customer"]},
}
EXPECTED = {
    "misspelt_ttl": [
        "feature view misspelt_ttl: ttl: expected a duration such as",
        '"7 days", "1h 30m" or "250ms", got \'7 dayz\'',
    ],
    "zero_ttl": [
        "feature view zero_ttl: ttl: expected more than zero, got '0s'",
        "-> remove the key if values never expire",
    ],
    "number_ttl": ["feature view number_ttl: ttl: expected a duration such as", "got '7'"],
    "clock_delay": ["feature view clock_delay: delay: expected a duration such as", "got '1:30'"],
    "wrong_as_of": ["feature view wrong_as_of: as_of: expected event or knowledge, got 'loaded'"],
    "wrong_boundary": ["feature view wrong_boundary: boundary: expected inclusive or exclusive, got 'both'"],
    "unloaded": [
        "feature view unloaded: as_of: knowledge needs to know when a row was loaded",
        "-> declare `created_at: COLUMN`",
    ],
    "undeclared_entity": [
        "feature view 'undeclared_entity' has no column 'customer'",
        "-> its columns: user_id, at, x, y; an entity's join keys are declared on its model",
    ],
    "no_feature": ["training_set: no features were asked for", "-> name at least one"],
    "unknown_feature": ["no feature 'z' in feature view good", "-> known: x, y"],
    "unknown_key": ["no join key 'id' in feature view good", "-> known: user_id"],
    "no_view": [
        "'plain' is not a feature view",
        "-> add config.meta.feature_view to its YAML",
        "here: clock_delay, good,",
    ],
    "no_time": ["feature view 'no_time' has no event time", "-> set config.event_time in its YAML"],
    "feature_and_feature": [
        "two output columns would be named 'x': good:x and other:x",
        "-> ask for full feature names",
    ],
    "feature_and_spine": [
        "two output columns would be named 'y': column 'Y' of the spine and good:y",
        "-> ask for full feature names",
    ],
    "full_names": [
        "two output columns would be named 'good__x': good:x and good:x",
        "-> give one of the uses another name",
    ],
}
WRONG_SETS = [
    TrainingSet(name="no_feature", spine="examples", spine_time="ts", features=[]),
    TrainingSet(name="unknown_feature", spine="examples", spine_time="ts", features=["good:z"]),
    TrainingSet(name="unknown_key", spine="examples", spine_time="ts", features=["good[id=user_id]:x"]),
    TrainingSet(name="no_view", spine="examples", spine_time="ts", features=["plain:x"]),
    TrainingSet(name="of_no_time", spine="examples", spine_time="ts", features=["no_time:x"]),
    TrainingSet(name="feature_and_feature", spine="examples", spine_time="ts", features=["good:x", "good as other:x"]),
    TrainingSet(name="feature_and_spine", spine="examples", spine_time="ts", features=["good:y"]),
    TrainingSet(
        name="full_names",
        spine="examples",
        spine_time="ts",
        features=["good:x", "good[user_id=other_id]:x"],
        options={"full_feature_names": True},
    ),
]


def build(folder: Path) -> None:
    """Run a project in which nearly every training set is wrong."""
    views = [Model(name=name, columns=COLUMNS, feature_view={**VIEW, **wrong}) for name, wrong in WRONG_VIEWS.items()]
    models = [
        Model(name="good", columns=COLUMNS, feature_view=VIEW),
        Model(name="plain", columns=COLUMNS),
        Model(name="no_time", columns=COLUMNS, feature_view={"entities": ["user_id"]}),
        Model(name="examples", columns={"user_id": "bigint", "other_id": "bigint", "ts": "timestamp", "Y": "bigint"}),
    ]
    sets = [
        TrainingSet(name=f"of_{name}", spine="examples", spine_time="ts", features=[f"{name}:x"])
        for name in WRONG_VIEWS
    ]
    done = small_project(folder, [*views, *models], [*sets, *WRONG_SETS]).dbt("run")
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Status and message of each model."""
    return SmallProject(project_dir=built_once(shared_folder(tmp_path_factory) / "errors", build)).outcomes()


@pytest.mark.parametrize("name", [*(f"of_{name}" for name in WRONG_VIEWS), *(wrong.name for wrong in WRONG_SETS)])
def test_the_message_says_what_is_wrong_and_what_to_do(outcomes, name):
    """P2, P3, P7, P8, P12."""
    status, message = outcomes[name]
    assert status == "error"
    positions = [message.find(part) for part in EXPECTED[name.removeprefix("of_")]]
    assert -1 not in positions, message
    assert positions == sorted(positions), message


def test_a_reference_that_cannot_be_read_stops_dbt_when_it_parses(tmp_path):
    """P12: the grammar is shown."""
    model = Model(name="good", columns=COLUMNS, feature_view=VIEW)
    wrong = TrainingSet(name="wrong", spine="good", spine_time="at", features=["good as a b:x"])
    done = small_project(tmp_path / "small", [model], [wrong]).dbt("parse")
    assert done.returncode == 2
    assert "cannot read the feature reference 'good as a b:x'" in done.stdout
    assert (
        '-> write "view:feature", "view", "view@v2:feature" or "view[view_key=spine_key] as name:feature"'
        in done.stdout
    )


def test_a_unit_test_without_metadata_is_told_the_macro_as_this_project_names_it(tmp_path):
    """The macros are the project's own here, so they have no prefix."""
    models = [
        Model(name="good", columns=COLUMNS, feature_view=VIEW),
        Model(name="examples", columns={"user_id": "bigint", "ts": "timestamp"}),
    ]
    asked = TrainingSet(name="asked", spine="examples", spine_time="ts", features=["good:x"])
    given = [{"input": f"ref('{name}')", "rows": [{"user_id": 1}]} for name in ("examples", "good")]
    unit_test = {"name": "bare", "model": "asked", "given": given, "expect": {"rows": [{"user_id": 1}]}}
    project = small_project(
        tmp_path / "small", models, [asked], files={"models/unit.yml": json.dumps({"unit_tests": [unit_test]})}
    )
    done = project.dbt("build")
    assert done.returncode == 1
    assert "so the metadata of feature view 'good' cannot be read" in done.stdout
    assert "-> in the unit test: overrides: {macros: {feature_view_metadata: {good: {join_keys:" in done.stdout
