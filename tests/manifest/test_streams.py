"""Streams as the metadata declares them, the views that they feed, and one clear problem for each mistake."""

from __future__ import annotations

import msgspec
import pytest

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.definitions.views import Column, StreamBinding
from featurestore.errors import UsageError
from featurestore.manifest.applied import says_the_same
from featurestore.manifest.read import declared_relations
from featurestore.manifest.settings import Settings, load_settings
from featurestore.registry.document import encode_document, new_document
from featurestore.streams.compile import compile_sql
from tests.manifest.manifests import columns, manifest, model, problems, read, snapshot, view
from tests.registry.shop import MANIFEST

CLICK = {"user_id": "bigint", "clicked_at": "timestamp", "page": "varchar"}
CLICK_COLUMNS = (
    Column(name="user_id", type="int64"),
    Column(name="clicked_at", type="timestamp"),
    Column(name="page", type="string"),
)
TABLE = '"shop"."raw"."clicks"'
HERE = "models/user_clicks.yml: config.meta.feature_view.stream"
META = "models/sources.yml: clicks: config.meta.feature_stream"
SQL = f"select user_id, clicked_at, upper(page) as page from {TABLE}"


def source(stream=True, types=CLICK, *, name="clicks", **changes):
    """A dbt source whose meta says that it is a stream; `types` are its columns in the YAML."""
    return {
        "unique_id": f"source.shop.raw.{name}",
        "name": name,
        "source_name": "raw",
        "resource_type": "source",
        "package_name": "shop",
        "relation_name": f'"shop"."raw"."{name}"',
        "original_file_path": "models/sources.yml",
        "description": "One row per click.",
        "config": {"meta": {} if stream is None else {"feature_stream": stream}},
        "columns": columns(types),
        **changes,
    }


def user_clicks(stream="clicks", *, sql=SQL, reads=("source.shop.raw.clicks",), **changes):
    """A model of one row per click, made of a stream; `sql` as dbt compiled it."""
    said = {"event_time": "clicked_at", "created_at": None, "stream": stream, **changes.pop("view", {})}
    meta = {"feature_view": view(**said)}
    return model(
        "user_clicks",
        meta=meta,
        columns=columns(CLICK),
        compiled_code=sql,
        depends_on={"nodes": list(reads)},
        **changes,
    )


def sources(*found):
    return {each["unique_id"]: each for each in found}


def compiled(sql, stream, its_view):
    """What `featurestore apply` checks."""
    return compile_sql(its_view, stream, sql.sql, dialect=sql.dialect, names=sql.names, is_own=sql.is_own)


@pytest.fixture
def yml(tmp_path, monkeypatch):
    """Settings of a `featurestore.yml`."""
    monkeypatch.chdir(tmp_path)

    def load(text, *, target="dev", **environ):
        (tmp_path / "featurestore.yml").write_text(text)
        return load_settings(tmp_path, target=target, environ=environ)

    return load


def the_stream(*found, settings=None, warehouse=None):
    (stream,) = read(sources=sources(*found), settings=settings, warehouse=warehouse).project.streams
    return stream


def the_view(*found, **changes):
    (its_view,) = read(*found, compiled=compiled, **changes).project.views
    return its_view


def mistakes(settings, *resources, found=(), **changes):
    return problems(*resources, settings=settings, sources=sources(*found), compiled=compiled, **changes)


def test_a_dbt_source_is_a_stream_when_its_meta_says_so():
    assert the_stream(source(), source(None, name="orders"), source(False, name="visits")) == Stream(
        name="clicks",
        columns=CLICK_COLUMNS,
        relation=TABLE,
        description="One row per click.",
        unique_id="source.shop.raw.clicks",
        path="models/sources.yml",
    )


