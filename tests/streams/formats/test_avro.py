"""Avro records become fields by the schema that each was written with; what is none is told in its place."""

from __future__ import annotations

import io
import json
import string
import struct
import subprocess
import sys
import tempfile
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.definitions.views import Column
from featurestore.errors import StreamError, UsageError
from featurestore.streams.decode import open_decoder
from featurestore.streams.events import EventReader
from featurestore.streams.messages import Messages, Problem
from tests.streams.formats.registry_server import registry_running

UTC = timezone.utc


def record(*fields, name="Order"):
    keys = ("name", "type", "default")
    return {"type": "record", "name": name, "fields": [dict(zip(keys, each, strict=False)) for each in fields]}


def logical(kind, of, **more):
    return {"type": of, "logicalType": kind, **more}


ORDER = record(("id", "long"), ("city", "string"))
LEEDS = {"id": 1, "city": "Leeds"}


@pytest.fixture
def server():
    with registry_running() as running:
        yield running


def written(schema, event):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, {}), event)
    return out.getvalue()


def framed(number, body):
    return b"\0" + struct.pack(">I", number) + body


def from_file(schema, message=""):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "event.avsc").write_text(schema if isinstance(schema, str) else json.dumps(schema))
        stream = Stream(name="orders", format="avro", message=message)
        return open_decoder(stream, StreamConnection(schema="event.avsc"), base_dir=Path(folder))


def from_registry(server, reader=None, folder=None):
    if reader is not None:
        Path(folder, "reader.avsc").write_text(json.dumps(reader))
    connection = StreamConnection(schema_registry=(("url", server.url),), schema="reader.avsc" if reader else "")
    return open_decoder(Stream(name="orders", format="avro"), connection, base_dir=folder or Path())


def why(decoder, body):
    [problem] = decoder.decode([body])
    assert isinstance(problem, Problem), problem
    assert problem.reason == "malformed"
    return problem.detail


# Bare bodies and the file of their schema.


def test_a_bare_record_is_read_by_the_schema_of_the_file():
    assert from_file(ORDER).decode([written(ORDER, LEEDS)]) == [LEEDS]


def test_a_record_with_the_fingerprint_of_the_schema_is_read():
    fingerprint = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(ORDER), "CRC-64-AVRO")
    assert from_file(ORDER).decode([b"\xc3\x01" + bytes.fromhex(fingerprint) + written(ORDER, LEEDS)]) == [LEEDS]


def test_the_fingerprint_is_the_one_of_avros_specification():
    """Eight bytes, little-endian, of CRC-64-AVRO of Parsing Canonical Form, by the specification's own algorithm."""
    canonical = (
        b'{"name":"Order","type":"record","fields":[{"name":"id","type":"long"},{"name":"city","type":"string"}]}'
    )
    empty = 0xC15D213AA4D7A795
    table = []
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = (crc >> 1) ^ (empty if crc & 1 else 0)
        table.append(crc)
    crc = empty
    for byte in canonical:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    assert from_file(ORDER).decode([b"\xc3\x01" + struct.pack("<Q", crc) + written(ORDER, LEEDS)]) == [LEEDS]


def test_the_fingerprint_of_another_schema_is_told():
    assert "fingerprint 0102030405060708" in why(
        from_file(ORDER), b"\xc3\x01\1\2\3\4\5\6\7\x08" + written(ORDER, LEEDS)
    )


def test_a_bare_record_may_begin_as_if_a_fingerprint_followed():
    event = {"id": -98, "city": "Leeds"}
    assert written(ORDER, event).startswith(b"\xc3\x01")
    assert from_file(ORDER).decode([written(ORDER, event)]) == [event]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("nothing", b""),
        ("cut off", written(ORDER, LEEDS)[:-1]),
        ("a text longer than the body", b"\x02\xfe\xff\xff\xff\x0fabc"),
        ("a text of less than no bytes", b"\x02\x05abc"),
        ("no UTF-8", b"\x02\x02\xff"),
        ("a number without end", b"\xff" * 20),
        ("JSON", b'{"id": 1}'),
    ],
)
def test_what_is_no_record_is_malformed(what, body):
    assert "no Avro record 'Order'" in why(from_file(ORDER), body), what


