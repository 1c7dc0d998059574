"""training-model prints a dbt model, or writes it to a new file."""

from __future__ import annotations

import pytest

from tests.cli.test_bad_input import assert_refused

ASK = ("training-model", "churn", "--spine", "ref('labels')")
MODEL = """\
-- One row per example of labels, with the features of the service churn as of that moment.
{{ training_set(
    spine=ref("labels"),
    spine_time="label_at",
    features=[
        "orders:order_count",
        "orders:amount",
    ],
) }}
"""


@pytest.fixture
def with_macro(applied):
    """The project has our macro among its own."""
    applied.write_manifest(macros={"macro.shop.training_set": {}})
    return applied


def test_a_service_is_printed_as_a_dbt_model(with_macro):
    ran = with_macro.run(*ASK)
    assert (ran.code, ran.out, ran.err) == (0, MODEL, "")
    assert with_macro.run("training-model", "churn", "--spine", "labels", "--json").json == {"sql": MODEL, "path": None}


def test_the_packages_macro_has_its_prefix(applied):
    applied.write_manifest(macros={"macro.featurestore.training_set": {}})
    assert "{{ featurestore.training_set(" in applied.run(*ASK).out


def test_options_that_are_used_are_written(with_macro):
    ran = with_macro.run(*ASK, "--full-feature-names", "--event-timestamps", "--as-of", "knowledge")
    assert ran.lines[-4:] == [
        "    full_feature_names=true,",
        "    event_timestamps=true,",
        '    as_of="knowledge",',
        ") }}",
    ]


def test_a_new_file_is_written_and_another_is_left_alone(with_macro):
    (with_macro.folder / "models").mkdir()
    write = (*ASK, "--write", "models/churn_training.sql")
    assert [with_macro.run(*write).out for _ in range(2)] == ["models/churn_training.sql\n"] * 2
    path = with_macro.folder / "models" / "churn_training.sql"
    assert path.read_text() == MODEL
    path.write_text("select 1")
    said = "--write: models/churn_training.sql is there already, and is another\n  -> give another name"
    assert_refused(with_macro.run(*write), said)
    assert path.read_text() == "select 1"


REFUSED = [
    (("churn", "--spine", "labels", "--write", "x.txt"), "--write: expected a file ending in .sql, got x.txt"),
    (
        ("churn", "--spine", "labels", "--write", "no/x.sql"),
        "--write: no folder no\n  -> make it first, or check the path",
    ),
    (("chrn", "--spine", "labels"), "no feature service 'chrn' in the registry\n  -> did you mean churn?"),
    (
        ("churn", "--spine", "labels.csv"),
        (
            "--spine: the examples of a dbt model are a dbt model, seed, snapshot or source, got 'labels.csv'\n"
            "  -> make the SELECT or the file a dbt model, run `dbt parse`, and give ref('name')"
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(each[0]) for each in REFUSED])
def test_what_cannot_be_a_model_is_refused(with_macro, arguments, said):
    assert_refused(with_macro.run("training-model", *arguments), said)


def test_a_project_without_our_macro_is_told(applied):
    said = "the dbt project has no macro 'training_set'\n  -> run `featurestore init`, which adds it, then `dbt parse`"
    assert_refused(applied.run(*ASK), said)