def test_a_mapping_says_more_of_it():
    said = {"name": "web_clicks", "topic": "web.clicks", "format": "avro", "epoch": "ms", "deletes": "page is null"}
    found = the_stream(source({**said, "to": "iceberg:raw.clicks", "dead_letters": "topic:clicks-dead"}))
    assert (found.name, found.topic_name, found.format, found.epoch) == ("web_clicks", "web.clicks", "avro", "ms")
    assert (found.deletes, found.to, found.dead_letters) == ("page is null", "iceberg:raw.clicks", "topic:clicks-dead")


def test_an_empty_mapping_says_that_it_is_one():
    assert the_stream(source({})).name == "clicks"


def test_its_columns_are_the_warehouses_where_the_yaml_types_none():
    ours = (Column(name="_topic", type="string"), Column(name="_offset", type="string"))
    warehouse = {TABLE: (*CLICK_COLUMNS, *ours)}
    assert the_stream(source(types={}), warehouse=warehouse).columns == CLICK_COLUMNS
    assert the_stream(source(types=dict.fromkeys(CLICK)), warehouse=warehouse).columns == CLICK_COLUMNS
    assert the_stream(source(types={"user_id": "int"}), warehouse=warehouse).columns == (
        Column(name="user_id", type="int32"),
    )


def test_the_warehouse_is_asked_for_the_tables_of_streams_too():
    assert declared_relations(manifest(user_clicks(), sources=sources(source(), source(None, name="orders")))) == (
        '"shop"."main"."user_clicks"',
        TABLE,
    )


def test_an_event_of_raw_bytes_has_one_column():
    assert the_stream(source({"format": "raw"})).columns == (Column(name="value", type="bytes"),)


def test_a_stream_may_stand_in_featurestore_yml_alone(yml):
    text = """
streams:
  clicks:
    url: kafka://broker:9092
    topic: web.clicks
    columns: {user_id: bigint, clicked_at: timestamp, __op: varchar}
    deletes: "__op = 'd'"
    to: events
    dead_letters: s3://lake/dead
  empty:
"""
    clicks, empty = read(settings=yml(text)).project.streams
    assert clicks == Stream(
        name="clicks",
        topic="web.clicks",
        columns=(*CLICK_COLUMNS[:2], Column(name="__op", type="string")),
        deletes="__op = 'd'",
        to="events",
        dead_letters="s3://lake/dead",
    )
    assert empty == Stream(name="empty")


def test_featurestore_yml_wins_key_by_key_over_the_source(yml):
    settings = yml("streams: {clicks: {url: 'redis://cache:6379', topic: t2, columns: {user_id: int}}}")
    found = the_stream(source({"topic": "t1", "epoch": "s", "to": "nowhere"}), settings=settings)
    assert (found.topic, found.epoch, found.to, found.relation) == ("t2", "s", "nowhere", TABLE)
    assert found.columns == (Column(name="user_id", type="int32"),)
    assert settings.connection("clicks") == StreamConnection(url="redis://cache:6379")


def test_a_target_wins_key_by_key_and_may_add_a_stream(yml):
    text = """
streams:
  clicks: {url: "redis://localhost:6379", topic: clicks, to: events, options: {a: 1}}
targets:
  prod:
    streams:
      clicks: {url: "kafka://prod:9092", to: s3://lake/events}
      visits: {url: "kafka://prod:9092"}
"""
    dev, prod = yml(text), yml(text, target="prod")
    (here,) = read(settings=dev).project.streams
    clicks, visits = read(settings=prod).project.streams
    assert (here.to, clicks.to, clicks.topic, visits.name) == ("events", "s3://lake/events", "clicks", "visits")
    assert dev.connection("clicks").url == "redis://localhost:6379"
    assert prod.connection("clicks") == StreamConnection(url="kafka://prod:9092", options=(("a", "1"),))


def test_options_are_written_as_clients_write_them(yml):
    text = """
streams:
  clicks:
    options: {enable.auto.commit: false, fetch.min.bytes: 5, sasl.username: me}
    schema_registry: {url: "http://registry:8081"}
    schema: schemas/click.avsc
"""
    assert yml(text).connection("clicks") == StreamConnection(
        options=(("enable.auto.commit", "false"), ("fetch.min.bytes", "5"), ("sasl.username", "me")),
        schema_registry=(("url", "http://registry:8081"),),
        schema="schemas/click.avsc",
    )
    assert yml(text).connection("of which nothing is said") == StreamConnection()


