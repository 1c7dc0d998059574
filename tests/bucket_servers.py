"""Object stores over HTTP on 127.0.0.1: Google's and Azure's as far as a registry asks them, and a faulty way to S3.

No emulator of these two comes as a wheel that speaks what `obstore` does (Google's XML interface). So this answers the
four requests of a registry (create, list, get, delete) in the vendors' documented forms, refusals with their codes.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_DELETES = re.compile(r"^DELETE (\S+) HTTP/1.1", re.MULTILINE)
NOW = formatdate(1_790_000_000, usegmt=True)


@contextmanager
def served(handler):
    """Serve with a handler's class on a free port; the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_one(self):
        """Answer one request."""
        raise NotImplementedError

    def handle_any(self):
        """Answer one request of any method."""
        self.handle_one()

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any  # noqa: N815

    def log_message(self, *arguments):
        """Say nothing."""

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@dataclass
class Objects:
    """What a store holds: one bucket.

    Attributes:
        bucket: its name.
        by_key: bytes by key.
        requests: what was asked, as (method, path).
    """

    bucket: str = "models"
    by_key: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listed(self, prefix):
        below = sorted(key for key in self.by_key if key.startswith(prefix))
        files = [key for key in below if "/" not in key[len(prefix) :]]
        folders = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in below if key not in files}
        return files, sorted(folders)


