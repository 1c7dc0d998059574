"""Wrong metadata: one clear problem each, with file, key, what was expected and got, and what to do."""

from __future__ import annotations

import pytest

from tests.manifest.manifests import columns, model, problems, snapshot, view

HERE = "models/user_orders.yml: config.meta.feature_view"
KEY_AND_TIMES = {"user_id": "bigint", "observed_at": "timestamp", "loaded_at": "timestamp"}


def feature_view(**changes):
    return model(meta={"feature_view": view(**changes)})


@pytest.mark.parametrize(
    ("rule", "node", "problem"),
    [
        (
            "P3 a number is no duration",
            feature_view(ttl=7),
            (
                f'{HERE}.ttl: expected a duration such as "7 days", got 7\n'
                "  -> write `ttl: 7 days`, or remove the key if values never expire"
            ),
        ),
        (
            "P3 nor is true",
            feature_view(ttl=True),
            (
                f'{HERE}.ttl: expected a duration such as "7 days", got true\n'
                "  -> write `ttl: 7 days`, or remove the key if values never expire"
            ),
        ),
        (
            "P3 1:30 arrives as the number 90",
            feature_view(ttl=90),
            (
                f'{HERE}.ttl: expected a duration such as "7 days", got 90\n'
                "  -> YAML reads 1:30 without quotes as 90; write `ttl: 7 days`, or remove the key if values never "
                "expire"
            ),
        ),
        (
            "P3 a unit that is none",
            feature_view(ttl="7 dayz"),
            (
                f'{HERE}.ttl: expected a duration such as "7 days", "1h 30m" or "250ms", got \'7 dayz\'\n'
                "  -> write `ttl: 7 days`, or remove the key if values never expire"
            ),
        ),
        (
            "P3 nothing lives for no time",
            feature_view(ttl="0s"),
            (
                f"{HERE}.ttl: expected a duration above zero (SEMANTICS P3), got '0s'\n"
                "  -> remove the key if values never expire"
            ),
        ),
        (
            "P3 nor for less",
            feature_view(ttl="-7 days"),
            (
                f'{HERE}.ttl: expected a duration such as "7 days", "1h 30m" or "250ms", got \'-7 days\'\n'
                "  -> write `ttl: 7 days`, or remove the key if values never expire"
            ),
        ),
        (
            "P3 an age that no timestamp has",
            feature_view(ttl="2000000 days"),
            (
                f"{HERE}.ttl: expected at most 1000 years, got '2000000 days'\n"
                "  -> remove the key if values never expire"
            ),
        ),
        (
            "P7 a delay is a duration",
            feature_view(delay=["1h"]),
            (
                f'{HERE}.delay: expected a duration such as "7 days", got ["1h"]\n'
                "  -> write `delay: 1 hour`, or remove the key if rows are usable at their event time"
            ),
        ),
        (
            "O6 a lookback of nothing finds nothing",
            feature_view(lookback="0 days"),
            (
                f"{HERE}.lookback: expected a duration above zero (SEMANTICS P3), got '0 days'\n"
                "  -> remove the key if rows never arrive late"
            ),
        ),
        *(
            (
                f"{text!r} is no table of one schema",
                feature_view(pushed=text),
                (
                    f"{HERE}.pushed: expected a table, as NAME or SCHEMA.NAME, got {text!r}\n"
                    "  -> write `pushed: raw.orders_pushed`; without it rows go to `<view>__pushed`"
                ),
            )
            for text in ("raw.", "prod.raw.orders", "raw orders", '"raw".orders')
        ),
        (
            "an unknown key",
            feature_view(entity=["user_id"]),
            f"{HERE}: unknown key 'entity'\n  -> did you mean entities?",
        ),
        (
            "the whole block is a word",
            model(meta={"feature_view": True}),
            f"{HERE}: expected a mapping of keys, got true",
        ),
        (
            "one entity without brackets",
            feature_view(entities="user_id"),
            f"{HERE}.entities: expected a list of names, got 'user_id'\n  -> write `entities: [user_id]`",
        ),
        (
            "P10 no word about entities",
            feature_view(entities=None),
            (
                f"{HERE}.entities: expected the list of entities, got nothing\n"
                "  -> write `entities: [NAME]`, or `entities: []` for a view without entity (SEMANTICS P10)"
            ),
        ),
        (
            "an entity that nobody declares and that is no column",
            feature_view(entities=["user_idd"]),
            (
                f"{HERE}.entities: no entity 'user_idd' is declared, and model user_orders has no column of that name\n"
                "  -> did you mean user_id?"
            ),
        ),
        (
            "online is true or false",
            feature_view(online="maybe"),
            f"{HERE}.online: expected true or false, got 'maybe'",
        ),
        (
            "P8 as_of has two words",
            feature_view(as_of="load"),
            f"{HERE}.as_of: expected event or knowledge, got 'load'",
        ),
        (
            "P8 knowledge time needs a created time",
            feature_view(as_of="knowledge", created_at=None),
            (
                f"{HERE}.as_of: as_of: knowledge needs to know when rows were loaded (SEMANTICS P8), "
                "and there is no created_at\n  -> add `created_at: COLUMN`, or remove the key"
            ),
        ),
        (
            "P2 boundary has two words",
            feature_view(boundary="open"),
            f"{HERE}.boundary: expected inclusive or exclusive, got 'open'",
        ),
        (
            "no event time at all",
            feature_view(event_time=None),
            (
                f"{HERE}: no event time: expected `event_time` here or in the model's config, got neither\n"
                "  -> write `config: {event_time: COLUMN}` (a timestamp)"
            ),
        ),
        (
            "an event time that is no column",
            feature_view(event_time="observd_at"),
            (
                f"{HERE}.event_time: no column 'observd_at' in model user_orders\n  -> did you mean observed_at or "
                f"loaded_at?"
            ),
        ),
        (
            "dbt's own event_time that is no column",
            model(meta={"feature_view": view(event_time=None)}, config={"event_time": "observed"}),
            (
                "models/user_orders.yml: config.event_time: no column 'observed' in model user_orders\n"
                "  -> did you mean observed_at?"
            ),
        ),
        (
            "an event time that is text",
            model(columns=columns({**KEY_AND_TIMES, "observed_at": "varchar", "x": "int"})),
            (
                f"{HERE}.event_time: expected a timestamp, got column 'observed_at' of type string in model "
                f"user_orders\n"
                "  -> cast it in the model, e.g. cast(observed_at as timestamp)"
            ),
        ),
        (
            "a created time that is a number",
            feature_view(created_at="orders_7d"),
            (
                f"{HERE}.created_at: expected a timestamp, got column 'orders_7d' of type int64 in model user_orders\n"
                "  -> cast it in the model, e.g. cast(orders_7d as timestamp)"
            ),
        ),
        (
            "an event time that is no name",
            feature_view(event_time=7),
            f"{HERE}.event_time: expected the name of a column, got 7",
        ),
        (
            "P4 a tie breaker that is no column",
            feature_view(tie_breakers=["order"]),
            f"{HERE}.tie_breakers: no column 'order' in model user_orders\n  -> did you mean orders_7d?",
        ),
        (
            "P4 a tie breaker without an order",
            model(
                meta={"feature_view": view(created_at=None, tie_breakers=["doc"])},
                columns=columns({"user_id": "bigint", "observed_at": "timestamp", "doc": "json"}),
            ),
            (
                f"{HERE}.tie_breakers: column 'doc' of type json has no order, so it cannot break a tie (SEMANTICS "
                f"P4)\n"
                "  -> name a number, a text or a time"
            ),
        ),
        (
            "a feature that is no column",
            feature_view(features=["orders_7"]),
            f"{HERE}.features: no column 'orders_7' in model user_orders\n  -> did you mean orders_7d?",
        ),
        (
            "a feature that is a join key",
            feature_view(features=["orders_7d", "user_id"]),
            (
                f"{HERE}.features: column 'user_id' is a join key, so it cannot be a feature\n"
                "  -> leave it out, or select it a second time under another name"
            ),
        ),
        (
            "a feature that is the created time",
            feature_view(features=["loaded_at"]),
            (
                f"{HERE}.features: column 'loaded_at' is a time of the view, so it cannot be a feature\n"
                "  -> leave it out, or select it a second time under another name"
            ),
        ),
        (
            "a view with no feature left",
            model(columns=columns(KEY_AND_TIMES)),
            (
                f"{HERE}.features: no features: model user_orders has no column besides its join keys and times\n"
                "  -> add a column to the model"
            ),
        ),
        (
            "P12 a feature named with a colon",
            model(columns=columns({**KEY_AND_TIMES, "a:b": "int"})),
            (
                f"{HERE}.features: column 'a:b' contains a space or one of : @ [ ], which separate the parts of a "
                f"reference\n"
                "  -> rename the column in the model, or leave it out of `features`"
            ),
        ),
        (
            "a feature named as a query's own column",
            model(columns=columns({**KEY_AND_TIMES, "__x": "int"})),
            (
                f"{HERE}.features: column '__x' starts with __, which is kept for columns that queries add\n"
                "  -> rename the column in the model, or leave it out of `features`"
            ),
        ),
        (
            "a view named too long for Postgres",
            model("u" * 64, patch_path="shop://models/user_orders.yml"),
            (
                f"models/user_orders.yml: {'u' * 64}: '{'u' * 64}' has 64 bytes; a name may have at most 63\n"
                "  -> rename the model"
            ),
        ),
        (
            "a type that no online row can hold",
            model(columns=columns({**KEY_AND_TIMES, "gap": "interval"})),
            (
                f"{HERE}.features: column 'gap' of type interval cannot be served online\n"
                "  -> leave it out of `features`, cast it, or write `online: false`"
            ),
        ),
        (
            "a join key that no online key can hold",
            model(columns=columns({**KEY_AND_TIMES, "user_id": "json", "x": "int"})),
            (
                f"{HERE}.entities: column 'user_id' of type json cannot be a join key online\n"
                "  -> cast it to a string in the model, or write `online: false`"
            ),
        ),
        (
            "P9 valid_from alone",
            feature_view(valid_from="observed_at", event_time=None),
            (
                f"{HERE}.valid_from: valid_from without valid_to: rows have no validity interval (SEMANTICS P9)\n"
                "  -> add `valid_to: COLUMN`, or use event_time"
            ),
        ),
        (
            "P9 two starts that differ",
            feature_view(valid_from="loaded_at", valid_to="loaded_at", created_at=None),
            (
                f"{HERE}.valid_from: valid_from 'loaded_at' and event_time 'observed_at' mean the same, but differ\n"
                "  -> keep one of them"
            ),
        ),
        (
            "P9 an interval has no delay",
            feature_view(valid_to="loaded_at", created_at=None, delay="1h"),
            (
                f"{HERE}.delay: not possible with validity intervals: a row counts from its start until before its end "
                "(SEMANTICS P9)\n  -> remove the key, or remove valid_to"
            ),
        ),
        (
            "P9 an interval is half-open already",
            feature_view(valid_to="loaded_at", created_at=None, boundary="exclusive"),
            (
                f"{HERE}.boundary: not possible with validity intervals: a row counts from its start until before its "
                f"end "
                "(SEMANTICS P9)\n  -> remove the key, or remove valid_to"
            ),
        ),
        (
            "P9 a snapshot has no knowledge time",
            snapshot(meta={"feature_view": view(event_time=None, as_of="knowledge", created_at="dbt_updated_at")}),
            (
                "models/user_tier.yml: config.meta.feature_view.as_of: not possible with validity intervals: a row "
                "counts "
                "from its start until before its end (SEMANTICS P9)\n  -> remove the key"
            ),
        ),
        (
            "an ephemeral model has no table",
            model(relation_name=None, config={"materialized": "ephemeral"}),
            (
                f"{HERE}: model user_orders is ephemeral, so there is no table to read\n"
                "  -> write `materialized: table` (or view, or incremental)"
            ),
        ),
        (
            "a test is no view",
            model(resource_type="test"),
            f"{HERE}: expected on a model or snapshot, got a test\n  -> make a model that selects what it needs",
        ),
        (
            "columns that nobody knows",
            model(columns={}),
            (
                "models/user_orders.yml: the columns of model user_orders are not known: it is not built, and its YAML "
                "gives no data_type\n  -> run dbt build --select user_orders (or add columns with data_type)"
            ),
        ),
        (
            "columns without types",
            model(columns=columns({**KEY_AND_TIMES, "loaded_at": None, "x": None})),
            (
                "models/user_orders.yml: columns: no type is known for loaded_at, x\n"
                "  -> run dbt build --select user_orders (or add data_type)"
            ),
        ),
        (
            "metadata as a config key of its own",
            model(meta={}, config={"feature_view": view()}),
            (
                "models/user_orders.yml: config.feature_view: dbt knows no such config key\n"
                "  -> move it under config.meta: `config: {meta: {feature_view: ...}}`"
            ),
        ),
        (
            "metadata in the old place",
            model(meta={}) | {"meta": {"feature_view": view()}},
            (
                "models/user_orders.yml: meta.feature_view: read only under config.meta\n"
                "  -> move it under config: `config: {meta: {feature_view: ...}}`"
            ),
        ),
        (
            "a default of another type",
            model(columns=columns(orders_7d={"feature": {"default": "none"}})),
            (
                "models/user_orders.yml: columns.orders_7d.config.meta.feature.default: expected a value of type "
                "int64, "
                "got 'none'"
            ),
        ),
        (
            "an unknown key of a feature",
            model(columns=columns(orders_7d={"feature": {"defaults": 0}})),
            (
                "models/user_orders.yml: columns.orders_7d.config.meta.feature: unknown key 'defaults'\n"
                "  -> did you mean default?"
            ),
        ),
        (
            "an empty list of features",
            feature_view(features=[]),
            (
                f"{HERE}.features: no features: the list is empty\n"
                "  -> name at least one column, or remove the key to take all that are no join key and no time"
            ),
        ),
        (
            "a join key that starts as internal columns do",
            model(
                meta={"feature_view": view(entities=["__row"])},
                columns=columns({"__row": "bigint", "observed_at": "timestamp", "loaded_at": "timestamp", "x": "int"}),
            ),
            (
                f"{HERE}.entities: join key '__row' starts with __, which is kept for columns that queries add\n"
                "  -> rename the column in the model"
            ),
        ),
        (
            "feature metadata on a join key",
            model(columns=columns(user_id={"feature": {"default": 0}})),
            (
                "models/user_orders.yml: columns.user_id.config.meta.feature: column 'user_id' is a join key, so it "
                "cannot "
                "be a feature\n  -> remove the key `feature`"
            ),
        ),
    ],
)
def test_one_clear_problem(rule, node, problem):
    assert problems(node) == [problem], rule