def test_a_variable_that_only_the_connection_needs_may_be_missing_for_a_plan(yml):
    text = "streams: {clicks: {url: \"kafka://{{ env_var('BROKER') }}\", columns: {user_id: int}}}"
    settings = yml(text)
    assert [stream.name for stream in read(settings=settings).project.streams] == ["clicks"]
    with pytest.raises(UsageError, match=r"streams\.clicks\.url: environment variable 'BROKER' is not set"):
        settings.connection("clicks")
    assert yml(text, BROKER="broker:9092").connection("clicks").url == "kafka://broker:9092"


def test_of_a_targets_key_only_the_one_that_wins_is_rendered(yml):
    text = """
streams: {clicks: {url: "{{ env_var('PROD') }}"}}
targets: {dev: {streams: {clicks: {url: 'memory:'}}}}
"""
    assert yml(text).connection("clicks").url == "memory:"


def test_a_variable_that_a_definition_needs_must_be_there(yml):
    text = "streams: {clicks: {topic: \"{{ env_var('TOPIC') }}\"}}"
    with pytest.raises(UsageError, match=r"streams\.clicks\.topic: environment variable 'TOPIC' is not set"):
        yml(text)
    assert read(settings=yml(text, TOPIC="t")).project.streams[0].topic == "t"


def test_where_a_stream_is_is_neither_in_the_registry_nor_in_a_repr(yml):
    """R3."""
    settings = yml(
        """
streams:
  clicks:
    url: "kafka://me:hunter2@broker:9092"
    options: {sasl.password: "{{ env_var('PASSWORD') }}"}
    schema_registry: {basic.auth.user.info: "me:hunter2"}
    schema: /home/hunter2/click.avsc
""",
        PASSWORD="hunter2",
    )
    project = read(user_clicks(), settings=settings, sources=sources(source())).project
    assert settings.connection("clicks").options == (("sasl.password", "hunter2"),)
    assert b"hunter2" not in encode_document(new_document(project, MANIFEST, version=1))
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.connection("clicks"))


def test_a_view_that_reads_the_streams_table_is_made_by_its_own_sql():
    found = the_view(user_clicks(), sources=sources(source()))
    text = 'SELECT user_id, clicked_at, UPPER(page) AS page FROM events AS "clicks"'
    assert found.stream == StreamBinding(source="clicks", sql=text, ahead_us=300_000_000)


def test_a_views_own_stream_sql_goes_before_the_models():
    written = {"source": "clicks", "sql": "select user_id, clicked_at, page from clicks", "ahead": "1 hour"}
    found = the_view(user_clicks(written), sources=sources(source()))
    text = "SELECT user_id, clicked_at, page FROM events AS clicks"
    assert found.stream == StreamBinding(source="clicks", sql=text, ahead_us=3_600_000_000)
    assert the_view(user_clicks({**written, "ahead": "0s"}), sources=sources(source())).stream.ahead_us == 0


def test_a_streams_own_sql_may_depend_on_the_time_zone_for_workers_alone_run_it_in_utc():
    written = "select user_id, cast(_published_at as timestamp) as clicked_at, page from clicks"
    found = the_view(user_clicks({"source": "clicks", "sql": written}), sources=sources(source()))
    assert "CAST(_published_at AS TIMESTAMP)" in found.stream.sql


def test_a_mapping_without_sql_is_as_good_as_the_name():
    named = the_view(user_clicks(), sources=sources(source()))
    assert the_view(user_clicks({"source": "clicks"}), sources=sources(source())) == named


def test_an_event_is_a_row_where_the_model_does_not_read_the_stream(yml):
    settings = yml("streams: {clicks: {columns: {user_id: int, clicked_at: timestamp, page: varchar, more: int}}}")
    assert the_view(user_clicks(reads=()), settings=settings).stream == StreamBinding(source="clicks")


