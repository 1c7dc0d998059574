"""Run the snippets of a page: console sessions and Python sessions, top to bottom, in one folder.

A block of kind ``console`` holds ``$ command`` lines and what they print; one of kind ``pycon`` a Python session.
``...`` in what is printed stands for anything. Other blocks are for reading. A server that a page starts in the
background listens on another port than 6566, since several pages run at once, and is ended with its page.
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<kind>console|pycon)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = "6566"
_COMMAND = re.compile(r"^\$ ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command, or one Python session, and what it should print; None when the page shows nothing."""

    line: int
    kind: str
    text: str
    prints: str | None = None


def steps_of(page: Path) -> list[Step]:
    """Read a page's snippets in order."""
    text = page.read_text(encoding="utf-8")
    steps = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        if block["kind"] == "pycon":
            steps.append(Step(line=line, kind="pycon", text=block["body"]))
            continue
        for part in _COMMAND.split(block["body"])[1:]:
            command, _, printed = part.partition("\n")
            while command.endswith("\\"):
                more, _, printed = printed.partition("\n")
                command = f"{command[:-1]} {more.strip()}"
            steps.append(Step(line=line, kind="console", text=command, prints=printed.strip("\n") or None))
    return steps


def on_a_free_port(steps: list[Step]) -> list[Step]:
    """The same steps, with a free port in place of the server's usual one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        replace(step, text=step.text.replace(_PORT, port), prints=step.prints and step.prints.replace(_PORT, port))
        for step in steps
    ]


def end_servers(folder: Path) -> None:
    """End the servers that a page has left running in its folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").resolve() == folder.resolve() and b"serve" in command:
                os.kill(int(process.name), signal.SIGTERM)


def run_step(step: Step, folder: Path) -> None:
    """Run a step in `folder` and compare what it prints."""
    if step.kind == "pycon":
        run_session(step, folder)
        return
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", step.text], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"line {step.line}: $ {step.text}\n{done.stdout}{done.stderr}"
    if step.prints is not None:
        got = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).strip("\n").splitlines())
        assert matches(step.prints, got), f"line {step.line}: $ {step.text}\nexpected:\n{step.prints}\ngot:\n{got}"


def matches(expected: str, got: str) -> bool:
    """Compare, where ``...`` stands for anything."""
    return re.fullmatch(".*?".join(map(re.escape, expected.split("..."))), got, re.DOTALL) is not None


def run_session(step: Step, folder: Path) -> None:
    """Run a Python session as doctest does."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    test = doctest.DocTestParser().get_doctest(step.text, {}, f"line {step.line}", None, step.line)
    told: list[str] = []
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=told.append)
    finally:
        os.chdir(before)
    assert result.failed == 0, "".join(told)
