"""Documents that somebody made: their hash is right, and what they say is meant to do harm.

Every reader refuses them with one clear error, or shows them as text: nothing of theirs is run, no file outside the
project is read or written, and no control character comes to the terminal.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import json
import os
import re
import shutil
import sys
import time
import tracemalloc
from dataclasses import replace

import pytest

from featurestore.errors import FeatureStoreError, RegistryCorruptError, UsageError
from featurestore.online.open import open_online_store
from featurestore.registry.document import decode_document, encode_document, new_document
from featurestore.registry.files.protocol import MOST_BYTES
from featurestore.registry.read import open_registry, read_latest_document
from featurestore.server.served import Newest
from featurestore.serving import open_client
from tests.cli.tiny import churn, make_tiny, orders
from tests.registry.shop import MANIFEST, SHOP
from tests.server.running import config_of

SETTINGS = "entities: [{name: customer, join_keys: [customer_id]}]\nstreams: {clicks: {url: 'file:events.jsonl'}}\n"
SECRET = "hunter2"
FEATURES = ("--features", "orders:amount")
READERS = [
    ("list",),
    ("list", "features"),
    ("show", "orders"),
    ("show", "churn"),
    ("plan",),
    ("apply",),
    ("registry", "show"),
    ("registry", "show", "1"),
    ("training-sql", *FEATURES, "--at", "2026-06-04"),
    ("training-set", *FEATURES, "--at", "2026-06-04"),
    ("materialize",),
    ("freshness",),
    ("verify", "orders"),
    ("get-online", *FEATURES, "--entity", "customer_id=1"),
    ("stream", "run"),
    ("stream", "status"),
]
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with a view that a stream feeds, applied; and a secret beside it."""
    tiny = make_tiny(tmp_path_factory.mktemp("hostile") / "shop")
    (tiny.folder.parent / "secret.csv").write_text(f"customer_id,placed_at,loaded_at,amount\n1,{SECRET},{SECRET},1\n")
    (tiny.folder / "secret.csv").write_text(f"customer_id\n{SECRET}\n")
    tiny.write_manifest(orders({"stream": "clicks"}), churn())
    (tiny.folder / "featurestore.yml").write_text(SETTINGS)
    (tiny.folder / "events.jsonl").write_text("")
    done = tiny.run("apply")
    assert done.code == 0, done.err
    return tiny


def place(tiny):
    return tiny.folder / ".featurestore" / "registry" / "v0000000001.json"


@pytest.fixture
def tiny(made):
    """The same, its registry as it was after the test."""
    before = place(made).read_bytes()
    yield made
    if place(made).is_dir() and not place(made).is_symlink():
        place(made).rmdir()
    shutil.rmtree(place(made).parent)
    place(made).parent.mkdir()
    place(made).write_bytes(before)


def hashed(document):
    """The bytes of a document, its hash made right."""
    compact = json.dumps(document["content"], separators=(",", ":"), ensure_ascii=False)
    document["content_hash"] = hashlib.sha256(compact.encode()).hexdigest()
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def forge(tiny, change):
    """Put a changed document with the right hash in the place of the newest."""
    document = copy.deepcopy(json.loads(place(tiny).read_bytes()))
    change(document["content"])
    place(tiny).write_bytes(hashed(document))


def view(**changes):
    return lambda content: content["views"][0].update(changes)


def part(*path, **changes):
    """Change a part below the content."""

    def change(content):
        found = content
        for step in path:
            found = found[step]
        found.update(changes)

    return change


def also(kind, *path, **changes):
    """One more of a kind: the first one again, changed."""

    def change(content):
        content[kind].append({**copy.deepcopy(content[kind][0]), **changes})

    return change


def feature(**changes):
    return part("views", 0, "features", 0, **changes)


def binding(**changes):
    return part("views", 0, "stream", **changes)


def stream(**changes):
    return part("streams", 0, **changes)


def service(**changes):
    return part("services", 0, **changes)