def test_a_stream_whose_columns_nobody_declares_has_those_of_the_views_that_it_feeds_as_it_is(yml):
    other = model(
        "user_orders",
        meta={"feature_view": view(stream="clicks", created_at="_ingested_at")},
        columns=columns({"user_id": "bigint", "observed_at": "timestamp", "_ingested_at": "timestamp", "n": "int"}),
    )
    settings = yml("streams: {clicks: {url: 'memory:'}}")
    (stream,) = read(user_clicks(reads=()), other, settings=settings, compiled=compiled).project.streams
    assert stream.columns == (
        *CLICK_COLUMNS,
        Column(name="observed_at", type="timestamp"),
        Column(name="n", type="int32"),
    )


def test_a_view_without_a_created_time_is_warned_of():
    """P17: two events of one key at the same time are a tie, which each side would break in its own way."""
    (warning,) = read(user_clicks(), sources=sources(source()), compiled=compiled).warnings
    assert "no created time tells them apart" in warning
    assert "-> select `_published_at as published_at` in the model, and write `created_at: published_at`" in warning
    types = {**CLICK, "published_at": "timestamptz"}
    sql = SQL.replace("select ", "select _published_at as published_at, ", 1)
    told = user_clicks(sql=sql, view={"created_at": "published_at"})
    told["columns"] = columns(types)
    found = read(told, sources=sources(source()), compiled=compiled)
    assert not found.warnings
    assert found.project.views[0].stream is not None


def test_an_offline_view_is_not_among_the_views_of_a_stream_and_one_without_a_stream_neither():
    found = read(user_clicks(), model(), sources=sources(source()), compiled=compiled).project
    assert [each.name for each in found.stream_views("clicks")] == ["user_clicks"]


def test_what_was_applied_is_recognized():
    one = manifest(user_clicks(), sources=sources(source(types={})))
    applied = read(
        user_clicks(), sources=sources(source(types={})), warehouse={TABLE: CLICK_COLUMNS}, compiled=compiled
    )
    settings = Settings()
    assert says_the_same(one, settings, applied.project, compiled)
    other = manifest(user_clicks(sql=SQL.replace("upper", "lower")), sources=sources(source(types={})))
    assert not says_the_same(other, settings, applied.project, compiled)


def test_definitions_are_equal_bytes_whatever_the_order_of_the_manifest():
    """R4."""
    one, two = source(), source(name="visits")
    there = read(user_clicks(), sources=sources(one, two)).project
    back = read(user_clicks(), sources=sources(two, one)).project
    assert msgspec.json.encode(there) == msgspec.json.encode(back)


