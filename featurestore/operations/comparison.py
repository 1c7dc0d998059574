"""One pass over some keys: the warehouse's answers against what is served, batch by batch, each difference judged.

What is judged a fault is not counted at once: it is a suspect, whose state is remembered, and who is looked at again
(`operations.verify`); a fault is a suspect that has not moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featurestore.online.codec import instant
from featurestore.online.json_values import json_value
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.operations.results import FaultExample, Pair, Row
from featurestore.operations.values import differing, exact
from featurestore.operations.verdicts import FAULTS, times_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.definitions.views import FeatureView
    from featurestore.operations.keys import KeyValues
    from featurestore.operations.offline import Answers
    from featurestore.operations.results import Tally
    from featurestore.operations.served import Served
    from featurestore.operations.verdicts import Judge, Times, Verdict
    from featurestore.serving.judged import Status
    from featurestore.serving.response import OnlineResponse

MOST_SUSPECTS = 200_000
"""How many keys are looked at again; where there are more, the rest is counted as found."""
_PAIRS_SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Suspects:
    """Keys to be looked at again.

    Attributes:
        keys: their values.
        seen: by hash of the online key, a hash of all that was seen of it on both sides.
    """

    keys: list[KeyValues] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The two sides' answers of one feature, where anything differs."""

    name: str
    offline: list[object]
    offline_statuses: list[Status]
    online: list[object]
    online_statuses: list[Status]
    places: frozenset[int]

    def pair(self, place: int) -> Pair:
        return Pair(
            feature=self.name,
            offline=json_value(self.offline[place]) if self.offline_statuses[place] == "PRESENT" else None,
            offline_status=self.offline_statuses[place],
            online=json_value(self.online[place]),
            online_status=self.online_statuses[place],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """A key whose two answers differ, and what of it."""

    place: int
    keys: KeyValues
    key: bytes | None
    row: bytes | None
    offline: Times | None
    columns: list[_Columns]

    @property
    def online(self) -> Times | None:
        return times_of(self.row)

    @property
    def differing(self) -> list[_Columns]:
        """The features whose answers for this key differ."""
        return [column for column in self.columns if self.place in column.places]

    @property
    def seen(self) -> int:
        """A hash of all that was seen."""
        values = [(it.name, it.offline[self.place], it.offline_statuses[self.place]) for it in self.differing]
        return hash((self.row, self.offline, exact(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One look at some keys.

    Attributes:
        view: the definition.
        judge: gives the verdicts.
        served: the online side.
        tally: where verdicts are counted.
        before: what was seen of suspects the last time.
        suspects: those of this pass.
    """

    view: FeatureView
    judge: Judge
    served: Served
    tally: Tally
    before: Mapping[int, int] = field(default_factory=dict)
    suspects: Suspects = field(default_factory=Suspects)

    def compare(self, answers: Answers, *, are_drawn: bool = False) -> None:
        """Compare one batch; of drawn keys, those that neither side has are counted apart."""
        response = self.served.look_up(answers.keys, self.judge.at_us)
        columns = list(self._columns(answers, response))
        served_us = response.feature_columns[0].event_us
        apart = {place for place, us in enumerate(answers.event_us) if us != served_us[place]}
        apart.update(place for column in columns for place in column.places)
        absent = [place for place, us in enumerate(answers.event_us) if us is None] if are_drawn else []
        self.tally.add_absent(len(set(absent) - apart))
        self.tally.add("equal", len(answers) - len(apart.union(absent)))
        for difference in self._differences(answers, columns, sorted(apart)):
            self._judge(difference)

    def unreadable(self, keys: Iterable[bytes]) -> None:
        """Count online keys that no value of the join keys has: the warehouse cannot have them."""
        for key, row in zip(keys, self.served.rows(list(keys)), strict=True):
            times = times_of(row)
            if times is None:
                self.tally.add("equal")
                continue
            self.tally.add("extra")
            if self.tally.wants_example("extra"):
                text = key.removeprefix(self.served.prefix).decode(errors="replace").removesuffix("}")
                shown = {column.name: text for column in self.view.join_keys[:1]}
                self.tally.keep(
                    FaultExample(verdict="extra", keys=dict(shown), offline=Row(), online=_row(times), values=())
                )

    def _columns(self, answers: Answers, response: OnlineResponse) -> Iterable[_Columns]:
        for place, (feature, column) in enumerate(zip(self.view.features, response.feature_columns, strict=True)):
            values, statuses = answers.column(place, feature.type)
            same = differing(values, column.values) if statuses == column.statuses else None
            if same == []:
                continue
            places = same if same is not None else _apart(values, statuses, column.values, column.statuses)
            yield _Columns(
                name=feature.name,
                offline=values,
                offline_statuses=statuses,
                online=column.values,
                online_statuses=column.statuses,
                places=frozenset(places),
            )

    def _differences(self, answers: Answers, columns: list[_Columns], places: list[int]) -> Iterable[_Difference]:
        keys: list[KeyValues] = [tuple(column[place] for column in answers.keys) for place in places]
        online_keys = [self.served.key(values) for values in keys]
        rows = self.served.rows(online_keys)
        for place, values, key, row in zip(places, keys, online_keys, rows, strict=True):
            event_us = answers.event_us[place]
            yield _Difference(
                place=place,
                keys=values,
                key=key,
                row=row,
                offline=None if event_us is None else (event_us, answers.created_us[place]),
                columns=columns,
            )

    def _judge(self, found: _Difference) -> None:
        verdict = self.judge.verdict(found.offline, found.online)
        if verdict not in FAULTS:
            self.tally.add(verdict)
            return
        name = hash(found.key)
        seen = found.seen
        if self.before.get(name) != seen and len(self.suspects.keys) < MOST_SUSPECTS:
            self.suspects.keys.append(found.keys)
            self.suspects.seen[name] = seen
            return
        self._count(verdict, found)

    def _count(self, verdict: Verdict, found: _Difference) -> None:
        columns = found.differing
        # A row of the same times and values, whose time the lookup told otherwise, differs in all of them.
        names = [column.name for column in columns] or [feature.name for feature in self.view.features]
        if verdict == "different":
            self.tally.add_differing(names)
        else:
            self.tally.add(verdict)
        if self.tally.wants_example(verdict):
            self.tally.keep(
                FaultExample(
                    verdict=verdict,
                    keys={
                        column.name: json_value(value)
                        for column, value in zip(self.view.join_keys, found.keys, strict=True)
                    },
                    offline=_row(found.offline),
                    online=_row(found.online),
                    values=tuple(column.pair(found.place) for column in columns[:_PAIRS_SHOWN]),
                )
            )


def _apart(
    offline: list[object], offline_statuses: list[Status], online: list[object], online_statuses: list[Status]
) -> list[int]:
    """Places at which status or value differ; where nothing is answered the value does not count."""
    # The warehouse answers NULL where there is no row, and so does a lookup.
    values = set(differing(offline, online))
    pairs = enumerate(zip(offline_statuses, online_statuses, strict=True))
    return sorted(values | {place for place, (one, other) in pairs if one != other})


def _row(times: Times | None) -> Row:
    if times is None:
        return Row()
    event_us, created_us = times
    created = None if created_us == NO_CREATED_TIME else instant(created_us)
    return Row(event_time=instant(event_us), created_time=created)