TABLE = "is not the name of one table"
FILE = "is the name of a file"
YEARS = "to 31536000000000000"
REFUSED = [
    # (what it tries, how, where, what is said)
    ("a relation that reads a file", view(relation="read_csv('/etc/passwd')"), "/views/0/relation", TABLE),
    ("a relation that is a path", view(relation='"/etc/passwd.csv"'), "/views/0/relation", FILE),
    ("a relation that is a text", view(relation="'/etc/passwd'"), "/views/0/relation", TABLE),
    ("a relation that is a file here", view(relation='"secret.csv"'), "/views/0/relation", FILE),
    ("a relation that climbs", view(relation='"../secret.csv"'), "/views/0/relation", FILE),
    ("a relation of two statements", view(relation="orders; drop table orders"), "/views/0/relation", TABLE),
    ("a relation with a comment", view(relation="orders -- x"), "/views/0/relation", TABLE),
    ("a relation that is a query", view(relation="(select 1)"), "/views/0/relation", TABLE),
    ("a relation that copies", view(relation="COPY orders TO '/tmp/x'"), "/views/0/relation", TABLE),
    ("a relation that attaches", view(relation="ATTACH '/tmp/x.db'"), "/views/0/relation", TABLE),
    ("a relation with NUL", view(relation='"a\0b"'), "/views/0/relation", TABLE),
    ("a relation that is empty", view(relation=""), "/views/0/relation", TABLE),
    ("a relation with Jinja", view(relation="{{ ref('orders') }}"), "/views/0/relation", TABLE),
    ("a stream's relation that is a path", stream(relation='"../x.parquet"'), "/streams/0/relation", FILE),
    ("a stream's relation of two statements", stream(relation="x; drop table orders"), "/streams/0/relation", TABLE),
    ("a path of the machine", part("views", 0, "source", path="/etc/passwd"), "/views/0/source/path", "(SEMANTICS R3)"),
    ("another one", part("views", 0, "source", yaml_path="/etc/x"), "/views/0/source/yaml_path", "(SEMANTICS R3)"),
    ("a service's path", service(path="/etc/passwd"), "/services/0/path", "(SEMANTICS R3)"),
    ("a path with NUL", part("views", 0, "source", path="a\0b"), "/views/0/source/path", "character U+0000"),
    ("pushed rows elsewhere", view(pushed="../x"), "/views/0/pushed", "a table, as NAME or SCHEMA.NAME"),
    ("pushed rows into SQL", view(pushed='x"; drop table orders'), "/views/0/pushed", "a table, as NAME or"),
    ("events out of the project", stream(to="../../etc"), "/streams/0/to", "a folder below the dbt project"),
    ("events to a root", stream(to="/etc/cron.d"), "/streams/0/to", "a folder below the dbt project"),
    ("events to a host", stream(to="http://169.254.169.254/"), "/streams/0/to", "a folder below the dbt project"),
    (
        "dead letters to a root",
        stream(dead_letters="/etc"),
        "/streams/0/dead_letters",
        "a folder below the dbt project",
    ),
    (
        "a log to a root",
        service(logging={"sample": 1.0, "by": "entity", "to": "/etc"}),
        "/services/0/logging/to",
        "a folder below the dbt project",
    ),
    (
        "a share above one",
        service(logging={"sample": 7.0, "by": "entity", "to": "warehouse"}),
        "/services/0/logging/sample",
        "a share above 0 and at most 1, got 7.0",
    ),
    ("a view's name that climbs", view(name="../orders"), "/views/0/name", "contains a /"),
    ("a stream's name that climbs", stream(name="../clicks"), "/views/0/stream/source", "a stream of /streams"),
    ("a view's version that climbs", view(version="../1"), "/views/0/version", "contains a /"),
    ("a service's name that climbs", service(name="..\\churn"), "/services/0/name", "contains a \\"),
    ("a view called ..", view(name=".."), "/views/0/name", "is a folder of its own kind"),
    ("a name with NUL", view(name="or\0ders"), "/views/0/name", "character U+0000"),
    ("a name with ESC", view(name="\x1b[31morders"), "/views/0/name", "character U+001B"),
    ("a name with C1", feature(name="a\x9bm"), "/views/0/features/0/name", "character U+009B"),
    ("a name from right to left", feature(name="\u202etnuoma"), "/views/0/features/0/name", "character U+202E"),
    ("a key with ESC", part("views", 0, "join_keys", 0, name="a\x1b[2J"), "/views/0/join_keys", "customer_id"),
    ("an entity with ESC", part("entities", 0, name="a\x1b[2J"), "/entities/0/name", "character U+001B"),
    ("a type with ESC", feature(type="struct<\x1b[2J>"), "/views/0/features/0/type", "a type such as int64"),
    ("a topic with ESC", stream(topic="\x1b[2J"), "/streams/0/topic", "character U+001B"),
    ("a project's name with ESC", lambda content: content.update(name="shop\x1b[2J"), "/name", "character U+001B"),
    ("a name that is SQL", feature(name='x"; drop table orders; --'), "/views/0/features/0/name", "separate the parts"),
    ("a name that is Jinja", feature(name="{{ 7*7 }}"), "/views/0/features/0/name", "which separate the parts"),
    ("a name of ours", feature(name="__spine_row"), "/views/0/features/0/name", "starts with __"),
    ("a name without end", feature(name="x" * 1_000_000), "/views/0/features/0/name", "has 1000000 bytes"),
    ("an empty name", feature(name=""), "/views/0/features/0/name", "is empty"),
    ("two views of one name", also("views"), "/views/1/name", "a name that is not there yet, got 'orders'"),
    ("two latest versions", also("views", version="2"), "/views/1/is_latest", "one latest version of orders"),
    ("two services of one name", also("services"), "/services/1/name", "a name that is not there yet"),
    ("two streams of one name", also("streams"), "/streams/1/name", "a name that is not there yet"),
    ("two entities of one name", also("entities"), "/entities/1/name", "a name that is not there yet"),
    ("two features of one name", feature(name="amount"), "/views/0/features/1/name", "a name that is not there yet"),
    ("an unknown entity", view(entities=["custmer"]), "/views/0/entities/0", "an entity of /entities, got 'custmer'"),
    (
        "no join key",
        view(join_keys=[]),
        "/views/0/join_keys",
        "the join key customer_id of entity customer, got 'none'",
    ),
    ("an entity without keys", part("entities", 0, join_keys=[]), "/entities/0/join_keys", "at least one column"),
    ("no features", view(features=[]), "/views/0/features", "at least one feature"),
    ("a feature that is a key", feature(name="customer_id"), "/views/0/features/0/name", "than a join key's"),
    ("a negative ttl", view(ttl_us=-1), "/views/0/ttl_us", f"microseconds, 1 {YEARS}, got -1"),
    ("a ttl of nothing", view(ttl_us=0), "/views/0/ttl_us", f"microseconds, 1 {YEARS}, got 0"),
    ("a ttl of ages", view(ttl_us=10**40), "/views/0/ttl_us", f"microseconds, 1 {YEARS}, got 1"),
    ("a negative delay", view(delay_us=-1), "/views/0/delay_us", f"microseconds, 0 {YEARS}, got -1"),
    ("a lookback of nothing", view(lookback_us=0), "/views/0/lookback_us", f"microseconds, 1 {YEARS}, got 0"),
    ("a clock that is years ahead", binding(ahead_us=-5), "/views/0/stream/ahead_us", f"microseconds, 0 {YEARS}"),
    ("knowledge of no time", view(as_of="knowledge", created_at=None), "/views/0/created_at", "as_of is knowledge"),
    (
        "an event time that is a text",
        part("views", 0, "event_time", type="string"),
        "/views/0/event_time/type",
        "a timestamp, got 'string'",
    ),
    ("a type that is none", feature(type="int65"), "/views/0/features/0/type", "a type such as int64, got 'int65'"),
    ("a type without end", feature(type="list<" * 99_999), "/views/0/features/0/type", "a type such as int64"),
    ("a type that is not served", feature(type="interval"), "/views/0/features/0/type", "can be served online"),
    ("a service of nothing", service(features=[]), "/services/0/features", "at least one reference"),
    ("a service of no view", service(features=["ordres:amount"]), "/services/0/features/0", "to a view of /views"),
    ("a service of no feature", service(features=["orders:x"]), "/services/0/features/0", "to a feature of orders"),
    ("a service of no version", service(features=["orders@v9:x"]), "/services/0/features/0", "to a view of /views"),
    ("a service of no key", service(features=["orders[x=y]:amount"]), "/services/0/features/0", "join keys of orders"),
    ("a service of no reference", service(features=["a:b:c"]), "/services/0/features/0", "such as view:feature"),
    ("a view of no stream", binding(source="nothing"), "/views/0/stream/source", "the name of a stream of /streams"),
    ("an empty column", stream(columns=[{"name": " ", "type": "int64"}]), "/streams/0/columns/0/name", "is empty"),
]
WRONG_TYPES = [
    ("a ttl of 1e308", view(ttl_us=1e308), "Expected `int | null`, got `float` - at `$.views[0].ttl_us`"),
    ("a ttl that is a text", view(ttl_us="7 days"), "Expected `int | null`, got `str` - at `$.views[0].ttl_us`"),
    ("online that is a text", view(online="yes"), "Expected `bool`, got `str` - at `$.views[0].online`"),
    ("a name that is a number", view(name=7), "Expected `str`, got `int` - at `$.views[0].name`"),
    ("a time that is null", view(event_time=None), "Expected `object`, got `null` - at `$.views[0].event_time`"),
    ("a word that is none", view(as_of="never"), "Invalid enum value 'never' - at `$.views[0].as_of`"),
    ("views that are an object", lambda it: it.update(views={}), "Expected `array`, got `object` - at `$.views`"),
    ("a project without a name", lambda it: it.pop("name"), "Object missing required field `name`"),
]


