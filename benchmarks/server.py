"""The feature server under load: ours and ``feast serve``, one worker each, Valkey on the same machine, in turns.

1x1x8, 10x3x50 and 100x1x8 (entities x views x features) on 16 connections, closed loop; then ours alone, with every
answer logged and with API keys. ``--slow``: ten minutes of logging; five minutes at 70 % of the peak rate, open loop.
The generator is wrk where it is installed, else `load`; for the fixed rate always the latter. The worker has the first
core; the generator, Valkey and everything else the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import wrk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Goal, Line, Options, Recorder
    from benchmarks.data import Size

MEASURES = ("per_s", "p50_ms", "p99_ms", "p999_ms", "cpu_us", "rss_mib", "errors")
ALONE = ("logging", "keys")
SLOW = ("soak", "open")
_KEY = "fsk_of-the-benchmark"
_SOAK_S, _OPEN_S, _SHARE = 600.0, 300.0, 0.7
_CONNECTIONS, _OPEN_CONNECTIONS = 16, 64
_WARM_UP_S = 2.0
_CENTURY_S = 100 * 365 * 86_400


@dataclass(frozen=True, kw_only=True)
class Case:
    """What each request asks for."""

    size: str
    entities: int
    views: int
    width: int

    @property
    def shape(self) -> str:
        """Entities x views x features."""
        return f"{self.entities}x{self.views}x{self.width}"


CASES = (
    Case(size="S", entities=1, views=1, width=8),
    Case(size="S50", entities=10, views=3, width=50),
    Case(size="S", entities=100, views=1, width=8),
)


def main(options: Options) -> None:
    """Measure."""
    from benchmarks.bench import Recorder, folder
    from benchmarks.valkey import server

    shapes = options.chosen([case.shape for case in CASES] + [*ALONE, *(SLOW if options.slow else ())])
    recorder = Recorder(name="server")
    with folder() as place, server(place) as uri:
        if uri is None:
            sys.exit("no Valkey or Redis server is installed")
        pin(_children(os.getpid()), others=True)
        for case in CASES:
            if case.shape in shapes:
                _compare(place, case, uri, options, recorder)
        if set(shapes) & {*ALONE, *SLOW}:
            _alone(place, uri, options, shapes, recorder)
    recorder.summarize(MEASURES, ours="ours, 1x1x8", other="feast, 1x1x8", goals=_goals())


def _goals() -> list[Goal]:
    from benchmarks.bench import Goal

    one, middle, many = "1x1x8", "10x3x50", "100x1x8"
    return [
        Goal(measure="per_s", of=f"ours, {one}", at_least=8_000),
        Goal(measure="per_s", of=f"ours, {one}", to=f"feast, {one}", at_least=16),
        Goal(measure="p99_ms", of=f"ours, {one}", at_most=5),
        Goal(measure="per_s", of=f"ours, {middle}", to=f"feast, {middle}", at_least=50),
        Goal(measure="per_s", of=f"ours, {many}", to=f"feast, {many}", at_least=25),
        Goal(measure="p99_ms", of=f"ours, {many}", at_most=20),
        Goal(measure="per_s", of="a service, logged", to="a service", at_least=0.9),
        Goal(measure="per_s", of="a service, with a key", to="a service", at_least=0.95),
        Goal(measure="growth_mib", of="soak, logged", at_most=5),
        Goal(measure="p999_ms", of="open loop", at_most=20),
        Goal(measure="errors", of="open loop", at_most=0),
    ]


def _compare(place: Path, case: Case, uri: str, options: Options, recorder: Recorder) -> None:
    from benchmarks.data import ensure
    from benchmarks.valkey import empty

    size = ensure(case.size)
    empty(uri)
    ours, feast = place / f"ours-{case.shape}", place / f"feast-{case.shape}"
    _fill(ours, feast, size, uri, options)
    bodies = _bodies(place, case, size)
    seconds = 2.0 if options.quick else 8.0
    for number in range(options.rounds):
        with our_server(ours) as running:
            recorder.add({"case": f"ours, {case.shape}", "round": number, **load(running, bodies, seconds)})
        if options.with_feast:
            with feast_server(feast) as running:
                recorder.add({"case": f"feast, {case.shape}", "round": number, **load(running, bodies, seconds)})


def _fill(ours: Path, feast: Path, size: Size, uri: str, options: Options) -> None:
    from benchmarks.bench import run
    from benchmarks.project import write_project
    from benchmarks.question import Question

    question = Question(size=size, ttl_s=_CENTURY_S)  # beyond its ttl a value would not be answered
    write_project(ours, question, online=uri)
    run("our_side", "apply", "--folder", str(ours), *question.arguments)
    run("our_side", "materialize", "--folder", str(ours), *question.arguments, "--all")
    if options.with_feast:
        arguments = ("--folder", str(feast), *question.arguments, "--online", uri)
        run("feast_side", "setup", *arguments, feast=True)
        run("feast_side", "materialize", *arguments, "--all", feast=True)


def _alone(place: Path, uri: str, options: Options, works: tuple[str, ...], recorder: Recorder) -> None:
    """One entity of a service of eight features: plainly, logged, with a key; long, and at a fixed rate."""
    from benchmarks.bench import run
    from benchmarks.data import ensure
    from benchmarks.project import Service, write_project
    from benchmarks.question import Question
    from benchmarks.valkey import empty

    empty(uri)
    size, project = ensure("S"), place / "alone"
    question = Question(size=size, views=1, ttl_s=_CENTURY_S)
    services = [Service(name="plain", features=question.references)]
    services += [Service(name="logged", features=question.references, log_to="log")]
    write_project(project, question, online=uri, services=services)
    for command in (("apply",), ("materialize", "--all")):
        run("our_side", command[0], "--folder", str(project), *question.arguments, *command[1:])
    bodies = {service.name: _service_bodies(place, service.name, size) for service in services}
    seconds = 2.0 if options.quick else 8.0
    for number in range(options.rounds):
        for case, service, has_key in (
            ("a service", "plain", False),
            ("a service, logged", "logged", False),
            ("a service, with a key", "plain", True),
        ):
            if case == "a service" or ("keys" if has_key else "logging") in works:
                with _with_keys(project, uri, has_key), our_server(project) as running:
                    line = load(running, bodies[service], seconds, header=_header(has_key))
                recorder.add({"case": case, "round": number, **line})
    if "soak" in works:
        with our_server(project) as running:
            recorder.add(
                {"case": "soak, logged", **_soak(running, bodies["logged"], 20.0 if options.quick else _SOAK_S)}
            )
    if "open" in works:
        with our_server(project) as running:
            peak = _generate(running, bodies["plain"], seconds, by_wrk=False, connections=_OPEN_CONNECTIONS)
            rate = _SHARE * float(str(peak["per_s"]))
            long = 10.0 if options.quick else _OPEN_S
            line = _generate(running, bodies["plain"], long, rate=rate, connections=_OPEN_CONNECTIONS)
        recorder.add({"case": "open loop", "rate": round(rate), **line})


def _header(has_key: bool) -> str:
    return f"Authorization: Bearer {_KEY}" if has_key else ""


@contextmanager
def _with_keys(project: Path, uri: str, has_keys: bool) -> Iterator[None]:
    """Let the server ask for a key while the block runs."""
    settings = {"online_store": uri}
    if has_keys:
        digest = hashlib.sha256(_KEY.encode()).hexdigest()
        keys = [{"name": "bench", "sha256": digest, "scopes": ["read:*"]}]
        (project / "featurestore.yml").write_text(json.dumps({**settings, "server": {"keys": keys}}))
    yield
    (project / "featurestore.yml").write_text(json.dumps(settings))


def _soak(running: Running, bodies: Path, seconds: float) -> Line:
    """Ask for long; says how much more memory the worker has at the end than after the first sixth."""
    before = load(running, bodies, seconds / 6)
    after = _generate(running, bodies, seconds * 5 / 6)
    ended_mib = _workers_mib(running)
    return {**after, "rss_mib": ended_mib, "growth_mib": round(ended_mib - float(str(before["rss_mib"])), 1)}


def _service_bodies(place: Path, service: str, size: Size) -> Path:
    chosen = random.Random(7)
    lines = [
        json.dumps({"feature_service": service, "entities": {"driver_id": [chosen.randint(1, size.entities)]}})
        for _ in range(500)
    ]
    path = place / f"bodies-{service}.jsonl"
    path.write_text("\n".join(lines))
    return path


def _bodies(place: Path, case: Case, size: Size) -> Path:
    """Five hundred requests for random entities."""
    from benchmarks.question import Question

    chosen = random.Random(7)
    features = Question(size=size, views=case.views).references
    lines = []
    for _ in range(500):
        ids = [chosen.randint(1, size.entities) for _ in range(case.entities)]
        lines.append(json.dumps({"features": features, "entities": {"driver_id": ids}, "full_feature_names": True}))
    path = place / f"bodies-{case.shape}.jsonl"
    path.write_text("\n".join(lines))
    return path


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers."""

    port: int
    process: int


