"""The options that `training-sql` and `training-set` share: which features, for which examples."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from featurestore.cli.lists import split_list
from featurestore.cli.options import keep, kept
from featurestore.cli.output import say
from featurestore.definitions.spine import DEFAULT_TIME
from featurestore.errors import SpineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.views import Column
    from featurestore.store import FeatureStore
    from featurestore.training.dataset import HistoricalFeatures
    from featurestore.training.request import Question

Options = ParamSpec("Options")
_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options say, as typed; see their help.

    Attributes:
        given: by the option's name.
    """

    given: dict[str, Any]

    def ask(self, store: FeatureStore) -> HistoricalFeatures:
        """Prepare the training set, and say on stderr which time column was chosen if it is not the usual one.

        Raises:
            UsageError: features or examples are not said, or said twice; and what `FeatureStore.ask` raises.
        """
        from featurestore.definitions.labels import read_labels
        from featurestore.definitions.moments import parse_moment
        from featurestore.definitions.part import read_part
        from featurestore.definitions.rules import read_overrides
        from featurestore.training.request import Question

        given = self.given
        job = store.ask(
            Question(
                features=self._features(),
                feature_service=given["service"],
                from_log=given["from_log"],
                spine=self._spine(),
                time=given["time"],
                spine_columns=self._spine_columns(store.workspace.dialect),
                full_feature_names=given["full_feature_names"],
                as_of=given["as_of"],
                overrides=read_overrides(self._overrides()),
                labels=read_labels(
                    split_list(given["label"], where="--label") if given["label"] else None,
                    at=given["label_at"],
                    horizon=given["label_horizon"],
                    cutoff=parse_moment(given["label_cutoff"], where="--label-cutoff"),
                    unlabelled=given["unlabelled"] or "keep",
                ),
                part=read_part(limit=given["limit"], sample=given["sample"], seed=given["seed"]),
                event_timestamps=given["event_timestamps"],
                strategy=given["strategy"],
                at=parse_moment(given["at"], where="--at"),
                start=parse_moment(given["start"], where="--start"),
                end=parse_moment(given["end"], where="--end"),
            )
        )
        if given["time"] is None and job.time is not None and job.time.casefold() != DEFAULT_TIME:
            besides = "" if given["label_at"] is None else f" besides '{given['label_at']}'"
            say(f"The examples' time is their column '{job.time}', the only timestamp{besides}; "
                "--time names another one.")  # fmt: skip
        return job

    def without_examples(self) -> Question:
        """The question as far as it is about features and their rules of time.

        Raises:
            UsageError: features are not said, or said twice.
        """
        from featurestore.definitions.rules import read_overrides
        from featurestore.training.request import Question

        return Question(
            features=self._features(),
            feature_service=self.given["service"],
            as_of=self.given["as_of"],
            overrides=read_overrides(self._overrides()),
        )

    def _features(self) -> tuple[str, ...] | None:
        features, service = self.given["features"], self.given["service"]
        if self.given["from_log"] is not None:
            if features or service:
                raise UsageError("a log has the features of its service", hint="leave out --features and --service")
            return None
        if bool(features) == bool(service):
            got = "both" if features else "neither"
            hint = "e.g. --features view:feature,view:other or --service NAME"
            raise UsageError(f"expected either --features or --service, got {got}", hint=hint)
        return split_list(features, where="--features") if features else None

    def _overrides(self) -> dict[str, dict[str, str]]:
        """Read ``--set view.key=value``; the view's name may hold dots."""
        found: dict[str, dict[str, str]] = {}
        for text in self.given["set"]:
            place, separator, value = (part.strip() for part in text.partition("="))
            name, dot, key = place.rpartition(".")
            if not (name and dot and key and separator and value):
                hint = "e.g. --set orders.ttl=7d --set orders.as_of=knowledge"
                raise UsageError(f"expected view.key=value, got {text!r}", where="--set", hint=hint)
            options = found.setdefault(name, {})
            if options.setdefault(key, value) != value:
                raise UsageError(f"{place} is set twice, to {options[key]} and to {value}", where="--set")
        return found

    def _spine(self) -> str | None:
        spine, at = self.given["spine"], self.given["at"]
        has_range = self.given["start"] is not None and self.given["end"] is not None
        if spine is None and at is None and not has_range and self.given["from_log"] is None:
            raise UsageError(
                "for which examples? expected --spine, or --at, or both --start and --end",
                hint="e.g. --spine labels.csv, --spine my_model, --spine 'select ... from labels'",
            )
        if spine == _STDIN:
            spine = _read_stdin()
        if isinstance(spine, str) and not spine.strip():
            raise SpineError("expected a SELECT, a file, a table or a dbt model, got nothing", where="--spine")
        return None if spine is None else str(spine)

    def _spine_columns(self, dialect: str) -> tuple[Column, ...] | None:
        from featurestore.definitions.types import is_known, parse_type
        from featurestore.definitions.views import Column

        if self.given["spine_columns"] is None:
            return None
        columns = []
        for item in split_list([self.given["spine_columns"]], where="--spine-columns"):
            name, separator, written = (part.strip() for part in item.partition(":"))
            found = parse_type(written, dialect=dialect)
            if not (name and separator and is_known(found)):
                hint = 'e.g. --spine-columns "customer_id:bigint,label_at:timestamp"'
                raise UsageError(f"expected name:type, got {item!r}", where="--spine-columns", hint=hint)
            columns.append(Column(name=name, type=found))
        return tuple(columns)


