"""Our side of `registry_open`: a registry of 1,000 views is applied to, or opened; one measurement per process.

Usage: ``python -m benchmarks.registry_side apply|open URI [--cache SECONDS] [--again N] [--count-on ENDPOINT]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.clock import measured, report
from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column, Feature, FeatureView, Source

VIEWS, FEATURES = 1_000, 50


def project() -> Project:
    """1,000 views of 50 features, a service for each ten."""
    return Project(
        name="bench",
        entities=(Entity(name="driver", join_keys=("driver_id",)),),
        views=tuple(map(_view, range(VIEWS))),
        services=tuple(
            FeatureService(name=f"service_{at}", features=(f"view_{at}", f"view_{at + 1}:feature_0"))
            for at in range(0, VIEWS, 10)
        ),
    )


def _view(number: int) -> FeatureView:
    return FeatureView(
        name=f"view_{number}",
        relation=f'"bench"."main"."view_{number}"',
        entities=("driver",),
        join_keys=(Column(name="driver_id", type="int64"),),
        event_time=Column(name="event_ts", type="timestamp"),
        ttl_us=7 * 24 * 3600 * 1_000_000,
        features=tuple(
            Feature(name=f"feature_{at}", type="float64", description="Their total, US dollars. Never null.")
            for at in range(FEATURES)
        ),
        description="One row per driver and day.",
        source=Source(
            unique_id=f"model.bench.view_{number}",
            resource_type="model",
            path=f"models/view_{number}.sql",
            yaml_path=f"models/view_{number}.yml",
        ),
    )


def apply(arguments: argparse.Namespace) -> None:
    """Look at the registry and create its next version."""
    from featurestore.registry.document import ManifestFacts
    from featurestore.registry.read import open_registry

    definitions = project()
    with measured() as used:
        registry = open_registry(arguments.uri, Path())
        head = registry.latest()
        done = registry.apply(definitions, ManifestFacts(), expected=None if head is None else head.version)
    report(used, version=done.document.version)


def open_(arguments: argparse.Namespace) -> None:
    """Open a client and plan a service's lookup; several times, of which the median but the first counts.

    Modules are loaded before the clock starts, as ``import feast`` has loaded its own; not those of a bucket.
    """
    from featurestore.serving.client import open_client

    for name in ("registry.read", "serving.places", "online.open", "online.memory"):
        import_module(f"featurestore.{name}")
    os.environ["FEATURESTORE_REGISTRY_CACHE"] = f"{arguments.cache}s"
    seconds = []
    with ExitStack() as stack:
        requests = stack.enter_context(_counted(arguments.count_on)) if arguments.count_on else []
        if arguments.is_kept:
            open_client("/", registry=arguments.uri, online_store="memory:").close()
        before = len(requests)
        with measured() as used:
            for _ in range(arguments.again + 1):
                started = time.perf_counter()
                with open_client("/", registry=arguments.uri, online_store="memory:") as client:
                    client.plan(feature_service="service_500", full_feature_names=True)
                seconds.append(time.perf_counter() - started)
        counted = len(requests) - before
    used.wall_s = statistics.median(seconds[1:] or seconds)
    report(used, open_ms=round(used.wall_s * 1000, 2), requests=counted if arguments.count_on else 0)


def _counted(endpoint: str):
    from contextlib import contextmanager

    from tests.bucket_servers import Faults, served, way_to

    @contextmanager
    def way():
        faults = Faults()
        with served(way_to(endpoint, faults)) as url:
            os.environ["AWS_ENDPOINT_URL"] = url
            yield faults.requests

    return way()


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("apply", "open"))
    parser.add_argument("uri")
    parser.add_argument("--cache", type=int, default=0, help="seconds within which the registry is not asked again")
    parser.add_argument("--again", type=int, default=0, help="how often to open it again in the same process")
    parser.add_argument("--count-on", default="", help="go to this endpoint by a way that counts requests")
    parser.add_argument("--is-kept", action="store_true", help="open it once before; another way is another bucket")
    arguments = parser.parse_args()
    (apply if arguments.command == "apply" else open_)(arguments)


if __name__ == "__main__":
    main()
