"""What a lookup answers: statuses, order, duplicates, layouts (SEMANTICS O3, O4, O8, O9, P9, P10, P11, P12)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.references import parse_reference
from featurestore.definitions.views import Column
from featurestore.errors import NameClashError, OnlineStoreError, UsageError
from featurestore.online.batches import batch_of
from featurestore.online.codec import microseconds, tombstone
from featurestore.online.layouts import ensure_generation, layout_note
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.online.state import ViewState, format_state, state_note
from featurestore.serving import connect
from tests.serving.conftest import DAY, NOON, US, Listening, project, sync, view

ORDERS = view()


def answer(response, feature="orders_7d"):
    """Value and status of the one entity that was asked for."""
    return response.to_dict()[feature][0], response.statuses[feature][0]


@pytest.mark.parametrize(
    ("rule", "ttl", "event_time", "seen"),
    [
        ("O3 a value is there", None, NOON - 400 * DAY, (3, "PRESENT")),
        ("P3 a value lives for its ttl, the last instant included", 7 * DAY, NOON - 7 * DAY, (3, "PRESENT")),
        (
            "P3 and not a moment longer; an expired value is null",
            7 * DAY,
            NOON - 7 * DAY - US,
            (None, "OUTSIDE_MAX_AGE"),
        ),
        ("P3 sub-second ttls are exact", 250 * 1000 * US, NOON - 250 * 1000 * US, (3, "PRESENT")),
        ("P3 sub-second ttls are exact", 250 * 1000 * US, NOON - 250 * 1000 * US - US, (None, "OUTSIDE_MAX_AGE")),
    ],
)
def test_what_a_lookup_at_noon_sees(ask, store, rule, ttl, event_time, seen):
    orders = view(ttl=ttl)
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "spend": 0.5, "at": event_time})
    response = ask([orders], ["orders:orders_7d"], [{"customer_id": 1}])
    assert answer(response) == seen, rule
    assert response.event_timestamps["orders_7d"] == [event_time], "O3 the event time is there, expired or not"


def test_a_null_and_a_missing_row_are_told_apart(ask, store):
    """O3, P5: the newest row's NULL is NULL."""
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": None, "spend": 0.0})
    response = ask([ORDERS], ["orders"], [{"customer_id": 1}, {"customer_id": 2}])
    assert response.statuses == {"orders_7d": ["NULL_VALUE", "NOT_FOUND"], "spend": ["PRESENT", "NOT_FOUND"]}
    assert response.to_dict() == {"customer_id": [1, 2], "orders_7d": [None, None], "spend": [0.0, None]}
    assert response.event_timestamps["orders_7d"] == [NOON, None]


def test_order_and_duplicates_are_kept(ask, store):
    """O4"""
    sync(store, ORDERS, *[{"customer_id": number, "orders_7d": number * 10, "spend": 0.0} for number in range(5)])
    asked = [3, 1, 3, 9, 0, 1]
    response = ask([ORDERS], ["orders:orders_7d"], {"customer_id": asked})
    assert response.to_dict() == {"customer_id": asked, "orders_7d": [30, 10, 30, None, 0, 10]}
    assert len(response) == 6


def test_entities_may_come_as_rows_or_as_columns(ask, store):
    location = view("visits", keys=(("city", "string"), ("customer_id", "int64")), features=(("n", "int64"),))
    sync(store, location, {"city": "a|b", "customer_id": 7, "n": 1}, {"city": "a", "customer_id": 7, "n": 2})
    rows = ask([location], ["visits:n"], [{"customer_id": 7, "city": "a"}, {"city": "a|b", "customer_id": "7"}])
    columns = ask([location], ["visits:n"], {"customer_id": [7, "7"], "city": ("a", "a|b")})
    assert rows.to_dict() == columns.to_dict() == {"city": ["a", "a|b"], "customer_id": [7, "7"], "n": [2, 1]}


def test_a_missing_key_value_is_not_found_and_never_the_word_null(ask, store):
    """P2, O3"""
    named = view(keys=(("name", "string"),), features=(("orders_7d", "int64"),))
    sync(store, named, *[{"name": name, "orders_7d": 1} for name in ("None", "null", "")])
    response = ask([named], ["orders"], [{"name": None}, {"name": "null"}])
    assert response.statuses["orders_7d"] == ["NOT_FOUND", "PRESENT"]


def test_features_of_several_views_come_in_request_order(ask, store):
    stock = view("stock", keys=(("item", "string"),), features=(("left", "int64"),))
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    sync(store, stock, {"item": "pen", "left": 9})
    response = ask(
        [ORDERS, stock], ["orders:spend", "stock:left", "orders:orders_7d"], [{"item": "pen", "customer_id": 1}]
    )
    assert list(response.to_dict()) == ["customer_id", "item", "spend", "left", "orders_7d"]
    assert response.rows() == [{"customer_id": 1, "item": "pen", "spend": 0.5, "left": 9, "orders_7d": 3}]


