"""The server's processes: light, quick to start, replaced when they die, and gone when they are told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.online.certificates import write_certificate
from tests.server.conftest import SHOP
from tests.server.running import FINISHES_S, apply, is_alive, running, wait_for
from tests.serving.conftest import project, view

HEAVY = {"pyarrow", "duckdb", "sqlglot", "pandas", "numpy", "yaml", "jinja2", "rich", "dbt", "fastapi"}
MOST_MIB = 80


def rss_mib(process):
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_worker_imports_nothing_heavy(tmp_path):
    """It must start in a moment and stay small."""
    code = "import sys, featurestore.server.worker; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert HEAVY.isdisjoint(ran.stdout.split())


def test_workers_stay_small(server):
    for customer in range(200):
        server.ask(["orders", "everything"], {"customer_id": [customer % 21] * 50}, full_feature_names=True)
    assert all(rss_mib(worker) < MOST_MIB for worker in server.workers())


def cpu_seconds(process):
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_starts_with_less_than_a_second_of_work(shop_folder):
    """What it takes on a machine that does nothing else; the best of a few starts."""
    took = []
    for _ in range(8):
        with running(shop_folder) as server:
            assert server.get("/health").status_code == 200
            took.append(sum(map(cpu_seconds, [server.process.pid, *server.workers()])))
        if took[-1] < 1:
            return
    raise AssertionError(f"each of {took} s is more than a second")


@pytest.fixture
def folder(tmp_path, shop_folder):
    """A folder of a test's own, with the rows of the shop."""
    apply(tmp_path, SHOP)
    for file in shop_folder.glob("online.sqlite*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_several_workers_answer_on_one_port(folder):
    with running(folder, "--workers", "3") as server:
        assert len(server.workers()) == 3
        for _ in range(20):
            with httpx.Client(base_url=server.url, timeout=FINISHES_S) as client:  # a connection of its own
                assert client.get("/health").status_code == 200


def test_a_worker_that_is_killed_is_replaced(folder):
    with running(folder, "--workers", "2") as server:
        first = server.workers()
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(server.workers()) == 2 and first[0] not in server.workers())

        def answers():
            with suppress(httpx.TransportError), httpx.Client(base_url=server.url, timeout=FINISHES_S) as client:
                return client.get("/health").status_code == 200

        assert wait_for(answers)
        wait_for(lambda: f"worker {first[0]} ended with code -9" in server.log)


NO_ROOM_ONCE = """
import sys
from featurestore.server import supervisor
calls = []
class OnceWithoutRoom(supervisor.Child):
    def __init__(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        super().__init__(*arguments)
supervisor.Child = OnceWithoutRoom
from featurestore.cli import main
sys.exit(main())
"""


def test_a_machine_without_room_for_a_process_costs_the_others_nothing(folder):
    """The third start, which is a replacement, fails; it is tried again."""
    with running(folder, "--workers", "2", program=("-c", NO_ROOM_ONCE)) as server:
        killed, other = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: "cannot be started" in server.log)
        assert is_alive(other)
        wait_for(lambda: len(server.workers()) == 2 and killed not in server.workers())
        assert other in server.workers()


def test_a_signal_to_look_for_a_newer_registry_kills_no_worker_that_starts(folder):
    with running(folder, "--workers", "2") as server:
        for _ in range(3):
            os.kill(server.workers()[0], signal.SIGKILL)
            for _ in range(100):  # before, while and after another starts
                server.process.send_signal(signal.SIGHUP)
                time.sleep(0.01)
            wait_for(lambda: len(server.workers()) == 2)
        assert server.log.count("ended with code") == 3, "those that the test has killed"


