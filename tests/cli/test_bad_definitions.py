"""Bad definitions and bad registries through the command line, numbered as the list of bad inputs that we promise on.

Each row: its number in the list, what is wrong, what breaks the project, the command, its exit code and all it says.
The list: 1-30 are wrong metadata and manifests, 54 and 56 registries that cannot be used, 95-102 damaged documents.
Every number has a row, here or in a doubt that is only told, or a reason why it cannot occur.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from importlib.metadata import version

import pytest

from featurestore.errors import RegistryConflictError
from featurestore.registry.versions import document_name
from featurestore.store import FeatureStore
from tests.cli.test_bad_input import META, manifest, nothing, sql, text, view, without
from tests.cli.tiny import ORDER_TYPES, VIEW, churn, labels, make_tiny, orders
from tests.manifest.manifests import columns, exposure, model

PLAN, APPLY, LIST = ("plan",), ("apply",), ("list",)
SERVICE = "models/churn.yml: config.meta.feature_service"
BACKUP = "\n  -> restore it from a backup, or move it away to return to the version before it, then apply again"
SETTINGS = "entities:\n  - {name: customer, join_keys: [customer_id]}\n"
STREAM = f"{SETTINGS}streams:\n  clicks: {{url: 'file:events.jsonl', columns: {{customer: bigint}}}}\n"
REGISTRY = ".featurestore/registry"
FIRST = f"{REGISTRY}/v0000000001.json"
KINDS = "\n  -> write a path, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
OWN = version("featurestore")

NOT_HERE = {
    19: "there are no on-demand transforms, so none can be in a cycle; SQL of a view is its stream's or dbt's",
}
"""Numbers of the list that cannot occur, and why."""


def named(name):
    """The view under another name."""
    meta = {"feature_view": dict(VIEW)}
    return manifest(model(name, meta=meta, columns=columns(ORDER_TYPES), relation_name='"shop"."main"."orders"'))


def of_churn(*features):
    """The service asks for other features."""
    return manifest(orders(), labels(), churn(*features))


def column(name):
    """A column of the table has another name."""
    return sql(f'alter table orders rename amount to "{name}"')


def typed(kind, value="amount", of="amount"):
    """A column of the table has another type."""
    return sql(f"alter table orders alter {of} type {kind} using {value}")


def made(**changes):
    """The view's node is another one."""
    return manifest(orders(**changes), labels())


def all_of(*breaks):
    def both(tiny):
        for each in breaks:
            each(tiny)

    return both


def replaced(path, old, new):
    """Other bytes are in a file."""

    def change(tiny):
        file = tiny.folder / path
        before = file.read_bytes()
        assert old in before
        file.write_bytes(before.replace(old, new, 1))

    return change


def content(path, data):
    """A file holds other bytes."""
    return lambda tiny: (tiny.folder / path).write_bytes(data)


def document(**changes):
    """The registry's document is changed outside its content."""

    def change(tiny):
        file = tiny.folder / FIRST
        file.write_text(json.dumps({**json.loads(file.read_bytes()), **changes}, indent=2))

    return change


def instead(what):
    """Something else is in the place of the registry's document."""

    def change(tiny):
        file = tiny.folder / FIRST
        data = file.read_bytes()
        file.unlink()
        if what == "directory":
            file.mkdir()
        elif what == "pipe":
            os.mkfifo(file)
        else:
            (tiny.folder / "outside.json").write_bytes(data)
            file.symlink_to(tiny.folder / what)

    return change


def of_another_project(tiny):
    """The document is whole, and another project's."""
    file = tiny.folder / FIRST
    whole = json.loads(file.read_bytes())
    whole["content"]["name"] = "blog"
    compact = json.dumps(whole["content"], separators=(",", ":"), ensure_ascii=False)
    whole["content_hash"] = hashlib.sha256(compact.encode()).hexdigest()
    file.write_text(json.dumps(whole, indent=2))


def gap(tiny):
    """Versions 2 to 4 were lost."""
    first = tiny.folder / FIRST
    later = {**json.loads(first.read_bytes()), "version": 5}
    first.with_name(document_name(5)).write_text(json.dumps(later, indent=2))


def other_package(tiny):
    tiny.write_manifest(orders(), orders(package_name="loyalty", unique_id="model.loyalty.orders"), labels())


def misplaced(**changes):
    """The view's metadata stands elsewhere."""
    return manifest({**orders(), **changes}, labels())


def streaming(statement):
    """The view is made of events by this SQL."""
    return all_of(
        text("featurestore.yml", STREAM),
        manifest(orders({"stream": {"source": "clicks", "sql": statement}}), labels()),
    )


def changed_later(tiny):
    """A file of dbt's is newer than the manifest."""
    file = tiny.folder / "models" / "orders.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    os.utime(file, (time.time() + 60, time.time() + 60))


def two_types(tiny):
    """A second view has the same entity's key as a text."""
    tiny.sql("create table visits as select * replace (customer_id::varchar as customer_id) from orders")
    meta = {"feature_view": dict(VIEW)}
    tiny.write_manifest(orders(), model("visits", meta=meta, columns={}), labels(), churn())


METADATA = "https://schemas.getdbt.com/dbt/manifest/v{}.json"