@pytest.mark.parametrize(
    ("mistake", "stream", "problem"),
    [
        ("an unknown stream", "click", f"{HERE}: no stream 'click'\n  -> did you mean clicks?"),
        (
            "an unknown key",
            {"source": "clicks", "ahaed": "1h"},
            f"{HERE}: unknown key 'ahaed'\n  -> did you mean ahead?",
        ),
        (
            "a number",
            7,
            (
                f"{HERE}: expected the name of a stream, or a mapping, got 7\n"
                "  -> write `stream: NAME`, or `stream: {source: NAME, sql: select ... from NAME}`"
            ),
        ),
        (
            "no text",
            " ",
            (
                f"{HERE}: expected the name of a stream, or a mapping, got ' '\n"
                "  -> write `stream: NAME`, or `stream: {source: NAME, sql: select ... from NAME}`"
            ),
        ),
        (
            "no source",
            {"sql": "select 1"},
            (
                f"{HERE}.source: expected the name of a stream, got null\n"
                "  -> write `stream: NAME`, or `stream: {source: NAME, sql: select ... from NAME}`"
            ),
        ),
        (
            "a source that is no text",
            {"source": ["clicks"]},
            f'{HERE}.source: expected the name of a stream, got ["clicks"]',
        ),
        ("SQL that is no text", {"source": "clicks", "sql": True}, f"{HERE}.sql: expected one SELECT, got true"),
        (
            "no duration",
            {"source": "clicks", "ahead": 5},
            (
                f'{HERE}.ahead: expected a duration such as "7 days", got 5\n'
                "  -> write `ahead: 5 minutes`, or remove the key if clocks agree to five minutes"
            ),
        ),
        (
            "an aggregate",
            {"source": "clicks", "sql": "select user_id, max(clicked_at) as clicked_at from clicks group by user_id"},
            (
                f"{HERE}.sql: it is not row-level: GROUP BY looks at other rows\n"
                "  -> a stream makes rows of single events: aggregate where the features are read, or in a batch model"
            ),
        ),
        (
            "another table",
            {"source": "clicks", "sql": "select * from users"},
            (
                f"{HERE}.sql: it also reads users: rows of a batch cannot be joined with a table\n"
                "  -> select from the stream alone, and join where the features are used"
            ),
        ),
        (
            "a column that events do not have",
            {"source": "clicks", "sql": "select user_id, clicked_at, pgae as page from clicks"},
            f"{HERE}.sql: Binder Error: ",
        ),
        (
            "a column too few",
            {"source": "clicks", "sql": "select user_id, clicked_at, page as page_name from clicks"},
            (f"{HERE}.sql: the SQL's result has no column 'page', which the view has\n  -> did you mean page_name?"),
        ),
        (
            "a column of another family",
            {"source": "clicks", "sql": "select user_id, clicked_at, 7 as page from clicks"},
            (
                f"{HERE}.sql: column 'page' is string in the view, and int32 in the SQL's result\n"
                "  -> cast it in the SQL"
            ),
        ),
    ],
)
def test_one_clear_problem_of_a_views_stream(mistake, stream, problem):
    (told,) = mistakes(None, user_clicks(stream), found=[source()])
    assert told.startswith(problem), mistake
    assert told == problem or problem.endswith("Error: ")


def test_where_no_stream_is_declared_at_all_it_is_said_how_to():
    assert mistakes(None, user_clicks()) == [
        (
            f"{HERE}: no stream 'clicks'\n"
            "  -> write `streams: {clicks: {url: redis://localhost:6379/0}}` in featurestore.yml, "
            "or `config: {meta: {feature_stream: true}}` on a dbt source"
        )
    ]


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            snapshot(meta={"feature_view": {"entities": ["user_id"], "features": ["tier"], "stream": "clicks"}}),
            (
                "models/user_tier.yml: config.meta.feature_view.stream: dbt alone writes a snapshot\n"
                "  -> stream into a model that selects from the events"
            ),
        ),
        (
            user_clicks(view={"online": False}),
            (
                f"{HERE}: the view is not online, so a stream would lead nowhere\n"
                "  -> remove `online: false`, or the stream"
            ),
        ),
        (
            user_clicks(view={"delay": "1h"}),
            (
                f"{HERE}: a row of a stream is served at once, and this view's are usable only after its delay "
                "(SEMANTICS P7)\n  -> remove `delay`; or remove the stream, and sync the view"
            ),
        ),
        (
            user_clicks(sql=f"select user_id, max(clicked_at) from {TABLE} group by 1"),
            (
                f"{HERE}: the model's own SQL cannot make its rows: it is not row-level: GROUP BY looks at other rows\n"
                "  -> a stream makes rows of single events: aggregate where the features are read, or in a batch "
                "model; or write `stream: {source: ..., sql: ...}`"
            ),
        ),
        (
            user_clicks(sql=f"select user_id, cast(_published_at as timestamp) as clicked_at, page from {TABLE}"),
            (
                f"{HERE}: the model's own SQL cannot make its rows: _published_at as timestamp depends on the "
                "session's time zone, so batch and stream would differ\n"
                "  -> write `_published_at at time zone 'UTC'`; or write `stream: {source: ..., sql: ...}`"
            ),
        ),
        (
            user_clicks(sql=None),
            (
                f"{HERE}: the model makes rows of the stream's events, and the manifest does not hold its SQL\n"
                "  -> run dbt build or dbt compile, and try again"
            ),
        ),
        (
            user_clicks(sql=f"select user_id, clicked_at from {TABLE}"),
            (
                f"{HERE}: the model's own SQL cannot make its rows: the SQL's result has no column 'page', which the "
                "view has\n  -> known: clicked_at, user_id; or write `stream: {source: ..., sql: ...}`"
            ),
        ),
    ],
)
def test_a_view_that_no_stream_can_feed(node, problem):
    assert mistakes(None, node, found=[source()]) == [problem]