def test_workers_end_when_the_supervisor_is_killed(folder):
    """Nothing is left behind that listens on the port."""
    with running(folder, "--workers", "2") as server:
        workers = server.workers()
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        wait_for(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(folder, with_signal):
    with running(folder) as server:
        workers = server.workers()
        assert server.end(with_signal) == 0, "that is how a server ends"
        assert not any(map(is_alive, workers))


def test_a_server_that_cannot_start_says_why(tmp_path):
    def serve(*options):
        return subprocess.run(
            [sys.executable, "-m", "featurestore.cli", "serve", "--registry", "registry", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=FINISHES_S,
            check=False,
        )

    ran = serve()
    assert ran.returncode == 2
    assert "the registry holds no version yet" in ran.stderr
    apply(tmp_path, project(view()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = serve("--port", str(taken.getsockname()[1]))
    assert ran.returncode == 4
    assert "cannot listen on 127.0.0.1" in ran.stderr
    ran = serve("--online-store", "reddis://nowhere")
    assert ran.returncode == 2
    assert "reddis" in ran.stderr
    ran = serve("--cert", "nowhere.pem", "--key", "nowhere.pem")
    assert ran.returncode == 2
    assert "nowhere.pem" in ran.stderr
    (tmp_path / "file").write_text("")
    ran = serve("--uds", "file")
    assert ran.returncode == 4
    assert (tmp_path / "file").exists()
    for options, said in (
        (["--online-store", "memory:"], "a store in memory cannot be served"),
        (["--uds", "s", "--port", "0"], "either --uds or --port"),
        (["--uds", "s", "--host", "127.0.0.1"], "either --uds or --host"),
        (["--uds", "nodir/s"], "there is no folder nodir"),
    ):
        ran = serve(*options)
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr


def test_a_certificate_that_cannot_be_used_is_refused_before_anything_starts(tmp_path):
    apply(tmp_path, project(view()))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_certificate(tmp_path / name)
    one, other = tmp_path / "one", tmp_path / "other"
    (tmp_path / "empty.pem").write_text("no certificate")
    key = load_pem_private_key((one / "key.pem").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "encrypted.pem").write_bytes(encrypted)
    for certificate, private_key, said in (
        (tmp_path / "empty.pem", one / "key.pem", "expected a certificate and its private key"),
        (one / "key.pem", one / "cert.pem", "expected a certificate and its private key"),
        (one / "cert.pem", other / "key.pem", "is the key of another certificate"),
        (one / "cert.pem", tmp_path / "encrypted.pem", "is encrypted"),
    ):
        options = ["--registry", "registry", "--online-store", "sqlite:s", "--cert", certificate, "--key", private_key]
        ran = subprocess.run(
            [sys.executable, "-m", "featurestore.cli", "serve", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=FINISHES_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert (ran.returncode, said in ran.stderr, "Traceback" in ran.stderr) == (2, True, False), ran.stderr


def test_all_that_it_says_is_json_lines(folder):
    """Those of its workers, of its supervisor, and of what was said at the start: a log reader needs one rule."""
    with running(folder, store="redis://127.0.0.1:1/0") as server:
        os.kill(server.workers()[0], signal.SIGKILL)
        server.client.close()
        wait_for(lambda: "ended with code -9" in server.log)
    (out,) = folder.glob("serve-*.out")
    assert json.loads(out.read_text().splitlines()[0])["pid"] == server.process.pid
    for line in out.read_text().splitlines():
        json.loads(line)
    said = [json.loads(line) for line in server.log.splitlines()]
    assert all(line.keys() == {"at", "level", "pid", "message"} for line in said)
    (away,) = [line for line in said if "does not answer" in line["message"]]
    assert (away["level"], away["pid"]) == ("warning", server.process.pid)
    (ended,) = [line for line in said if "ended with code -9" in line["message"]]
    assert (ended["level"], ended["pid"]) == ("warning", server.process.pid)


def test_a_unix_socket_left_by_a_dead_server_is_taken_over(folder):
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running(folder, "--uds", str(path)) as server:
        assert server.values(["days:n"], {}) == {"n": [3]}


class Load:
    """Threads that look up one value each on kept connections, until the server closes them; counts what they saw."""

    def __init__(self, server, threads=4):
        self.server = server
        self.answered = 0
        self.wrong = []
        self.cut = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask_on(self):
        with httpx.Client(base_url=self.server.url, timeout=FINISHES_S) as client:
            while True:
                try:
                    answer = client.post(
                        "/get-online-features",
                        json={"features": ["orders:orders_7d"], "entities": {"customer_id": [7]}},
                    )
                except httpx.ConnectError:
                    return  # it does not listen any more
                except httpx.TransportError as problem:
                    self.cut.append(problem)
                    return
                with self._lock:
                    self.answered += 1
                if answer.status_code != 200 or answer.json()["results"][1]["values"] != [7]:
                    self.wrong.append((answer.status_code, answer.text))

    def join(self):
        for thread in self._threads:
            thread.join(FINISHES_S)


def test_told_to_end_under_load_it_finishes_what_it_has_begun(folder):
    """Every request on a kept connection is answered, and the last answer says that it is; a client that stalls for
    longer than it waits for the next one is cut off, so it is the best of a few tries."""
    cut = []
    for _ in range(8):
        with running(folder, "--workers", "2") as server:
            load = Load(server, threads=8)
            wait_for(lambda load=load: load.answered > 200)
            assert server.end() == 0
            load.join()
        assert load.wrong == []
        cut.append(len(load.cut))
        if not load.cut:
            return
    raise AssertionError(f"each time a request was cut off: {cut}")


def test_told_to_end_without_patience_it_ends_at_once(folder):
    with (
        running(folder, "--drain", "0") as server,
        socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as waiting,
    ):
        waiting.sendall(b"POST /get-online-features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
        started = time.monotonic()
        assert server.end() == 0
    assert time.monotonic() - started < 1, "that is how long it took when 0 meant a second"


def test_a_worker_that_is_killed_under_load_costs_only_its_own_connections(folder):
    with running(folder, "--workers", "2") as server:
        load = Load(server, threads=6)
        wait_for(lambda: load.answered > 100)
        os.kill(server.workers()[0], signal.SIGKILL)
        before = load.answered
        wait_for(lambda: load.answered > before + 100 or len(load.cut) == 6)
        server.end()
        load.join()
    assert load.wrong == []