DEFINITIONS = [
    # (number, what is wrong, how, all that `featurestore plan` says; it exits with 2)
    (
        1,
        "no word about entities",
        view(entities=None),
        (
            f"{META}.entities: expected the list of entities, got nothing\n"
            "  -> write `entities: [NAME]`, or `entities: []` for a view without entity (SEMANTICS P10)"
        ),
    ),
    (
        1,
        "one entity without brackets",
        view(entities="customer"),
        (f"{META}.entities: expected a list of names, got 'customer'\n  -> write `entities: [customer]`"),
    ),
    (
        1,
        "an entity that is null",
        view(entities=[None]),
        (f"{META}.entities: expected a list of names, got [null]\n  -> write `entities: [NAME]`"),
    ),
    (
        1,
        "an entity that is a number",
        view(entities=[1]),
        (f"{META}.entities: expected a list of names, got [1]\n  -> write `entities: [NAME]`"),
    ),
    (
        1,
        "an entity without a name",
        view(entities=[""]),
        (f'{META}.entities: expected a list of names, got [""]\n  -> write `entities: [NAME]`'),
    ),
    (
        1,
        "entities as a mapping",
        view(entities={"customer": 1}),
        (f'{META}.entities: expected a list of names, got {{"customer": 1}}\n  -> write `entities: [NAME]`'),
    ),
    (
        1,
        "an entity that nobody declares",
        view(entities=["custmer"]),
        (
            f"{META}.entities: no entity 'custmer' is declared, and model orders "
            "has no column of that name\n"
            "  -> did you mean customer or customer_id?"
        ),
    ),
    (
        1,
        "an entity in other case",
        view(entities=["Customer"]),
        (
            f"{META}.entities: no entity 'Customer' is declared, and model "
            "orders has no column of that name\n"
            "  -> did you mean customer or customer_id?"
        ),
    ),
    (
        2,
        "the join key is not in the model",
        sql("alter table orders rename customer_id to customerid"),
        (
            f"{META}.entities: entity 'customer' has the join key 'customer_id', "
            "but model orders has no such column\n"
            "  -> did you mean customerid?"
        ),
    ),
    (
        2,
        "the declared join key is another",
        text("featurestore.yml", "entities: [{name: customer, join_keys: [id]}]"),
        (
            f"{META}.entities: entity 'customer' has the join key 'id', but "
            "model orders has no such column\n"
            "  -> known: amount, customer_id, loaded_at, order_count, placed_at, tags"
        ),
    ),
    (
        2,
        "an entity without join keys",
        text("featurestore.yml", "entities: [{name: customer, join_keys: []}]"),
        "featurestore.yml: entities[0].join_keys: expected at least one column, got []",
    ),
    (
        2,
        "an entity with an invisible character",
        text("featurestore.yml", 'entities: [{name: "cust\\eomer", join_keys: [customer_id]}]'),
        (
            f"{META}.entities: no entity 'customer' is declared, and model "
            "orders has no column of that name\n"
            "  -> did you mean cust\\x1bomer or customer_id?"
        ),
    ),
    (
        3,
        "no event time",
        view(event_time=None),
        (
            f"{META}: no event time: expected `event_time` here or in the "
            "model's config, got neither\n"
            "  -> write `config: {event_time: COLUMN}` (a timestamp)"
        ),
    ),
    (
        3,
        "an event time that is no column",
        view(event_time="placed"),
        (f"{META}.event_time: no column 'placed' in model orders\n  -> did you mean placed_at?"),
    ),
    (3, "an empty event time", view(event_time=""), f"{META}.event_time: expected the name of a column, got ''"),
    (
        3,
        "a list of event times",
        view(event_time=["placed_at"]),
        f'{META}.event_time: expected the name of a column, got ["placed_at"]',
    ),
    (
        3,
        "an event time that is true",
        view(event_time=True),
        f"{META}.event_time: expected the name of a column, got true",
    ),
    (
        4,
        "an event time that is text",
        typed("varchar", "placed_at", "placed_at"),
        (
            f"{META}.event_time: expected a timestamp, got column 'placed_at' of "
            "type string in model orders\n"
            "  -> cast it in the model, e.g. cast(placed_at as timestamp)"
        ),
    ),
    (
        4,
        "an event time that is a number",
        typed("bigint", "1", "placed_at"),
        (
            f"{META}.event_time: expected a timestamp, got column 'placed_at' of "
            "type int64 in model orders\n"
            "  -> cast it in the model, e.g. cast(placed_at as timestamp)"
        ),
    ),
    (
        4,
        "an event time that is a time of day",
        typed("time", "time '10:00:00'", "placed_at"),
        (
            f"{META}.event_time: expected a timestamp, got column 'placed_at' of "
            "type time in model orders\n"
            "  -> cast it in the model, e.g. cast(placed_at as timestamp)"
        ),
    ),
    (
        4,
        "a created time that is text",
        typed("varchar", "loaded_at", "loaded_at"),
        (
            f"{META}.created_at: expected a timestamp, got column 'loaded_at' of "
            "type string in model orders\n"
            "  -> cast it in the model, e.g. cast(loaded_at as timestamp)"
        ),
    ),
    (
        6,
        "a ttl of 7 dayz",
        view(ttl="7 dayz"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '7 dayz'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of '7'",
        view(ttl="7"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '7'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of 7",
        view(ttl=7),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 7\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of 1.5 days",
        view(ttl="1.5 days"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '1.5 days'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of a month",
        view(ttl="1 month"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '1 month'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of P7D",
        view(ttl="P7D"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got 'P7D'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a list of ttls",
        view(ttl=["7 days"]),
        (
            f'{META}.ttl: expected a duration such as "7 days", got ["7 days"]\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a mapping as ttl",
        view(ttl={"days": 7}),
        (
            f'{META}.ttl: expected a duration such as "7 days", got {{"days": 7}}\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "an empty ttl",
        view(ttl=""),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got ''\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of .nan",
        view(ttl=float("nan")),
        (
            "target/manifest.json: 'ttl' is NaN, and JSON has no such number: YAML has .nan or .inf there\n"
            "  -> put it in quotes, or leave it out; then run dbt parse or dbt build"
        ),
    ),
    (
        6,
        "a ttl of -.inf",
        view(ttl=float("-inf")),
        (
            "target/manifest.json: 'ttl' is -Infinity, and JSON has no such number: YAML has .nan or .inf there\n"
            "  -> put it in quotes, or leave it out; then run dbt parse or dbt build"
        ),
    ),
    (
        6,
        "a ttl of 1e400 days",
        view(ttl="1e400 days"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '1e400 days'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a ttl of 5,000 digits",
        view(ttl="9" * 5000 + " days"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '9999999999999999999999999999999999999999...'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        6,
        "a delay of nonsense",
        view(delay="soon"),
        (
            f'{META}.delay: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got 'soon'\n"
            "  -> write `delay: 1 hour`, or remove the key if rows are usable at their event time"
        ),
    ),
    (
        7,
        "a ttl of 0",
        view(ttl=0),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 0\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of 0.0",
        view(ttl=0.0),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 0.0\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of 0s",
        view(ttl="0s"),
        (
            f"{META}.ttl: expected a duration above zero (SEMANTICS P3), got "
            "'0s'\n"
            "  -> remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of -1",
        view(ttl=-1),
        (
            f'{META}.ttl: expected a duration such as "7 days", got -1\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of -7 days",
        view(ttl="-7 days"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '-7 days'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of true",
        view(ttl=True),
        (
            f'{META}.ttl: expected a duration such as "7 days", got true\n'
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        7,
        "a ttl of 2000000 days",
        view(ttl="2000000 days"),
        (f"{META}.ttl: expected at most 1000 years, got '2000000 days'\n  -> remove the key if values never expire"),
    ),
    (
        7,
        "a ttl of 10**30",
        view(ttl=10**30),
        (
            f'{META}.ttl: expected a duration such as "7 days", got '
            "1000000000000000000000000000000\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        8,
        "a ttl of 1:30, which YAML reads as 90",
        view(ttl=90),
        (
            f'{META}.ttl: expected a duration such as "7 days", got 90\n'
            "  -> YAML reads 1:30 without quotes as 90; write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        8,
        "a ttl of '1:30'",
        view(ttl="1:30"),
        (
            f'{META}.ttl: expected a duration such as "7 days", "1h 30m" or '
            "\"250ms\", got '1:30'\n"
            "  -> write `ttl: 7 days`, or remove the key if values never expire"
        ),
    ),
    (
        9,
        "a key twice",
        text("featurestore.yml", "entities: []\nentities: []\n"),
        ("featurestore.yml:2: the key 'entities' is written twice, first on line 1\n  -> keep one of them"),
    ),
    (
        9,
        "a key twice, deeper",
        text("featurestore.yml", "entities:\n  - {name: a, join_keys: [x], name: b}\n"),
        ("featurestore.yml:2: the key 'name' is written twice, first on line 2\n  -> keep one of them"),
    ),
    (
        9,
        "a setting that YAML cannot read",
        text("featurestore.yml", "entities: [\n"),
        "featurestore.yml:2: not YAML that can be read: expected the node content",
    ),
    (
        11,
        "a feature that is a join key",
        view(features=["amount", "customer_id"]),
        (
            f"{META}.features: column 'customer_id' is a join key, so it cannot "
            "be a feature\n"
            "  -> leave it out, or select it a second time under another name"
        ),
    ),
    (
        11,
        "a feature that is the event time",
        view(features=["placed_at"]),
        (
            f"{META}.features: column 'placed_at' is a time of the view, so it "
            "cannot be a feature\n"
            "  -> leave it out, or select it a second time under another name"
        ),
    ),
    (
        11,
        "feature metadata on a join key",
        made(columns=columns(ORDER_TYPES, customer_id={"feature": {"default": 0}})),
        (
            "models/orders.yml: columns.customer_id.config.meta.feature: column 'customer_id' is a join key, so it "
            "cannot be a feature\n"
            "  -> remove the key `feature`"
        ),
    ),
    (
        12,
        "a feature that starts with __",
        column("__amount"),
        (
            f"{META}.features: column '__amount' starts with __, which is kept "
            "for columns that queries add\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature with a space",
        column("the amount"),
        (
            f"{META}.features: column 'the amount' contains a space or one of : "
            "@ [ ], which separate the parts of a reference\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature with a colon",
        column("a:b"),
        (
            f"{META}.features: column 'a:b' contains a space or one of : @ [ ], "
            "which separate the parts of a reference\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature with an ESC",
        column("a\x1b[2Jm"),
        (
            f"{META}.features: column 'a\\x1b[2Jm' holds the invisible character "
            "U+001B\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature from right to left",
        column("a\u202em"),
        (
            f"{META}.features: column 'a\\u202em' holds the invisible character "
            "U+202E\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature of 64 bytes",
        column("x" * 64),
        (
            f"{META}.features: column "
            "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' has 64 bytes; a name may have at "
            "most 63\n"
            "  -> rename the column in the model, or leave it out of `features`"
        ),
    ),
    (
        12,
        "a feature that is no column",
        view(features=["amuont"]),
        (f"{META}.features: no column 'amuont' in model orders\n  -> did you mean amount?"),
    ),
    (
        12,
        "no features",
        view(features=[]),
        (
            f"{META}.features: no features: the list is empty\n"
            "  -> name at least one column, or remove the key to take all that are no join key and no time"
        ),
    ),
    (13, "an unknown key", view(entitys=["customer"]), (f"{META}: unknown key 'entitys'\n  -> did you mean entities?")),
    (
        13,
        "an unknown key like none",
        view(timestamp="placed_at"),
        (
            f"{META}: unknown key 'timestamp'\n"
            "  -> known: as_of, boundary, created_at, delay, entities, event_time, features, lookback, online, "
            "owner, pushed, stream, tie_breakers, ttl, valid_from, valid_to"
        ),
    ),
    (
        13,
        "an unknown key of a feature",
        made(columns=columns(ORDER_TYPES, amount={"feature": {"defaults": 1}})),
        ("models/orders.yml: columns.amount.config.meta.feature: unknown key 'defaults'\n  -> did you mean default?"),
    ),
    (
        13,
        "an unknown key of a service",
        manifest(
            orders(),
            labels(),
            {**churn(), "config": {"meta": {"feature_service": {"features": ["orders"], "feature": 1}}}},
        ),
        (f"{SERVICE}: unknown key 'feature'\n  -> did you mean features?"),
    ),
    (
        13,
        "an unknown setting",
        text("featurestore.yml", "registri: here\n"),
        ("featurestore.yml: unknown key 'registri'\n  -> did you mean registry?"),
    ),
    (
        13,
        "a view's metadata that is no mapping",
        manifest(model("orders", meta={"feature_view": True}), labels()),
        f"{META}: expected a mapping of keys, got true",
    ),
    (13, "online that is a word", view(online="maybe"), f"{META}.online: expected true or false, got 'maybe'"),
    (13, "as_of of another word", view(as_of="load"), f"{META}.as_of: expected event or knowledge, got 'load'"),
    (
        13,
        "boundary of another word",
        view(boundary="open"),
        f"{META}.boundary: expected inclusive or exclusive, got 'open'",
    ),
    (
        13,
        "a default of another type",
        made(columns=columns(ORDER_TYPES, order_count={"feature": {"default": "none"}})),
        (
            "models/orders.yml: columns.order_count.config.meta.feature.default: expected a value of type int64, got "
            "'none'"
        ),
    ),
    (
        14,
        "a view named with 64 letters",
        named("v" * 64),
        (
            "models/vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv.yml: "
            "'vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv' has 64 bytes; a name may have at "
            "most 63\n"
            "  -> rename the model"
        ),
    ),
    (
        14,
        "a view named with 32 letters of 2 bytes",
        named("\u00e9" * 32),
        (
            "models/éééééééééééééééééééééééééééééééé.yml: 'éééééééééééééééééééééééééééééééé' has 64 bytes; a name "
            "may have at most 63\n"
            "  -> rename the model"
        ),
    ),
    (
        15,
        "a view named with a colon",
        named("or:ders"),
        (
            "models/or:ders.yml: 'or:ders' contains a space or one of : @ [ ], which separate the parts of a "
            "reference\n"
            "  -> rename the model"
        ),
    ),
    (
        15,
        "a view named with a slash",
        named("or/ders"),
        ("models/or/ders.yml: or/ders: 'or/ders' contains a /\n  -> rename the model"),
    ),
    (
        15,
        "a view that starts with __",
        named("__orders"),
        (
            "models/__orders.yml: '__orders' starts with __, which is kept for columns that queries add\n"
            "  -> rename the model"
        ),
    ),
    (
        15,
        "a service named with a colon",
        manifest(orders(), labels(), exposure(["orders:amount"], name="churn:v1")),
        (
            "models/churn:v1.yml: 'churn:v1' contains a space or one of : @ [ ], which separate the parts of a "
            "reference\n"
            "  -> rename the exposure"
        ),
    ),
    (
        16,
        "two views of one name in two packages",
        other_package,
        (
            "models/orders.yml (package shop): two feature views are named 'orders': also in "
            "loyalty://models/orders.yml (package loyalty)\n"
            "  -> rename one of the models"
        ),
    ),
    (
        17,
        "a service of an unknown view",
        of_churn("ordres:amount"),
        (f"{SERVICE}.features[0]: no feature view 'ordres'\n  -> did you mean orders?"),
    ),
    (
        17,
        "a service of a model that is no view",
        of_churn("labels:bought"),
        (
            f"{SERVICE}.features[0]: model 'labels' is not a feature view\n"
            "  -> add `config: {meta: {feature_view: ...}}` to it"
        ),
    ),
    (
        17,
        "a service of a version that is not there",
        of_churn("orders@v2:amount"),
        (f"{SERVICE}.features[0]: no feature view 'orders@v2'\n  -> there is orders"),
    ),
    (
        18,
        "a service of an unknown feature",
        of_churn("orders:amuont"),
        (f"{SERVICE}.features[0]: no feature 'amuont' in feature view orders\n  -> did you mean amount?"),
    ),
    (
        18,
        "a service with an unknown join key",
        of_churn("orders[customerid=x]:amount"),
        (f"{SERVICE}.features[0]: no join key 'customerid' in feature view orders\n  -> did you mean customer_id?"),
    ),
    (
        18,
        "a service with an unreadable reference",
        of_churn("orders:a:b"),
        (
            f"{SERVICE}.features[0]: cannot read the feature reference "
            "'orders:a:b'\n"
            '  -> write "view:feature", "view", "view@v2:feature" or "view[view_key=spine_key] as name:feature"'
        ),
    ),
    (
        18,
        "a service of a number",
        of_churn(7),
        (
            f"{SERVICE}.features[0]: expected a reference, got 7\n"
            '  -> write "view:feature", or a mapping with the keys view, name, join_keys, features'
        ),
    ),
    (
        18,
        "a service of nothing",
        manifest(orders(), labels(), exposure([], name="churn")),
        (
            f"{SERVICE}.features: expected a list of references, got []\n"
            '  -> write "view:feature", or a mapping with the keys view, name, join_keys, features'
        ),
    ),
    (
        18,
        "a service of a text",
        manifest(orders(), labels(), exposure("orders:amount", name="churn")),
        (
            f"{SERVICE}.features: expected a list of references, got "
            "'orders:amount'\n"
            '  -> write "view:feature", or a mapping with the keys view, name, join_keys, features'
        ),
    ),
    (
        20,
        "SQL for events of two statements",
        streaming("select * from clicks; select 1"),
        (f"{META}.stream.sql: expected one SELECT\n  -> write `select ... from <stream>`"),
    ),
    (
        20,
        "SQL for events with a subquery",
        streaming("select (select 1) as x from clicks"),
        (
            f"{META}.stream.sql: it is not row-level: (SELECT 1) looks at other "
            "rows\n"
            "  -> a stream makes rows of single events: aggregate where the features are read, or in a batch model"
        ),
    ),
    (
        20,
        "SQL for events that reads a file",
        streaming("select * from read_csv('/etc/passwd')"),
        (f"{META}.stream.sql: it reads READ_CSV('/etc/passwd'), which is no stream\n  -> select from the stream alone"),
    ),
    (
        20,
        "SQL for events that is none",
        streaming("select from where"),
        (f"{META}.stream.sql: it cannot be read: it stops making sense in line 1, column 17, near 'where'"),
    ),
    (
        21,
        "SQL for events with an unknown column",
        streaming("select customer as customer_id from clicks"),
        (f"{META}.stream.sql: the SQL's result has no column 'placed_at', which the view has\n  -> known: customer_id"),
    ),
    (
        22,
        "an ephemeral model",
        made(relation_name=None),
        (
            f"{META}: model orders is ephemeral, so there is no table to read\n"
            "  -> write `materialized: table` (or view, or incremental)"
        ),
    ),
    (
        22,
        "a service of a disabled view",
        manifest(
            orders(),
            labels(),
            churn("visits:x"),
            disabled={"model.shop.visits": [{"name": "visits", "config": {"meta": {"feature_view": {}}}}]},
        ),
        (f"{SERVICE}.features[0]: feature view 'visits' is disabled\n  -> enable the model, or remove the reference"),
    ),
    (
        22,
        "a test as a view",
        made(resource_type="test"),
        (f"{META}: expected on a model or snapshot, got a test\n  -> make a model that selects what it needs"),
    ),
    (
        22,
        "a model whose table is a file",
        made(relation_name="read_csv('orders.csv')"),
        (
            "models/orders.yml: relation_name: the table of model orders, as dbt calls it, is not the name of one "
            "table: \"read_csv('orders.csv')\"\n"
            "  -> have dbt make a table or a view of the model"
        ),
    ),
    (
        23,
        "no columns known anywhere",
        all_of(sql("drop table orders"), made(columns={})),
        (
            "models/orders.yml: the columns of model orders are not known: it is not built, and its YAML gives no "
            "data_type\n"
            "  -> run dbt build --select orders (or add columns with data_type)"
        ),
    ),
    (
        23,
        "a column without a type",
        all_of(sql("drop table orders"), made(columns=columns({**ORDER_TYPES, "amount": None}))),
        (
            "models/orders.yml: columns: no type is known for amount\n"
            "  -> run dbt build --select orders (or add data_type)"
        ),
    ),
    (
        24,
        "an INTERVAL",
        typed("interval", "interval 1 day"),
        (
            f"{META}.features: column 'amount' of type interval cannot be served "
            "online\n"
            "  -> leave it out of `features`, cast it, or write `online: false`"
        ),
    ),
    (
        24,
        "a list of INTERVALs",
        typed("interval[]", "[interval 1 day]"),
        (
            f"{META}.features: column 'amount' of type list<interval> cannot be "
            "served online\n"
            "  -> leave it out of `features`, cast it, or write `online: false`"
        ),
    ),
    (
        24,
        "a UNION",
        typed("union(a int, b varchar)", "1"),
        (
            f"{META}.features: column 'amount' of type unknown:union(a integer, "
            "b varchar) cannot be served online\n"
            "  -> leave it out of `features`, cast it, or write `online: false`"
        ),
    ),
    (
        24,
        "a BIT",
        typed("bit", "'1'::bit"),
        (
            f"{META}.features: column 'amount' of type unknown:bit cannot be "
            "served online\n"
            "  -> leave it out of `features`, cast it, or write `online: false`"
        ),
    ),
    (
        24,
        "a UHUGEINT",
        typed("uhugeint", "1"),
        (
            f"{META}.features: column 'amount' of type unknown:uhugeint cannot "
            "be served online\n"
            "  -> leave it out of `features`, cast it, or write `online: false`"
        ),
    ),
    (
        24,
        "a JSON join key",
        typed("json", "'1'", "customer_id"),
        (
            f"{META}.entities: column 'customer_id' of type json cannot be a "
            "join key online\n"
            "  -> cast it to a string in the model, or write `online: false`"
        ),
    ),
    (
        25,
        "a manifest of dbt 1.7",
        manifest(metadata={"dbt_schema_version": METADATA.format(11), "dbt_version": "1.7.4"}),
        (
            "target/manifest.json: expected manifest schema v12 (dbt 1.8 and later), got v11 of dbt 1.7.4\n"
            "  -> upgrade dbt, then run dbt parse or dbt build"
        ),
    ),
    (
        25,
        "a manifest of a later dbt",
        manifest(metadata={"dbt_schema_version": METADATA.format(13), "dbt_version": "2.3.0"}),
        (
            "target/manifest.json: expected manifest schema v12 (dbt 1.8 and later), got v13 of dbt 2.3.0\n"
            "  -> upgrade featurestore"
        ),
    ),
    (
        25,
        "a manifest that says no version",
        manifest(metadata={"dbt_schema_version": None}),
        ("target/manifest.json: not a dbt manifest: it names no schema version\n  -> run dbt parse or dbt build"),
    ),
    (
        26,
        "no manifest",
        without("target/manifest.json"),
        ("no manifest at target/manifest.json\n  -> run dbt parse or dbt build"),
    ),
    (
        28,
        "half a manifest",
        text("target/manifest.json", '{"metadata": {'),
        (
            "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "an empty manifest",
        text("target/manifest.json", ""),
        (
            "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "a manifest that is a list",
        text("target/manifest.json", "[]"),
        (
            "target/manifest.json: not the file that dbt writes: Expected `object`, got `array`\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "a manifest that is not UTF-8",
        content("target/manifest.json", b"\xff\xfe"),
        (
            "target/manifest.json: not valid JSON, perhaps cut off while dbt was writing it\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "a manifest without end",
        content("target/manifest.json", b"[" * 100_000),
        (
            "target/manifest.json: not the file that dbt writes: Expected `object`, got `array`\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "nodes that are a number",
        replaced("target/manifest.json", b'"nodes": {', b'"nodes": 7, "more": {'),
        (
            "target/manifest.json: not the file that dbt writes: Expected `object`, got `int` - at `$.nodes`\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        28,
        "a number out of range",
        replaced("target/manifest.json", b'"ttl": "30d"', b'"ttl": 1e400'),
        (
            "target/manifest.json: not the file that dbt writes: Number out of range - at "
            "`$.nodes[...].config.meta[...][...]`\n"
            "  -> run dbt parse or dbt build"
        ),
    ),
    (
        29,
        "metadata at the top",
        misplaced(meta={"feature_view": dict(VIEW)}, config={"meta": {}}),
        (
            "models/orders.yml: meta.feature_view: read only under config.meta\n"
            "  -> move it under config: `config: {meta: {feature_view: ...}}`"
        ),
    ),
    (
        29,
        "metadata as a config key",
        misplaced(config={"meta": {}, "feature_view": dict(VIEW)}),
        (
            "models/orders.yml: config.feature_view: dbt knows no such config key\n"
            "  -> move it under config.meta: `config: {meta: {feature_view: ...}}`"
        ),
    ),
    (
        29,
        "a service's metadata at the top",
        manifest(
            orders(),
            labels(),
            {**churn(), "config": {"meta": {}}, "meta": {"feature_service": {"features": ["orders"]}}},
        ),
        (
            "models/churn.yml: meta.feature_service: read only under config.meta\n"
            "  -> move it under config: `config: {meta: {feature_service: ...}}`"
        ),
    ),
]

REGISTRIES = [
    # (number, what is wrong, how, the command, its exit code, all it says)
    (
        54,
        "a registry of an unknown kind",
        nothing,
        (*LIST, "--registry", "gopher://hole"),
        2,
        ("registry: no registry of kind 'gopher:' exists") + KINDS,
    ),
    (
        54,
        "a registry without a path",
        nothing,
        (*LIST, "--registry", "file:"),
        2,
        ("registry: expected a path after file:, got none") + KINDS,
    ),
    (
        54,
        "a registry on another host",
        nothing,
        (*LIST, "--registry", "file://server/registry"),
        2,
        ("registry: a file: URI names a path of this machine, not a host") + KINDS,
    ),
    (
        54,
        "a registry with a password in its URI",
        nothing,
        (*LIST, "--registry", "ftp://ann:hunter2@host/x"),
        2,
        ("registry: no registry of kind 'ftp:' exists") + KINDS,
    ),
    (
        54,
        "a registry that is a file",
        nothing,
        (*LIST, "--registry", "dbt_project.yml"),
        4,
        (
            "<shop>/dbt_project.yml: cannot read the registry: Not a directory\n"
            "  -> `registry` in featurestore.yml names a file or leads through one; name a directory"
        ),
    ),
    (
        54,
        "a registry that is not there",
        nothing,
        (*LIST, "--registry", "elsewhere"),
        2,
        ("<shop>/elsewhere: the registry holds no version yet\n  -> run `featurestore apply`"),
    ),
    (95, "an empty file", content(FIRST, b""), LIST, 1, (f"<shop>/{FIRST}: the file is empty") + BACKUP),
    (95, "a blank file", content(FIRST, b" \n"), LIST, 1, (f"<shop>/{FIRST}: the file is empty") + BACKUP),
    (
        96,
        "half a document",
        content(FIRST, b'{\n  "format": 1,\n'),
        LIST,
        1,
        (f"<shop>/{FIRST}: not a whole registry document: Input data was truncated") + BACKUP,
    ),
    (
        96,
        "a document that is no JSON",
        content(FIRST, b"format 1"),
        APPLY,
        1,
        (f"<shop>/{FIRST}: not a whole registry document: JSON is malformed: invalid character (byte 5)") + BACKUP,
    ),
    (
        96,
        "NUL bytes after a crash",
        content(FIRST, b"\0" * 512),
        PLAN,
        1,
        (f"<shop>/{FIRST}: not a whole registry document: JSON is malformed: invalid character (byte 0)") + BACKUP,
    ),
    (
        97,
        "a ttl changed by hand",
        replaced(FIRST, b"2592000000000", b"2592000000001"),
        LIST,
        1,
        (f"<shop>/{FIRST}: the content was changed after it was written (expected hash <hash>, got <hash>)") + BACKUP,
    ),
    (
        97,
        "a hash changed by hand",
        document(content_hash="0" * 64),
        LIST,
        1,
        (f"<shop>/{FIRST}: the content was changed after it was written (expected hash <hash>, got <hash>)") + BACKUP,
    ),
    (
        98,
        "a newer format",
        document(format=2, written_by="3.1.0"),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: document format 2, written by featurestore 3.1.0; this "
            f"is featurestore {OWN}, which reads formats up to 1\n"
            "  -> upgrade to featurestore 3.1.0 or later: pip install --upgrade featurestore"
        ),
    ),
    (
        98,
        "a newer format, at apply",
        document(format=2, written_by="3.1.0"),
        APPLY,
        1,
        (
            f"<shop>/{FIRST}: document format 2, written by featurestore 3.1.0; this "
            f"is featurestore {OWN}, which reads formats up to 1\n"
            "  -> upgrade to featurestore 3.1.0 or later: pip install --upgrade featurestore"
        ),
    ),
    (
        98,
        "a format that never was",
        document(format=0),
        LIST,
        1,
        (f"<shop>/{FIRST}: expected format 1, got 0") + BACKUP,
    ),
    (
        99,
        "another project's registry",
        of_another_project,
        LIST,
        2,
        (
            "<shop>/.featurestore/registry: this registry belongs to the dbt project 'blog', got 'shop'\n"
            "  -> give each project a registry of its own: `registry` in featurestore.yml"
        ),
    ),
    (
        99,
        "another project's registry, at plan",
        of_another_project,
        PLAN,
        2,
        (
            "<shop>/.featurestore/registry: this registry belongs to the dbt project 'blog', got 'shop'\n"
            "  -> give each project a registry of its own: `registry` in featurestore.yml"
        ),
    ),
    (
        99,
        "another project's registry, at apply",
        of_another_project,
        APPLY,
        2,
        (
            "<shop>/.featurestore/registry: this registry belongs to the dbt project 'blog', got 'shop'\n"
            "  -> give each project a registry of its own: `registry` in featurestore.yml"
        ),
    ),
    (
        99,
        "another project's registry, at a training set",
        of_another_project,
        ("training-set", "--features", "orders:amount", "--at", "2026-06-04"),
        2,
        (
            "<shop>/.featurestore/registry: this registry belongs to the dbt project 'blog', got 'shop'\n"
            "  -> give each project a registry of its own: `registry` in featurestore.yml"
        ),
    ),
    (
        99,
        "another project's registry, at a lookup",
        of_another_project,
        ("get-online", "--features", "orders:amount", "--entity", "customer_id=1"),
        2,
        (
            "<shop>/.featurestore/registry: this registry belongs to the dbt project 'blog', got 'shop'\n"
            "  -> give each project a registry of its own: `registry` in featurestore.yml"
        ),
    ),
    (
        100,
        "a directory instead of a document",
        instead("directory"),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: expected a file, got a directory, a symbolic link or a "
            "device\n"
            "  -> move it out of the registry; a link is not followed, because it may lead anywhere"
        ),
    ),
    (
        100,
        "a named pipe instead of a document",
        instead("pipe"),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: expected a file, got a directory, a symbolic link or a "
            "device\n"
            "  -> move it out of the registry; a link is not followed, because it may lead anywhere"
        ),
    ),
    (
        101,
        "a link out of the registry",
        instead("outside.json"),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: expected a file, got a directory, a symbolic link or a "
            "device\n"
            "  -> move it out of the registry; a link is not followed, because it may lead anywhere"
        ),
    ),
    (
        101,
        "a link to nothing",
        instead("nowhere.json"),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: expected a file, got a directory, a symbolic link or a "
            "device\n"
            "  -> move it out of the registry; a link is not followed, because it may lead anywhere"
        ),
    ),
    (
        102,
        "a version that is not there",
        gap,
        ("registry", "show", "3"),
        2,
        ("no version '3' in the registry <shop>/.featurestore/registry\n  -> known: 1, 5"),
    ),
    (
        102,
        "a renamed document",
        document(version=7),
        LIST,
        1,
        (
            f"<shop>/{FIRST}: the file's name says version 1, the document says 7\n"
            "  -> documents are never renamed or copied; restore this file from a backup, or move it away"
        ),
    ),
]


STALE = "Warning: changed after dbt wrote the manifest: models/orders.yml\n  -> run dbt parse or dbt build\n"
DOUBTS = [
    # (number, what is doubtful, how, what is said on stderr: the command goes on)
    (
        4,
        "an event time that is a DATE",
        typed("date", "placed_at", "placed_at"),
        (
            f"Warning: {META}.event_time: 'placed_at' is a DATE and no delay is declared, so rows count from one day "
            "later (SEMANTICS P7)\n  -> declare it: `delay: 1 day`, or what holds\n"
        ),
    ),
    (5, "a naive TIMESTAMP: it is UTC by rule P14, in every session", nothing, ""),
    (10, "a feature twice: dbt appends the lists of versions, so it counts once", view(features=["amount"] * 2), ""),
    (10, "a feature twice in another case: it is one column", view(features=["amount", "AMOUNT"]), ""),
    (
        15,
        "__ within a name: references have a colon, and clashes are told where both are asked for (P12)",
        named("or__ders"),
        "",
    ),
    (24, "a STRUCT is served as JSON", typed("struct(a int)", "{'a': 1}"), ""),
    (24, "a HUGEINT is served whole", typed("hugeint"), ""),
    (27, "a manifest older than its sources", changed_later, STALE),
    (
        30,
        "one entity's key a number here and a text there",
        two_types,
        (
            "Warning: models/visits.yml: join key 'customer_id' of entity 'customer' is string in visits, but int64 in "
            "orders\n  -> cast one of them, so that one example can join both\n"
        ),
    ),
]

ROWS = [*((*row[:3], PLAN, 2, row[3]) for row in DEFINITIONS), *REGISTRIES]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """An applied project, and a copy of it."""
    tiny = make_tiny(tmp_path_factory.mktemp("bad") / "shop")
    assert tiny.run("apply").code == 0
    shutil.copytree(tiny.folder, tiny.folder.with_name("kept"))
    return tiny


@pytest.fixture
def applied(kept):
    """The project as it was when it was applied."""
    shutil.rmtree(kept.folder)
    shutil.copytree(kept.folder.with_name("kept"), kept.folder)
    return kept


def everything(tiny):
    """The bytes of all files of the project that can be read without waiting."""
    return {path: path.read_bytes() for path in sorted(tiny.folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("breaks", "command", "code", "said"), [pytest.param(*row[2:], id=f"{row[0]} {row[1]}") for row in ROWS]
)
def test_one_clear_error_and_nothing_is_lost(applied, breaks, command, code, said):
    breaks(applied)
    before = everything(applied)
    ran = applied.run(*command)
    assert (ran.code, ran.out) == (code, "")
    assert "Traceback" not in ran.err
    told = ran.err.replace(str(applied.folder), "<shop>")
    assert re.sub(r"(hash |got )[0-9a-f]{12}\b", r"\1<hash>", told) == f"Error: {said}\n"
    assert everything(applied) == before


@pytest.mark.parametrize(("breaks", "said"), [pytest.param(*row[2:], id=f"{row[0]} {row[1]}") for row in DOUBTS])
def test_what_is_only_doubtful_is_told_and_the_command_goes_on(applied, breaks, said):
    breaks(applied)
    ran = applied.run("plan")
    assert (ran.code, ran.err) == (0, said)
    assert ran.out.startswith("Registry .featurestore/registry, version 1\n")


def test_56_the_second_of_two_applies_is_told_and_loses_nothing(applied):
    store = FeatureStore(applied.folder)
    view(ttl="32 days")(applied)
    planned = store.plan()
    view(ttl="31 days")(applied)
    assert applied.run("apply").code == 0
    before = everything(applied)
    with pytest.raises(RegistryConflictError) as caught:
        store.apply(planned)
    assert re.fullmatch(
        rf"{re.escape(str(applied.folder))}/{REGISTRY}: the registry changed meanwhile: the plan was made against "
        r"version 1, version 2 was applied at [\d: -]+ UTC\n  -> nothing was written; run plan again, look at it, "
        "and apply",
        str(caught.value),
    )
    assert caught.value.exit_code == 1
    assert everything(applied) == before


@pytest.mark.parametrize(
    ("breaks", "problem"),
    [
        pytest.param(gap, "versions 2 to 4 are missing", id="102"),
        pytest.param(content(FIRST, b""), "the file is empty", id="95"),
        pytest.param(instead("directory"), "expected a file, got a directory, a symbolic link or a device", id="100"),
    ],
)
def test_what_is_wrong_with_a_version_stands_in_the_list_of_versions(applied, breaks, problem):
    breaks(applied)
    ran = applied.run("registry", "versions", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [line["problem"] for line in ran.json if line["problem"]] == [problem]


def test_there_are_more_than_a_hundred_and_no_number_of_the_list_is_left_out():
    covered = {row[0] for row in (*ROWS, *DOUBTS)} | {56}
    wanted = {*range(1, 31), 54, 56, *range(95, 103)}
    assert len(ROWS) >= 100
    assert wanted - covered == set(NOT_HERE)
    assert len({(row[0], row[1]) for row in ROWS}) == len(ROWS)
