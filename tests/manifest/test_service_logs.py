"""What a feature service says about its log."""

from __future__ import annotations

import pytest

from featurestore.definitions.services import FeatureLogging
from tests.manifest.manifests import columns, exposure, model, problems, read, view

HERE = "models/churn_v1.yml: config.meta.feature_service.logging"
PLACES = "write `to: warehouse`, a folder such as `to: logs/served`, or s3://, gs:// or az:// with bucket and folder"


def logged(logging, features=("user_orders:orders_7d",)):
    """A service with this under `logging`."""
    meta = {"feature_service": {"features": list(features), "logging": logging}}
    return exposure([]) | {"config": {"meta": meta, "tags": []}, "unrendered_config": {"meta": meta}}


def log(logging):
    (service,) = read(model(), logged(logging)).project.services
    return service.logging


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, None),
        (False, None),
        (True, FeatureLogging()),
        ({}, FeatureLogging(sample=1.0, by="entity", to="warehouse")),
        ({"sample": 0.1}, FeatureLogging(sample=0.1)),
        ({"sample": 1, "by": "request"}, FeatureLogging(by="request")),
        ({"to": "logs/served"}, FeatureLogging(to="logs/served")),
        ({"to": "s3://lake/served"}, FeatureLogging(to="s3://lake/served")),
    ],
)
def test_a_service_says_what_of_its_answers_is_kept(written, meant):
    assert log(written) == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            "yes please",
            (
                f"{HERE}: expected true, false or a mapping, got 'yes please'\n"
                "  -> write `logging: {sample: 0.1, by: entity, to: warehouse}`, or `logging: true`"
            ),
        ),
        ({"samples": 1}, f"{HERE}: unknown key 'samples'\n  -> did you mean sample?"),
        *(
            (
                {"sample": wrong},
                (
                    f"{HERE}.sample: expected a share above 0 and at most 1, got {shown}\n"
                    "  -> e.g. `sample: 0.1` keeps a tenth"
                ),
            )
            for wrong, shown in [(0, "0"), (10, "10"), (-0.5, "-0.5"), (True, "true"), ("0.1", "'0.1'")]
        ),
        ({"by": "user"}, f"{HERE}.by: expected entity or request, got 'user'"),
        (
            {"to": "https://example.com/x"},
            f"{HERE}.to: expected one of s3, gs, az with a bucket\n  -> {PLACES}",
        ),
        (
            {"to": "s3://key:hush@lake/served"},
            (
                f"{HERE}.to: a URI with a password or options in it, and the registry holds no secrets (SEMANTICS R3)\n"
                "  -> leave it out; the environment of the server has it"
            ),
        ),
        *(
            (
                {"to": path},
                (
                    f"{HERE}.to: expected a folder below the dbt project, got a path of this machine (SEMANTICS R3)\n"
                    f"  -> {PLACES}"
                ),
            )
            for path in ("/var/log/features", "../elsewhere", "C:\\logs", "~/logs")
        ),
    ],
)
def test_one_clear_problem(written, problem):
    assert problems(model(), logged(written)) == [problem]


def test_a_join_key_cannot_have_the_name_of_a_column_of_the_log():
    node = logged(True, ["user_orders[user_id=request_id]:orders_7d"])
    assert problems(model(), node) == [
        (
            f"{HERE}: two columns of the log of feature service 'churn_v1' would be named 'request_id'\n"
            "  -> give the join key another name, 'view[view_key=request_key]', or the use: '... as name'"
        )
    ]


def test_a_feature_cannot_have_the_name_of_another_ones_status():
    types = {"user_id": "bigint", "observed_at": "timestamp", "n": "bigint", "n__status": "varchar"}
    orders = model(columns=columns(types), meta={"feature_view": view(created_at=None)})
    (problem,) = problems(orders, logged(True, ["user_orders"]))
    assert problem.startswith(f"{HERE}: two columns of the log of feature service 'churn_v1' would be named")


@pytest.mark.parametrize(("letters", "is_refused"), [(51, False), (52, True)])
def test_a_feature_needs_room_for_its_event_time_in_the_table_of_the_log(letters, is_refused):
    """Postgres cuts names at 63 bytes: of `<feature>__status` and `<feature>__event_time` one would be left."""
    name = "n" * letters
    types = {"user_id": "bigint", "observed_at": "timestamp", name: "bigint"}
    orders = model(columns=columns(types), meta={"feature_view": view(created_at=None)})
    refused = [
        (
            f"{HERE}: '{name}__event_time', a column of the log, has 64 bytes; a name may have at most 63\n"
            "  -> give the feature or the use ('... as name') a shorter name, "
            "or log to files: `logging: {to: logs/served}`"
        )
    ]
    if is_refused:
        assert problems(orders, logged(True, ["user_orders"])) == refused
    else:
        assert read(orders, logged(True, ["user_orders"])).project.services
    assert read(orders, logged({"to": "logs/served"}, ["user_orders"])).project.services


def test_a_feature_of_the_logs_own_name_gets_its_full_name():
    types = {"user_id": "bigint", "observed_at": "timestamp", "served_at": "timestamp"}
    orders = model(columns=columns(types), meta={"feature_view": view(created_at=None)})
    assert len(read(orders, logged(True, ["user_orders"])).project.services) == 1
