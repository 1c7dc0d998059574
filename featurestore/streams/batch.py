"""One batch of messages: what each view makes of it, and what becomes of messages that one of them refuses.

The rule: a message is taken by all views of the stream or by none; the table of events holds exactly those taken.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from featurestore.streams.messages import DeadLetter, Problem
from featurestore.streams.view_rows import RowMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.streams.events import EventReader
    from featurestore.streams.messages import Messages, Value
    from featurestore.streams.online_rows import Deletions
    from featurestore.streams.view_rows import ViewRows

logger = logging.getLogger("featurestore.streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a batch says of one view: rows to be written, and entities to be deleted."""

    view: FeatureView
    rows: pa.RecordBatch
    deletions: Deletions | None


@dataclass(slots=True, kw_only=True)
class Batch:
    """A batch that was read.

    Attributes:
        messages: as they came.
        views: what each view makes of it.
        table: readable events, in the messages' order; None where none could be read.
        places: of each event, the place of its message.
        problems: by place, why a message is refused; grows while it is written.
        unknown: fields that no column takes.
    """

    messages: Messages
    views: tuple[ViewRows, ...] = ()
    table: pa.Table | None = None
    places: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    problems: dict[int, Problem]
    unknown: Counter[str] = field(default_factory=Counter)

    def parts(self) -> list[Part]:
        """What is to be written, without what is refused."""
        refused = set(self.problems)
        found = []
        for each in self.views:
            rows, deletions = each.without(refused)
            found.append(Part(view=each.view, rows=rows, deletions=deletions))
        return found

    def events(self) -> pa.Table | None:
        """The events that are taken; None where none could be read."""
        if self.table is None or not self.problems:
            return self.table
        keep = ~np.isin(self.places, list(self.problems))
        return self.table.filter(pa.array(keep))

    def letters(self, *, tries: int = 1) -> list[DeadLetter]:
        """The messages that are refused."""
        now_us = time.time_ns() // 1_000
        return [letter_of(self.messages, place, self.problems[place], tries, now_us) for place in sorted(self.problems)]


class BatchReader:
    """Reads batches of one stream for some of its views; for one thread."""

    def __init__(self, reader: EventReader, views: Sequence[FeatureView]) -> None:
        self._reader = reader
        self._makers = [RowMaker(view) for view in views]

    def read(self, messages: Messages) -> list[Batch]:
        """Read a batch; where our own code fails on it, in parts, so that one message stops no other."""
        try:
            return [self._read(messages)]
        except Exception as defect:
            if len(messages) > 1:
                half = len(messages) // 2
                return [*self.read(messages.part(0, half)), *self.read(messages.part(half, len(messages)))]
            logger.exception("a message cannot be used: a defect of ours")
            problem = Problem(reason="defect", detail=f"{type(defect).__name__}: {defect}")
            return [Batch(messages=messages, problems={0: problem})]

    def _read(self, messages: Messages) -> Batch:
        events = self._reader.read(messages)
        made = tuple(maker.make(messages, events) for maker in self._makers)
        problems = dict(events.problems)
        for each in made:
            for place, problem in each.problems.items():
                problems.setdefault(place, problem)
        return Batch(
            messages=messages,
            views=made,
            table=events.table,
            places=events.places,
            problems=problems,
            unknown=events.unknown,
        )

    def close(self) -> None:
        """Close what is open."""
        self._reader.close()
        for maker in self._makers:
            maker.close()


def letter_of(messages: Messages, place: int, problem: Problem, tries: int, now_us: int) -> DeadLetter:
    """A message with its reason."""
    return DeadLetter(
        topic=messages.topic,
        partition=messages.partitions[place],
        offset=messages.offsets[place],
        key=messages.keys[place],
        value=_body(messages.values[place]),
        published_us=messages.published_us[place],
        reason=problem.reason,
        detail=problem.detail,
        view=problem.view,
        tries=tries,
        failed_us=now_us,
    )


def _body(value: Value) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
