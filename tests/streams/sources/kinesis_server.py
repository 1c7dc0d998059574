"""Kinesis as `moto` speaks it, a process of its own, mended where it is unlike Amazon's; it refuses what it is told to.

moto puts records into closed shards, moves old ones to their children, has no end of a shard, and counts each shard's
records from 1. Here, as at Amazon: a closed shard keeps its records and takes no more, its end is said, and sequence
numbers grow over the whole stream.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

FIRST = 49_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class KinesisServer:
    """A running server of ours."""

    process: subprocess.Popen[str]
    endpoint: str

    def refuse(self, call: str, *codes: str) -> None:
        """Have the next calls of a kind answered with these errors; ``part`` takes a third of a PutRecords."""
        self._post("/ours/refuse", {"call": call, "codes": codes})

    def grow_old(self, hours: float) -> None:
        """Have all records been published that much earlier."""
        self._post("/ours/grow-old", {"hours": hours})

    def calls(self, call: str) -> int:
        """How often it was called."""
        return self._post("/ours/calls", {"call": call})

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _post(self, path: str, said: object) -> int:
        asked = urllib.request.Request(f"{self.endpoint}{path}", json.dumps(said).encode(), method="POST")
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())


def start_kinesis() -> KinesisServer:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.streams.sources.kinesis_server"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    assert port, "the server did not start"
    server = KinesisServer(process=process, endpoint=f"http://127.0.0.1:{port}")
    until = time.monotonic() + 120
    while True:
        try:
            server.calls("ListShards")
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)
        else:
            return server


def serve() -> None:
    """Run a server on a free port, and print the port."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    mend()
    app = Refusing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=False)
    print(server.server_port, flush=True)  # noqa: T201 -- the port is the answer
    server.serve_forever()


class Refusing:
    """The server, but for calls that are to be refused."""

    def __init__(self, app) -> None:
        self._app = app
        self._codes = defaultdict(deque)
        self._calls = defaultdict(int)

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith("/ours/"):
            said = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return self._answer(start_response, "200 OK", self._obey(path, said))
        call = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]
        self._calls[call] += 1
        if not self._codes[call]:
            return self._app(environ, start_response)
        code = self._codes[call].popleft()
        if code == "part":
            PART.append(True)
            return self._app(environ, start_response)
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        return self._answer(start_response, "400 Bad Request", {"__type": code, "message": "as you told me"})

    def _obey(self, path, said):
        if path == "/ours/refuse":
            self._codes[said["call"]].extend(said["codes"])
        elif path == "/ours/grow-old":
            grow_old(said["hours"])
        return self._calls[said.get("call", "")]

    def _answer(self, start_response, status, said):
        body = json.dumps(said).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]


PART = []
"""Holds something where the next PutRecords is to take a part of its records."""


def mend() -> None:
    """Make moto's shards behave as Amazon's."""
    from moto.kinesis import models

    numbers = itertools.count(FIRST)
    shard_for_key = models.Stream.get_shard_for_key
    split, merge = models.Stream.split_shard, models.Stream.merge_shards
    get_records, put_records = models.KinesisBackend.get_records, models.KinesisBackend.put_records

    def put_record(shard, partition_key, content, explicit_hash_key):
        number = next(numbers)
        shard.records[number] = models.Record(partition_key, content, number, explicit_hash_key)
        return str(number)

    def get_shard_for_key(stream, partition_key, explicit_hash_key):
        every = stream.shards
        stream.shards = {name: shard for name, shard in every.items() if shard.is_open}
        try:
            return shard_for_key(stream, partition_key, explicit_hash_key)
        finally:
            stream.shards = every

    def keeping(reshard):
        def resharded(stream, *words):
            kept = {name: shard.records for name, shard in stream.shards.items()}
            for shard in stream.shards.values():
                shard.records = OrderedDict()
            reshard(stream, *words)
            for name, records in kept.items():
                stream.shards[name].records = records

        return resharded

    def records_or_end(backend, stream_arn, shard_iterator, limit):
        following, records, behind_ms = get_records(backend, stream_arn, shard_iterator, limit)
        stream, name, last = models.decompose_shard_iterator(following)
        shard = backend.streams[stream].shards[name]
        is_at_end = not shard.is_open and int(last) >= shard.get_max_sequence_number()
        return (None if is_at_end else following), records, behind_ms

    def put_a_part(backend, stream_arn, stream_name, records):
        if not PART:
            return put_records(backend, stream_arn, stream_name, records)
        PART.clear()
        taken = iter(put_records(backend, stream_arn, stream_name, records[::3])["Records"])
        failed = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
        answers = [failed if place % 3 else next(taken) for place in range(len(records))]
        return {"FailedRecordCount": len(records) - len(records[::3]), "Records": answers}

    models.Shard.put_record, models.Stream.get_shard_for_key = put_record, get_shard_for_key
    models.Stream.split_shard, models.Stream.merge_shards = keeping(split), keeping(merge)
    models.KinesisBackend.get_records, models.KinesisBackend.put_records = records_or_end, put_a_part


def grow_old(hours: float) -> None:
    """Move the times of all records back."""
    from datetime import timedelta

    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.kinesis.models import kinesis_backends

    for backend in kinesis_backends[DEFAULT_ACCOUNT_ID].values():
        for stream in backend.streams.values():
            for shard in stream.shards.values():
                for record in shard.records.values():
                    record.created_at -= hours * 3_600
                    record.created_at_datetime -= timedelta(hours=hours)


if __name__ == "__main__":
    serve()
