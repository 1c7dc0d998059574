"""Protobuf messages become fields by a descriptor set; what is none is told in its place."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.definitions.views import Column
from featurestore.errors import UsageError
from featurestore.streams.decode import open_decoder
from featurestore.streams.events import EventReader
from featurestore.streams.messages import Messages, Problem
from tests.streams.formats.registry_server import registry_running

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELD = descriptor_pb2.FieldDescriptorProto
GOOGLE = ".google.protobuf."
WELL_KNOWN = (any_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)


def field(name, kind, *, is_many=False, is_optional=False):
    """A field: of a scalar type, or of a named one, `enum:` before it if it is one."""
    made = FIELD(name=name, label=FIELD.LABEL_REPEATED if is_many else FIELD.LABEL_OPTIONAL)
    if kind.startswith("."):
        made.type, made.type_name = FIELD.TYPE_MESSAGE, kind
    elif kind.startswith("enum:"):
        made.type, made.type_name = FIELD.TYPE_ENUM, kind.removeprefix("enum:")
    else:
        made.type = FIELD.Type.Value(f"TYPE_{kind.upper()}")
    made.proto3_optional = is_optional
    return made


def message(name, *fields, nested=()):
    made = descriptor_pb2.DescriptorProto(name=name, nested_type=nested)
    for number, each in enumerate(fields, 1):
        each.number = number
        if each.proto3_optional:
            each.oneof_index = len(made.oneof_decl)
            made.oneof_decl.add(name=f"_{each.name}")
        made.field.append(each)
    return made


def map_entry(name, key, value):
    made = message(name, field("key", key), field("value", value))
    made.options.map_entry = True
    return made


def proto_file(*messages, name="shop.proto", package="shop", syntax="proto3", imports=()):
    return descriptor_pb2.FileDescriptorProto(
        name=name, package=package, syntax=syntax, message_type=messages, dependency=imports
    )


def order():
    return message("Order", field("id", "int64"), field("city", "string"))


def classes(*files):
    """The message classes of files by full name, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    for each in WELL_KNOWN:
        pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    for each in files:
        pool.AddSerializedFile(each.SerializeToString())
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def open_set(folder, *files, name="", registry=""):
    (folder / "event.desc").write_bytes(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
    options = (("url", registry),) if registry else ()
    connection = StreamConnection(schema="event.desc", schema_registry=options)
    return open_decoder(Stream(name="orders", format="protobuf", message=name), connection, base_dir=folder)


def one(decoder, made):
    [fields] = decoder.decode([made.SerializeToString()])
    return fields


def why(decoder, body):
    [problem] = decoder.decode([body])
    assert isinstance(problem, Problem), problem
    assert problem.reason == "malformed"
    return problem.detail


def test_a_message_is_read_by_its_name(tmp_path):
    file = proto_file(order(), message("Other"))
    made = classes(file)("shop.Order")(id=7, city="Leeds")
    assert one(open_set(tmp_path, file, name="shop.Order"), made) == {"id": 7, "city": "Leeds"}


def test_the_only_message_of_the_last_file_needs_no_name(tmp_path):
    other = proto_file(message("A"), message("B"), name="other.proto", package="other")
    file = proto_file(order(), imports=["other.proto"])
    made = classes(other, file)("shop.Order")(id=7)
    assert one(open_set(tmp_path, other, file), made) == {"id": 7, "city": ""}


def test_a_message_inside_another_and_one_without_a_package_have_names(tmp_path):
    file = proto_file(message("Outer", nested=[order()]), package="")
    made = classes(file)("Outer.Order")(id=7)
    assert one(open_set(tmp_path, file, name="Outer.Order"), made)["id"] == 7


def test_what_is_not_set_is_none_where_protobuf_tells_it_and_the_default_where_not(tmp_path):
    fields = [
        field("plain", "int32"),
        field("maybe", "int32", is_optional=True),
        field("left", "string"),
        field("right", "int64"),
        field("inner", ".shop.Inner"),
        field("size", "enum:.shop.Size"),
        field("many", "string", is_many=True),
    ]
    shape = message("Event", *fields)
    shape.oneof_decl.insert(0, descriptor_pb2.OneofDescriptorProto(name="side"))
    shape.field[1].oneof_index = 1
    shape.field[2].oneof_index = shape.field[3].oneof_index = 0
    file = proto_file(message("Inner", field("x", "int32")), shape)
    sizes = file.enum_type.add(name="Size")
    sizes.value.add(name="UNKNOWN", number=0)
    sizes.value.add(name="L", number=1)
    decoder, event = open_set(tmp_path, file, name="shop.Event"), classes(file)("shop.Event")
    nothing = {
        "plain": 0, "maybe": None, "left": None, "right": None, "inner": None, "size": "UNKNOWN", "many": [],
    }  # fmt: skip
    assert one(decoder, event()) == nothing
    full = event(plain=1, maybe=0, right=0, inner={"x": 3}, size=1, many=["a"])
    assert one(decoder, full) == {
        "plain": 1, "maybe": 0, "left": None, "right": 0, "inner": {"x": 3}, "size": "L", "many": ["a"],
    }  # fmt: skip
    assert one(decoder, event(size=9))["size"] == "9", "a number that has no name yet"


def test_well_known_types_are_what_they_mean(tmp_path):
    kinds = {
        "at": "Timestamp",
        "took": "Duration",
        "n": "Int32Value",
        "data": "Struct",
        "some": "Value",
        "list": "ListValue",
    }
    file = proto_file(
        message("Event", *(field(name, f"{GOOGLE}{kind}") for name, kind in kinds.items())),
        imports=[f"google/protobuf/{each}.proto" for each in ("timestamp", "duration", "wrappers", "struct")],
    )
    decoder, event = open_set(tmp_path, file), classes(file)("shop.Event")
    assert one(decoder, event()) == dict.fromkeys(kinds)
    full = event()
    full.at.FromNanoseconds(-1_999)
    full.took.FromNanoseconds(-1_500_001_999)
    full.n.value = 0
    full.data.update({"a": [1, 0.5, "x", None, True, {"b": {}}]})
    full.some.null_value = 0
    full.list.extend([1, 2**60])
    assert one(decoder, full) == {
        "at": EPOCH.replace(year=1969, month=12, day=31, hour=23, minute=59, second=59, microsecond=999_998),
        "took": -1_500_001,
        "n": 0,
        "data": {"a": [1, 0.5, "x", None, True, {"b": {}}]},
        "some": None,
        "list": [1, float(2**60)],
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Timestamp", {"seconds": -62135596801}),
        ("Timestamp", {"seconds": 253402300800}),
        ("Timestamp", {"seconds": 2**62}),
        ("Timestamp", {"nanos": -1}),
        ("Timestamp", {"nanos": 10**9}),
        ("Duration", {"nanos": 10**9}),
        ("Duration", {"seconds": 1, "nanos": -1}),
    ],
)
def test_a_time_that_is_none_is_malformed(tmp_path, kind, value):
    imports = [f"google/protobuf/{kind.lower()}.proto"]
    file = proto_file(message("Event", field("value", f"{GOOGLE}{kind}")), imports=imports)
    made = classes(file)("shop.Event")(value=value)
    assert f"a {kind} of" in why(open_set(tmp_path, file), made.SerializeToString())


