"""What a server says can be asked for."""

from __future__ import annotations

from tests.server.running import running
from tests.server.scene import scene


def test_a_service_that_is_for_training_hides_no_other(served):
    answer = served.get("/feature-services")
    assert answer.status_code == 200
    assert [service["name"] for service in answer.json()["feature_services"]] == ["churn", "trips"]


def test_a_view_that_is_not_online_is_not_shown(served):
    names = [view["name"] for view in served.get("/feature-views").json()["feature_views"]]
    assert "orders" in names
    assert "history" not in names


def test_everybody_may_hear_why_it_is_not_ready_but_no_address(tmp_path):
    scene(tmp_path)
    with running(tmp_path, store="redis://user:secret@127.0.0.1:1/0") as server:
        answer = server.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["reason"] == "the online store cannot be read; the server's log says why"
        assert "127.0.0.1:1" not in answer.text
        assert "not ready: the online store at 127.0.0.1:1" in server.log
        assert "secret" not in server.log
