"""References and the output columns that a list of them asks for (P11, P12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore.definitions.references import select
from featurestore.errors import NameClashError
from tests.registry.shop import ORDERS, SHOP, VISITS, with_view

TWINS = with_view(SHOP, replace(VISITS, features=(*VISITS.features, ORDERS.features[0])))


def test_two_views_under_one_alias_stay_two_views():
    """P11: the alias names a use; it does not make one view of two."""
    selection = select(TWINS, ["orders as x:amount_sum", "visits as x:pages"])
    assert [(output.use.view.name, output.name) for output in selection.outputs] == [
        ("orders", "amount_sum"),
        ("visits", "pages"),
    ]


def test_equal_features_of_two_views_under_one_alias_clash():
    """P12: neither of them is dropped in silence."""
    for full_feature_names in (False, True):
        with pytest.raises(NameClashError, match=r"two output columns would be named '(x__)?order_count'"):
            select(
                TWINS,
                ["orders as x:order_count", "visits as x:order_count"],
                full_feature_names=full_feature_names,
            )


@pytest.mark.parametrize(
    ("references", "sides"),
    [
        (["orders as x:order_count", "visits as x:order_count"], "orders as x:order_count and visits as x:order_count"),
        (["orders:order_count", "orders[customer_id=payer]:order_count"],
         "orders:order_count and orders[customer_id=payer]:order_count"),
        (["clicks@v1:order_count", "clicks:order_count"], "clicks@v1:order_count and clicks@v2:order_count"),
    ],
)  # fmt: skip
def test_a_clash_names_both_sides_so_that_they_can_be_told_apart(references, sides):
    """P12."""
    old = replace(ORDERS, name="clicks", version="1", is_latest=False)
    project = with_view(with_view(TWINS, old), replace(old, version="2", is_latest=True))
    with pytest.raises(NameClashError) as caught:
        select(project, references, full_feature_names=True)
    assert caught.value.what.endswith(sides)


def test_a_feature_named_twice_is_one_column():
    selection = select(SHOP, ["orders:order_count", "orders", "orders[customer_id=customer_id]:order_count"])
    assert [output.name for output in selection.outputs] == ["order_count", "amount_sum"]
    assert len(selection.uses) == 1