def google(objects):
    """A handler that answers as Google Cloud Storage's XML interface."""

    class Google(_Quiet):
        no_key, no_bucket, exists = "NoSuchKey", "NoSuchBucket", (412, "PreconditionFailed")
        bucket_at = 1

        def handle_one(self):
            if self.command == "POST":
                return self.on_post()
            url, body = urlsplit(self.path), self.body()
            parts = unquote(url.path).split("/", self.bucket_at + 1)[self.bucket_at :]
            bucket, key = parts[0], parts[1] if len(parts) > 1 else ""
            with objects.lock:
                objects.requests.append((self.command, self.path))
                if bucket != objects.bucket:
                    return self.refuse(404, self.no_bucket)
                if not key:
                    return self.answer(200, self.listing(parse_qs(url.query)), {"Content-Type": "application/xml"})
                return self.on_object(key, body)

        def on_object(self, key, body):
            found = objects.by_key.get(key)
            if self.command == "PUT":
                if self.is_create() and found is not None:
                    return self.refuse(*self.exists)
                objects.by_key[key] = body
                return self.answer(201, b"", self.facts(body))
            if found is None:
                return self.refuse(404, self.no_key)
            if self.command == "DELETE":
                del objects.by_key[key]
                return self.answer(202 if self.bucket_at > 1 else 204)
            return self.answer(200, found, self.facts(found))

        def is_create(self):
            return self.headers.get("x-goog-if-generation-match") == "0"

        def facts(self, data):
            return {"ETag": f'"{hash(data):x}"', "Last-Modified": NOW, "x-goog-generation": "1"}

        def refuse(self, status, code):
            return self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

        def listing(self, query):
            files, folders = objects.listed(query.get("prefix", [""])[0])
            lines = [
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-27T12:00:00.000Z</LastModified>"
                f'<ETag>"{hash(objects.by_key[key]):x}"</ETag><Size>{len(objects.by_key[key])}</Size></Contents>'
                for key in files
            ]
            lines += [f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>" for key in folders]
            return f"<ListBucketResult>{''.join(lines)}</ListBucketResult>".encode()

    return Google


def no_deletion(key):
    """A handler that has every object of S3, and refuses to delete this one as S3 does: with a status of success."""

    class NoDeletion(_Quiet):
        def handle_one(self):
            self.body()
            said = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.answer(200, f"<DeleteResult>{said}</DeleteResult>".encode(), {"ETag": '"1"', "Last-Modified": NOW})

    return NoDeletion


def azure(objects):
    """A handler that answers as Azure Blob Storage; the account is the first part of the path, as in its emulator."""

    class Azure(google(objects)):
        no_key, no_bucket, exists = "BlobNotFound", "ContainerNotFound", (409, "BlobAlreadyExists")
        bucket_at = 2

        def on_post(self):
            """Delete a batch of blobs: requests within the request, answered each."""
            found = _DELETES.findall(self.body().decode())
            answers = []
            with objects.lock:
                for number, path in enumerate(found):
                    key = unquote(urlsplit(path).path).split("/", 3)[3]
                    was_there = objects.by_key.pop(key, None) is not None
                    objects.requests.append(("DELETE", path))
                    status = "202 Accepted" if was_there else "404 The specified blob does not exist."
                    answers.append(
                        "--batch\r\nContent-Type: application/http\r\nContent-ID: "
                        f"{number}\r\n\r\nHTTP/1.1 {status}\r\nx-ms-version: 2018-11-09\r\n\r\n"
                    )
            body = "".join(answers) + "--batch--\r\n"
            self.answer(202, body.encode(), {"Content-Type": "multipart/mixed; boundary=batch"})

        def is_create(self):
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            return self.headers.get("If-None-Match") == "*"

        def facts(self, data):
            return {**super().facts(data), "ETag": f'"0x{abs(hash(data)):x}"'}

        def listing(self, query):
            assert query["comp"] == ["list"]
            files, folders = objects.listed(query.get("prefix", [""])[0])
            lines = [
                f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{NOW}</Last-Modified>"
                f"<Etag>0x{abs(hash(objects.by_key[key])):x}</Etag>"
                f"<Content-Length>{len(objects.by_key[key])}</Content-Length><Content-Type>text/plain</Content-Type>"
                "</Properties></Blob>"
                for key in files
            ]
            lines += [f"<BlobPrefix><Name>{escape(key)}</Name></BlobPrefix>" for key in folders]
            return f"<EnumerationResults><Blobs>{''.join(lines)}</Blobs><NextMarker/></EnumerationResults>".encode()

    return Azure


@dataclass
class Faults:
    """What a way to a store does to requests; all may be changed while it runs.

    Attributes:
        ignored: names of headers that do not get through.
        statuses: by method, answers of requests to come: a status, the store never sees the request; "lost", it does,
            but nobody hears the answer; "slow", it answers after `slow_s`; "gone", the connection is closed. With
            "always 503" and "always gone" it stays so.
        requests: what was asked, as (method, path).
    """

    ignored: set[str] = field(default_factory=set)
    statuses: dict[str, list[int | str]] = field(default_factory=dict)
    slow_s: float = 5.0
    requests: list[tuple[str, str]] = field(default_factory=list)


def way_to(endpoint, faults):
    """A handler that hands requests on to another server, with faults."""
    target = urlsplit(endpoint).netloc

    class Way(_Quiet):
        def handle_one(self):
            body = self.body()
            faults.requests.append((self.command, self.path))
            waiting = faults.statuses.get(self.command) or [0]
            fault = waiting[0] if str(waiting[0]).startswith("always") else waiting.pop(0)
            fault = {"always 503": 503, "always gone": "gone"}.get(fault, fault)
            if fault == "gone":
                self.close_connection = True
                return self.connection.close()
            if fault == "slow":
                time.sleep(faults.slow_s)
            if isinstance(fault, int) and fault:
                code = {409: "ConditionalRequestConflict", 503: "SlowDown", 403: "RequestTimeTooSkewed"}.get(fault, "X")
                return self.answer(fault, f"<Error><Code>{code}</Code></Error>".encode())
            status, headers, found = self.handed_on(body)
            if fault == "lost":
                self.close_connection = True
                return self.connection.close()
            return self.answer(status, found, headers)

        def handed_on(self, body):
            connection = http.client.HTTPConnection(target, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in faults.ignored}
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_HOP}
                return answer.status, kept, answer.read()
            finally:
                connection.close()

    return Way


_OF_A_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}