def test_an_event_that_is_to_be_a_row_must_have_the_views_columns(yml):
    few = yml("streams: {clicks: {columns: {user_id: bigint, clicked_at: timestamp, pages: varchar}}}")
    assert mistakes(few, user_clicks(reads=())) == [
        f"{HERE}: an event of 'clicks' has no column 'page', which the view has\n  -> did you mean pages?"
    ]
    other = yml("streams: {clicks: {columns: {user_id: varchar, clicked_at: timestamp, page: varchar}}}")
    assert mistakes(other, user_clicks(reads=())) == [
        f"{HERE}: column 'user_id' is int64 in the view, and string in an event of 'clicks'\n  -> cast it in the SQL"
    ]


def test_sql_over_events_whose_columns_nobody_knows(yml):
    written = {"source": "clicks", "sql": "select * from clicks"}
    hint = "give its source's columns a data_type, or write `streams: {clicks: {columns: {NAME: TYPE}}}`"
    expected = [f"{HERE}: the columns of stream 'clicks' are not known\n  -> {hint}"]
    assert mistakes(yml("streams: {clicks: {url: 'memory:'}}"), user_clicks(written)) == expected
    assert mistakes(None, user_clicks(), found=[source(types=dict.fromkeys(CLICK))]) == expected


@pytest.mark.parametrize(
    ("deletes", "problem"),
    [
        ("page", "`deletes` of stream 'clicks' is varchar, and no boolean"),
        ("count(*) > 1", "it is not row-level: COUNT(*) looks at other rows"),
        ("true, false", "expected one expression over an event's columns, got true, false"),
        ("op = 'd'", "Binder Error: "),
    ],
)
def test_deletes_is_a_boolean_of_an_events_columns(deletes, problem):
    (told,) = mistakes(None, user_clicks(), found=[source({"deletes": deletes})])
    assert f": {problem}" in told


@pytest.mark.parametrize(
    ("mistake", "found", "told"),
    [
        ("no mapping", source("yes"), f"{META}: expected a mapping of keys, got 'yes'"),
        ("an unknown key", source({"topik": "t"}), f"{META}: unknown key 'topik'\n  -> did you mean topic?"),
        (
            "a password in the model's file",
            source({"url": "kafka://me:hunter2@broker"}),
            (
                f"{META}.url: belongs to the machine, not to the model\n"
                "  -> write it in featurestore.yml: `streams: {clicks: {url: ...}}`"
            ),
        ),
        (
            "a client's options",
            source({"options": {}}),
            (
                f"{META}.options: belongs to the machine, not to the model\n"
                "  -> write it in featurestore.yml: `streams: {clicks: {options: ...}}`"
            ),
        ),
        (
            "a format that there is not",
            source({"format": "xml"}),
            f"{META}.format: expected json or fields or avro or protobuf or raw, got 'xml'",
        ),
        ("an epoch that is none", source({"epoch": "h"}), f"{META}.epoch: expected s or ms or us or ns, got 'h'"),
        ("a topic that is no text", source({"topic": 7}), f"{META}.topic: expected text, got 7"),
        (
            "a name that separates",
            source({"name": "web clicks"}),
            (
                f"{META}.name: 'web clicks' contains a space or one of : @ [ ], which separate the parts of a "
                "reference\n  -> give the stream a `name`"
            ),
        ),
        (
            "a name of a folder below",
            source({"name": "web/clicks"}),
            f"{META}.name: 'web/clicks' contains a /\n  -> give the stream a `name`",
        ),
    ],
)
def test_one_clear_problem_of_a_sources_meta(mistake, found, told):
    assert mistakes(None, found=[found]) == [told], mistake


