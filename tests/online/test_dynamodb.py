"""The DynamoDB store against moto: how a table is made, where rows lie, rates that are refused, its URI."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import re
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.moto_server import CREDENTIALS
from tests.online.conftest import empty_dynamodb_uri
from tests.online.rows import batch, key, number_in

boto3 = pytest.importorskip("boto3")
dynamodb_store = pytest.importorskip("featurestore.online.dynamodb.store")
NONE = NO_CREATED_TIME


@pytest.fixture
def uri(moto, monkeypatch):
    return empty_dynamodb_uri(moto, monkeypatch)


@pytest.fixture
def client(moto, uri):
    """Past the code under test."""
    return boto3.client("dynamodb", endpoint_url=moto.endpoint, region_name="us-east-1")


@pytest.fixture
def store(uri):
    store = open_online_store(uri, project="shop", base_dir=Path())
    yield store
    store.close()


def open_at(endpoint, more="&read_timeout=60"):
    """The store there, patient unless told: moto answers slowly on a busy machine."""
    return open_online_store(
        f"dynamodb://features?region=us-east-1&endpoint={endpoint}{more}", project="shop", base_dir=Path()
    )


def said_by(do, *arguments):
    with pytest.raises(OnlineStoreError) as problem:
        do(*arguments)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(problem.value)
    return str(problem.value)


def test_a_table_is_made_only_where_the_uri_says_so(uri, moto, client):
    store = open_at(moto.endpoint)
    assert said_by(store.read, [key(1)]).endswith("nothing was synced yet\n  -> run featurestore materialize")
    assert store.read_note("state") is None
    assert "does not exist\n  -> add create=true to the URI, or run: aws dynamodb create-table" in said_by(
        store.write, batch((key(1), 1, 1, NONE))
    )
    assert client.list_tables()["TableNames"] == []
    open_at(moto.endpoint, "&create=true").write(batch((key(1), 1, 1, NONE)))
    assert number_in(store.read([key(1)])[0]) == 1
    assert store.write(batch((key(1), 2, 2, NONE))) == 1
    ttl = client.describe_time_to_live(TableName="features")["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "t")


def test_dynamodb_may_remove_a_row_in_the_second_after_it_expired_and_not_before(store, client):
    now_ms = time.time_ns() // 1_000_000
    expiries = [now_ms + 60_001, now_ms + 61_000]
    store.write(batch((key(1), 1, 1, NONE), (key(2), 1, 1, NONE), (key(3), 1, 1, NONE), expires_ms=[*expiries, 1]))
    for item in client.scan(TableName="features")["Items"]:
        if "x" in item:
            assert 0 <= int(item["t"]["N"]) * 1000 - int(item["x"]["N"]) < 1000
    assert store.read([key(3)]) == [None], "exact, whether it was removed or not"


def test_the_keys_of_a_set_spread_over_partitions_and_none_is_read_of_another_project(store, uri, client):
    other = open_online_store(uri, project="shop2", base_dir=Path())
    store.write(batch(*[(key(number), 1, 1, NONE) for number in range(200)]))
    other.write(batch(*[(b"fs:shop2:orders@0:{%d}" % number, 1, 1, NONE) for number in range(5)]))
    partitions = {item["p"]["B"] for item in client.scan(TableName="features")["Items"]}
    assert len([each for each in partitions if each.startswith(b"fs:shop:orders@0:{")]) == 32
    assert sum(len(page) for page in store.keys(b"fs:shop:")) == 200
    assert sum(len(page) for page in other.keys(b"fs:shop2:")) == 5
    other.close()


def test_a_refused_condition_is_no_error_and_costs_no_retry(store):
    store.write(batch((key(1), 1, 9, NONE)))
    began = time.perf_counter()
    assert store.write(batch((key(1), 2, 3, NONE))) == 0
    assert time.perf_counter() - began < 20, "retries would go on for 30 s"


class Refusing:
    """A server of AWS that refuses the first requests, then hands them on to moto."""

    def __init__(self, behind, refusals, kind, status=400):
        self.left, self.asked = refusals, 0
        refusing = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refusing.asked += 1
                if refusing.left:
                    refusing.left -= 1
                    self.answer(status, json.dumps({"__type": f"com.amazonaws#{kind}", "message": "too fast"}).encode())
                    return
                asked = urllib.request.Request(behind, body, dict(self.headers))
                with urllib.request.urlopen(asked) as answer:
                    self.answer(answer.status, answer.read())

            def answer(self, code, content):
                self.send_response(code)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


THROTTLED = "ProvisionedThroughputExceededException"


def test_a_rate_that_is_refused_for_a_while_is_waited_for(store, moto):
    store.write(batch((key(1), 1, 1, NONE)))
    with Refusing(moto.endpoint, 4, THROTTLED) as server:
        slow = open_at(server.endpoint)
        assert slow.write(batch((key(2), 2, 2, NONE))) == 1
        server.left = 3
        assert number_in(slow.read([key(2)])[0]) == 2
        assert server.left == 0
        slow.close()


def test_a_rate_that_stays_refused_is_an_error_within_the_timeout(uri, moto):
    with Refusing(moto.endpoint, 10**9, THROTTLED) as server:
        store = open_at(server.endpoint, "&read_timeout=4&write_timeout=4")
        for do in (lambda: store.read([key(1)]), lambda: store.write(batch((key(1), 1, 1, NONE)))):
            began = time.perf_counter()
            assert f"is asked for more than its rate: {THROTTLED}\n  -> raise its capacity" in said_by(do)
            assert time.perf_counter() - began < 60
        store.close()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("AccessDeniedException", "refused: too fast\n  -> allow what docs/guides/online-stores.md names"),
        ("UnrecognizedClientException", "refused the login: UnrecognizedClientException\n  -> check the credentials"),
        ("ValidationException", "refused: ValidationException: too fast\n  -> see the limits of DynamoDB"),
    ],
)
def test_what_aws_refuses_is_one_error_with_a_remedy_and_is_not_tried_again(uri, moto, kind, said):
    with Refusing(moto.endpoint, 10**9, kind) as server:
        store = open_at(server.endpoint)
        assert said in said_by(store.read, [key(1)])
        assert server.asked == 1
        store.close()


def test_a_server_that_is_down_or_silent_is_one_error_in_time(uri):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for _ in ("it refuses", "it says nothing"):
            store = open_at(endpoint, "&connect_timeout=0.2&read_timeout=0.2")
            took = []
            for _ in range(4):  # the first has to make the client, too
                began = time.perf_counter()
                assert "dynamodb://features cannot be reached: " in said_by(store.read, [key(1)])
                took.append(time.perf_counter() - began)
            assert min(took[1:]) < 3
            assert "cannot be reached" in said_by(asyncio.run, store.aread([key(1)]))
            store.close()
            silent.listen()


def test_without_credentials_or_a_region_the_error_says_what_to_set(moto, monkeypatch, tmp_path):
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert "needs credentials: none were found" in said_by(open_at(moto.endpoint).read, [key(1)])
    store = open_online_store("dynamodb://features", project="shop", base_dir=Path())
    assert "needs a region\n  -> add ?region=" in said_by(store.read, [key(1)])


@pytest.fixture
def act_as(moto, uri, client, monkeypatch):
    """A function that goes on as a user with one of the policies of the docs; the rest is refused then."""
    page = (Path(__file__).parents[2] / "docs" / "guides" / "online-stores.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    # Moto asks for the right to each action on all resources, so the table's name is taken out.
    every = [re.sub(r'"Resource": "[^"]*"', '"Resource": "*"', block) for block in blocks]
    policies = {re.search(r'"Sid": "(\w+)"', block)[1]: block for block in every}
    iam = boto3.client("iam", endpoint_url=moto.endpoint, region_name="us-east-1")

    def act(name):
        moto.post("reset-auth", b"1000000")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policies[name])
        made = iam.create_access_key(UserName=name)["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])
        moto.post("reset-auth", b"0")
        return open_at(moto.endpoint)

    yield act
    moto.post("reset-auth", b"1000000")


def test_a_user_with_the_policy_that_the_docs_give_to_readers_reads_and_changes_nothing(store, act_as):
    store.write(batch((key(1), 1, 1, NONE)))
    store.write_note("state", b"1")
    reader = act_as("FeaturesReader")
    row, note = reader.read([key(1)], ["state"])
    assert (number_in(row), note) == (1, b"1")
    assert reader.read_note("state") == b"1"
    assert reader.notes("") == ["state"]
    assert list(reader.keys(b"fs:shop:")) == [[key(1)]]
    assert reader.sizes([key(1)])[0] > 0
    for do in (lambda: reader.write(batch((key(1), 2, 2, NONE))), lambda: reader.delete([key(1)])):
        assert "-> allow what docs/guides/online-stores.md names for readers or for writers" in said_by(do)


def test_a_user_with_the_policy_that_the_docs_give_to_writers_does_all_of_a_sync(store, act_as):
    store.write(batch((key(1), 1, 1, NONE)))
    writer = act_as("FeaturesWriter")
    assert writer.write(batch((key(1), 2, 2, NONE), (key(2), 2, 2, NONE))) == 2
    assert writer.swap_note("state", None, b"1")
    assert writer.swap_note("state", b"1", None)
    assert writer.take_lease("sync", "me", 60) == "me"
    assert writer.read_lease("sync").owner == "me"
    writer.end_lease("sync", "me")
    assert writer.delete([key(1)]) == 1
    assert list(writer.keys(b"fs:shop:")) == [[key(2)]]


def test_more_than_one_request_holds_is_read_and_deleted_in_several(store):
    rows = [(key(number), number, 1, NONE) for number in range(230)]
    store.write(batch(*rows))
    asked = [row[0] for row in reversed(rows)] + [key(3), key(999)]
    assert [number_in(row) for row in store.read(asked)] == [*range(229, -1, -1), 3, None]
    assert store.delete(asked) == 230
    assert set(store.read(asked)) == {None}


def test_a_machine_whose_clock_is_wrong_takes_no_lease_from_another(store, monkeypatch):
    """DynamoDB's conditions have no clock; the time of its answer stands in where the two are far apart."""
    assert store.take_lease("sync", "one", 60) == "one"
    true_now_ms = dynamodb_store._now_ms
    monkeypatch.setattr(dynamodb_store, "_now_ms", lambda: true_now_ms() + 3_600_000)
    assert store.take_lease("sync", "two", 60) == "one"
    assert 50 < store.read_lease("sync").ends_in_s < 62


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("dynamodb://", "names no table of DynamoDB\n  -> write dynamodb://table?region="),
        ("dynamodb://features/x", "names no table of DynamoDB"),
        ("dynamodb://fe atures", "names no table of DynamoDB"),
        (
            "dynamodb://features?regions=x",
            "no option 'regions' in the URI of a DynamoDB online store\n  -> did you mean region?",
        ),
        ("dynamodb://features?create=perhaps", "create in the URI of the online store: expected true or false"),
    ],
)
def test_a_uri_that_cannot_be_read(uri, said):
    with pytest.raises(UsageError) as problem:
        open_online_store(uri, project="shop", base_dir=Path())
    assert said in str(problem.value)


def test_a_table_name_keeps_its_capitals(moto, uri, client):
    place = uri.replace("features", "Features_Of.A")
    store = open_online_store(place, project="shop", base_dir=Path())
    store.write(batch((key(1), 1, 1, NONE)))
    assert client.list_tables()["TableNames"] == ["Features_Of.A"]
    store.close()


def test_a_swap_whose_outcome_is_unknown_is_an_error_and_never_denied(store, moto):
    """Tried again, it would find what it has written itself, and say that another one came first."""
    store.write_note("state", b"1")
    with Refusing(moto.endpoint, 1, "InternalServerError", status=500) as server:
        behind = open_at(server.endpoint)
        assert "InternalServerError" in said_by(behind.swap_note, "state", b"1", b"2")
        assert server.asked == 1
        server.left = 1
        assert behind.write(batch((key(1), 1, 1, NONE))) == 1, "a row can be written twice"
        behind.close()
    with Refusing(moto.endpoint, 2, THROTTLED) as server:
        behind = open_at(server.endpoint)
        assert behind.swap_note("state", b"1", b"2"), "what was certainly not done is done"
        behind.close()
