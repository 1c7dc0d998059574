"""Appliers that compete: processes that each add views to one registry, one by one, again where another came first.

Usage: ``python -m tests.registry.appliers URI OWN COUNT``; it prints ``ready``, waits for a line, then prints each
number that is applied, and at last how often it was too late.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from featurestore.errors import RegistryConflictError
from featurestore.registry.read import open_registry
from tests.registry.shop import MANIFEST, ORDERS, SHOP, with_view

REPOSITORY = Path(__file__).parents[2]


def start(*command):
    """Start a Python process that talks by lines."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def applier(uri, own, count):
    """Start an applier that waits for `go`."""
    process = start("-m", "tests.registry.appliers", uri, own, count)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def conflicts_of(owners, uri):
    """Have each of them apply 25 changes, all at once; returns how often one was too late."""
    appliers = [applier(uri, own, 25) for own in owners]
    for each in appliers:
        go(each)
    conflicts = [int(each.communicate(timeout=600)[0].splitlines()[-1]) for each in appliers]
    assert [each.returncode for each in appliers] == [0] * len(appliers)
    return sum(conflicts)


def views_of(owners):
    """Names of the views that they add."""
    return {f"view_{own}_{number}" for own in owners for number in range(25)}


def main(uri, own, count):
    registry = open_registry(uri, Path())
    say("ready")
    sys.stdin.readline()
    conflicts = 0
    for number in range(int(count)):
        while True:
            head = registry.latest()
            before = head.content if head else replace(SHOP, views=(), services=())
            after = with_view(before, replace(ORDERS, name=f"view_{own}_{number}"))
            try:
                registry.apply(after, MANIFEST, expected=head.version if head else None)
                break
            except RegistryConflictError:
                conflicts += 1
        say(number + 1)
    say(conflicts)


def say(what):
    print(what, flush=True)  # noqa: T201 -- the lines are the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
