"""A schema registry that speaks as much of Confluent's HTTP API as clients and serializers ask for; and can be ill."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class RegistryServer:
    """What the registry holds, what it was asked, and what is wrong with it."""

    def __init__(self):
        self.schemas = {}
        self.versions = {}
        self.asked = []
        self.user_info = None
        self.token = None
        self.answers = {}  # path -> (status, headers, body), instead of what it would say
        self.hangs = False
        self.drips = False
        self.wakes = threading.Event()
        self.url = ""

    def add(self, schema, subject="events-value", kind="AVRO", references=(), number=None):
        """Register a schema; the same one keeps its number."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        found = {"schemaType": kind, "schema": text, "references": list(references)}
        same = [each for each, known in self.schemas.items() if known == found]
        number = same[0] if same else number or max(self.schemas, default=0) + 1
        self.schemas[number] = found
        held = self.versions.setdefault(subject, [])
        if number not in held:
            held.append(number)
        return number

    def reply(self, method, path, body):
        """Return status and document."""
        match [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]:
            case ["schemas", "ids", number]:
                found = self.schemas.get(int(number))
                return (
                    (200, _as_answered(found)) if found else (404, {"error_code": 40403, "message": "Schema not found"})
                )
            case ["subjects", subject, "versions"] if method == "POST":
                number = self.add(body["schema"], subject, body.get("schemaType", "AVRO"), body.get("references") or ())
                return 200, {"id": number, **_as_answered(self.schemas[number])}
            case ["subjects", subject] if method == "POST":
                return 404, {"error_code": 40403, "message": "Schema not found"}
            case ["subjects", subject, "versions", version]:
                if subject not in self.versions:
                    return 404, {"error_code": 40401, "message": "Subject not found"}
                held = self.versions[subject]
                place = len(held) if version == "latest" else int(version)
                if not 1 <= place <= len(held):
                    return 404, {"error_code": 40402, "message": "Version not found"}
                number = held[place - 1]
                return 200, {"subject": subject, "version": place, "id": number, **_as_answered(self.schemas[number])}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def refuses(self, authorization):
        """Whether somebody may not ask."""
        if self.user_info is not None:
            return authorization != f"Basic {base64.b64encode(self.user_info.encode()).decode()}"
        return self.token is not None and authorization != f"Bearer {self.token}"


def _as_answered(schema):
    """As the real one: the type is left out for Avro, references where there are none."""
    hidden = {"references"} if not schema["references"] else set()
    return {key: value for key, value in schema.items() if key not in hidden | {"schemaType"}} | (
        {} if schema["schemaType"] == "AVRO" else {"schemaType": schema["schemaType"]}
    )


@contextmanager
def registry_running(tls=None):
    """Serve one on a port of this machine."""
    registry = RegistryServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._answer(None)

        def do_POST(self):
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body):
            registry.asked.append(self.path)
            if registry.hangs:
                registry.wakes.wait(120)
                self.close_connection = True
                return
            if self.path in registry.answers:
                status, headers, content = registry.answers[self.path]
            elif registry.refuses(self.headers.get("Authorization")):
                status, headers, content = 401, {}, b'{"error_code": 401, "message": "Unauthorized"}'
            else:
                status, document = registry.reply(self.command, self.path, body)
                headers, content = {}, json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self._send(content)

        def _send(self, content):
            if not registry.drips:
                self.wfile.write(content)
                return
            for byte in content:
                if registry.wakes.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

        def handle(self):
            with suppress(OSError):  # who asked has left
                super().handle()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    registry.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.wakes.set()
        server.shutdown()
        server.server_close()
        thread.join()