@contextmanager
def our_server(project: Path, *more: str) -> Iterator[Running]:
    """Run ``featurestore serve`` with one worker."""
    command = [sys.executable, "-m", "featurestore.cli", "serve", "--no-access-log", *more]
    with _serving(command, project) as running:
        yield running


@contextmanager
def feast_server(repository: Path) -> Iterator[Running]:
    """Run ``feast serve`` with one worker."""
    from benchmarks.feast_env import feast_python

    feast = Path(str(feast_python())).parent / "feast"
    # Its workers end after a thousand requests by default, which no user of it would want measured.
    command = [str(feast), "--chdir", str(repository), "serve", "--no-access-log", "--max-requests", "100000000"]
    with _serving(command, repository) as running:
        yield running


@contextmanager
def _serving(command: list[str], folder: Path) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "serve.log").open("w")
    process = subprocess.Popen(
        [*command, "--port", str(port)], cwd=folder, stdout=log, stderr=log, start_new_session=True
    )
    try:
        _wait(port, process, folder / "serve.log")
        pin([process.pid], others=True)
        pin(_children(process.pid), others=False)
        yield Running(port=port, process=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1_200):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"the server does not answer:\n{log.read_text()[-2000:]}")


def _children(process: int) -> list[int]:
    """All processes below one."""
    found = [
        int(each) for task in Path(f"/proc/{process}/task").glob("*/children") for each in task.read_text().split()
    ]
    return found + [below for each in found for below in _children(each)]


