"""The picture in the guide is what the example shop gives today; ``pytest tests/docs --update`` redraws it."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore import FeatureStore
from tests.shop import copy_of

PICTURE = Path(__file__).parents[2] / "docs" / "guides" / "explain-row.svg"


@pytest.mark.slow
def test_the_picture_of_an_explanation_is_the_real_one(shop, tmp_path, request):
    mine = copy_of(shop, tmp_path / "mine")
    store = FeatureStore(mine.project_dir, profiles_dir=mine.profiles_dir)
    store.apply()
    drawn = store.explain_row(
        ["customer_orders:orders_30d", "location_conditions:backlog_parcels", "product_price:price_usd"],
        keys={"customer_id": 7, "location_id": "MAD", "product_id": 118},
        time="2026-06-30T11:00:00Z",
        limit=2,
    ).to_svg()
    if request.config.getoption("--update"):
        PICTURE.write_text(f"{drawn}\n", encoding="utf-8")
    assert PICTURE.read_text(encoding="utf-8") == f"{drawn}\n"