def test_two_streams_cannot_have_one_name():
    assert mistakes(None, found=[source(), source({"name": "clicks"}, name="visits")]) == [
        (
            "models/sources.yml: visits: config.meta.feature_stream: two streams are named 'clicks': also "
            "source.shop.raw.clicks\n  -> give one of them a `name`"
        )
    ]


KEY = "featurestore.yml: streams.clicks"
PLACES = (
    "  -> write `to: warehouse`, a folder such as `to: events`, s3://, gs:// or az:// with bucket and folder, "
    "`to: iceberg:NAMESPACE.TABLE`, or `to: nowhere`"
)
DEAD = (
    "  -> write `dead_letters: topic:NAME`, a folder such as `dead_letters: dead`, "
    "or s3://, gs:// or az:// with a bucket"
)
OURS = "is the name of a column that the feature store adds\n  -> give the event's field another name"
MACHINE = "expected a folder below the dbt project, got a path of this machine (SEMANTICS R3)"
SCHEMES = "expected one of s3, gs, az with a bucket"
SECRET = (
    "a URI with a password or options in it, and the registry holds no secrets (SEMANTICS R3)\n"
    "  -> leave it out; the environment of the server has it"
)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("to: /mnt/events", f"{KEY}.to: {MACHINE}\n{PLACES}"),
        ("to: ~/events", f"{KEY}.to: {MACHINE}\n{PLACES}"),
        ("to: 'C:\\events'", f"{KEY}.to: {MACHINE}\n{PLACES}"),
        ("to: ../events", f"{KEY}.to: {MACHINE}\n{PLACES}"),
        ("to: ftp://host/events", f"{KEY}.to: {SCHEMES}\n{PLACES}"),
        ("to: 's3://'", f"{KEY}.to: {SCHEMES}\n{PLACES}"),
        ("to: s3://me:hunter2@lake/events", f"{KEY}.to: {SECRET}"),
        ("to: 's3://lake/events?secret=hunter2'", f"{KEY}.to: {SECRET}"),
        ("to: 'iceberg:'", f"{KEY}.to: expected a name after iceberg:, got 'iceberg:'\n{PLACES}"),
        ("to: 7", f"{KEY}.to: expected text, got 7"),
        ("dead_letters: /mnt/dead", f"{KEY}.dead_letters: {MACHINE}\n{DEAD}"),
        ("dead_letters: s3://me:hunter2@lake/dead", f"{KEY}.dead_letters: {SECRET}"),
        ("dead_letters: 'topic: '", f"{KEY}.dead_letters: expected a name after topic:, got 'topic: '\n{DEAD}"),
        ("columns: {_topic: varchar}", f"{KEY}.columns._topic: '_topic' {OURS}"),
        ("columns: {_Deleted: varchar}", f"{KEY}.columns._Deleted: '_Deleted' {OURS}"),
        ("columns: {__event: int}", f"{KEY}.columns.__event: '__event' {OURS}"),
        (
            "columns: {Page: varchar, page: varchar}",
            f"{KEY}.columns.page: 'page' and 'Page' are one name in SQL\n  -> keep one of them",
        ),
        (
            "columns: {on: boolean}",
            (
                f"{KEY}.columns.True: expected the name of a column, got true\n"
                "  -> put the name in quotes: YAML reads words such as on, no and y as something else"
            ),
        ),
        ("columns: {page: text of mine}", f"{KEY}.columns.page: expected a type such as bigint, got 'text of mine'"),
        ("columns: {page: 7}", f"{KEY}.columns.page: expected a type such as bigint, got 7"),
        (
            "columns: [page]",
            (
                f'{KEY}.columns: expected a mapping of columns to types, got ["page"]\n'
                "  -> write `columns: {user_id: bigint, sent_at: timestamp}`"
            ),
        ),
        ("format: xml", f"{KEY}.format: expected json or fields or avro or protobuf or raw, got 'xml'"),
        ("message: [A]", f'{KEY}.message: expected the name of a message, got ["A"]'),
        ("deletes: true", f"{KEY}.deletes: expected an expression, such as \"op = 'd'\", got true"),
    ],
)
def test_one_clear_problem_of_a_definition_in_featurestore_yml(yml, written, told):
    assert mistakes(yml(f"streams: {{clicks: {{{written}}}}}")) == [told]


