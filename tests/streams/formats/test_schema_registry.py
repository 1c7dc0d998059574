"""A schema is asked for once; a number nobody knows costs its message, a registry that is ill stops the stream."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from featurestore.errors import StreamError, UsageError
from featurestore.streams.formats.schema_registry import RegisteredSchema, open_registry, unframe
from featurestore.streams.messages import Problem
from tests.streams.formats.registry_server import registry_running

ORDER = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
SECRET = "hunter2-hunter2"


@pytest.fixture
def server():
    with registry_running() as running:
        yield running


def client(server, base_dir=Path(), timeout_s=60, **options):
    given = {"url": server.url, **{name.replace("_", "."): value for name, value in options.items()}}
    return open_registry(tuple(given.items()), stream="orders", base_dir=base_dir, timeout_s=timeout_s)


def refused(**options):
    with pytest.raises(UsageError) as problem:
        open_registry(tuple(options.items()), stream="orders", base_dir=Path())
    return str(problem.value)


def cannot_ask(registry, number=1):
    with pytest.raises(StreamError) as problem:
        registry.schema(number)
    return str(problem.value)


def test_a_schema_is_asked_for_once(server):
    number = server.add(ORDER)
    registry = client(server)
    assert registry.schema(number) == RegisteredSchema(kind="AVRO", text=ORDER)
    assert registry.schema(number) is registry.schema(number)
    assert server.asked == [f"/schemas/ids/{number}"]


def test_the_kind_of_a_schema_is_told(server):
    number = server.add('syntax = "proto3";', kind="PROTOBUF")
    assert client(server).schema(number).kind == "PROTOBUF"


def test_references_come_with_a_schema_each_behind_those_that_it_needs(server):
    """Also a name with a slash; and what two schemas refer to comes once."""
    server.add('"money"', "money")
    money = {"name": "Money", "subject": "money", "version": 1}
    server.add('"line"', "shop/line", references=[money])
    line = {"name": "Line", "subject": "shop/line", "version": 1}
    number = server.add('"order"', references=[line, money])
    assert client(server).schema(number).references == ('"money"', '"line"')
    assert server.asked[1:] == [
        "/subjects/shop%2Fline/versions/1?deleted=true",
        "/subjects/money/versions/1?deleted=true",
    ]


def test_references_that_go_round_end(server):
    server.add('"a"', "a", references=[{"name": "B", "subject": "b", "version": 1}])
    server.add('"b"', "b", references=[{"name": "A", "subject": "a", "version": 1}])
    number = server.add('"c"', references=[{"name": "A", "subject": "a", "version": 1}])
    assert set(client(server).schema(number).references) == {'"a"', '"b"'}


def test_a_reference_that_is_gone_costs_the_message(server):
    number = server.add('"order"', references=[{"name": "Money", "subject": "money", "version": 3}])
    problem = client(server).schema(number)
    assert problem.reason == "malformed"
    assert f"schema {number} refers to version 3 of 'money'" in problem.detail


def test_a_number_that_nobody_knows_costs_the_message_and_is_not_asked_for_at_once_again(server):
    registry = client(server)
    problem = registry.schema(9)
    assert problem == Problem(reason="malformed", detail=f"the schema registry at {server.url} knows no schema 9")
    assert registry.schema(9) == problem
    assert server.asked == ["/schemas/ids/9"]


def test_a_number_that_is_registered_later_is_found(server, monkeypatch):
    monkeypatch.setattr("featurestore.streams.formats.schema_registry._UNKNOWN_FOR_S", -1)
    registry = client(server)
    assert isinstance(registry.schema(1), Problem)
    assert registry.schema(server.add(ORDER)).text == ORDER


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_registry_that_is_ill_stops_the_stream_and_may_recover(server, status):
    """A 404 without the registry's own number of it is no answer of a registry, but of what stands in its place."""
    number = server.add(ORDER)
    registry = client(server)
    server.answers[f"/schemas/ids/{number}"] = (status, {}, b"<html>")
    assert f"the schema registry at {server.url} cannot be asked: it answers {status}" in cannot_ask(registry, number)
    server.answers.clear()
    assert registry.schema(number).text == ORDER


def test_nobody_there_stops_the_stream():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        registry = open_registry((("url", url),), stream="orders", base_dir=Path())
        assert "refused" in cannot_ask(registry)


def test_a_registry_that_hangs_stops_the_stream(server):
    server.hangs = True
    assert "timed out" in cannot_ask(client(server, timeout_s=0.2))


def test_a_registry_that_drips_stops_the_stream(server):
    """Each byte comes in time, and all of them would take minutes."""
    server.drips = True
    number = server.add(ORDER + " " * 5_000)
    assert "its answer takes too long" in cannot_ask(client(server, timeout_s=0.5), number)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "its answer is no JSON object"),
        (b"[]", "its answer is no JSON object"),
        (b"\xff", "its answer is no JSON object"),
        (b"[" * 100_000, "its answer is no JSON object"),
        (b"{}", "its answer has no schema"),
        (b'{"schema": "x", "references": [{"subject": "a"}]}', "a reference without subject and version"),
    ],
)
def test_an_answer_that_is_none_stops_the_stream(server, body, why):
    server.answers["/schemas/ids/1"] = (200, {}, body)
    assert why in cannot_ask(client(server))