def everything_said(tiny):
    """What every reader says; each ends with code 1 or 2, prints nothing, and says one error."""
    files = sorted(tiny.folder.parent.rglob("*"))
    for arguments in READERS:
        ran = tiny.run(*arguments)
        assert ran.code in {1, 2}, arguments
        assert ran.out == "", arguments
        assert ran.err.count("Error: ") == 1, arguments
        assert "Traceback" not in ran.err
        assert not RAW.search(ran.err), arguments
        assert SECRET not in ran.err
        assert len(ran.err) < 1_000
        yield ran.err
    assert sorted(tiny.folder.parent.rglob("*")) == files


def clients(tiny):
    """What the light client and a feature server say."""
    registry = str(place(tiny).parent)
    with pytest.raises(FeatureStoreError) as by_client:
        open_client(tiny.folder, registry=registry, online_store="memory:x")
    with pytest.raises(FeatureStoreError) as by_server:
        read_latest_document(registry, tiny.folder)
    return str(by_client.value), str(by_server.value)


@pytest.mark.parametrize(("change", "where", "said"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_no_apply_could_have_written_is_refused_and_its_place_is_named(tiny, change, where, said):
    forge(tiny, change)
    with pytest.raises(RegistryCorruptError) as caught:
        read_latest_document(str(place(tiny).parent), tiny.folder)
    assert str(caught.value).startswith(f"{place(tiny)}: /content{where}: ")
    assert said in str(caught.value).splitlines()[0]
    assert caught.value.hint.startswith("restore it from a backup, or move it away")
    ran = tiny.run("training-set", *FEATURES, "--at", "2026-06-04")
    assert (ran.code, ran.out, ran.err) == (1, "", f"Error: {caught.value}\n")
    assert not RAW.search(ran.err)
    assert len(ran.err) < 1_000


@pytest.mark.parametrize(("change", "said"), [pytest.param(*row[1:], id=row[0]) for row in WRONG_TYPES])
def test_a_value_of_another_type_is_refused_and_its_place_is_named(tiny, change, said):
    forge(tiny, change)
    ran = tiny.run("list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"Error: {place(tiny)}: content: {said}")


@pytest.mark.parametrize("row", [REFUSED[0], REFUSED[21], REFUSED[26]], ids=lambda row: row[0])
def test_every_reader_refuses_it(tiny, row):
    forge(tiny, row[1])
    for said in everything_said(tiny):
        assert f"v0000000001.json: /content{row[2]}: " in said
    for said in clients(tiny):
        assert f"v0000000001.json: /content{row[2]}: " in said
    (line,) = tiny.run("registry", "versions", "--json").json
    assert line["version"] == 1


def test_a_server_serves_on_what_was_good(tiny, tmp_path):
    shutil.copytree(place(tiny).parent, tmp_path / "registry")
    config = config_of(tmp_path, tmp_path)
    good = read_latest_document("registry", tmp_path)
    store = open_online_store("memory:x", project="shop", base_dir=tmp_path)
    newest = Newest(config, good, store)
    forge(tiny, REFUSED[0][1])
    shutil.copy(place(tiny), tmp_path / "registry" / "v0000000001.json")
    newest.look()
    assert "/content/views/0/relation: \"read_csv('/etc/passwd')\" is not the name of one table" in newest.problem
    assert (newest.failures, newest.now.document) == (1, good)


SQL = [
    ("no SQL", "select from where ((", "it stops making sense in line 1, column 17, near 'where'"),
    ("a copy", "copy (select 1) to '{}/stolen.csv'", "expected one SELECT"),
    ("two statements", "select * from events; copy (select 1) to '{}/stolen.csv'", "expected one SELECT"),
    ("an attached file", "attach '{}/stolen.db'", "expected one SELECT"),
    ("a file", "select * from '{}/secret.csv'", "it also reads "),
    ("a file by a function", "select * from read_csv('{}/secret.csv')", "it reads READ_CSV("),
    (
        "a file beside the events",
        "select (select max(customer_id) from read_csv('secret.csv')) from events",
        "it reads",
    ),
    ("a setting", "set enable_external_access = true", "expected one SELECT"),
    ("endless rows", "with recursive r as (select 1 as x union all select x + 1 from r) select x from r", "recursive"),
    ("many rows", "select unnest(range(1000000000000)) as x from events", "several rows"),
    ("the environment", "select getenv('HOME') as x from events", "another value each time"),
]


@pytest.mark.parametrize(("sql", "said"), [pytest.param(*row[1:], id=row[0]) for row in SQL])
def test_sql_for_events_is_checked_again_before_it_runs(tiny, sql, said):
    outside = tiny.folder.parent
    (tiny.folder / "events.jsonl").write_text('{"customer_id": 1}\n')
    forge(tiny, binding(sql=sql.format(outside)))
    files = sorted(outside.glob("*"))
    ran = tiny.run("stream", "run")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: SQL of orders: none that apply takes: ")
    assert said in ran.err
    assert ran.err.endswith("\n  -> run featurestore apply, and find out who wrote the registry\n")
    assert sorted(outside.glob("*")) == files
    assert tiny.run("show", "orders").code == 0


@pytest.mark.parametrize(
    ("deletes", "said"),
    [
        ("true) as value from events; copy (select 1) to 'stolen.csv'; --", "it cannot be read"),
        ("(select count(*) from read_csv('secret.csv')) > 0", "it is not row-level"),
        ("select", "expected one expression over an event's columns, got select"),
    ],
)
def test_the_expression_for_deletions_too(tiny, deletes, said):
    (tiny.folder / "events.jsonl").write_text('{"customer_id": 1}\n')
    forge(tiny, stream(deletes=deletes))
    ran = tiny.run("stream", "run")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: deletes of stream clicks: none that apply takes: ")
    assert said in ran.err
    assert not (tiny.folder / "stolen.csv").exists()


TEXTS = [
    "{{ 7*7 }}",
    "{{ ''.__class__.__mro__ }}",
    "{% for x in range(10**9) %}x{% endfor %}",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "a\0b",
    "\ufeffBOM",
    "<script>alert(1)</script>",
    "%s%n${HOME}$(id)",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_is_shown_as_it_is_but_moves_no_terminal(tiny, text):
    forge(tiny, lambda it: (view(description=text, owner=text, tags=[text])(it), feature(description=text)(it)))
    forge(tiny, lambda it: (service(description=text, owner=text)(it), feature(default=[text, {text: text}])(it)))
    shown = ascii(text)[1:-1] if RAW.search(text) else text
    for arguments in READERS[:5]:
        ran = tiny.run(*arguments)
        assert (ran.code, RAW.search(ran.out + ran.err)) == (0, None), arguments
    assert shown in tiny.run("show", "orders").out
    assert shown in tiny.run("show", "churn").out
    as_json = tiny.run("show", "orders", "--json")
    assert not RAW.search(as_json.out)
    assert as_json.json[0]["definition"]["description"] == text
    assert tiny.run("training-set", *FEATURES, "--at", "2026-06-04").code == 0
    assert tiny.run("materialize", "orders").code == 0
    assert tiny.run("verify", "orders").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are POSIX")
def test_a_terminal_gets_our_colours_and_no_other_control_characters(tiny):
    forge(tiny, view(description="\x1b]0;title\x07"))
    spine = "select 1::bigint as customer_id, timestamp '2026-06-04' as event_timestamp, '\x1b[2J\u202e' as said"
    for arguments in (("show", "orders"), ("training-sql", *FEATURES, "--spine", spine)):
        ours, theirs = os.openpty()
        with tiny.start(*arguments, stdout=theirs) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other side is closed
                while data := os.read(ours, 65536):
                    shown += data
            assert process.wait(120) == 0
        os.close(ours)
        text = re.sub("\x1b\\[[0-9;]*m", "", shown.decode().replace("\r\n", "\n"))
        assert ("\\x1b" in text, RAW.search(text)) == (True, None)
    assert "\u202e" in tiny.run("training-sql", *FEATURES, "--spine", spine).out


def test_column_names_that_are_sql_are_quoted(tiny):
    forge(tiny, part("views", 0, "created_at", name="x\" from read_csv('secret.csv'); drop table orders; --"))
    for arguments in (("training-set", *FEATURES, "--at", "2026-06-04"), ("materialize", "--full")):
        ran = tiny.run(*arguments)
        assert (ran.code, ran.out.count("drop")) == (1, 0)
        assert "DuckDB refused a statement: Binder Error: " in ran.err
        assert SECRET not in ran.err
    forge(tiny, view(created_at=None))
    assert tiny.run("training-set", *FEATURES, "--at", "2026-06-04").code == 0


def test_keys_that_nobody_knows_are_passed_over(tiny):
    forge(tiny, view(__proto__={"name": "x"}, __class__="os.system", constructor={"prototype": 1}))
    assert tiny.run("show", "orders").code == 0


DEEP = 100_000
BYTES = [
    ("an object without end", b'{"a":' * DEEP, "not a whole registry document"),
    ("a list without end", b"[" * DEEP, "not a whole registry document"),
    ("gzip", gzip.compress, "not a whole registry document"),
    ("UTF-16", lambda data: data.decode().encode("utf-16"), "not a whole registry document"),
    ("a byte order mark", lambda data: b"\xef\xbb\xbf" + data, "not a whole registry document"),
    ("NUL bytes", b"\0" * 4096, "not a whole registry document"),
    ("NUL bytes behind it", lambda data: data + b"\0" * 8, "not a whole registry document"),
    ("a second document behind it", lambda data: data + data, "not a whole registry document"),
    (
        "half of a character",
        lambda data: data.replace(b'"description": "Orders so far', b'"description": "\\ud800 so far'),
        "not a whole registry document",
    ),
    ("a pickle", b"\x80\x04\x95cos\nsystem\n(S'touch stolen.csv'\ntR.", "not a whole registry document"),
    ("YAML", b"!!python/object/apply:os.system ['touch stolen.csv']\n", "not a whole registry document"),
    ("a number without end", lambda data: data.replace(b'"version": 1', b'"version": ' + b"1" * 5000), "not a whole"),
    ("version 0", lambda data: data.replace(b'"version": 1', b'"version": 0'), "the document says 0"),
    ("version 10**10", lambda data: data.replace(b'"version": 1', b'"version": 10000000000'), "says 10000000000"),
    ("version -1", lambda data: data.replace(b'"version": 1', b'"version": -1'), "the document says -1"),
    ("version 1.5", lambda data: data.replace(b'"version": 1', b'"version": 1.5'), "Expected `int`, got `float`"),
    ("a newer format", lambda data: data.replace(b'"format": 1', b'"format": 2'), "upgrade to featurestore"),
    ("a format of texts", lambda data: data.replace(b'"format": 1', b'"format": "1"'), "Expected `int`, got `str`"),
    (
        "a key twice",
        lambda data: data.replace(b'"name": "orders"', b'"name": "x", "name": "orders"'),
        "was changed after",
    ),
    ("a hash of zeros", lambda data: re.sub(rb'"[0-9a-f]{64}"', b'"' + b"0" * 64 + b'"', data), "was changed after"),
]


@pytest.mark.parametrize(("data", "said"), [pytest.param(*row[1:], id=row[0]) for row in BYTES])
def test_bytes_that_are_no_document_are_one_error_for_every_reader(tiny, data, said):
    place(tiny).write_bytes(data(place(tiny).read_bytes()) if callable(data) else data)
    for text in everything_said(tiny):
        assert said in text
    for text in clients(tiny):
        assert said in text
    assert not (tiny.folder / "stolen.csv").exists()


def test_a_default_without_end_is_refused_and_one_of_many_levels_is_harmless(tiny):
    forge(tiny, feature(default=json.loads("[" * 400 + "]" * 400)))
    assert tiny.run("plan").code == 0
    assert tiny.run("show", "orders").code == 0
    data = place(tiny).read_bytes()
    compact = re.sub(rb"\[\s*(?=[\[\]])|\]\s*(?=\])", lambda found: found[0].strip(), data)
    place(tiny).write_bytes(compact.replace(b"[" * 400, b"[" * DEEP).replace(b"]" * 400, b"]" * DEEP))
    ran = tiny.run("plan")
    assert (ran.code, ran.out) == (1, "")
    assert "not a whole registry document" in ran.err


@pytest.mark.parametrize("what", ["link", "link to nothing", "directory", "named pipe"])
def test_what_is_no_file_is_neither_followed_nor_waited_for(tiny, what):
    data = place(tiny).read_bytes()
    place(tiny).unlink()
    if what == "directory":
        place(tiny).mkdir()
    elif what == "named pipe":
        os.mkfifo(place(tiny))
    else:
        (tiny.folder / "elsewhere.json").write_bytes(data)
        place(tiny).symlink_to(tiny.folder / ("elsewhere.json" if what == "link" else "nowhere.json"))
    for text in everything_said(tiny):
        assert "v0000000001.json: expected a file, got a directory, a symbolic link or a device" in text
    clients(tiny)


def test_a_document_of_100_mb_is_refused_before_it_is_read(tiny):
    with place(tiny).open("ab") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    began = time.monotonic()
    try:
        ran = tiny.run("list")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (ran.code, ran.out) == (1, "")
    assert f"v0000000001.json: expected at most {MOST_BYTES:,} bytes, got 100,000,000\n" in ran.err
    assert peak < 20_000_000
    assert time.monotonic() - began < 60
    (line,) = tiny.run("registry", "versions", "--json").json
    assert line["problem"] == f"expected at most {MOST_BYTES:,} bytes, got 100,000,000"
    clients(tiny)


def test_where_a_store_gives_all_bytes_at_once_they_are_refused_undecoded():
    with pytest.raises(RegistryCorruptError, match=r"here: expected at most 67,108,864 bytes, got 67,108,865"):
        decode_document(b"[" * (MOST_BYTES + 1), where="here")


def test_definitions_that_nobody_could_read_again_are_not_written():
    huge = replace(SHOP, views=(replace(SHOP.views[0], description="x" * MOST_BYTES), *SHOP.views[1:]))
    with pytest.raises(UsageError, match="and a registry document may have 67,108,864"):
        encode_document(new_document(huge, MANIFEST, version=1))
    unsound = replace(SHOP, views=(replace(SHOP.views[0], relation="a; b"), *SHOP.views[1:]))
    with pytest.raises(UsageError, match=r"the definitions cannot be kept: /views/0/relation: 'a; b' is not the name"):
        new_document(unsound, MANIFEST, version=1)


def test_a_registry_of_another_project_is_told_by_every_reader(tiny):
    forge(tiny, lambda content: content.update(name="blog"))
    readers = [arguments for arguments in READERS if arguments != ("registry", "show", "1")]
    for arguments in readers:
        ran = tiny.run(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert "this registry belongs to the dbt project 'blog', got 'shop'\n" in ran.err, arguments


def test_files_that_are_nobodys_are_passed_over_and_numbers_need_no_order(tiny):
    registry = place(tiny).parent
    for name in (
        "v00000000002.json",
        "v2.json",
        "V0000000002.json",
        "v0000000002.json.bak",
        "v0000000002",
        "v-000000001.json",
    ):
        (registry / name).write_text("{")
    assert tiny.run("list").code == 0
    document = json.loads(place(tiny).read_bytes())
    for number in (9_999_999_999, 7):
        document["version"] = number
        (registry / f"v{number:010d}.json").write_bytes(hashed(document))
    numbers = [line["version"] for line in tiny.run("registry", "versions", "--json").json]
    assert numbers == [1, 6, 7, 9_999_999_998, 9_999_999_999]
    assert tiny.run("registry", "show", "--json").json["version"] == 9_999_999_999


APPLIED_AT = [
    ("a day ahead", "2099-01-02T00:00:00Z", "2099-01-02 00:00:00 UTC"),
    ("behind all others", "1970-01-01T00:00:00Z", "1970-01-01 00:00:00 UTC"),
    ("the last of all days", "9999-12-31T23:59:59Z", "9999-12-31 23:59:59 UTC"),
    ("the first of all days", "0001-01-01T00:00:00Z", "1-01-01 00:00:00 UTC"),
]


@pytest.mark.parametrize(("at", "shown"), [pytest.param(*row[1:], id=row[0]) for row in APPLIED_AT])
def test_the_clock_of_who_applied_orders_nothing_and_no_age_is_negative(tiny, at, shown):
    document = json.loads(place(tiny).read_bytes())
    document.update(applied_at=at)
    document["source"].update(generated_at=at)
    place(tiny).write_bytes(hashed(document))
    assert shown in tiny.run("registry", "show").out
    assert shown.removesuffix(" UTC") in tiny.run("registry", "versions").out
    tiny.write_manifest(orders({"stream": "clicks", "ttl": "60d"}), churn(), metadata={"generated_at": at})
    try:
        planned, applied = tiny.run("plan"), tiny.run("apply")
    finally:
        tiny.write_manifest(orders({"stream": "clicks"}), churn())
    assert (planned.code, applied.code) == (0, 0)
    assert not re.search(r"-\d+[smhd]\b", planned.out)
    assert [line["version"] for line in tiny.run("registry", "versions", "--json").json] == [1, 2]
    assert open_registry(str(place(tiny).parent), tiny.folder).latest().version == 2


def test_a_time_of_another_zone_is_refused_since_it_would_be_shown_as_utc(tiny):
    document = json.loads(place(tiny).read_bytes())
    for at in ("2026-06-01T00:00:00+05:00", "2026-06-01T00:00:00"):
        place(tiny).write_bytes(hashed({**document, "applied_at": at}))
        assert f"/applied_at: expected a time in UTC, got {at}" in tiny.run("list").err
