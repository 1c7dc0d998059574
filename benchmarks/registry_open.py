"""Open a client from a registry of 1,000 views of 50 features, on disk and in a bucket; and from Feast's file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import Goal, Line, Options, Recorder, folder, in_turn, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEASURES = ("open_ms", "wall_s", "cpu_s", "process_cpu_s", "peak_mib", "requests")
BUCKET = "s3://models/registry"
LONG = ("--cache", "3600")
GOALS = (
    Goal(measure="open_ms", of="disk, kept, new process", at_most=20),
    Goal(measure="open_ms", of="bucket, kept and fresh, new process", at_most=20),
    Goal(measure="requests", of="bucket, nothing kept, counted", at_most=2),
    Goal(measure="requests", of="bucket, kept, counted", at_most=1),
)


def main(options: Options) -> None:
    """Measure; what is kept lies in a folder of this run."""
    from tests.moto_server import CREDENTIALS, start_moto

    recorder = Recorder(name="registry_open")
    moto = start_moto()
    try:
        with folder() as place:
            settings = {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": moto.endpoint}
            os.environ.update(settings)
            _make_bucket(moto.endpoint)
            disk, kept, none = str(place / "registry"), str(place / "kept"), str(place / "no folder")
            (place / "no folder").touch()
            for uri in (disk, BUCKET):
                _with_cache(kept, "apply", uri)
                _with_cache(kept, "open", uri, *LONG)
            sides: dict[str, Callable[[], list[Line]]] = {
                "disk, nothing kept, new process": partial(_with_cache, none, "open", disk),
                "disk, kept, new process": partial(_with_cache, kept, "open", disk),
                "disk, kept, same process": partial(_with_cache, kept, "open", disk, "--again", "20"),
                "bucket, nothing kept, counted": partial(_fresh, "--count-on", moto.endpoint),
                "bucket, nothing kept, new process": _fresh,
                "bucket, kept, counted": partial(_fresh, "--count-on", moto.endpoint, "--is-kept"),
                "bucket, kept, new process": partial(_with_cache, kept, "open", BUCKET),
                "bucket, kept and fresh, new process": partial(_with_cache, kept, "open", BUCKET, *LONG),
                "apply to a bucket": _apply_anew,
            }
            if options.with_feast:
                feast = ("--folder", str(place / "feast"))
                run("feast_side", "make_registry", *feast, feast=True)
                sides["feast, new process"] = partial(run, "feast_side", "open_registry", *feast, feast=True)
            in_turn(sides, recorder, options.rounds)
    finally:
        moto.stop()
    recorder.summarize(MEASURES, ours="disk, kept, new process", other="feast, new process", goals=GOALS)


def _make_bucket(endpoint: str) -> None:
    import boto3

    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="models")


def _fresh(*arguments: str) -> list[Line]:
    """Open it with a cache of its own."""
    with folder() as kept:
        return _with_cache(str(kept), "open", BUCKET, *arguments)


def _apply_anew() -> list[Line]:
    """Apply to a prefix where nothing is yet."""
    with folder() as kept:
        return _with_cache(str(kept), "apply", f"s3://models/{kept.name}")


def _with_cache(kept: str, *arguments: str) -> list[Line]:
    with _environment("FEATURESTORE_CACHE_DIR", kept):
        return run("registry_side", *arguments)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