def test_the_first_and_the_last_moment_are_read(tmp_path):
    file = proto_file(message("Event", field("at", f"{GOOGLE}Timestamp")), imports=["google/protobuf/timestamp.proto"])
    decoder, event = open_set(tmp_path, file), classes(file)("shop.Event")
    assert one(decoder, event(at={"seconds": -62135596800}))["at"] == datetime(1, 1, 1, tzinfo=UTC)
    last = event(at={"seconds": 253402300799, "nanos": 999_999_999})
    assert one(decoder, last)["at"] == datetime.max.replace(tzinfo=UTC)


def test_maps_have_text_as_keys(tmp_path):
    kinds = {"texts": ("string", "int64"), "numbers": ("int32", ".shop.Inner"), "flags": ("bool", "string")}
    entries = [map_entry(f"{name.capitalize()}Entry", *kind) for name, kind in kinds.items()]
    fields = [field(name, f".shop.Event.{name.capitalize()}Entry", is_many=True) for name in kinds]
    file = proto_file(message("Inner", field("x", "int32")), message("Event", *fields, nested=entries))
    event = classes(file)("shop.Event")(texts={"a": 1}, flags={True: "y", False: "n"})
    event.numbers[-3].x = 4
    assert one(open_set(tmp_path, file, name="shop.Event"), event) == {
        "texts": {"a": 1},
        "numbers": {"-3": {"x": 4}},
        "flags": {"true": "y", "false": "n"},
    }