def test_a_view_used_twice_under_other_names_answers_for_both_keys(ask, store):
    """P11, P12"""
    weather = view("weather", keys=(("city", "string"),), features=(("rain", "boolean"),))
    sync(store, weather, {"city": "A", "rain": True}, {"city": "B", "rain": False})
    features = ["weather[city=origin] as start:rain", "weather[city=target] as finish:rain"]
    response = ask([weather], features, [{"origin": "A", "target": "B"}], full_feature_names=True)
    assert response.rows() == [{"origin": "A", "target": "B", "start__rain": True, "finish__rain": False}]


def test_features_may_be_given_as_references(ask, store):
    """P11: as for training sets."""
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    buyer = parse_reference("orders").with_name("buyer").with_join_key_map({"customer_id": "buyer_id"})
    response = ask([ORDERS], [buyer["spend"], "orders:orders_7d"], [{"buyer_id": 1, "customer_id": 2}])
    assert response.rows() == [{"buyer_id": 1, "customer_id": 2, "spend": 0.5, "orders_7d": None}]


def test_a_view_without_entity_is_asked_with_an_empty_row(ask, store):
    """P10"""
    rates = view("rates", keys=(), features=(("usd", "decimal(9,4)"),))
    sync(store, rates, {"usd": Decimal("1.0800")})
    assert ask([rates], ["rates:usd"], [{}]).rows() == [{"usd": Decimal("1.0800")}]
    assert ask([rates], ["rates:usd"], [{}, {}]).to_dict() == {"usd": [Decimal("1.0800")] * 2}
    assert ask([rates], ["rates:usd"], {}).to_dict() == {"usd": [Decimal("1.0800")]}


def test_no_entities_give_an_empty_typed_answer(ask):
    response = ask([ORDERS], ["orders"], [])
    assert response.to_arrow().schema == pa.schema(
        {"customer_id": pa.int64(), "orders_7d": pa.int64(), "spend": pa.float64()}
    )
    assert (response.rows(), len(response)) == ([], 0)


@pytest.mark.parametrize(
    ("rule", "valid_to", "status"),
    [
        ("P9 a row is valid until valid_to", NOON + US, "PRESENT"),
        ("P9 and no longer at that instant", NOON, "NOT_FOUND"),
        ("P9 nor after", NOON - US, "NOT_FOUND"),
        ("P9 NULL is still valid", None, "PRESENT"),
    ],
)
def test_a_row_with_a_validity_interval(ask, store, rule, valid_to, status):
    orders = view(features=(("orders_7d", "int64"),), valid_to=Column(name="until", type="timestamp"))
    naive = None if valid_to is None else valid_to.replace(tzinfo=None)
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "until": naive})
    assert answer(ask([orders], ["orders:orders_7d"], [{"customer_id": 1}]))[1] == status, rule


def test_a_validity_that_ends_with_a_date_ends_at_its_midnight(ask, store):
    """P9"""
    orders = view(features=(("orders_7d", "int64"),), valid_to=Column(name="until", type="date"))
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "until": date(2026, 2, 1)})
    midnight = datetime(2026, 2, 1)
    for now, status in ((midnight - US, "PRESENT"), (midnight, "NOT_FOUND")):
        assert answer(ask([orders], ["orders"], [{"customer_id": 1}], now=now))[1] == status


def test_a_deleted_entity_is_not_found(ask, store):
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    deleted_at = microseconds(NOON) + 1
    store.write(
        batch_of(
            [b"fs:shop:orders@0:{1}"],
            [tombstone(deleted_at, None, ORDERS.fingerprint)],
            event_us=[deleted_at],
            created_us=[NO_CREATED_TIME],
        )
    )
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 4, "spend": 0.5, "at": NOON})
    assert answer(ask([ORDERS], ["orders:orders_7d"], [{"customer_id": 1}])) == (None, "NOT_FOUND"), "O1"


A, B, C = ("a", "int64"), ("b", "int64"), ("c", "int64")
A_TEXT = ("a", "string")
ROW = {"customer_id": 1, "a": 10, "b": 20, "c": 30}


