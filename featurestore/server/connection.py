"""One connection of a client: uvicorn's, bounded, with a path of its own for lookups that come whole.

Shape: uvicorn parses; a lookup whose head and body came at once is answered by `Lookups.reply` in one task and one
write; every other request goes uvicorn's way, through ASGI. The rules: answers leave in the order of their requests;
what uvicorn keeps for a client is bounded (`slow_clients` says when a client is given up).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from featurestore.server.lookups import PATH
from featurestore.server.problems import error_body

if TYPE_CHECKING:
    import asyncio

    from featurestore.definitions.server import ServerSettings
    from featurestore.server.lookups import Lookups

MOST_HEAD_BYTES = 64 << 10
_FRAMING = 16
"""A body in chunks of a byte each arrives as so many times its size at most, near enough."""
_TOGETHER_BYTES = 16 << 10
_PATH = PATH.encode()
_LAST = (b"connection", b"close")
"""Among the headers of all answers while the worker ends."""


class Awaited(Enum):
    """What of a connection's client is waited for."""

    HEAD = "the request's head"
    BODY = "the request's body"
    END = "the end of a body that was answered already"
    NEXT = "the next request"
    READING = "that the client reads its answer"


class _Whole:
    """Stands where uvicorn has a request's cycle, while a lookup that came whole is answered; one per connection."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    more_body = False
    response_started = False

    def __init__(self) -> None:
        self.disconnected = False  # said by uvicorn; the transport knows it, too
        self.keep_alive = True
        self.response_complete = True

    @property
    def message_event(self) -> _Whole:
        """Nobody waits for more of it."""
        return self

    def set(self) -> None:
        """Wake nobody."""


class Outbox:
    """Answers that are ready in the same turn of the event loop; small ones are sent together.

    A client that sleeps is woken up by the first, and still awake when the others come: that halves what a small answer
    costs. A lonely one leaves as soon as without it.
    """

    def __init__(self) -> None:
        self._unsent: list[tuple[Connection, bytes]] = []
        self._bytes = 0

    def add(self, connection: Connection, answer: bytes) -> None:
        """Send an answer, at the end of this turn at the latest."""
        if not self._unsent:
            connection.loop.call_soon(self.send)
        self._unsent.append((connection, answer))
        self._bytes += len(answer)
        if self._bytes > _TOGETHER_BYTES:
            self.send()

    def send(self) -> None:
        """Send them now."""
        unsent, self._unsent, self._bytes = self._unsent, [], 0
        for connection, answer in unsent:
            connection.send(answer)


class Connection(HttpToolsProtocol):
    """See the module. `connections` makes the class that a server uses."""

    lookups: ClassVar[Lookups]
    outbox: ClassVar[Outbox]
    most_message_bytes: ClassVar[int]
    is_for_pages: ClassVar[bool]
    requests = 0
    _is_in_head = False
    _is_in_request = False
    _held: bytes | None = None
    _bytes = 0
    _task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin."""
        super().connection_made(transport)
        self._whole = _Whole()

    def on_message_begin(self) -> None:
        """A request begins; most need nothing of what uvicorn makes for each."""
        self._is_in_head = self._is_in_request = True
        self._bytes = 0
        self.requests += 1
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Its head is here; a lookup is held until what came with it is parsed."""
        self._is_in_head = False
        if self._may_be_held():
            self._held = b""
        else:
            self._go_on()

    def on_body(self, body: bytes) -> None:
        """A part of its body is here."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held = self._held + body if self._held else body

    def on_message_complete(self) -> None:
        """It is here to its end."""
        self._is_in_request = False
        if self._held is None:
            super().on_message_complete()
        else:
            body, self._held = self._held, None
            self.cycle = whole = self._whole  # type: ignore[assignment]  # all that uvicorn asks of one is there
            whole.keep_alive, whole.response_complete = True, False
            self._task = self.loop.create_task(self._look_up(self.headers, body))

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and count what of it is kept."""
        super().data_received(data)
        if not self._is_in_request:
            return
        if self._held is not None and not self.transport.is_closing():
            body, self._held = self._held, None
            self._go_on()
            if body:
                super().on_body(body)
        if self._is_in_head:
            self._bytes += len(data)
            if self._bytes > MOST_HEAD_BYTES:
                self._refuse(
                    431, "Request Header Fields Too Large", f"expected a head of {MOST_HEAD_BYTES} bytes at most"
                )
        elif self.cycle is not None and self.cycle.more_body:
            self._bytes += len(data)
            if self._bytes > self.most_message_bytes:
                self.transport.close()

    def on_response_complete(self) -> None:
        """Go on to what waits; how long the next request may take is `slow_clients`' to see, without a timer each."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def awaited(self) -> Awaited | None:
        """What is waited for; None if the client owes nothing."""
        cycle = self.cycle
        if self.flow.write_paused:
            return Awaited.READING
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            return None
        if cycle is None or self._is_in_head:
            return Awaited.HEAD
        if cycle.response_complete:
            return Awaited.END if self._is_in_request else Awaited.NEXT
        return Awaited.BODY if cycle.more_body and not cycle.response_started else None

    def give_up(self, awaited: Awaited) -> None:
        """Close the connection; who began a request and did not finish it is told why."""
        if awaited is Awaited.READING:
            self.transport.abort()
        elif awaited in {Awaited.END, Awaited.NEXT} or (awaited is Awaited.HEAD and not self._is_in_head):
            self.transport.close()
        else:
            self._refuse(408, "Request Timeout", f"{awaited.value} did not come in time")

    def _may_be_held(self) -> bool:
        """Whether this is a lookup that can be answered by itself, if the rest of it is here, too."""
        parser = self.parser
        return (
            self.url == _PATH
            and parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and not self.flow.write_paused
            and not (self.is_for_pages and any(name == b"origin" for name, _ in self.headers))
        )

    def _go_on(self) -> None:
        """Let uvicorn have the request, whose head is parsed."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    async def _look_up(self, headers_sent: list[tuple[bytes, bytes]], body: bytes) -> None:
        scope = {"method": "POST", "path": PATH, "headers": headers_sent, "client": self.client}
        try:
            status, headers, answer = await self.lookups.reply(scope, body)
        except BaseException:  # the worker ends: nobody is answered any more
            self.transport.close()
            raise
        of_all = self.server_state.default_headers
        head = [STATUS_LINE[status]]
        for name, value in (*of_all, *headers):
            head += (name, b": ", value, b"\r\n")
        if not self._whole.keep_alive and _LAST not in of_all:
            head.append(b"connection: close\r\n")
        head += (b"content-length: %d\r\n\r\n" % len(answer), answer)
        self.outbox.add(self, b"".join(head))

    def send(self, answer: bytes) -> None:
        """Send the answer to the lookup that came whole."""
        whole = self._whole
        whole.response_complete = True
        if self.transport.is_closing():  # also when the client has gone
            return
        self.transport.write(answer)
        if not whole.keep_alive or _LAST in self.server_state.default_headers:
            self.transport.close()
        self.on_response_complete()

    def _refuse(self, status: int, reason: str, message: str) -> None:
        if self.transport.is_closing():
            return
        body = error_body(message)
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


def connections(lookups: Lookups, settings: ServerSettings) -> type[Connection]:
    """Make the connections of a server: its lookups, its limits."""
    answers, most = lookups, MOST_HEAD_BYTES + _FRAMING * settings.limits.body_bytes

    class OfServer(Connection):
        lookups = answers
        outbox = Outbox()
        most_message_bytes = most
        is_for_pages = bool(settings.cors)

    return OfServer
