"""dbt's groups and access: a private view is for the services of its own group."""

from __future__ import annotations

import pytest

from tests.manifest.manifests import exposure, model, problems, read

GROUPS = {
    "group.shop.risk": {"name": "risk", "owner": {"name": "Risk team"}},
    "group.shop.web": {"name": "web", "owner": {"name": "Web team"}},
}
PRIVATE = model(config={"group": "risk"}, access="private")
FEATURES = ["user_orders:orders_7d"]


def service(group, **changes):
    meta = {"feature_service": {"features": FEATURES} | ({} if group is None else {"group": group})}
    config = {"meta": meta, "tags": []}
    return exposure(FEATURES, config=config, unrendered_config={"meta": meta}, depends_on={"nodes": []}, **changes)


def test_a_service_of_its_own_group_uses_a_private_view_which_dbt_lets_no_exposure_depend_on():
    reading = read(PRIVATE, service("risk"), groups=GROUPS)
    assert reading.warnings == ()
    assert [(view.group, view.access) for view in reading.project.views] == [("risk", "private")]
    assert reading.project.services[0].group == "risk"


@pytest.mark.parametrize(
    ("group", "said"),
    [("web", "this is a service of group 'web'"), (None, "this is a service without a group")],
)
def test_a_private_view_is_refused_to_any_other_service(group, said):
    (problem,) = problems(PRIVATE, service(group), groups=GROUPS)
    assert problem == (
        "models/churn_v1.yml: config.meta.feature_service.features: view 'user_orders' is private to group 'risk', "
        f"and {said}\n  -> write `group: risk` if the service is theirs, else ask Risk team for `access: protected`"
    )


@pytest.mark.parametrize("access", ["protected", "public"])
def test_any_other_view_is_for_all(access):
    read(model(config={"group": "risk"}, access=access), service("web"), groups=GROUPS)


def test_a_group_that_dbt_does_not_know_is_an_error():
    said = "models/churn_v1.yml: config.meta.feature_service.group: no dbt group 'rsk'\n  -> did you mean risk?"
    assert said in problems(PRIVATE, service("rsk"), groups=GROUPS)