@pytest.mark.parametrize(
    ("change", "stored", "wanted", "seen"),
    [
        ("O9 a column was added", (A,), (A, B), {"a": 10, "b": None}),
        ("O9 a column was added in front", (B,), (A, B), {"a": None, "b": 20}),
        ("O9 a column was removed", (A, B), (B,), {"b": 20}),
        ("O9 columns changed places", (A, B, C), (C, A, B), {"a": 10, "b": 20, "c": 30}),
        ("O9 a column changed its type", (A, B), (A_TEXT, B), {"a": None, "b": 20}),
        ("O9 one was renamed to another's name", (A, B), (B, C), {"b": 20, "c": None}),
        ("O9 nothing is left of it", (A,), (B,), {"b": None}),
    ],
)
def test_rows_of_another_layout_are_read_by_name_and_type(ask, store, change, stored, wanted, seen):
    before, after = view(features=stored), view(features=wanted)
    sync(store, before, ROW)
    response = ask([after], ["orders"], [{"customer_id": 1}])
    assert response.rows() == [{"customer_id": 1, **{name: seen[name] for name, _ in wanted}}], change
    assert response.statuses == {name: ["NULL_VALUE" if seen[name] is None else "PRESENT"] for name, _ in wanted}
    sync(store, after, {**ROW, "a": "10"} if A_TEXT in wanted else ROW)
    again = ask([before], ["orders"], [{"customer_id": 1}])
    assert all(value in (None, ROW[name]) for name, (value,) in again.to_dict().items()), f"{change}, the other way"


def test_rows_of_a_layout_that_nobody_described_are_not_found(ask, store):
    """O9: unknown columns are never read by position."""
    before, after = view(features=(A, B)), view(features=(B, A))
    sync(store, before, ROW)
    store.write_note(layout_note(before, before.fingerprint), b"not a layout")
    assert answer(ask([after], ["orders"], [{"customer_id": 1}]), "a") == (None, "NOT_FOUND")


def test_a_view_that_gained_a_validity_reads_older_rows_as_still_valid(ask, store):
    """O9, P9"""
    before, after = view(features=(A,)), view(features=(A,), valid_to=Column(name="until", type="timestamp"))
    sync(store, before, ROW)
    assert answer(ask([after], ["orders"], [{"customer_id": 1}]), "a") == (10, "PRESENT")


def test_the_description_of_a_layout_is_read_once(store):
    listening = Listening(store)
    sync(store, view(features=(A,)), ROW, {**ROW, "customer_id": 2})
    client = connect(project(view(features=(A, B))), listening)
    for _ in range(3):
        client.get_online_features(["orders:a"], {"customer_id": [1, 2]})
    assert sum(name.startswith("layout:") for _, notes in listening.asked for name in notes) == 1


def test_a_service_names_its_features(store):
    shop = project(ORDERS, services=[("churn_v1", ("orders:spend", "orders:orders_7d"))])
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    client = connect(shop, store)
    response = client.get_online_features(
        feature_service="churn_v1", entity_rows=[{"customer_id": 1}], full_feature_names=True
    )
    assert response.rows() == [{"customer_id": 1, "orders__spend": 0.5, "orders__orders_7d": 3}]


def test_one_read_answers_all_views_and_equal_entities_are_asked_once(store, clock):
    listening = Listening(store)
    spend = view("spend", features=(("total", "int64"),))
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    sync(store, spend, {"customer_id": 3, "total": 1})
    client = connect(project(ORDERS, spend), listening)
    for _ in range(2):
        client.get_online_features(["orders:orders_7d", "spend:total"], {"customer_id": [1, 2, 1]})
    keys = [f"fs:shop:{name}@0:{{{n}}}".encode() for name in ("orders", "spend") for n in (1, 2)]
    notes = ["generation", "view:orders", "view:spend"]
    assert listening.asked == [(keys, notes), (keys, [])], "the notes come along with the rows, once a second"


KEYS_HINT = "the features asked for need customer_id; got "


@pytest.mark.parametrize(
    ("entity_rows", "said"),
    [
        ([{"customer_id": 1}, {}], f"entity_rows[1]: missing join key 'customer_id'\n  -> {KEYS_HINT}nothing"),
        ([{"custmer_id": 1}], f"entity_rows[0]: missing join key 'customer_id'\n  -> {KEYS_HINT}custmer_id"),
        ({}, f"entity_rows: missing join key 'customer_id'\n  -> {KEYS_HINT}nothing"),
        (
            [{"customer_id": 1, "custmer_id": 1}],
            "no join key 'custmer_id' in the features asked for (entity_rows[0])\n  -> did you mean customer_id?",
        ),
        (
            {"customer_id": [1], "item": ["pen"]},
            "no join key 'item' in the features asked for (entity_rows)\n  -> known: customer_id",
        ),
        ({"customer_id": "12"}, "entity_rows['customer_id']: expected a list of values, got '12'"),
        ({"customer_id": 12}, "entity_rows['customer_id']: expected a list of values, got 12"),
        ([1], "entity_rows[0]: expected a mapping, got 1"),
        ("customer_id", "entity_rows: expected entity rows, got 'customer_id'"),
        (
            [{"customer_id": 1}, {"customer_id": "x"}],
            "entity_rows[1]: join key 'customer_id' (int64): expected a whole number, got 'x' (str)",
        ),
        ({"customer_id": [True]}, "entity_rows[0]: join key 'customer_id' (int64): expected a whole number, got True"),
    ],
)
def test_entities_that_cannot_be_meant(ask, entity_rows, said):
    """O4"""
    with pytest.raises(UsageError) as problem:
        ask([ORDERS], ["orders:orders_7d"], entity_rows)
    assert said in str(problem.value)


