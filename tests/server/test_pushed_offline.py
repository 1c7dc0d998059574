"""`/push` brings rows to the warehouse too: kept at once, and in the table `<view>__pushed` a moment later."""

from __future__ import annotations

from contextlib import closing

import duckdb
import pytest

from tests.server.auth.running import LOADER, make_shop, serving, settings_text
from tests.server.running import wait_for

ROW = {"placed_at": ["2026-11-01T00:00:00Z"], "order_count": [7], "amount": ["1.50"], "tags": [["a"]]}


@pytest.fixture
def shop(tmp_path):
    made = make_shop(tmp_path / "shop")
    (made.folder / "featurestore.yml").write_text(settings_text({LOADER: ["read:*", "write:*"]}))
    return made


def pushed(server, to, customer=1):
    answer = server.ask(
        "/push", key=LOADER, json={"push_source_name": "orders", "df": {"customer_id": [customer], **ROW}, "to": to}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(shop):
    """What the table holds; none while somebody has the file, or it is not there."""
    try:
        with closing(duckdb.connect(str(shop.folder / "shop.duckdb"), read_only=True)) as connection:
            return connection.execute("select customer_id, order_count from orders__pushed order by 1").fetchall()
    except duckdb.Error:
        return []


def test_rows_pushed_offline_come_to_the_table(shop):
    with serving(shop) as server:
        told = pushed(server, "offline", customer=4)
        assert (told["rows"], told["written"], told["kept"]) == (1, 0, 1)
        told = pushed(server, "online_and_offline", customer=5)
        assert (told["rows"], told["written"], told["kept"]) == (1, 1, 1)
        wait_for(lambda: rows(shop) == [(4, 7), (5, 7)])
        found = server.ask(
            "/get-online-features",
            key=LOADER,
            json={"features": ["orders:order_count"], "entities": {"customer_id": [5]}},
        )
        assert found.json()["results"][1]["values"] == [7]


def test_rows_that_a_server_kept_while_the_file_was_taken_come_with_the_next(shop):
    with serving(shop) as server:
        holder = duckdb.connect(str(shop.folder / "shop.duckdb"))
        assert pushed(server, "offline", customer=6)["kept"] == 1
        server.process.kill()
        server.process.wait()
        holder.close()
    with serving(shop) as server:
        pushed(server, "offline", customer=7)
        wait_for(lambda: rows(shop) == [(6, 7), (7, 7)])
