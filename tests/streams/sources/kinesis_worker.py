"""A worker of its own process, to be killed: it says which shard and offset it has committed, line by line."""

from __future__ import annotations

import sys
from pathlib import Path

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.streams.source import Reader
from featurestore.streams.sources.kinesis import open_source


def work(stream: str, state_dir: str) -> None:
    """Read for ever; endpoint and credentials are in the environment."""
    reader = Reader(group="features", base_dir=Path(state_dir), state_dir=Path(state_dir))
    source = open_source("kinesis://eu-central-1", Stream(name=stream), StreamConnection(), reader)
    while True:
        messages = source.poll(100, 0.5)
        source.commit(messages.partitions, messages.offsets)
        for partition, value in zip(messages.partitions, messages.values, strict=True):
            print(partition, value.decode(), flush=True)  # noqa: T201 -- the test reads it


if __name__ == "__main__":
    work(*sys.argv[1:])
