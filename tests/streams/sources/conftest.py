"""Brokers that run: librdkafka's mock cluster, Valkey, and the memory of this process."""

from __future__ import annotations

import pytest

from tests.online.servers import start_server
from tests.streams.kafka_cluster import start_kafka
from tests.streams.sources.brokers import KINDS, Broker


@pytest.fixture(scope="session")
def valkey(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("broker"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_cluster():
    cluster = start_kafka()
    yield cluster
    cluster.stop()


@pytest.fixture
def redis_broker(valkey, tmp_path):
    return Broker(url=valkey.uri, folder=tmp_path).with_topic()


@pytest.fixture
def kafka_broker(kafka_cluster, tmp_path):
    options = (("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500"))
    return Broker(url=kafka_cluster.url, folder=tmp_path, options=options).with_topic()


@pytest.fixture(params=KINDS)
def broker(request, tmp_path):
    if request.param == "memory":
        return Broker(url=f"memory:{tmp_path}", folder=tmp_path).with_topic()
    return request.getfixturevalue(f"{request.param}_broker")