def pin(processes: list[int], *, others: bool) -> None:
    """Keep processes on the first core, or on all but the first, where there are several."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for process in processes:
            for task in Path(f"/proc/{process}/task").glob("*"):
                os.sched_setaffinity(int(task.name), cores[1:] if others else cores[:1])


def load(running: Running, bodies: Path, seconds: float, *, header: str = "") -> Line:
    """Ask, after a warm-up."""
    _generate(running, bodies, _WARM_UP_S, header=header)
    cpu_s = _cpu_s(running)
    line = _generate(running, bodies, seconds, header=header)
    line["cpu_us"] = round(1e6 * (_cpu_s(running) - cpu_s) / (float(str(line["per_s"])) * seconds), 1)
    line["rss_mib"] = _workers_mib(running)
    return line


def _workers(running: Running) -> list[int]:
    """The processes that answer; the helper is none."""
    children = _children(running.process)
    workers = [each for each in children if b"server.helper" not in Path(f"/proc/{each}/cmdline").read_bytes()]
    return workers or [running.process]


def _cpu_s(running: Running) -> float:
    """What the workers have used; per request it is steadier than the rate."""
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in _workers(running)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _workers_mib(running: Running) -> float:
    """The memory of the largest worker."""
    return max(round(_rss_mib(each), 1) for each in _workers(running))


def _generate(
    running: Running,
    bodies: Path,
    seconds: float,
    *,
    rate: float = 0.0,
    by_wrk: bool = True,
    connections: int = _CONNECTIONS,
    header: str = "",
) -> Line:
    """Ask; at a rate, or as fast as answers come."""
    has_wrk = by_wrk and not rate and wrk.is_installed()
    if has_wrk:
        command = wrk.command(running.port, bodies, seconds, connections=connections, header=header)
    else:
        words = {"port": running.port, "bodies": bodies, "seconds": seconds, "connections": connections, "rate": rate}
        more = [word for name, value in words.items() for word in (f"--{name}", str(value))]
        command = (sys.executable, "-m", "benchmarks.load", *more, "--header", header)
    cores = sorted(os.sched_getaffinity(0))
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    if len(cores) > 1:
        os.sched_setaffinity(started.pid, cores[1:])
    out, _ = started.communicate()
    if started.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return wrk.line_of(out) if has_wrk else json.loads(out)


def _rss_mib(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