def test_columns_of_different_length_are_refused(ask):
    visits = view("visits", keys=(("city", "string"), ("customer_id", "int64")), features=(("n", "int64"),))
    with pytest.raises(UsageError, match="the columns differ in length: city: 1, customer_id: 2"):
        ask([visits], ["visits:n"], {"city": ["A"], "customer_id": [1, 2]})


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"features": ["ordrs:spend"]}, "no feature view 'ordrs' in the registry\n  -> did you mean orders?"),
        ({"features": ["orders:spnd"]}, "no feature 'spnd' in feature view orders\n  -> did you mean spend?"),
        ({"feature_service": "churn"}, "no feature service 'churn' in the registry\n  -> did you mean churn_v1?"),
        ({"features": []}, "no features were asked for"),
        ({"features": "orders:spend"}, "expected a list of features, got 'orders:spend'\n  -> write features=['orders"),
        ({"features": [5]}, 'expected a reference to a feature, got 5\n  -> write features=["view:feature"]'),
        ({"features": [["orders"]]}, "expected a reference to a feature, got ['orders']"),
        ({}, "expected either features or a feature service"),
        ({"features": ["orders"], "feature_service": "churn_v1"}, "expected either features or a feature service"),
        ({"features": ["archive:x"]}, "feature view archive is not online\n  -> set `online: true`"),
    ],
)
def test_requests_that_cannot_be_meant(store, request_, said):
    shop = project(
        ORDERS, view("archive", features=(("x", "int64"),), online=False), services=[("churn_v1", ("orders:spend",))]
    )
    with pytest.raises(UsageError) as problem:
        connect(shop, store).get_online_features(entity_rows=[{"customer_id": 1}], **request_)
    assert said in str(problem.value)


def test_a_feature_named_like_a_join_key_is_a_clash_with_a_remedy(ask):
    """P12"""
    clashing = view(features=(("Customer_ID", "int64"),))
    with pytest.raises(NameClashError, match="ask for full feature names"):
        ask([clashing], ["orders"], [{"customer_id": 1}])
    assert list(ask([clashing], ["orders"], [], full_feature_names=True).to_dict()) == [
        "customer_id",
        "orders__Customer_ID",
    ]


@pytest.mark.parametrize("uri", ["sqlite:never.sqlite", "memory:never filled"])
def test_a_store_that_was_emptied_or_never_filled_is_noticed(tmp_path, uri):
    """O8"""
    store = open_online_store(uri, project="shop", base_dir=tmp_path)
    client = connect(project(ORDERS), store)
    assert not client.is_ready()
    never = "does not exist: nothing was synced yet" if uri.startswith("sqlite") else "was emptied or never filled"
    assert never in client.status().reason
    with pytest.raises(OnlineStoreError, match="run featurestore materialize"):
        client.get_online_features(["orders"], [{"customer_id": 1}])
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    status = client.status()
    assert (status.is_ready, status.reason, len(status.generation)) == (True, "", 16)
    response = client.get_online_features(["orders"], [{"customer_id": 2}])
    assert response.statuses["spend"] == ["NOT_FOUND"]
    client.close()


def test_the_status_names_views_that_were_never_synced(store):
    """A lookup of one is an error, but the store itself can answer."""
    ensure_generation(store)
    store.write_note(state_note(ORDERS), format_state(ViewState()))
    status = connect(project(ORDERS, view(name="clicks")), store).status()
    assert (status.is_ready, status.not_synced) == (True, ("clicks",))


def test_a_project_without_online_views_is_ready(store):
    assert connect(project(view(online=False)), store).is_ready()


def test_the_present_is_when_ages_are_judged_unless_said_otherwise(store):
    orders = view(ttl=timedelta(days=36_500))
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "spend": 0.5, "at": NOON - 36_000 * DAY})
    client = connect(project(orders), store)
    assert client.get_online_features(["orders:spend"], [{"customer_id": 1}]).statuses["spend"] == ["PRESENT"]
    later = NOON + 1_000 * DAY
    response = client.get_online_features(["orders:spend"], [{"customer_id": 1}], now=later.replace(tzinfo=None))
    assert response.statuses["spend"] == ["OUTSIDE_MAX_AGE"]