def test_bytes_behind_a_record_are_malformed():
    assert "2 bytes are left behind it" in why(from_file(ORDER), written(ORDER, LEEDS) + b"ab")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (["null", "long"], b"\x08"),
        ({"type": "enum", "name": "Size", "symbols": ["S", "L"]}, b"\x08"),
        ({"type": "fixed", "name": "Code", "size": 4}, b"abc"),
        ("double", b"abc"),
        (logical("uuid", "string"), b"\x04ab"),
        (logical("date", "int"), b"\xff\xff\xff\xff\x0f"),
        (logical("time-millis", "int"), b"\xfe\xff\xff\xff\x0f"),
        (logical("timestamp-millis", "long"), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (logical("timestamp-micros", "long"), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    ],
)
def test_a_value_that_its_type_does_not_have_is_malformed(kind, body):
    assert "no Avro record 'Order'" in why(from_file(record(("value", kind))), body)


def test_an_entry_of_redis_without_a_body_is_malformed():
    assert "fields a" in why(from_file(ORDER), {"a": "1"})


def test_one_bad_body_costs_no_other():
    good = written(ORDER, LEEDS)
    assert [type(each) for each in from_file(ORDER).decode([good, b"", good])] == [dict, Problem, dict]


@pytest.mark.parametrize(
    "of", ["null", record(("a", "null"), name="Nothing"), {"type": "fixed", "name": "F", "size": 0}]
)
def test_a_schema_whose_bodies_could_fill_the_memory_is_refused(of):
    """Some ten bytes may say an array of a quintillion nulls."""
    with pytest.raises(UsageError, match="items that take no bytes"):
        from_file(record(("values", {"type": "array", "items": of})))


NODE = record(("value", "int"), ("next", ["null", "Node"]), name="Node")


def test_a_schema_that_contains_itself_is_read():
    event = {"value": 1, "next": {"value": 2, "next": None}}
    assert from_file(NODE).decode([written(NODE, event)]) == [event]


def test_a_body_as_deep_as_it_is_long_is_malformed_and_ends_no_process():
    """fastavro's reader in C would overflow the stack; so this runs where that hurts nobody."""
    code = (
        "import tests.streams.formats.test_avro as here\n"
        "print(here.why(here.from_file(here.NODE), b'\\x02' * 1_000_000 + b'\\0'))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    assert "recursion" in done.stdout


def test_the_record_of_a_file_of_several_is_named_by_the_stream():
    line = record(("sku", "string"), name="Line")
    order = record(("lines", {"type": "array", "items": "Line"}))
    event = {"lines": [{"sku": "a"}]}
    assert from_file([line, order], "Order").decode([written([line, order], event)[1:]]) == [event]


@pytest.mark.parametrize(
    ("schema", "message", "told"),
    [
        (ORDER, "Ordr", "no record 'Ordr' in .*event.avsc\n  -> did you mean Order?"),
        ([ORDER, record(name="Other")], "", "holds several types\n  -> name the record"),
        ("{", "", "no Avro schema that can be used"),
        ('{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}', "", "UnknownType: B"),
        ("[" * 100_000, "", "no Avro schema that can be used"),
        ('"string"', "", "its top level is not a record"),
        ('{"type": "map", "values": "int"}', "", "its top level is not a record"),
    ],
)
def test_a_file_that_gives_no_schema_is_refused(schema, message, told):
    with pytest.raises(UsageError, match=told):
        from_file(schema, message)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"streams\.orders\.schema: cannot read .*nowhere\.avsc"):
        open_decoder(Stream(name="orders", format="avro"), StreamConnection(schema="nowhere.avsc"), base_dir=tmp_path)


def test_avro_without_any_schema_is_refused(tmp_path):
    with pytest.raises(UsageError, match="format `avro` needs a schema\n  -> write `schema_registry"):
        open_decoder(Stream(name="orders", format="avro"), StreamConnection(), base_dir=tmp_path)


def test_a_machine_without_fastavro_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(UsageError, match=r"needs the package fastavro\n  -> pip install 'featurestore\[avro\]'"):
        from_file(ORDER)


# With a schema registry.


def test_a_body_is_read_by_the_schema_that_it_names(server):
    """Schema drift: a field that a producer adds appears, a schema is asked for once."""
    longer = record(("id", "long"), ("city", "string"), ("paid", "boolean"))
    first, second = server.add(ORDER), server.add(longer)
    bodies = [framed(first, written(ORDER, LEEDS)), framed(second, written(longer, {**LEEDS, "paid": True}))]
    assert from_registry(server).decode(bodies * 2) == [LEEDS, {**LEEDS, "paid": True}] * 2
    assert len(server.asked) == 2


