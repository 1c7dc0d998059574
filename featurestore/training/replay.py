"""A training set made again from its card: the same question, of the same definitions, for the same examples.

Data may have changed since; so the new one is compared with the card, column by column.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import msgspec

from featurestore.definitions.labels import Labels
from featurestore.definitions.moments import parse_moment
from featurestore.definitions.part import Part
from featurestore.definitions.rules import Override
from featurestore.definitions.views import Column
from featurestore.errors import OperationError, UsageError
from featurestore.training.request import Question, ask
from featurestore.training.verify import Difference, differences, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.training.card import Card
    from featurestore.training.dataset import HistoricalFeatures
    from featurestore.training.request import Surroundings
    from featurestore.training.verify import FoundCard

_MOMENTS = ("at", "start", "end")
_NOUNS: dict[str, Any] = {
    "spine_columns": tuple[Column, ...],
    "overrides": tuple[Override, ...],
    "labels": Labels,
    "part": Part,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A training set made again.

    Attributes:
        card: of the first one.
        made: of the new one.
        differences: between the two; none when it is the same.
    """

    card: Card
    made: Card
    differences: tuple[Difference, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __repr__(self) -> str:
        same = "the same as the card's" if self.is_equal else "not the same as the card's"
        place = self.made.written_to.label or "not written"
        return told(f"{place}: {self.made.rows:,} rows, {same}", self.differences)


def question_of(card: Card, *, where: str, spine: object = None) -> Question:
    """The question that a card answers.

    Args:
        card: as read.
        where: names the card in errors.
        spine: takes the place of the card's; a frame's rows are in no card, so they must be given again.

    Raises:
        UsageError: the examples were a frame, or their SQL held a password; or an option is unknown here.
    """
    written = card.written_to
    if written.kind == "table" and written.mode == "append" and written.partition is None:
        hint = "append with --partition COLUMN=VALUE, and each run has a card of its own"
        raise UsageError("its rows were added to others, and cannot be told apart", where=where, hint=hint)
    return Question(spine=_spine(card, spine, where=where), **_options(card, where=where))


def _spine(card: Card, spine: object, *, where: str) -> object:
    if spine is None and card.spine is not None:
        spine = given = card.spine.given
        if given is None:
            raise UsageError(
                f"its examples were {card.spine.label}, which a card does not hold",
                where=where,
                hint="give them again: --spine FILE, or spine=frame in Python",
            )
        if "***" in given:
            hint = "give them again: --spine"
            raise UsageError("its examples held a password, which a card does not keep", where=where, hint=hint)
    if spine is not None and card.spine is None:
        raise UsageError("it was made without examples", where=where, hint="leave out the spine")
    return spine


def _options(card: Card, *, where: str) -> dict[str, Any]:
    """Arguments of the question, in its own types."""
    known = {each.name for each in fields(Question)}
    unknown = [name for name in card.question if name not in known]
    if unknown:
        hint = f"upgrade to featurestore {card.written_by} or later"
        raise UsageError(f"it was made with an option this version does not know: {unknown[0]}", where=where, hint=hint)
    options = {**card.question, **({} if card.time is None else {"time": card.time})}
    try:
        options |= {name: parse_moment(options[name]) for name in _MOMENTS if name in options}
        options |= {name: msgspec.convert(options[name], kind) for name, kind in _NOUNS.items() if name in options}
    except (msgspec.ValidationError, UsageError) as error:
        hint = "restore the file; a training set in Parquet also carries its card inside"
        raise UsageError(f"the card is damaged: {error}", where=where, hint=hint) from error
    if "from_log" in options:
        return options
    if card.feature_service is not None:
        return {**options, "feature_service": card.feature_service}
    return {**options, "features": card.features}


def replay(
    found: FoundCard,
    around: Surroundings,
    write: Callable[[HistoricalFeatures], Card] | None,
    *,
    spine: object = None,
) -> Replay:
    """Make a training set again, and compare.

    Args:
        found: the first one's card.
        around: with the definitions of the card's registry version.
        write: where to; None compares and keeps nothing.
        spine: the examples, where the card does not hold them.

    Raises:
        OperationError: these are other definitions than the card's.
        UsageError: see `question_of`.
    """
    card = found.card
    if around.registry_hash != card.registry_hash:
        raise OperationError(
            f"version {card.registry_version} of the registry has other definitions than the card's",
            where=found.where,
            hint="use the registry it was made with: --registry URI",
        )
    job = ask(question_of(card, where=found.where, spine=spine), around)
    made = job.measured() if write is None else write(job)
    return Replay(card=card, made=made, differences=differences(card, made))
