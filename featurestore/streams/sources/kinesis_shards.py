"""One shard of a Kinesis stream as one worker reads it: from the checkpoint on, in order, to its end.

The rule: what is handed out stays written down here until it is committed, so that only that can be committed.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from featurestore.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.streams.sources.kinesis_client import KinesisClient
    from featurestore.streams.sources.kinesis_group import Checkpoint

logger = logging.getLogger("featurestore.streams")

EXPIRED = "ExpiredIteratorException"
INVALID = "InvalidArgumentException"
NOT_FOUND = "ResourceNotFoundException"
THROTTLED = (
    "ProvisionedThroughputExceededException", "KMSThrottlingException", "ThrottlingException", "LimitExceededException",
    "InternalFailure", "InternalFailureException", "InternalServerError", "ServiceUnavailable", "500", "503",
)  # fmt: skip
"""What passes by itself."""
PAUSE_S = 0.21
"""Between two questions to a shard, which answers five a second."""
_LONGEST_PAUSE_S = 5.0
_AT_LEAST = 1_000
_SHORTEST_RETENTION_S = 24 * 3_600
_CLOCKS_S = 300
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Refused(Exception):  # noqa: N818  it passes, or there is another way
    """What Kinesis does not do now. `code` is its own word for that."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A shard as Kinesis lists it.

    Attributes:
        name: its id.
        parents: of which it was made, and which are still kept: none, one split in two, or two merged.
        is_closed: whether nothing more comes into it.
    """

    name: str
    parents: tuple[str, ...] = ()
    is_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message in a shard."""

    offset: str
    key: str
    value: bytes
    published_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a shard says to one question.

    Attributes:
        records: the next ones; none does not mean that there are no more.
        following: where to ask next; None at the end of a closed shard.
        behind_ms: how far the shard's newest record is from here; 0 says that this was all.
    """

    records: list[Record] = field(default_factory=list)
    following: str | None
    behind_ms: int | None


class ShardReader:
    """Reads a shard that this worker has.

    Args:
        client: asks Kinesis.
        shard: its id.
        checkpoint: how far the group has come in it.
        since_us: where to begin without one, microseconds since 1970; None for the beginning.
    """

    def __init__(self, client: KinesisClient, shard: str, checkpoint: Checkpoint, since_us: int | None) -> None:
        self.name = shard
        self.due_at = 0.0
        self.is_missing = False
        self.is_at_end = False
        self.answered_at = time.monotonic()
        self._client = client
        self.checkpoint = checkpoint
        self._since_us = since_us
        self._read_up_to = checkpoint.offset
        self._iterator: str | None = None
        self._has_ended = False
        self._ahead: deque[Record] = deque()
        self._handed_out: deque[tuple[int, int]] = deque()
        self._tries = 0

    @property
    def is_finished(self) -> bool:
        """Whether a closed shard was read to its end, and all of it committed."""
        return self._has_ended and not self._ahead and not self._handed_out

    def read(self, most: int) -> list[Record]:
        """Take the next records; none where it is too early to ask, or Kinesis says to wait. Raises StreamError."""
        if not self._ahead and not self._has_ended and time.monotonic() >= self.due_at:
            self._ask(max(most, _AT_LEAST))
        found = [self._ahead.popleft() for _ in range(min(most, len(self._ahead)))]
        self._handed_out += [(int(record.offset), record.published_us) for record in found]
        return found

    def checkpoint_at(self, offset: str) -> Checkpoint | None:
        """What to write down when everything up to a record is done; None where that was not handed out."""
        number = int(offset)
        if not self._handed_out or not self._handed_out[0][0] <= number <= self._handed_out[-1][0]:
            return None
        is_done = self._has_ended and not self._ahead and number == self._handed_out[-1][0]
        published_us = next(at_us for each, at_us in reversed(self._handed_out) if each <= number)
        return replace(self.checkpoint, offset=offset, published_us=published_us, is_done=is_done)

    def settle(self, checkpoint: Checkpoint) -> None:
        """Forget what is done, since it is written down."""
        self.checkpoint = checkpoint
        while self._handed_out and self._handed_out[0][0] <= int(checkpoint.offset):
            self._handed_out.popleft()

    def _slow_down(self) -> None:
        """Ask later, and later still each time."""
        pause_s = min(_LONGEST_PAUSE_S, PAUSE_S * 2**self._tries)
        self._tries = min(self._tries + 1, 10)
        self.due_at = time.monotonic() + pause_s * random.uniform(0.75, 1.25)  # noqa: S311  spreads workers

    def _ask(self, most: int) -> None:
        self.due_at = time.monotonic() + PAUSE_S
        try:
            if self._iterator is None:
                self._iterator = self._begin()
            answer = self._client.records(self._iterator, most)
        except Refused as refusal:
            self._iterator = self._iterator if refusal.code in THROTTLED else None
            self.is_missing = refusal.code == NOT_FOUND
            if refusal.code != EXPIRED:
                self._slow_down()
            return
        except StreamError:
            self._iterator = None
            raise
        self._tries, self.answered_at = 0, time.monotonic()
        self._iterator = answer.following
        self._has_ended = answer.following is None
        self.is_at_end = self._has_ended or answer.behind_ms == 0
        if answer.records:
            self._read_up_to = answer.records[-1].offset
            self._ahead += [record for record in answer.records if record.published_us >= (self._since_us or 0)]

    def _begin(self) -> str:
        """An iterator behind what was read; a time is taken in whole seconds, so that `_ask` leaves some out."""
        if not self._read_up_to:
            return self._client.first_iterator(self.name, self._since_us)
        if not self._is_forgotten():
            try:
                return self._client.iterator_after(self.name, self._read_up_to)
            except Refused as refusal:
                if refusal.code != INVALID:
                    raise
        logger.warning(
            "%s: shard %s: what the group had come to is older than the stream keeps, or of another stream of that "
            "name; messages may be lost. Reading goes on at the oldest record",
            self._client.name, self.name,
        )  # fmt: skip
        self._read_up_to, self._since_us = "", None
        return self._client.first_iterator(self.name, None)

    def _is_forgotten(self) -> bool:
        """Whether the checkpoint is older than the retention: Kinesis then begins anywhere and says nothing."""
        if self._read_up_to != self.checkpoint.offset or not self.checkpoint.published_us:
            return False
        age_s = time.time() - self.checkpoint.published_us / 1_000_000 - _CLOCKS_S
        return age_s > _SHORTEST_RETENTION_S and age_s > self._client.retention_s()


def records_of(found: Sequence[dict[str, Any]]) -> list[Record]:
    """Records as boto3 gives them."""
    return [
        Record(
            offset=record["SequenceNumber"],
            key=record["PartitionKey"],
            value=record["Data"],
            published_us=(record["ApproximateArrivalTimestamp"] - _EPOCH) // timedelta(microseconds=1),
        )
        for record in found
    ]