def test_a_file_beside_a_registry_is_the_schema_that_events_are_read_in(server, tmp_path):
    """Avro's resolution: what it lacks is passed over, what it adds has its default, an int may become a double."""
    written_as = record(("id", "int"), ("city", "string"))
    at, code = logical("timestamp-millis", "long"), "bytes"
    reader = record(
        ("id", "double"),
        ("paid", "boolean", False),
        ("at", at, 1_000),
        ("code", code, "\u00ff"),
        ("n", ["null", "int"], None),
    )
    decoder = from_registry(server, reader, tmp_path)
    [event] = decoder.decode([framed(server.add(written_as), written(written_as, LEEDS))])
    assert event == {
        "id": 1.0,
        "paid": False,
        "at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        "code": b"\xff",
        "n": None,
    }


@pytest.mark.parametrize(
    "reader", [record(("id", "string")), record(("more", "int")), record(("id", "long"), name="Else")]
)
def test_an_event_that_cannot_be_read_in_the_files_schema_is_malformed(server, tmp_path, reader):
    decoder = from_registry(server, reader, tmp_path)
    assert "no Avro record 'Order'" in why(decoder, framed(server.add(ORDER), written(ORDER, LEEDS)))


def test_schemas_that_a_schema_refers_to_are_read_too(server):
    money = {**record(("amount", "long"), name="Money"), "namespace": "shop"}
    line = {**record(("price", "Money"), ("was", "Money"), name="Line"), "namespace": "shop"}
    order = record(("line", "shop.Line"), ("total", ["null", "shop.Money"]))
    server.add(money, "money")
    server.add(line, "line", references=[{"name": "shop.Money", "subject": "money", "version": 1}])
    number = server.add(order, references=[{"name": "shop.Line", "subject": "line", "version": 1}])
    event = {"line": {"price": {"amount": 3}, "was": {"amount": 4}}, "total": {"amount": 5}}
    named = {}
    for each in (money, line):
        fastavro.parse_schema(each, named)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(order, named), event)
    assert from_registry(server).decode([framed(number, out.getvalue())]) == [event]


def test_a_topic_of_several_events_has_a_union_of_references(server):
    server.add(ORDER, "order")
    paid = record(("paid_at", "long"), name="Paid")
    server.add(paid, "paid")
    references = [{"name": name, "subject": name.lower(), "version": 1} for name in ("Order", "Paid")]
    number = server.add(["Order", "Paid"], references=references)
    bodies = [framed(number, b"\0" + written(ORDER, LEEDS)), framed(number, b"\x02" + written(paid, {"paid_at": 7}))]
    assert from_registry(server).decode(bodies) == [LEEDS, {"paid_at": 7}]


@pytest.mark.parametrize(
    ("schema", "kind", "told"),
    [
        ('"string"', "AVRO", "its top level is not a record"),
        ('{"type": "map", "values": "int"}', "AVRO", "its top level is not a record"),
        ('{"type": "record"}', "AVRO", "cannot be used"),
        ("{", "AVRO", "cannot be used"),
        ("[" * 100_000, "AVRO", "cannot be used"),
        ('syntax = "proto3";', "PROTOBUF", "it is PROTOBUF, not AVRO"),
        (json.dumps(record(("v", {"type": "array", "items": "null"}))), "AVRO", "items that take no bytes"),
    ],
)
def test_a_schema_of_the_registry_that_gives_no_records_costs_its_messages(server, schema, kind, told):
    number = server.add(schema, kind=kind)
    decoder = from_registry(server)
    assert told in why(decoder, framed(number, b"\0"))
    why(decoder, framed(number, b"\0"))
    assert len(server.asked) == 1


def test_null_at_the_top_is_no_record(server):
    assert "it is None" in why(from_registry(server), framed(server.add(["null", ORDER]), b"\0"))


def test_a_number_that_the_registry_does_not_know_costs_its_message(server):
    good = framed(server.add(ORDER), written(ORDER, LEEDS))
    problem, event = from_registry(server).decode([framed(77, b"\0"), good])
    assert "knows no schema 77" in problem.detail
    assert event == LEEDS