def _read_stdin() -> str:
    try:
        text = sys.stdin.read()
        text.encode()  # Python hands undecodable bytes on as surrogates
    except UnicodeError as error:
        raise SpineError("expected text in UTF-8 on stdin", where="--spine") from error
    return text


def _option(flag: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(flag, expose_value=False, callback=keep(_name(flag)), **settings)


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


_OPTIONS: dict[str, dict[str, Any]] = {
    "--features": {
        "multiple": True,
        "metavar": "REF,...",
        "help": "Features, e.g. `orders:amount_7d,profile` or `place[place_id=from_id] as origin:rain`.",
    },
    "--service": {"metavar": "NAME", "help": "A feature service, in place of --features."},
    "--from-log": {
        "metavar": "SERVICE",
        "help": "What was served of a feature service, in place of both; without --spine every logged row.",
    },
    "--spine": {
        "metavar": "SQL|FILES|TABLE|MODEL|-",
        "help": "The examples: a SELECT, Parquet, CSV, TSV or JSON-lines files (a pattern, a folder), a SQL file, a "
        "table, a dbt model; - reads SQL from stdin.",
    },
    "--spine-columns": {
        "metavar": "NAME:TYPE,...",
        "help": "What columns the examples have; then no warehouse is asked.",
    },
    "--time": {
        "metavar": "COLUMN",
        "help": "The examples' time column; else event_timestamp, else their only timestamp.",
    },
    "--full-feature-names": {"is_flag": True, "help": "Name the columns view__feature."},
    "--as-of": {
        "type": click.Choice(["event", "knowledge"]),
        "help": "knowledge: use only rows that had been loaded by then.",
    },
    "--set": {
        "multiple": True,
        "metavar": "VIEW.KEY=VALUE",
        "help": "Another ttl, delay, boundary or as_of for a view, e.g. `orders.ttl=7d`; `none` lifts a ttl.",
    },
    "--label": {
        "multiple": True,
        "metavar": "COLUMN,...",
        "help": "Columns of the examples that are labels: they stand last, and no feature is made of them.",
    },
    "--label-at": {"metavar": "COLUMN", "help": "The column that says when the labels became known."},
    "--label-horizon": {"metavar": "DURATION", "help": "Labels are known so long after the example's time, e.g. 14d."},
    "--label-cutoff": {
        "metavar": "TIME",
        "help": "Labels not known by then are NULL, and label_known says so; else the moment of asking.",
    },
    "--unlabelled": {
        "type": click.Choice(["keep", "drop", "refuse"]),
        "help": "What becomes of examples whose labels are not known; keep by default.",
    },
    "--limit": {
        "type": int,
        "metavar": "N",
        "help": "Only N examples, the latest by time: for a look, not for training.",
    },
    "--sample": {
        "metavar": "N|P%",
        "help": "N examples, or about P% of them, chosen by a hash of join keys and time: the same ones each time.",
    },
    "--seed": {"type": int, "default": 0, "metavar": "N", "help": "Another seed is another sample."},
    "--event-timestamps": {"is_flag": True, "help": "Add <view>__event_timestamp and <view>__found."},
    "--strategy": {
        "type": click.Choice(["asof", "range_argmax", "interval", "lateral", "union_first"]),
        "help": "How rows are searched; chosen per view from counts of the data when left out.",
    },
    "--at": {"metavar": "TIME", "help": "No examples: the state of every entity at this time."},
    "--start": {"metavar": "TIME", "help": "No examples: every row of one view from this event time on."},
    "--end": {"metavar": "TIME", "help": "With --start: up to this event time, inclusive."},
}


def asked_with(given: dict[str, Any]) -> Asked:
    """What is asked where a command has some of these options; the others are as if they were not given."""
    return Asked(given={**{_name(flag): _not_given(settings) for flag, settings in _OPTIONS.items()}, **given})


def _not_given(settings: dict[str, Any]) -> Any:  # noqa: ANN401  of the option's type
    if settings.get("multiple"):
        return ()
    return False if settings.get("is_flag") else settings.get("default")


def training_options(command: Callable[Concatenate[Asked, Options], None]) -> Callable[Options, None]:
    """Give a command the options of a training set; it gets them as its first argument."""

    @functools.wraps(command)
    def with_asked(*args: Options.args, **kwargs: Options.kwargs) -> None:
        command(Asked(given={_name(flag): kept(_name(flag)) for flag in _OPTIONS}), *args, **kwargs)

    decorated: Callable[Options, None] = with_asked
    for flag, settings in reversed(_OPTIONS.items()):
        decorated = _option(flag, **settings)(decorated)
    return decorated
