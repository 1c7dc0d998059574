"""A feature service as a dbt model: text that calls our macro, so that `dbt build` makes the training set.

The macro calls `ref()` for the spine and for every view; so dbt knows the lineage and builds in the right order. The
model's rows equal those of `FeatureStore.get_historical_features` (tests/dbt/test_training_model.py).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from featurestore.errors import SpineError, UsageError
from featurestore.manifest.macros import TRAINING_SET, training_set_macro
from featurestore.manifest.tables import find_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.manifest.artifacts import Manifest
    from featurestore.training.dataset import HistoricalFeatures
    from featurestore.training.request import Question

_REF = re.compile(r"""^(?:\{\{\s*)?(?:ref\(\s*)?['"]?(?P<name>[\w.]+)['"]?\s*\)?(?:\s*\}\})?$""")


def training_model(
    question: Question, *, ask: Callable[[Question], HistoricalFeatures], manifest: Manifest, dialect: str
) -> str:
    """Write the model.

    Args:
        question: of a feature service; its spine is a model, seed or snapshot by name or ``ref('name')``, or a
            ``source.table``.
        ask: prepares the training set, which finds what cannot be answered.
        manifest: of the project that the model is for.
        dialect: sqlglot's name of its warehouse.

    Returns:
        SQL with Jinja. Built, it has the rows and columns of the same question in Python.

    Raises:
        SpineError: the examples are none that dbt knows.
        UsageError: the project lacks our macros, and whatever `ask` finds.
    """
    spine, call = _spine(question.spine, manifest, dialect)
    job = ask(question)
    assert job.time is not None
    lines = [f"spine={call}", f"spine_time={_text(job.time)}", "features=[", *_features(job), "]"]
    if question.full_feature_names:
        lines.append("full_feature_names=true")
    if question.event_timestamps:
        lines.append("event_timestamps=true")
    if question.as_of is not None:
        lines.append(f"as_of={_text(question.as_of)}")
    arguments = "\n".join(f"    {line}{'' if line.endswith(('[', ',')) else ','}" for line in lines)
    what = f"the features of the service {question.feature_service}" if question.feature_service else "features"
    return (
        f"-- One row per example of {spine}, with {what} as of that moment.\n"
        f"{{{{ {_macro(manifest)}(\n{arguments}\n) }}}}\n"
    )


def _features(job: HistoricalFeatures) -> list[str]:
    return [f"    {_text(' '.join(reference.split()))}," for reference in job.request.references]


def _spine(given: object, manifest: Manifest, dialect: str) -> tuple[str, str]:
    """The examples' name, and the call that reads them."""
    match = _REF.match(given.strip()) if isinstance(given, str) else None
    if match is None or find_table(manifest, match["name"], dialect=dialect) is None:
        raise SpineError(
            f"the examples of a dbt model are a dbt model, seed, snapshot or source, got {given!r}",
            where="--spine",
            hint="make the SELECT or the file a dbt model, run `dbt parse`, and give ref('name')",
        )
    name = match["name"]
    if "." in name:
        source, _, table = name.partition(".")
        return name, f"source({_text(source)}, {_text(table)})"
    return name, f"ref({_text(name)})"


def _macro(manifest: Manifest) -> str:
    name = training_set_macro(manifest)
    if name is None:
        raise UsageError(
            f"the dbt project has no macro '{TRAINING_SET}'",
            hint="run `featurestore init`, which adds it, then `dbt parse`",
        )
    return name


def _text(text: str) -> str:
    """Text as Jinja writes it."""
    return json.dumps(text, ensure_ascii=False)