def test_a_body_that_names_no_schema_is_malformed(server):
    assert "not written with a schema registry" in why(from_registry(server), written(ORDER, LEEDS))
    assert server.asked == []


def test_bytes_behind_a_framed_record_are_malformed(server):
    assert "1 bytes are left" in why(from_registry(server), framed(server.add(ORDER), written(ORDER, LEEDS) + b"a"))


def test_a_registry_that_is_ill_stops_the_stream_and_nothing_is_lost(server):
    number = server.add(ORDER)
    server.answers[f"/schemas/ids/{number}"] = (500, {}, b"{}")
    decoder = from_registry(server)
    bodies = [framed(number, written(ORDER, LEEDS))]
    with pytest.raises(StreamError, match="it answers 500"):
        decoder.decode(bodies)
    server.answers.clear()
    assert decoder.decode(bodies) == [LEEDS]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_confluents_own_serializer_writes_is_read(server):
    """A serializer that nobody here wrote proves the wire format; it registers its schema by itself."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    schema = record(*((name, kind) for name, (kind, _, _) in TYPES.items()), name="Everything")
    at = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    event = {**dict.fromkeys(TYPES), **EXAMPLE, "at_us": at}
    with SchemaRegistryClient({"url": server.url}) as registry:
        serialize = AvroSerializer(registry, json.dumps(schema))
        body = serialize(event, SerializationContext("events", MessageField.VALUE))
    assert body[0] == 0
    table = read_through_columns(from_registry(server), [body])
    assert table == [{**event, "id": str(event["id"]), "nested": json.loads('{"x": 1, "at": "1970-01-01T00:00:00Z"}')}]


# All types, into columns.

EPOCH, NAIVE = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))
WHOLE_MS = MOMENTS.map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000))


def in_utc(moments):
    return moments.map(lambda each: each.replace(tzinfo=UTC))


def integers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


NESTED = record(("x", "int"), ("at", logical("timestamp-micros", "long")), name="Nested")
TYPES = {
    "flag": ("boolean", "boolean", st.booleans()),
    "small": ("int", "int32", integers(32)),
    "number": ("long", "int64", integers(64)),
    "single": ("float", "float32", st.floats(width=32, allow_nan=False)),
    "double": ("double", "float64", st.floats(allow_nan=False)),
    "text": ("string", "string", TEXT),
    "raw": ("bytes", "bytes", st.binary(max_size=5)),
    "code": ({"type": "fixed", "name": "Code", "size": 3}, "bytes", st.binary(min_size=3, max_size=3)),
    "span": (logical("duration", "fixed", name="Span", size=12), "bytes", st.binary(min_size=12, max_size=12)),
    "size": ({"type": "enum", "name": "Size", "symbols": ["S", "L"]}, "string", st.sampled_from("SL")),
    "on": (logical("date", "int"), "date", st.dates()),
    "clock_ms": (logical("time-millis", "int"), "time", st.times().map(lambda each: each.replace(microsecond=7000))),
    "clock_us": (logical("time-micros", "long"), "time", st.times()),
    "at_ms": (logical("timestamp-millis", "long"), "timestamptz", in_utc(WHOLE_MS)),
    "at_us": (logical("timestamp-micros", "long"), "timestamptz", in_utc(MOMENTS)),
    "local_ms": (logical("local-timestamp-millis", "long"), "timestamp", WHOLE_MS),
    "local_us": (logical("local-timestamp-micros", "long"), "timestamp", MOMENTS),
    "price": (
        logical("decimal", "bytes", precision=12, scale=3),
        "decimal(12,3)",
        st.integers(1 - 10**12, 10**12 - 1).map(lambda each: Decimal(each).scaleb(-3)),
    ),
    "large": (
        logical("decimal", "fixed", name="Large", size=16, precision=38, scale=0),
        "decimal(38,0)",
        st.integers(1 - 10**38, 10**38 - 1).map(Decimal),
    ),
    "id": (logical("uuid", "string"), "uuid", st.uuids()),
    "maybe": (["null", "string"], "string", st.none() | TEXT),
    "many": ({"type": "array", "items": "long"}, "list<int64>", st.lists(integers(64), max_size=3)),
    "moments": (
        {"type": "array", "items": logical("timestamp-micros", "long")},
        "list<timestamptz>",
        st.lists(in_utc(MOMENTS), max_size=3),
    ),
    "by_name": (
        {"type": "map", "values": "int"},
        "map<string, int>",
        st.dictionaries(st.text(string.ascii_letters, max_size=3), integers(32), max_size=3),
    ),
    "nested": (["null", NESTED], "struct<x int, at timestamp>", st.none()),
}
EXAMPLE = {
    "flag": True, "small": 1, "number": 2**62, "single": 0.5, "double": 0.1, "text": "ä", "raw": b"\0", "code": b"abc",
    "span": b"\1" * 12, "size": "L", "on": date(2024, 2, 29), "clock_ms": time(1, 2, 3, 4000),
    "clock_us": time(1, 2, 3, 4), "at_ms": EPOCH, "at_us": EPOCH, "local_ms": NAIVE, "local_us": NAIVE,
    "price": Decimal("1.250"), "large": Decimal(10**37), "id": uuid.UUID(int=5), "maybe": None, "many": [1, 2],
    "moments": [EPOCH], "by_name": {"a": 1}, "nested": {"x": 1, "at": EPOCH},
}  # fmt: skip


def read_through_columns(decoder, bodies, types=None):
    """Events as rows of the columns that fit; JSON texts as what they say."""
    columns = tuple(Column(name=name, type=kind) for name, (_, kind, _) in (types or TYPES).items())
    stream = Stream(name="events", format="avro", columns=columns)
    count = len(bodies)
    messages = Messages(
        topic="events",
        values=list(bodies),
        keys=[None] * count,
        partitions=["0"] * count,
        offsets=list(map(str, range(count))),
        published_us=[0] * count,
    )
    events = EventReader(stream, decoder).read(messages)
    assert events.problems == {}
    rows = events.table.select([column.name for column in columns]).to_pylist()
    for row in rows:
        for name in {"by_name", "nested"} & row.keys():
            row[name] = None if row[name] is None else json.loads(row[name])
    return rows


@given(
    st.lists(st.fixed_dictionaries({name: values for name, (_, _, values) in TYPES.items()}), min_size=1, max_size=3)
)
def test_every_type_arrives_in_its_column_as_it_was_written(events):
    schema = record(*((name, kind) for name, (kind, _, _) in TYPES.items()), name="Everything")
    rows = read_through_columns(from_file(schema), [written(schema, event) for event in events])
    assert rows == [{**event, "id": str(event["id"])} for event in events]


@pytest.mark.parametrize("unit", ["timestamp-nanos", "local-timestamp-nanos"])
def test_nanoseconds_are_a_number_of_which_the_stream_tells_the_unit(unit):
    schema = record(("at", logical(unit, "long")))
    assert from_file(schema).decode([written(schema, {"at": 1_700_000_000_000_000_001})]) == [
        {"at": 1_700_000_000_000_000_001}
    ]


def test_what_is_nested_becomes_json_text():
    inner = record(("on", logical("date", "int")), ("raw", "bytes"), ("n", ["null", "long"]), name="Inner")
    schema = record(("inner", inner), ("by_name", {"type": "map", "values": "Inner"}))
    types = {"inner": (None, "struct<a int>", None), "by_name": (None, "map<string, int>", None)}
    value = {"on": date(2024, 2, 29), "raw": b"ab", "n": None}
    [row] = read_through_columns(from_file(schema), [written(schema, {"inner": value, "by_name": {"k": value}})], types)
    said = {"on": "2024-02-29", "raw": "YWI=", "n": None}
    assert json.loads(row["inner"]) == said
    assert row["by_name"] == {"k": said}


EVERYTHING = record(*((name, kind) for name, (kind, _, _) in TYPES.items()), name="Everything")
DECODER = from_file(EVERYTHING)
FULL = written(EVERYTHING, EXAMPLE)


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(FULL)), st.binary(max_size=4)).map(
        lambda each: FULL[: each[0]] + each[1] + FULL[each[0] + len(each[1]) :]
    )
)
def test_whatever_a_body_is_it_is_a_record_or_a_problem(body):
    [found] = DECODER.decode([body])
    assert isinstance(found, Problem) or found.keys() == TYPES.keys()


def test_a_moment_before_1970_keeps_its_microseconds():
    schema = record(("at", logical("timestamp-micros", "long")))
    at = EPOCH - timedelta(microseconds=1)
    assert from_file(schema).decode([written(schema, {"at": at})]) == [{"at": at}]
