"""Dead letters once more, by the definitions as they are now: those that can be used are written, and are dead no more.

The rule: what is still refused is kept before the old letters go; a kill in between leaves a letter twice, never none.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from featurestore.streams.batch import BatchReader
from featurestore.streams.dead_letters import open_letters
from featurestore.streams.decode import open_decoder
from featurestore.streams.events import EventReader
from featurestore.streams.messages import Messages
from featurestore.streams.offline.protocol import new_name
from featurestore.streams.online_rows import OnlineRows
from featurestore.streams.online_sink import PROBE, OnlineSink
from featurestore.streams.patience import Patience
from featurestore.streams.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.streams import Stream
    from featurestore.online.protocol import OnlineStore
    from featurestore.streams.messages import DeadLetter, Value
    from featurestore.streams.places import StreamPlaces

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What became of dead letters.

    Attributes:
        stream: whose they are.
        tried: how many there were.
        written: of these, how many are written now.
        dead: how many are still refused, by reason.
        others: how many messages beside them are no dead letters of the stream.
    """

    stream: str
    tried: int
    written: int
    dead: dict[str, int]
    others: int = 0


def retry_letters(places: StreamPlaces, name: str, *, reason: str | None = None) -> Retried:
    """Try dead letters again.

    Args:
        places: where everything is.
        name: of the stream.
        reason: only those that were refused for it; None for all.

    Raises:
        UnknownNameError: no such stream.
        OperationError: a file of letters cannot be read or written.
        BackendError: a store, the bucket or the broker cannot be reached; no letter is lost.
    """
    project, _ = places.project_of()
    stream = project.stream(name)
    with open_letters(places, stream) as place:
        found = place.read()
        chosen = [letter for letter in found.letters if reason in (None, letter.reason)]
        left = _tried(places, stream, chosen) if chosen else []
        if chosen:
            place.replace(found, chosen, new_name(), left)
    dead: dict[str, int] = {}
    for letter in left:
        dead[letter.reason] = dead.get(letter.reason, 0) + 1
    return Retried(stream=name, tried=len(chosen), written=len(chosen) - len(left), dead=dead, others=found.others)


def _tried(places: StreamPlaces, stream: Stream, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Read and write them as a worker would; returns those that are still refused."""
    decoder = open_decoder(stream, places.connection(stream.name), base_dir=places.base_dir)
    views = places.project_of()[0].stream_views(stream.name)
    by_topic: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        by_topic.setdefault(letter.topic, []).append(letter)
    left: list[DeadLetter] = []
    offline = places.events(stream)
    with (
        closing(BatchReader(EventReader(stream, decoder, views), views)) as reader,
        closing(places.open_store()) as store,
    ):
        store.write_note(PROBE, b"1")  # raises where the store is away, which a sink would wait for
        sink = _sink(places, store)
        for topic, its in by_topic.items():
            tries = {(letter.partition, letter.offset): letter.tries for letter in its}
            for batch in reader.read(_messages(topic, its, is_fields=stream.format == "fields")):
                sink.write(batch)
                events = batch.events()
                if offline is not None and events is not None and events.num_rows:
                    offline.add(new_name(), events)
                left += [replace(each, tries=tries[each.partition, each.offset] + 1) for each in batch.letters()]
    if offline is not None:
        offline.settle()
        offline.close()
    return left


def _sink(places: StreamPlaces, store: OnlineStore) -> OnlineSink:
    tally = Tally()
    return OnlineSink(
        rows=OnlineRows(places.project, store),
        store=store,
        patience=Patience(threading.Event(), tally, lambda: None, name="retry"),
        tally=tally,
        tries=_TRIES,
    )


def _messages(topic: str, letters: Sequence[DeadLetter], *, is_fields: bool) -> Messages:
    def body(value: bytes | None) -> Value:
        return value if value is None or not is_fields else msgspec.json.decode(value, type=dict[str, str])

    return Messages(
        topic=topic,
        values=[body(letter.value) for letter in letters],
        keys=[letter.key for letter in letters],
        partitions=[letter.partition for letter in letters],
        offsets=[letter.offset for letter in letters],
        published_us=[letter.published_us for letter in letters],
    )
