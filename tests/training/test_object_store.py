"""Training sets in a bucket: S3 as `moto` speaks it over HTTP on 127.0.0.1."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import urllib.request
from types import SimpleNamespace

import boto3
import pyarrow.parquet as pq
import pytest

from featurestore.errors import ObjectStoreError, OperationError, QueryError, UsageError
from featurestore.storage import object_store
from featurestore.storage.places import place_of
from featurestore.training.card import encode_card
from featurestore.training.hash import hash_table
from featurestore.training.verify import find_card, verify
from tests.moto_server import start_moto
from tests.shop_in_memory import change_shop, make_shop
from tests.training.test_training_sets import ask_shop

CARD_TIMEOUT_S = object_store._CARD_TIMEOUT_S
SECRET = "a-secret-of-forty-letters-or-so-0123456789"
URI = "s3://models/sets/train.parquet"
MANY = (
    "select 1 as customer_id, timestamp '2026-06-09' as event_timestamp, md5(i::varchar) as x from range(600000) t(i)"
)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def server():
    """One server for the tests of this file."""
    moto = start_moto()
    yield moto.endpoint
    moto.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """The bucket `models`, empty, and the environment that leads there; a busy machine has time to answer."""
    monkeypatch.setattr(object_store, "_CARD_TIMEOUT_S", 60)
    settings = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    post(f"{server}/moto-api/reset")
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    return SimpleNamespace(
        client=client,
        server=server,
        names=lambda: sorted(each["Key"] for each in client.list_objects_v2(Bucket="models").get("Contents", [])),
        uploads=lambda: client.list_multipart_uploads(Bucket="models").get("Uploads", []),
        get=lambda name: client.get_object(Bucket="models", Key=name)["Body"].read(),
    )


def post(url, body=b""):
    request = urllib.request.Request(url, data=body, method="POST", headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()


def check(shop, given):
    found = find_card(given, project="shop", cards_dir=shop)
    return [each.says for each in verify(found, open_warehouse=None).differences]


def test_a_training_set_is_written_to_a_bucket_with_its_card(shop, bucket):
    card = ask_shop(shop, "labels").to_parquet(URI)
    assert bucket.names() == ["sets/train.parquet", "sets/train.parquet.json"]
    assert bucket.get("sets/train.parquet.json") == encode_card(card)
    assert hash_table(pq.read_table(io.BytesIO(bucket.get("sets/train.parquet")))) == card.data_hash
    assert (card.written_to.name, SECRET in encode_card(card).decode()) == (URI, False)


def test_a_large_one_is_uploaded_in_parts_and_read_back(shop, bucket):
    """More than 8 MB, which is one part."""
    card = ask_shop(shop, MANY).to_parquet(URI)
    assert card.rows == 600_000
    assert bucket.client.head_object(Bucket="models", Key="sets/train.parquet")["ETag"].endswith('-2"')
    assert check(shop, f"{URI}.json") == []


def test_a_changed_object_is_noticed_and_a_lost_card_is_inside(shop, bucket):
    ask_shop(shop, "labels").to_parquet(URI)
    bucket.client.delete_object(Bucket="models", Key="sets/train.parquet.json")
    assert check(shop, URI) == []
    ask_shop(shop, "labels").to_parquet(URI)
    change_shop(shop, "update orders set order_count = 5")
    ask_shop(shop, "labels").to_parquet("s3://models/other.parquet")
    bucket.client.copy_object(
        Bucket="models", Key="sets/train.parquet", CopySource={"Bucket": "models", "Key": "other.parquet"}
    )
    assert check(shop, f"{URI}.json") == ["column 'order_count': other values"]


def test_an_object_that_is_gone_is_told(shop, bucket):
    ask_shop(shop, "labels").to_parquet(URI)
    bucket.client.delete_object(Bucket="models", Key="sets/train.parquet")
    with pytest.raises(OperationError, match=f"no training set at {URI}"):
        check(shop, f"{URI}.json")
    with pytest.raises(UsageError, match="no card at s3://models/none"):
        check(shop, "s3://models/none.parquet")


def test_a_query_that_fails_late_leaves_the_object_before_and_no_parts(shop, bucket):
    """A part or two were uploaded by then."""
    first = ask_shop(shop, "labels").to_parquet(URI)
    late = (
        f"select customer_id, event_timestamp, case when x = md5('599999') then error('late') else x end from ({MANY})"
    )
    with pytest.raises(QueryError, match="late"):
        ask_shop(shop, late).to_parquet(URI)
    assert bucket.uploads() == []
    assert check(shop, f"{URI}.json") == []
    assert bucket.get("sets/train.parquet.json") == encode_card(first)


def test_nothing_is_seen_before_it_is_complete(bucket):
    """While parts go up, the object is the one before."""
    place = place_of(URI)
    place.write(lambda stream: bool(stream.write(b"old")) and b"{}")
    seen = []

    def fill(stream):
        for _ in range(4):
            stream.write(b"x" * 8_000_000)
        seen.append((bucket.get("sets/train.parquet"), bucket.names()))
        return b"{}"

    place.write(fill)
    assert seen == [(b"old", ["sets/train.parquet", "sets/train.parquet.json"])]
    assert len(bucket.get("sets/train.parquet")) == 32_000_000


def test_an_interrupted_write_is_given_up(bucket):
    def fill(stream):
        stream.write(b"x" * 20_000_000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place_of(URI).write(fill)
    assert (bucket.names(), bucket.uploads()) == ([], [])
    assert not [each for each in threading.enumerate() if each.name.startswith("upload")]


def refused(call):
    with pytest.raises(ObjectStoreError) as caught:
        call()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_a_bucket_that_is_not_there_is_told_before_the_work(shop, bucket):
    work = "select *, error('the work was done') as e from labels"
    said = refused(lambda: ask_shop(shop, work).to_parquet("s3://nowhere/t.parquet"))
    assert said == (
        "cannot use s3://nowhere/t.parquet: no bucket 'nowhere' (NoSuchBucket)\n"
        "  -> make it first, or check its name, region and endpoint"
    )


def test_wrong_credentials_are_told_and_not_repeated(shop, bucket):
    post(f"{bucket.server}/moto-api/reset-auth", b"0")
    try:
        said = refused(lambda: ask_shop(shop, "labels").to_parquet(URI))
    finally:
        post(f"{bucket.server}/moto-api/reset-auth", b"1000000")
    assert said == (
        f"cannot use {URI}: the store refuses these credentials (InvalidAccessKeyId)\n"
        "  -> set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL in the environment"
    )


def test_a_store_that_cannot_be_reached_is_told(shop, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    said = refused(lambda: ask_shop(shop, "labels").to_parquet(URI))
    assert said == f"cannot use {URI}: the store cannot be reached\n  -> is the endpoint right, and the network there?"


def test_without_credentials_it_says_so_before_the_work(shop, bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    said = refused(lambda: ask_shop(shop, "labels").to_parquet(URI))
    assert said == (
        f"cannot use {URI}: there are no credentials\n"
        "  -> set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL in the environment"
    )


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_told_within_seconds(shop, bucket, monkeypatch):
    """In ten, where a machine is not busy; and sooner than what is large is given up."""
    monkeypatch.setattr(object_store, "_CARD_TIMEOUT_S", CARD_TIMEOUT_S)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert "the store cannot be reached" in refused(lambda: ask_shop(shop, "labels").to_parquet(URI))
    assert time.monotonic() - started < 55


def test_an_uploaded_folder_is_read_as_one(shop, bucket):
    """As an engine of many workers writes it: parts under a name, and the card beside that name."""
    card = ask_shop(shop, "labels").to_parquet(URI)
    body = json.loads(encode_card(card)) | {"written_to": {"kind": "folder", "name": "s3://models/folder.parquet"}}
    bucket.client.put_object(Bucket="models", Key="folder.parquet.json", Body=json.dumps(body))
    table = pq.read_table(io.BytesIO(bucket.get("sets/train.parquet")))
    for at in range(2):
        part = io.BytesIO()
        pq.write_table(table.slice(at, 1), part)
        bucket.client.put_object(Bucket="models", Key=f"folder.parquet/part-{at}.parquet", Body=part.getvalue())
    assert check(shop, "s3://models/folder.parquet.json") == []