def test_a_message_that_contains_itself_is_read_and_one_that_is_too_deep_is_malformed(tmp_path):
    file = proto_file(message("Node", field("n", "int32"), field("next", ".shop.Node")))
    decoder, node = open_set(tmp_path, file), classes(file)("shop.Node")
    assert one(decoder, node(n=1, next={"n": 2})) == {"n": 1, "next": {"n": 2, "next": None}}
    deep = b""
    for _ in range(1_000):
        deep = b"\x12" + varint(len(deep)) + deep
    assert "no Protobuf 'shop.Node'" in why(decoder, deep)


def varint(number):
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def test_fields_that_are_called_as_pythons_own_words_and_methods_are_read(tmp_path):
    names = ["from", "class", "ListFields", "HasField", "DESCRIPTOR", "value"]
    file = proto_file(message("Event", *(field(name, "int32") for name in names)))
    event = classes(file)("shop.Event")(**{name: place for place, name in enumerate(names)})
    assert one(open_set(tmp_path, file), event) == {name: place for place, name in enumerate(names)}


def test_schema_drift_is_nothing_to_fear(tmp_path):
    """A field of a producer that knows more is passed over; one that it does not write has its default."""
    longer = proto_file(message("Order", field("id", "int64"), field("city", "string"), field("paid", "bool")))
    made = classes(longer)("shop.Order")(id=7, city="Leeds", paid=True)
    assert one(open_set(tmp_path, proto_file(order())), made) == {"id": 7, "city": "Leeds"}
    assert open_set(tmp_path, longer).decode([b""]) == [{"id": 0, "city": "", "paid": False}]


@pytest.mark.parametrize(
    ("what", "body"),
    [("cut off", b"\x12\x05Lee"), ("no UTF-8", b"\x12\x01\xff"), ("JSON", b'{"id": 1}'), ("a zero tag", b"\0\0\0\0\1")],
)
def test_what_is_no_message_is_malformed(tmp_path, what, body):
    assert "no Protobuf 'shop.Order'" in why(open_set(tmp_path, proto_file(order())), body), what


def test_a_message_without_a_required_field_is_malformed(tmp_path):
    shape = order()
    shape.field[0].label = FIELD.LABEL_REQUIRED
    decoder = open_set(tmp_path, proto_file(shape, syntax="proto2"))
    assert "id is missing" in why(decoder, b"")
    assert decoder.decode([b"\x08\x07"]) == [{"id": 7, "city": None}]


def test_an_entry_of_redis_without_a_body_is_malformed_and_costs_no_other(tmp_path):
    problem, fields = open_set(tmp_path, proto_file(order())).decode([{"a": "1"}, b"\x08\x07"])
    assert "fields a" in problem.detail
    assert fields == {"id": 7, "city": ""}


@given(body=st.binary(max_size=60))
def test_whatever_a_body_is_it_is_a_message_or_a_problem(tmp_path, body):
    [found] = open_set(tmp_path, *ALL_FILES, name="shop.Event").decode([body])
    assert isinstance(found, Problem) or found.keys() == set(TYPES)


