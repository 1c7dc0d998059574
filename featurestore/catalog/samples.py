"""Code to paste: how features are trained with and looked up, in Python, on the command line, and as a dbt model."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.references import select
from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.errors import FeatureStoreError, NameClashError
from featurestore.manifest.macros import TRAINING_SET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.services import FeatureService

_EXAMPLES = "examples.csv"
_VALUES = {"boolean": "true", "date": "2026-01-31", "uuid": "00000000-0000-0000-0000-000000000001"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Code that asks for features.

    Attributes:
        title: in what: ``Python``, ``command line``, ``dbt model``.
        code: lines.
    """

    title: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is asked for.

    Attributes:
        references: of the features, in order.
        service: the service's name; empty where features are named one by one.
        keys: join keys that a request brings, each with a value of its type.
        more: further columns that examples have.
        is_full: whether names of views stand in front, since two features have one name.
        is_online: whether the features can be looked up.
        macro: what the dbt project calls the macro that makes training sets.
    """

    references: tuple[str, ...]
    service: str = ""
    keys: dict[str, str]
    more: tuple[str, ...] = ()
    is_full: bool
    is_online: bool
    macro: str

    @property
    def in_python(self) -> str:
        named = f"feature_service={_quoted(self.service)}" if self.service else f"features={_listed(self.references)}"
        return f"{named}, full_feature_names=True" if self.is_full else named

    @property
    def options(self) -> str:
        service = f"--service {shlex.quote(self.service)}"
        named = service if self.service else f"--features {shlex.quote(', '.join(self.references))}"
        return f"{named} --full-feature-names" if self.is_full else named


def feature_samples(
    project: Project, references: Sequence[str], *, online: bool, macro: str = TRAINING_SET
) -> tuple[Sample, ...]:
    """Write code that asks for features by reference: a training set, and if they are online a lookup.

    Args:
        project: the definitions.
        references: of the features.
        online: whether they can be looked up.
        macro: what the dbt project calls the macro that makes training sets: a package's has the package in front.
    """
    keys, is_full = _asked(project, references)
    return _samples(_Question(references=tuple(references), keys=keys, is_full=is_full, is_online=online, macro=macro))


def service_samples(
    project: Project, service: FeatureService, *, online: bool, macro: str = TRAINING_SET
) -> tuple[Sample, ...]:
    """Write code that asks for the features of a service; `online` and `macro` as of `feature_samples`."""
    keys, is_full = _asked(project, service.features)
    more = tuple(column.name for column in service.request_columns)
    question = _Question(
        references=service.features,
        service=service.name,
        keys=keys,
        more=more,
        is_full=is_full,
        is_online=online,
        macro=macro,
    )
    return _samples(question)


def _samples(asked: _Question) -> tuple[Sample, ...]:
    python = [
        "from featurestore import FeatureStore",
        "",
        "store = FeatureStore()",
        f"# {_EXAMPLES}: {', '.join((*asked.keys, 'event_timestamp', *asked.more))}",
        f'train = store.get_historical_features("{_EXAMPLES}", {asked.in_python}).to_df()',
    ]
    commands = [f"featurestore training-set --spine {_EXAMPLES} {asked.options} --output train.parquet"]
    if asked.is_online:
        row = ", ".join(f"{_quoted(name)}: {_in_python(value)}" for name, value in asked.keys.items())
        python.append(f"now = store.get_online_features({asked.in_python}, entity_rows=[{{{row}}}]).to_dict()")
        entity = shlex.quote(",".join(f"{name}={value}" for name, value in asked.keys.items()))
        commands.append(f"featurestore get-online {asked.options}{f' --entity {entity}' if asked.keys else ''}")
    features = "".join(f"        {_quoted(each)},\n" for each in asked.references)
    full = "    full_feature_names=true,\n" if asked.is_full else ""
    model = (
        f'{{{{ {asked.macro}(\n    spine=ref("examples"),\n    spine_time="event_timestamp",\n'
        f"    features=[\n{features}    ],\n{full}) }}}}"
    )
    return (
        Sample(title="Python", code="\n".join(python)),
        Sample(title="command line", code="\n".join(commands)),
        Sample(title="dbt model", code=model),
    )


def _asked(project: Project, references: Sequence[str]) -> tuple[dict[str, str], bool]:
    """The join keys of a request, each with a value; and whether names must be full."""
    try:
        chosen, is_full = select(project, references), False
    except NameClashError:
        chosen, is_full = select(project, references, full_feature_names=True), True
    except FeatureStoreError:  # a service whose view is gone can be shown, and not asked
        return {}, False
    types = {
        name: column.type
        for use in chosen.uses
        for name, column in zip(use.spine_keys, use.view.join_keys, strict=True)
    }
    return {name: _value(its) for name, its in types.items()}, is_full


def _value(value_type: str) -> str:
    if value_type in INTEGERS or value_type in FLOATS or value_type.startswith("decimal("):
        return "1001"
    return _VALUES.get(value_type, "some-id")


def _in_python(value: str) -> str:
    return value if value.isdigit() else {"true": "True"}.get(value, _quoted(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(texts: Sequence[str]) -> str:
    return json.dumps(list(texts), ensure_ascii=False)
