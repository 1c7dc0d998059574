"""Pushes and syncs over HTTP: off until somebody may, and then only for who may; bad ones get clear words."""

from __future__ import annotations

import pytest

from tests.server.auth.running import LOADER, OPERATOR, READER, make_shop, message_of, serving, settings_text

ROW = {
    "customer_id": [1],
    "placed_at": ["2026-06-05T10:00:00Z"],
    "loaded_at": ["2026-06-05T10:00:00Z"],
    "order_count": [7],
    "amount": ["1.50"],
    "tags": [["a"]],
}
PUSH = {"push_source_name": "orders", "df": ROW}
WRITES = {"/push": PUSH, "/write-to-online-store": {"feature_view_name": "orders", "df": ROW}}
SYNCS = {"/materialize": {"feature_views": ["orders"]}, "/materialize-incremental": {"feature_views": ["orders"]}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("written") / "shop")


@pytest.fixture(scope="module")
def server(shop):
    (shop.folder / "featurestore.yml").write_text(settings_text())
    with serving(shop) as running:
        yield running


@pytest.fixture(autouse=True)
def it_lives(server):
    yield
    assert server.is_alive()
    assert "Traceback" not in server.said.read_text()


@pytest.mark.parametrize("keys", [{}, {READER: ["read:*"]}])
def test_what_changes_something_is_off_until_a_key_may(tmp_path, keys):
    tiny = make_shop(tmp_path / "shop")
    (tiny.folder / "featurestore.yml").write_text(settings_text(keys))
    with serving(tiny) as server:
        key = next(iter(keys), None)
        for path, body in {**WRITES, **SYNCS}.items():
            off = server.ask(path, key=key, json=body)
            needed = "admin:*" if path in SYNCS else "write:VIEW"
            assert (off.status_code, f"this is off until a key has the scope {needed}" in message_of(off.content)) == (
                404,
                True,
            )
        for path in ("/jobs", "/jobs/some"):
            off = server.ask(path, key=key)
            assert (off.status_code, "off until a key" in message_of(off.content)) == (404, True)


def test_what_is_wrong_with_a_time_is_said_by_the_name_that_was_sent(server):
    times = {**PUSH["df"], "event_timestamp": ["yesterday"]}
    times.pop("placed_at", None)
    refused = server.ask("/push", key=LOADER, json={**PUSH, "df": times})
    assert refused.status_code == 400
    assert "column 'event_timestamp' (which is 'placed_at')" in message_of(refused.content)


@pytest.mark.parametrize("path", WRITES)
def test_rows_are_written_by_who_may_write_the_view(server, path):
    assert server.ask(path, json=WRITES[path]).status_code == 401
    assert server.ask(path, key="fsk_wrong", json=WRITES[path]).status_code == 401
    for key in (READER, OPERATOR):
        refused = server.ask(path, key=key, json=WRITES[path])
        assert refused.status_code == 403
        assert message_of(refused.content).endswith(
            "may not write feature view 'orders'\n  -> it needs the scope write:orders"
        )
    written = server.ask(path, key=LOADER, json=WRITES[path])
    assert (written.status_code, written.json()["view"]) == (200, "orders")


@pytest.mark.parametrize("name", ["payments", "nothing", "orders2", "Orders", "*", "orders:x", "../orders"])
def test_who_may_write_one_view_learns_nothing_of_others(server, name):
    refused = server.ask("/push", key=LOADER, json={**PUSH, "push_source_name": name})
    assert refused.status_code == 403
    known = [each for each in ("payments", "did you mean", "known:") if each in message_of(refused.content)]
    assert known == (["payments"] if name == "payments" else [])


@pytest.mark.parametrize("path", SYNCS)
def test_syncs_are_asked_for_by_who_may(server, path):
    assert server.ask(path, json=SYNCS[path]).status_code == 401
    for key in (READER, LOADER):
        assert server.ask(path, key=key, json=SYNCS[path]).status_code == 403
    assert server.ask(path, key=OPERATOR, json=SYNCS[path]).status_code in {202, 409}
    for jobs in ("/jobs", "/jobs/nothing"):
        assert [server.ask(jobs, key=key).status_code for key in (None, READER, LOADER)] == [401, 403, 403]
    assert server.ask("/jobs", key=OPERATOR).status_code == 200


def without(column):
    return {name: values for name, values in ROW.items() if name != column}


@pytest.mark.parametrize(
    ("what", "df", "message"),
    [
        ("columns of several lengths", {**ROW, "amount": ["1", "2"]}, "the columns differ in length"),
        ("no columns", {}, "missing column 'customer_id'"),
        ("no key", without("customer_id"), "missing column 'customer_id'"),
        ("no event time", without("placed_at"), "missing column 'placed_at'"),
        ("a feature too few", without("amount"), "missing column 'amount'"),
        ("a column too many", {**ROW, "amuont": [1]}, "no column 'amuont'\n  -> did you mean amount"),
        ("a time that is none", {**ROW, "placed_at": ["soon"]}, "column 'placed_at', row 0: expected timestamp"),
        ("a time that is a number", {**ROW, "placed_at": [7]}, "column 'placed_at', row 0: expected timestamp"),
        ("a key that is text", {**ROW, "customer_id": ["a"]}, "column 'customer_id', row 0: expected int64"),
        ("a number that is too large", {**ROW, "order_count": [2**70]}, "column 'order_count', row 0: expected int64"),
        ("an object in a list's place", {**ROW, "tags": [{"a": 1}]}, "column 'tags', row 0: expected list<string>"),
        ("a column that is no list", {**ROW, "customer_id": 1}, "the request's body: Expected `array`, got `int`"),
    ],
)
def test_rows_of_this_kind_are_refused(server, what, df, message):
    refused = server.ask("/push", key=LOADER, json={**PUSH, "df": df})
    assert refused.status_code == 400, what
    assert message in message_of(refused.content)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/push", [], 400, "the request's body: Expected `object`, got `array`"),
        ("/push", {"df": ROW}, 400, "the request's body: Object missing required field `push_source_name`"),
        ("/push", {**PUSH, "to": "everywhere"}, 400, "the request's body: Invalid enum value 'everywhere'"),
        ("/push", {**PUSH, "push_source_name": ["orders"]}, 400, "the request's body: Expected `str`, got `array`"),
        ("/materialize", {"start_ts": "soon"}, 400, "start_ts: expected a time such as"),
        ("/materialize", {"end_ts": 7}, 400, "the request's body: Expected `str | null`, got `int`"),
        (
            "/materialize",
            {"start_ts": "2026-02-01", "end_ts": "2026-01-01"},
            400,
            "start_ts: expected a time not after",
        ),
        ("/materialize", {"feature_views": "orders"}, 400, "the request's body: Expected `array | null`"),
        ("/materialize", {"feature_views": ["nothing"]}, 404, "no feature view 'nothing'"),
        ("/materialize-incremental", {"end_ts": "9999-99-99"}, 400, "end_ts: expected a time such as"),
    ],
)
def test_a_request_of_this_kind_is_refused(server, path, body, status, message):
    refused = server.ask(path, key=OPERATOR if path.startswith("/mat") else LOADER, json=body)
    assert refused.status_code == status
    assert message_of(refused.content).startswith(message)


def test_a_push_that_is_too_large_is_refused(server):
    refused = server.ask("/push", key=LOADER, content=b" " * (1 << 20) + b"{}")
    assert refused.status_code == 413