# The descriptor set.


def test_a_set_without_a_file_that_comes_with_protobuf_is_read_and_without_another_refused(tmp_path):
    with pytest.raises(UsageError, match=r"it lacks other\.proto, which it imports\n  -> .*--include_imports"):
        open_set(tmp_path, proto_file(order(), imports=["other.proto"]))


def test_files_of_a_set_may_stand_in_any_order(tmp_path):
    first = proto_file(message("Money", field("cents", "int64")), name="money.proto")
    second = proto_file(message("Line", field("price", ".shop.Money")), name="line.proto", imports=["money.proto"])
    third = proto_file(message("Order", field("line", ".shop.Line")), imports=["line.proto", "money.proto"])
    made = classes(first, second, third)("shop.Order")(line={"price": {"cents": 3}})
    assert one(open_set(tmp_path, third, second, first, name="shop.Order"), made) == {"line": {"price": {"cents": 3}}}


def test_a_message_that_the_set_does_not_have_is_told_with_what_is_near(tmp_path):
    with pytest.raises(UsageError, match=r"no message 'shop.Ordr' in .*event.desc\n  -> did you mean shop.Order\?"):
        open_set(tmp_path, proto_file(order()), name="shop.Ordr")


def test_several_messages_ask_for_a_name(tmp_path):
    with pytest.raises(
        UsageError, match=r"shop\.proto has 2 messages\n  -> write `message: NAME`; known: shop\.A, shop\.B"
    ):
        open_set(tmp_path, proto_file(message("A"), message("B")))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'syntax = "proto3";', "it is something else"),
        (b"", "it is empty"),
        (
            descriptor_pb2.FileDescriptorSet(
                file=[proto_file(message("A", field("b", ".shop.Nowhere")))]
            ).SerializeToString(),
            "no descriptor set that can be used",
        ),
        (
            descriptor_pb2.FileDescriptorSet(
                file=[proto_file(name="a", imports=["b"]), proto_file(name="b", imports=["a"])]
            ).SerializeToString(),
            "no descriptor set that can be used",
        ),
    ],
)
def test_a_file_that_is_no_set_is_refused(tmp_path, content, told):
    (tmp_path / "event.desc").write_bytes(content)
    with pytest.raises(UsageError, match=told):
        open_decoder(Stream(name="orders", format="protobuf"), StreamConnection(schema="event.desc"), base_dir=tmp_path)


def test_a_set_that_is_not_there_is_refused(tmp_path):
    stream = Stream(name="orders", format="protobuf")
    with pytest.raises(UsageError, match=r"streams\.orders\.schema: cannot read .*nowhere\.desc"):
        open_decoder(stream, StreamConnection(schema="nowhere.desc"), base_dir=tmp_path)
    with pytest.raises(UsageError, match=r"needs a descriptor set\n  -> write `schema: event\.desc`"):
        open_decoder(stream, StreamConnection(schema_registry=(("url", "http://host"),)), base_dir=tmp_path)


def test_a_machine_without_protobuf_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    with pytest.raises(UsageError, match=r"needs the package protobuf\n  -> pip install 'featurestore\[protobuf\]'"):
        open_set(tmp_path, proto_file(order()))


# With a schema registry, which is never asked.

NOWHERE = "http://127.0.0.1:1"
HEAD = b"\0" + struct.pack(">I", 12)


def test_a_framed_message_is_read_by_the_name_of_the_stream(tmp_path):
    decoder = open_set(tmp_path, proto_file(message("Other"), order()), name="shop.Order", registry=NOWHERE)
    body = b"\x08\x07"
    assert decoder.decode([HEAD + b"\x02\x02" + body, HEAD + b"\0" + body]) == [{"id": 7, "city": ""}] * 2


