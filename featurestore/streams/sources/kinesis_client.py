"""Calls of Kinesis: short timeouts, tries of our own within a deadline, and one error for whatever went wrong."""

from __future__ import annotations

import hashlib
import logging
import random
import secrets
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from featurestore.errors import StreamError, without_secrets
from featurestore.streams.sources.kinesis_envelope import wrapped
from featurestore.streams.sources.kinesis_shards import (
    EXPIRED,
    INVALID,
    NOT_FOUND,
    THROTTLED,
    Answer,
    Refused,
    Shard,
    records_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.streams.source import Outgoing

logger = logging.getLogger("featurestore.streams")
T = TypeVar("T")
_CONNECT_S, _READ_S = 5.0, 15.0
_ASK_S, _SEND_S = 10.0, 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_MOST_RECORDS, _MOST_BYTES = 500, 5_000_000
_MOST_READ = 10_000
_LONGEST_KEY = 256
_MOST_RECORD_BYTES = 1_048_576
_LOGIN = (
    "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationToken",
    "IncompleteSignature", "IncompleteSignatureException", "InvalidClientTokenId",
    "MissingAuthenticationTokenException",
)  # fmt: skip
_DENIED = ("AccessDeniedException", "AccessDenied", "403")


class KinesisClient:
    """One stream of Kinesis. All methods raise StreamError; those that read a shard also Refused.

    Args:
        region: None for that of the environment.
        endpoint: None for Amazon's, or that of the environment.
        stream: its name.
    """

    def __init__(self, region: str | None, endpoint: str | None, stream: str) -> None:
        self.name = f"kinesis://{region or ''}/{stream}"
        self._region = region
        self._endpoint = endpoint
        self._stream = stream
        self._client: Any = None
        self._retention_s: float | None = None
        self._ahead_s = 0.0

    def of(self, stream: str) -> KinesisClient:
        """The same for another stream."""
        return KinesisClient(self._region, self._endpoint, stream)

    def shards(self) -> tuple[Shard, ...]:
        """All shards that hold records, closed ones too; parents that are gone are not named."""
        found: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            asked = {"StreamName": self._stream} if token is None else {"NextToken": token}
            answer = self._insist(lambda asked=asked: self._made().list_shards(**asked))  # type: ignore[misc]
            found += answer["Shards"]
            token = answer.get("NextToken")
            if token is None:
                break
        self._note_clock(answer)
        names: set[str] = {each["ShardId"] for each in found}
        return tuple(
            Shard(
                name=each["ShardId"],
                parents=tuple(names.intersection((each.get("ParentShardId"), each.get("AdjacentParentShardId")))),
                is_closed="EndingSequenceNumber" in each["SequenceNumberRange"],
            )
            for each in found
        )

    def now_us(self) -> int:
        """Its clock as `shards` heard it last, which is in whole seconds; not later than it is there."""
        return int((time.time() + self._ahead_s) * 1_000_000)

    def retention_s(self) -> float:
        """How long the stream keeps a record."""
        if self._retention_s is None:
            answer = self._insist(lambda: self._made().describe_stream_summary(StreamName=self._stream))
            self._retention_s = answer["StreamDescriptionSummary"]["RetentionPeriodHours"] * 3_600.0
        return self._retention_s

    def first_iterator(self, shard: str, since_us: int | None) -> str:
        """Begin at the oldest record, or at a moment, of which only whole seconds may count."""
        if since_us is None:
            return self._iterator(shard, {"ShardIteratorType": "TRIM_HORIZON"})
        return self._iterator(shard, {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since_us / 1_000_000})

    def iterator_after(self, shard: str, offset: str) -> str:
        """Begin behind a record; refused where it is not known any more."""
        asked = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": offset}
        return self._iterator(shard, asked, but=(INVALID,))

    def records(self, iterator: str, most: int) -> Answer:
        """Ask a shard once."""
        answer = self._once(lambda: self._made().get_records(ShardIterator=iterator, Limit=min(most, _MOST_READ)))
        behind_ms = answer.get("MillisBehindLatest")
        return Answer(
            records=records_of(answer["Records"]), following=answer.get("NextShardIterator"), behind_ms=behind_ms
        )

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Put messages into a stream; what it refuses for its rate again, until it has all or a minute is over."""
        until = time.monotonic() + _SEND_S
        for batch in _batches([self._entry(topic, message) for message in messages]):
            left, tries = batch, 0
            while left:
                left, why = self._put(topic, left)
                if left and time.monotonic() > until:
                    hint = "give it more shards, or send less at a time"
                    raise StreamError(f"{self.name}: {topic} did not take {len(left)} messages: {why}", hint=hint)
                if left:
                    _pause(tries)
                    tries += 1

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _entry(self, topic: str, message: Outgoing) -> dict[str, Any]:
        """A message as Kinesis takes it: a tombstone is empty, no key is one that nobody has, headers need room."""
        key = (message.key or b"").decode(errors="backslashreplace") or secrets.token_hex(16)
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode()).hexdigest()
        body = wrapped(message)
        if message.headers and len(body) + len(key.encode()) > _MOST_RECORD_BYTES:
            said = ", ".join(f"{name} {value}" for name, value in message.headers)
            logger.warning(
                "%s: a message to %s is too large for its headers, and goes without: %s", self.name, topic, said
            )
            body = message.value or b""
        return {"Data": body, "PartitionKey": key}

    def _put(self, topic: str, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
        """Those that were not taken, and why."""
        try:
            with self._explained(topic):
                answer = self._made().put_records(StreamName=topic, Records=entries)
        except StreamError as problem:
            if not _passes(problem.__cause__):
                raise
            return entries, problem.what
        failed = [place for place, each in enumerate(answer["Records"]) if each.get("ErrorCode")]
        return [entries[place] for place in failed], answer["Records"][failed[0]]["ErrorCode"] if failed else ""

    def _iterator(self, shard: str, asked: dict[str, Any], but: tuple[str, ...] = ()) -> str:
        words = {"StreamName": self._stream, "ShardId": shard, **asked}
        return str(self._once(lambda: self._made().get_shard_iterator(**words), but)["ShardIterator"])

    def _once(self, do: Callable[[], T], but: tuple[str, ...] = ()) -> T:
        """Ask once; what the reader of a shard knows how to take is Refused."""
        try:
            with self._explained(self._stream):
                return do()
        except StreamError as problem:
            code = _code(problem.__cause__)
            if code in {EXPIRED, NOT_FOUND, *THROTTLED, *but}:
                raise Refused(code) from problem
            raise

    def _insist(self, do: Callable[[], T]) -> T:
        """Ask, again after a pause where that may help."""
        until, tries = time.monotonic() + _ASK_S, 0
        while True:
            try:
                with self._explained(self._stream):
                    return do()
            except StreamError as problem:
                if _code(problem.__cause__) not in THROTTLED or time.monotonic() > until:
                    raise
            _pause(tries)
            tries += 1

    def _made(self) -> Any:  # noqa: ANN401  boto3 makes its classes at run time
        if self._client is None:
            config = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": 1})
            session = boto3.session.Session(region_name=self._region)
            self._client = session.client("kinesis", endpoint_url=self._endpoint, config=config)
        return self._client

    def _note_clock(self, answer: dict[str, Any]) -> None:
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        self._ahead_s = parsedate_to_datetime(said).timestamp() - time.time() if said else 0.0

    @contextmanager
    def _explained(self, stream: str) -> Iterator[None]:
        """Turn what can go wrong into a StreamError."""
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as problem:
            hint = "set AWS_PROFILE, or give the machine a role"
            raise StreamError(f"{self.name}: needs credentials, and none were found", hint=hint) from problem
        except NoRegionError as problem:
            raise StreamError(
                f"{self.name}: needs a region", hint="write kinesis://eu-central-1, or set AWS_REGION"
            ) from problem
        except ClientError as problem:
            raise self._refused(stream, problem) from problem
        except (HTTPClientError, BotoConnectionError) as problem:
            said = without_secrets(str(problem)).partition("\n")[0]
            hint = "is the network up, and the region or `endpoint_url` right?"
            raise StreamError(f"{self.name}: cannot be reached: {said}", hint=hint) from problem
        except (BotoCoreError, ValueError) as problem:  # ValueError: an endpoint that is no URL
            hint = "check the stream's `url` and `options`, and the AWS profile"
            raise StreamError(f"{self.name}: cannot be used: {without_secrets(str(problem))}", hint=hint) from problem

    def _refused(self, stream: str, problem: ClientError) -> StreamError:
        code = _code(problem)
        said = without_secrets(str(problem.response.get("Error", {}).get("Message", ""))).partition("\n")[0]
        if code == NOT_FOUND:
            hint = "make it, or correct `topic` of the stream; is it in this region and account?"
            return StreamError(f"{self.name}: there is no stream '{stream}'", hint=hint)
        if code in _LOGIN:
            hint = "check the credentials of this environment"
            return StreamError(f"{self.name}: refused the login: {code}", hint=hint)
        if code in _DENIED:
            hint = "allow kinesis:ListShards, GetShardIterator, GetRecords, DescribeStreamSummary; to send, PutRecords"
            return StreamError(f"{self.name}: refused: {said or code}", hint=hint)
        if code in THROTTLED:
            hint = "give it more shards, or let fewer groups read it"
            return StreamError(f"{self.name}: is asked for more than its rate: {code}", hint=hint)
        return StreamError(f"{self.name}: refused: {code}: {said}", hint="see the quotas of Kinesis Data Streams")


def _code(problem: BaseException | None) -> str:
    return str(problem.response.get("Error", {}).get("Code", "")) if isinstance(problem, ClientError) else ""


def _passes(problem: BaseException | None) -> bool:
    """Whether sending may succeed later."""
    return _code(problem) in THROTTLED or isinstance(problem, (HTTPClientError, BotoConnectionError))


def _pause(tries: int) -> None:
    longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(tries, 10))
    time.sleep(random.uniform(longest_s / 2, longest_s))  # noqa: S311  spreads workers


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many as one request may hold."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        its = len(entry["Data"]) + len(entry["PartitionKey"].encode())
        if batch and (len(batch) == _MOST_RECORDS or size + its > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += its
    if batch:
        yield batch
