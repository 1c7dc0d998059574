"""A registry and a store with every status in it, in a folder: what the server's own tests serve."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Feature
from featurestore.online.open import open_online_store
from featurestore.online.state import ViewState, Watermark, format_state, made_set, state_note
from tests.server.running import apply
from tests.serving.conftest import DAY, sync, view

TODAY = datetime.now(timezone.utc).replace(microsecond=0)
SCRIPT = "<script>document.title='taken'</script>"
ORDERS = view("orders", features=(("orders_7d", "int64"), ("spend", "float64")), ttl=30 * DAY, description="Orders.")
TIER = replace(
    view("tier"),
    features=(Feature(name="tier", type="string", description=f"gold, or not {SCRIPT}"),),
    description=f"The {SCRIPT} & 'tier' of a \"customer\".",
)
WEATHER = view("weather", keys=(), features=(("rain_mm", "float64"),))
PLACES = view("places", keys=(("city", "string"), ("since", "date")), features=(("is_open", "boolean"),))
HISTORY = replace(view("history", features=(("x", "int64"),)), online=False)
NEVER_SYNCED = view("never", features=(("x", "int64"),))


def scene(folder):
    """Apply and sync the project; returns it. Customer 1 has all, 2 a null, 3 rows too old, 9 none."""
    services = (
        FeatureService(
            name="churn",
            features=("orders:orders_7d", "orders:spend", "tier:tier"),
            description=f"Will they leave? {SCRIPT}",
            owner="Risk",
        ),
        FeatureService(name="trips", features=("places:is_open", "weather:rain_mm")),
        FeatureService(name="for_training", features=("history:x",)),
    )
    project = Project(
        name="shop",
        entities=(Entity(name="customer", join_keys=("customer_id",)),),
        views=(ORDERS, TIER, WEATHER, PLACES, NEVER_SYNCED, HISTORY),
        services=services,
    )
    apply(folder, project)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(folder))
    rows = {
        ORDERS: [
            {"customer_id": 1, "orders_7d": 4, "spend": 12.5, "at": TODAY - DAY},
            {"customer_id": 2, "orders_7d": 1, "spend": None, "at": TODAY - 2 * DAY},
            {"customer_id": 3, "orders_7d": 7, "spend": 1.0, "at": TODAY - 90 * DAY},
        ],
        TIER: [{"customer_id": number, "tier": "gold", "at": TODAY - 400 * DAY} for number in (1, 2, 3)],
        WEATHER: [{"rain_mm": 0.5, "at": TODAY}],
        PLACES: [{"city": "Oslo", "since": datetime(2020, 1, 1).date(), "is_open": True, "at": TODAY}],
    }
    for each, its_rows in rows.items():
        sync(store, each, *its_rows)
        note_watermark(store, each, max(row["at"] for row in its_rows))
    store.close()
    return project


def note_watermark(store, feature_view, event_time):
    """Say how far a view was synced."""
    watermark = Watermark(event_time=event_time, layout=0, synced_at=TODAY)
    state = ViewState(sets=(made_set(feature_view, 0),), watermark=watermark)
    store.write_note(state_note(feature_view), format_state(state))