def test_a_framed_message_is_read_by_its_place_where_the_stream_names_none(tmp_path):
    """Places are zigzag numbers from outside to inside; a single zero is the first message."""
    inner = message("Inner", field("x", "int32"))
    decoder = open_set(tmp_path, proto_file(order(), message("Outer", nested=[message("A"), inner])), registry=NOWHERE)
    assert decoder.decode([HEAD + b"\0\x08\x07", HEAD + b"\x04\x02\x02\x08\x05"]) == [{"id": 7, "city": ""}, {"x": 5}]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\x08\x07", "not written with a schema registry"),
        (HEAD, "no message's place"),
        (HEAD + b"\x04\x02", "no message's place"),
        (HEAD + b"\x01\0", "no message's place"),
        (HEAD + b"\xff" * 8, "no message's place"),
        (HEAD + b"\xfe\xff\xff\xff\x0f", "no message's place"),
        (HEAD + b"\x02\x06", r"schema 12 has a message at [3], shop.proto of the set has none there"),
        (HEAD + b"\x02\x01", "a message at [-1]"),
        (HEAD + b"\0\x12\x05Lee", "no Protobuf 'shop.Order'"),
    ],
)
def test_a_body_that_is_not_framed_or_has_no_such_place_is_malformed(tmp_path, body, told):
    assert told in why(open_set(tmp_path, proto_file(order()), registry=NOWHERE), body)


def test_options_of_the_registry_are_checked(tmp_path):
    with pytest.raises(UsageError, match="expected the URL of a schema registry"):
        open_set(tmp_path, proto_file(order()), registry="nowhere")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["shop.Order", "shop.Outer.Inner"])