def test_an_answer_that_is_cut_off_stops_the_stream(server):
    server.answers["/schemas/ids/1"] = (200, {"Content-Length": "100", "Connection": "close"}, b'{"schema": ')
    assert "cannot be asked" in cannot_ask(client(server))


def test_an_answer_without_end_stops_the_stream(server, monkeypatch):
    monkeypatch.setattr("featurestore.streams.formats.schema_registry._MOST_BYTES", 1_000)
    number = server.add("x" * 2_000)
    assert "larger than 1,000 bytes" in cannot_ask(client(server), number)


def test_who_asks_is_told_as_user_and_password_or_as_a_token(server):
    number = server.add(ORDER)
    server.user_info = f"somebody:{SECRET}"
    assert client(server, basic_auth_user_info=server.user_info).schema(number).text == ORDER
    server.user_info, server.token = None, SECRET
    assert client(server, bearer_auth_token=f"{SECRET}\n").schema(number).text == ORDER


def test_credentials_that_are_refused_stop_the_stream_and_are_never_told(server):
    server.user_info = "somebody:another"
    told = cannot_ask(client(server, basic_auth_user_info=f"somebody:{SECRET}"))
    assert "it answers 401" in told
    assert "basic.auth.user.info" in told
    assert SECRET not in told


def test_credentials_go_nowhere_else(server):
    """A redirect within the registry is followed, one to another place is not."""
    number = server.add(ORDER)
    server.user_info = f"somebody:{SECRET}"
    registry = client(server, basic_auth_user_info=server.user_info)
    server.answers["/schemas/ids/7"] = (302, {"Location": f"/schemas/ids/{number}"}, b"")
    assert registry.schema(7).text == ORDER
    with registry_running() as other:
        server.answers["/schemas/ids/8"] = (302, {"Location": f"{other.url}/schemas/ids/8"}, b"")
        assert "it answers 302" in cannot_ask(registry, 8)
        assert other.asked == []
    server.answers["/schemas/ids/9"] = (302, {"Location": "file:///etc/passwd"}, b"")
    assert "it answers 302" in cannot_ask(registry, 9)


def test_certificates_of_a_file_are_trusted_and_no_others(tmp_path):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path))
    with registry_running(tls) as server:
        number = server.add(ORDER)
        assert "certificate verify failed" in cannot_ask(client(server), number)
        assert client(server, tmp_path, ssl_ca_location="registry.pem").schema(number).text == ORDER


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "registry.pem"
    file.write_bytes(made.public_bytes(pem) + private)
    return file


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8081", "ftp://host", "file:///etc/passwd", "http://", "http://host:99999", "http://a:1,http://b:2"],
)
def test_a_url_that_is_none_is_refused(url):
    assert "featurestore.yml: streams.orders.schema_registry.url: expected the URL" in refused(url=url)


@pytest.mark.parametrize(
    "url", [f"http://somebody:{SECRET}@host", f"http://host/?token={SECRET}", f"http://host/a b{SECRET}"]
)
def test_a_url_with_more_than_host_and_path_is_refused_and_not_told(url):
    told = refused(url=url)
    assert "basic.auth.user.info" in told
    assert SECRET not in told


def test_an_unknown_option_is_refused_with_what_is_near():
    told = refused(url="http://host", **{"basic.auth.user.inf": SECRET})
    assert "unknown option 'basic.auth.user.inf'" in told
    assert "did you mean basic.auth.user.info?" in told
    assert SECRET not in told


@pytest.mark.parametrize(
    "options",
    [
        {"basic.auth.user.info": SECRET},
        {"bearer.auth.token": f"{SECRET} {SECRET}"},
        {"bearer.auth.token": f"{SECRET}\u20ac"},
        {"bearer.auth.token": f"{SECRET}\r\nHost: other"},
        {"bearer.auth.token": ""},
        {"basic.auth.user.info": f"a:{SECRET}", "bearer.auth.token": SECRET},
        {"ssl.ca.location": "nowhere.pem"},
    ],
)
def test_other_options_that_cannot_be_meant_are_refused_and_not_told(options):
    told = refused(url="https://host", **options)
    assert "schema_registry" in told
    assert SECRET not in told


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b"\1\0\0\0\1rest", b'{"a": 1}'])
def test_a_body_without_a_schemas_number_is_malformed(value):
    assert unframe(value).reason == "malformed"


def test_an_entry_without_a_body_is_malformed():
    assert "fields a, b" in unframe({"a": "1", "b": "2"}).detail


def test_a_schemas_number_is_four_bytes():
    assert unframe(b"\0\xff\xff\xff\xfe") == 2**32 - 2