@pytest.mark.parametrize(
    "to", ["warehouse", "events", "data/events", "s3://lake/e", "az://c/e", "nowhere", "iceberg:raw.e"]
)
def test_where_events_may_be_kept(yml, to):
    (stream,) = read(settings=yml(f"streams: {{clicks: {{to: '{to}'}}}}")).project.streams
    assert stream.to == to


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "streams: [clicks]",
            (
                'featurestore.yml: streams: expected a mapping of names to streams, got ["clicks"]\n'
                "  -> write `streams: {clicks: {url: redis://localhost:6379/0}}`"
            ),
        ),
        ("streams: {clicks: 7}", f"{KEY}: expected a mapping of keys, got 7"),
        ("streams: {clicks: []}", f"{KEY}: expected a mapping of keys, got []"),
        ("streams: {clicks: {uri: x}}", f"{KEY}: unknown key 'uri'\n  -> did you mean url?"),
        (
            "targets: {prod: {streams: {clicks: {uri: x}}}}",
            "featurestore.yml: targets.prod.streams.clicks: unknown key 'uri'\n  -> did you mean url?",
        ),
        (
            "targets: {dev: {streams: {clicks: {uri: x}}}}",
            "featurestore.yml: targets.dev.streams.clicks: unknown key 'uri'\n  -> did you mean url?",
        ),
        (
            "streams: {'web clicks': {}}",
            (
                "featurestore.yml: streams.web clicks: 'web clicks' contains a space or one of : @ [ ], which separate "
                "the parts of a reference\n  -> rename it; `topic:` is what its broker calls it"
            ),
        ),
        (
            "streams: {web/clicks: {}}",
            (
                "featurestore.yml: streams.web/clicks: 'web/clicks' contains a /\n"
                "  -> rename it; `topic:` is what its broker calls it"
            ),
        ),
        ("streams: {clicks: {url: 7}}", f"{KEY}.url: expected a URL such as kafka://host:9092, got 7"),
        (
            "streams: {clicks: {options: [a]}}",
            (
                f"{KEY}.options: expected a mapping of options to values\n"
                "  -> write `options: {name: value}`, as the client's own documentation names them"
            ),
        ),
        (
            "streams: {clicks: {schema_registry: {url: {password: hunter2}}}}",
            (
                f"{KEY}.schema_registry: expected a mapping of options to values\n"
                "  -> write `schema_registry: {name: value}`, as the client's own documentation names them"
            ),
        ),
    ],
)
def test_one_clear_problem_of_the_settings(yml, text, told):
    with pytest.raises(UsageError) as caught:
        yml(text)
    assert str(caught.value) == told


def test_a_model_that_reads_the_stream_through_another_is_warned_of():
    """A staging model's filter would be skipped, and nobody would see it."""
    found = read(user_clicks(reads=("model.shop.stg_clicks",)), sources=sources(source()), compiled=compiled)
    assert found.project.views[0].stream == StreamBinding(source="clicks")
    _, warning = found.warnings
    assert "the model does not read the stream itself: its SQL is not used" in warning
    assert "-> select from the source here, or write `stream: {source: ..., sql: ...}`" in warning