def test_what_confluents_own_serializer_writes_is_read(tmp_path, name):
    """A serializer that nobody here wrote proves the wire format; it registers its schema by itself."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    file = proto_file(order(), message("Outer", nested=[message("A"), message("Inner", field("id", "int64"))]))
    made = classes(file)(name)(id=2**62)
    with registry_running() as server, SchemaRegistryClient({"url": server.url}) as registry:
        serialize = ProtobufSerializer(type(made), registry, {"use.deprecated.format": False})
        body = serialize(made, SerializationContext("orders", MessageField.VALUE))
        assert body[0] == 0
        for stream_names in (name, ""):
            [fields] = open_set(tmp_path, file, name=stream_names, registry=server.url).decode([body])
            assert fields["id"] == 2**62, stream_names


# All types, into columns.

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
FLOATS32, FLOATS = st.floats(width=32, allow_nan=False), st.floats(allow_nan=False)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda each: each.replace(tzinfo=UTC))


def integers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unsigned(bits):
    return st.integers(0, 2**bits - 1)


TYPES = {
    "flag": ("bool", "boolean", st.booleans()),
    "i32": ("int32", "int32", integers(32)),
    "s32": ("sint32", "int32", integers(32)),
    "sf32": ("sfixed32", "int32", integers(32)),
    "i64": ("int64", "int64", integers(64)),
    "s64": ("sint64", "int64", integers(64)),
    "sf64": ("sfixed64", "int64", integers(64)),
    "u32": ("uint32", "uint32", unsigned(32)),
    "f32": ("fixed32", "uint32", unsigned(32)),
    "u64": ("uint64", "uint64", unsigned(64)),
    "f64": ("fixed64", "uint64", unsigned(64)),
    "single": ("float", "float32", FLOATS32),
    "double": ("double", "float64", FLOATS),
    "text": ("string", "string", TEXT),
    "raw": ("bytes", "bytes", st.binary(max_size=5)),
    "size": ("enum:.shop.Size", "string", st.sampled_from(["UNKNOWN", "L"])),
    "at": (f"{GOOGLE}Timestamp", "timestamptz", st.none() | MOMENTS),
    "took": (f"{GOOGLE}Duration", "int64", st.none() | integers(48)),
    "n": (f"{GOOGLE}Int64Value", "int64", st.none() | integers(64)),
    "t": (f"{GOOGLE}StringValue", "string", st.none() | TEXT),
    "b": (f"{GOOGLE}BytesValue", "bytes", st.none() | st.binary(max_size=5)),
    "many": ("*int64", "list<int64>", st.lists(integers(64), max_size=3)),
    "moments": (f"*{GOOGLE}Timestamp", "list<timestamptz>", st.lists(MOMENTS, max_size=3)),
    "raws": ("*bytes", "list<bytes>", st.lists(st.binary(max_size=3), max_size=3)),
    "inner": (".shop.Inner", "struct<x int>", st.none() | st.fixed_dictionaries({"x": integers(32)})),
    "by_name": ("*.shop.Event.ByNameEntry", "map<string, int>", st.dictionaries(TEXT, integers(32), max_size=3)),
    "data": (
        f"{GOOGLE}Struct",
        "json",
        st.none() | st.dictionaries(TEXT, st.none() | st.booleans() | TEXT | integers(52), max_size=3),
    ),
}
JSON_TEXTS = ("inner", "by_name", "data")


def everything():
    fields = [field(name, kind.lstrip("*"), is_many=kind.startswith("*")) for name, (kind, _, _) in TYPES.items()]
    event = message("Event", *fields, nested=[map_entry("ByNameEntry", "string", "int32")])
    imports = [f"google/protobuf/{each}.proto" for each in ("timestamp", "duration", "wrappers", "struct")]
    file = proto_file(message("Inner", field("x", "int32")), event, imports=imports)
    sizes = file.enum_type.add(name="Size")
    sizes.value.add(name="UNKNOWN", number=0)
    sizes.value.add(name="L", number=1)
    return file


ALL_FILES = [everything()]
EVENT = classes(*ALL_FILES)("shop.Event")


def made_of(values):
    """The message of values as columns have them."""
    event = EVENT(**{name: value for name, value in values.items() if value is not None and name not in SET_APART})
    if values["at"] is not None:
        set_moment(event.at, values["at"])
    if values["took"] is not None:
        event.took.FromMicroseconds(values["took"])
    for name in ("n", "t", "b"):
        if values[name] is not None:
            getattr(event, name).value = values[name]
            getattr(event, name).SetInParent()
    for each in values["moments"]:
        set_moment(event.moments.add(), each)
    if values["data"] is not None:
        event.data.SetInParent()
        event.data.update(values["data"])
    if values["inner"] is not None:
        event.inner.SetInParent()
    return event


SET_APART = {"at", "took", "n", "t", "b", "moments", "data"}


def set_moment(stamp, moment):
    since = moment - EPOCH
    stamp.seconds, stamp.nanos = since.days * 86_400 + since.seconds, since.microseconds * 1_000
    stamp.SetInParent()


@given(
    events=st.lists(
        st.fixed_dictionaries({name: values for name, (_, _, values) in TYPES.items()}), min_size=1, max_size=3
    )
)
def test_every_type_arrives_in_its_column_as_it_was_written(tmp_path, events):
    columns = tuple(Column(name=name, type=kind) for name, (_, kind, _) in TYPES.items())
    decoder = open_set(tmp_path, *ALL_FILES, name="shop.Event")
    count = len(events)
    messages = Messages(
        topic="events",
        values=[made_of(each).SerializeToString() for each in events],
        keys=[None] * count,
        partitions=["0"] * count,
        offsets=list(map(str, range(count))),
        published_us=[0] * count,
    )
    read = EventReader(Stream(name="events", format="protobuf", columns=columns), decoder).read(messages)
    assert read.problems == {}
    rows = read.table.select(list(TYPES)).to_pylist()
    for row in rows:
        row.update({name: None if row[name] is None else json.loads(row[name]) for name in JSON_TEXTS})
    assert rows == events


def test_protobuf_is_imported_by_the_streams_that_need_it():
    code = "import sys, featurestore.streams.decode; print([name for name in sys.modules if 'google' in name])"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
