"""Edits of the example shop, as people make them, each with what a reviewer must be told of it.

Run as a program it makes dbt's manifest of each edit in one dbt process: ``python -m tests.impact.edits PROJECT DIR``
writes DIR/<number>.json, and DIR/before.json of the project as it is.
"""

# ruff: noqa: E501  the rows of the table are read across

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

FEATURES = "models/features"
REPEAT = ("repeat_purchase_v1",)
DELAY = ("delivery_delay_v1",)
BOTH = (*DELAY, *REPEAT)
OF_ORDERS = ("customer_orders", "customer_products", "product_demand@v1", "product_demand@v2", "shop_days")
ORDERS_ALL = ("orders_30d", "spend_30d_usd", "last_order_usd", "days_since_previous")

# What the shop does not have, and a reviewer must be told of: another exposure, and a macro of the project's own.
EXTRA = {
    "models/services/revenue_dashboard.yml": (
        "exposures:\n  - name: revenue_dashboard\n    type: dashboard\n    owner: {email: cfo@shop.example}\n"
        "    depends_on: [ref('shop_days')]\n"
    ),
    "macros/usd.sql": "{% macro usd(amount) %}cast({{ amount }} as numeric(18, 2)){% endmacro %}\n",
}
OF_MACROS = ("customer_orders.sql", "location_conditions.sql", "stg_orders.sql")
"""Models that use macros, and what they are made of: dbt has to compile them before their columns can be told apart."""
REVENUE = "cast(sum(amount_usd) as numeric(18, 2)) as revenue_1d_usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit.

    Attributes:
        says: what was done.
        files: by path, what stood there and what stands there now; None in place of the first makes a new file.
        sql: what changes in the warehouse as well, since dbt was run.
        told: what the plan says: (impact, what and name, field, feature services that are hit).
        features: by view, whose values the change of SQL changes.
        others: exposures and training sets that are hit, all changes together.
    """

    says: str
    files: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    sql: str = ""
    told: tuple[tuple[str, str, str | None, tuple[str, ...]], ...] = ()
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: tuple[str, ...] | None = None

    @property
    def needs_compiled(self) -> bool:
        """Whether dbt has to compile: where SQL holds a macro, and where training sets are to be told apart."""
        is_macro = any("{{ usd" in new for _, new in self.files.values())
        return is_macro or bool(self.others) or any(path.endswith(OF_MACROS) for path in self.files)


def view_sql(says, name, before, after, *, features=(), services=(), others=None):
    """An edit of the SQL of one feature view."""
    file, reference = f"{FEATURES}/{name}.sql", name.replace("_v1", "@v1").replace("_v2", "@v2")
    impact = "value-changing" if features else "cosmetic"
    told = ((impact, f"view {reference}", "sql", services),)
    return Edit(says=says, files={file: (before, after)}, told=told, features={reference: features}, others=others)


def upstream(says, file, before, after, **told):
    """An edit of something above views; by view (``@v1`` as ``_v1``), the features and the services that are hit."""
    by_view = {name.replace("_v1", "@v1").replace("_v2", "@v2"): its for name, its in told.items()}
    lines = tuple(
        ("value-changing" if features else "cosmetic", f"view {name}", "upstream", services)
        for name, (features, services) in sorted(by_view.items())
    )
    return Edit(
        says=says, files={file: (before, after)}, told=lines, features={name: its[0] for name, its in by_view.items()}
    )


def yaml(says, name, before, after, *told, sql="", others=None):
    """An edit of a YAML file of features or services."""
    folder = "models/services" if name.endswith("_v1") else FEATURES
    return Edit(says=says, files={f"{folder}/{name}.yml": (before, after)}, told=told, sql=sql, others=others)


def of_view(impact, name, field_name, services):
    return (impact, f"view {name}", field_name, services)


NOTHING = {name.replace("@", "_"): ((), ()) for name in OF_ORDERS}
EDITS = (
    # The SQL of a view.
    view_sql("a comment", "customer_orders", "-- One row per", "-- One row for each", others=()),
    view_sql("capital letters", "customer_orders", "select * from running", "SELECT  *\nFROM running"),
    view_sql("a table has an alias", "customer_orders", "    from orders\n", "    from orders as placed\n"),
    view_sql(
        "a window is shorter", "customer_orders", "'30 days' preceding and current row\n        ) as orders",
        "'20 days' preceding and current row\n        ) as orders", features=("orders_30d",), services=REPEAT,
        others=("repeat_purchase_training",),
    ),
    view_sql("a feature no service uses", "customer_orders", "amount_usd as last", "amount_usd * 2 as last",
             features=("last_order_usd",)),
    view_sql("a filter", "customer_orders", "    from orders\n", "    from orders where amount_usd > 0\n",
             features=ORDERS_ALL, services=REPEAT),
    view_sql("another key", "customer_orders", "        customer_id,  -- entity", "        product_id as customer_id,",
             features=ORDERS_ALL, services=REPEAT),
    view_sql("another time", "customer_orders", "        placed_at,  -- event", "        loaded_at as placed_at,  -- event",
             features=ORDERS_ALL, services=REPEAT),
    view_sql("a sum", "customer_products", "sum(quantity)", "max(quantity)", features=("pieces_bought",)),
    view_sql("a count", "customer_products", "count(*)", "count(quantity)", features=("times_bought",), services=REPEAT),
    view_sql("a filter is gone", "customer_products", "    where customer_id is not null\n", "",
             features=("times_bought", "pieces_bought"), services=REPEAT),
    view_sql("degrees Fahrenheit", "location_conditions", "cast(temperature_c as", "cast(temperature_c * 1.8 + 32 as",
             features=("temperature_c",), services=DELAY, others=("delivery_delay_training",)),
    view_sql("never negative", "location_conditions", "        backlog_parcels,", "        greatest(backlog_parcels, 0) as backlog_parcels,",
             features=("backlog_parcels",), services=DELAY),
    view_sql("an old version", "product_demand_v1", "'7 days'", "'8 days'", features=("units_7d",), services=DELAY),
    view_sql("a feature of the new version", "product_demand_v2", "'28 days'", "'30 days'", features=("units_28d",)),
    view_sql("a used feature of the new version", "product_demand_v2", "'7 days'", "'8 days'",
             features=("units_7d",), services=REPEAT),
    view_sql("a flag", "product_price", "        is_discounted", "        not is_discounted as is_discounted",
             features=("is_discounted",)),
    view_sql("the end of validity", "product_price", "lead(valid_from) over", "lead(valid_from, 2) over",
             features=("price_usd", "is_discounted"), services=REPEAT),
    view_sql("distinct orders", "shop_days", "count(*)", "count(distinct order_id)", features=("orders_1d",), services=BOTH),
    view_sql("revenue", "shop_days", "sum(amount_usd)", "avg(amount_usd)", features=("revenue_1d_usd",),
             others=("delivery_delay_training", "repeat_purchase_training", "revenue_dashboard")),
    view_sql("the order of columns", "shop_days", f"        count(*) as orders_1d,\n        {REVENUE}",
             f"        {REVENUE},\n        count(*) as orders_1d"),
    view_sql("another day", "shop_days", "cast(placed_at as date)", "cast(loaded_at as date)",
             features=("orders_1d", "revenue_1d_usd"), services=BOTH),
    view_sql("a macro, of the same text", "shop_days", REVENUE, "{{ usd('sum(amount_usd)') }} as revenue_1d_usd"),
    # What views are made of.
    upstream("a comment above", "models/staging/stg_orders.sql", "-- Orders", "-- All orders", **NOTHING),
    upstream("a column more above", "models/staging/stg_orders.sql", "        quantity,", "        quantity,\n        1 as one,", **NOTHING),
    upstream("an amount above", "models/staging/stg_orders.sql", "        amount_usd\n", "        amount_usd * 2 as amount_usd\n",
             **NOTHING | {"customer_orders": (("spend_30d_usd", "last_order_usd"), REPEAT),
                          "shop_days": (("revenue_1d_usd",), ())}),
    upstream("a quantity above", "models/staging/stg_orders.sql", "        quantity,", "        quantity + 1 as quantity,",
             **NOTHING | {"customer_products": (("pieces_bought",), ()), "product_demand_v1": (("units_7d",), DELAY),
                          "product_demand_v2": (("units_7d", "units_28d"), REPEAT)}),
    upstream("a filter above", "models/staging/stg_orders.sql", "    from orders\n", "    from orders where quantity > 0\n",
             customer_orders=(ORDERS_ALL, REPEAT), customer_products=(("times_bought", "pieces_bought"), REPEAT),
             product_demand_v1=(("units_7d",), DELAY), product_demand_v2=(("units_7d", "units_28d"), REPEAT),
             shop_days=(("orders_1d", "revenue_1d_usd"), BOTH)),
    upstream("a tier above a snapshot", "models/staging/stg_customers.sql", "        tier\n", "        upper(tier) as tier\n",
             customer_tier=(("tier",), BOTH)),
    upstream("a time of change above a snapshot", "models/staging/stg_customers.sql", "        tier_changed_at,",
             "        tier_changed_at + interval '1 day' as tier_changed_at,", customer_tier=(("tier",), BOTH)),
    upstream("a column that nobody uses", "models/staging/stg_customers.sql", "        country,", "        upper(country) as country,",
             customer_tier=((), ())),
    upstream("a row of a seed", "seeds/raw_prices.csv", "101,21.37,", "101,21.38,", product_price=(("price_usd", "is_discounted"), REPEAT)),
    Edit(says="a comment in a snapshot", files={"snapshots/customer_tier.sql": ("select *", "select /* all */ *")},
         told=(of_view("cosmetic", "customer_tier", "sql", ()),), features={"customer_tier": ()}),
    Edit(says="a filter in a snapshot", files={"snapshots/customer_tier.sql": ("{% endsnapshot", "where country = 'DE'\n{% endsnapshot")},
         told=(of_view("value-changing", "customer_tier", "sql", BOTH),), features={"customer_tier": ("tier",)}),
    Edit(says="labels", files={"models/labels/order_labels.sql": ("-- ", "-- All ")}),
    Edit(says="a model that no view is made of", files={"models/staging/stg_deliveries.sql": ("with", "-- All.\nwith")}),
    Edit(says="a training set", files={"models/training/repeat_purchase_training.sql": ("{{", "-- All.\n{{")}),
    # What stands in the YAML of a view.
    yaml("a shorter ttl", "customer_orders", "ttl: 30d", "ttl: 7d", of_view("breaking", "customer_orders", "ttl", REPEAT)),
    yaml("a longer ttl", "customer_orders", "ttl: 30d", "ttl: 60d", of_view("compatible", "customer_orders", "ttl", REPEAT),
         others=("repeat_purchase_training",)),
    yaml("no ttl", "customer_orders", "          ttl: 30d\n", "", of_view("compatible", "customer_orders", "ttl", REPEAT)),
    yaml("a first ttl", "customer_products", "created_at: loaded_at", "created_at: loaded_at\n          ttl: 30d",
         of_view("breaking", "customer_products", "ttl", REPEAT)),
    yaml("a description", "customer_orders", "Orders of a customer", "All orders of a customer",
         of_view("cosmetic", "customer_orders", "description", REPEAT)),
    yaml("a description of a feature", "customer_orders", "Calendar days", "Days",
         ("cosmetic", "feature customer_orders:days_since_previous", "description", REPEAT)),
    yaml("a default", "customer_orders", "{meta: {feature: {default: 0}}}", "{meta: {feature: {default: 1}}}",
         ("cosmetic", "feature customer_orders:orders_30d", "default", REPEAT)),
    yaml("no created time", "customer_products", "          created_at: loaded_at\n", "",
         of_view("breaking", "customer_products", "created_at", REPEAT),
         ("compatible", "feature customer_products:loaded_at", None, ())),
    yaml("times the other way round", "location_conditions",
         "event_time: reported_at\n      meta:\n        feature_view:\n          entities: [location]\n          created_at: loaded_at",
         "event_time: loaded_at\n      meta:\n        feature_view:\n          entities: [location]\n          created_at: reported_at",
         of_view("breaking", "location_conditions", "event_time", DELAY),
         of_view("breaking", "location_conditions", "created_at", DELAY)),
    yaml("event time counts", "location_conditions", "          as_of: knowledge\n", "",
         of_view("breaking", "location_conditions", "as_of", DELAY)),
    yaml("a longer delay", "shop_days", "delay: 1d 6h", "delay: 2d", of_view("breaking", "shop_days", "delay", BOTH)),
    yaml("another boundary", "shop_days", "ttl: 7 days", "ttl: 7 days\n          boundary: exclusive",
         of_view("breaking", "shop_days", "boundary", BOTH)),
    yaml("a tie breaker", "product_price", "valid_to: valid_to", "valid_to: valid_to\n          tie_breakers: [price_usd]",
         of_view("breaking", "product_price", "tie_breakers", REPEAT)),
    yaml("not online", "product_price", "valid_to: valid_to", "valid_to: valid_to\n          online: false",
         of_view("breaking", "product_price", "online", REPEAT)),
    yaml("a lookback", "product_price", "valid_to: valid_to", "valid_to: valid_to\n          lookback: 3d",
         of_view("compatible", "product_price", "lookback", REPEAT)),
    yaml("an entity less", "customer_products", "entities: [customer, product]", "entities: [customer]",
         of_view("breaking", "customer_products", "entities", REPEAT),
         of_view("breaking", "customer_products", "join_keys", REPEAT),
         ("compatible", "feature customer_products:product_id", None, ())),
    yaml("a feature less, that no service uses", "customer_orders", "ttl: 30d",
         "ttl: 30d\n          features: [orders_30d, spend_30d_usd, days_since_previous]",
         ("breaking", "feature customer_orders:last_order_usd", None, ())),
    yaml("another order of features", "customer_orders", "ttl: 30d",
         "ttl: 30d\n          features: [spend_30d_usd, orders_30d, last_order_usd, days_since_previous]",
         of_view("breaking", "customer_orders", "feature_order", REPEAT)),
    yaml("tags", "shop_days", "      event_time: sold_on", "      tags: [revenue]\n      event_time: sold_on",
         of_view("cosmetic", "shop_days", "tags", BOTH)),
    yaml("an owner", "shop_days", "ttl: 7 days", "ttl: 7 days\n          owner: Finance",
         of_view("cosmetic", "shop_days", "owner", BOTH)),
    yaml("access", "shop_days", "      event_time: sold_on", "      access: public\n      event_time: sold_on",
         of_view("cosmetic", "shop_days", "access", BOTH)),
    yaml("the latest version is another one", "product_demand", "latest_version: 2", "latest_version: 1",
         of_view("breaking", "product_demand", "latest", REPEAT), others=("repeat_purchase_training",)),
    Edit(says="a new version, not the latest yet",
         files={f"{FEATURES}/product_demand.yml": ("      - v: 2\n", "      - v: 2\n      - v: 3\n"),
                f"{FEATURES}/product_demand_v3.sql": (None, "select * from {{ ref('product_demand', v=2) }}\n")},
         sql="create table product_demand_v3 as select * from product_demand_v2",
         told=(("compatible", "view product_demand@v3", None, ()),)),
    yaml("a narrower type", "shop_days", "data_type: bigint", "data_type: integer",
         ("breaking", "feature shop_days:orders_1d", "type", BOTH), sql="alter table shop_days alter orders_1d type integer"),
    yaml("a wider type", "shop_days", '"numeric(18,2)"', '"numeric(20,2)"',
         ("compatible", "feature shop_days:revenue_1d_usd", "type", ()),
         sql="alter table shop_days alter revenue_1d_usd type numeric(20, 2)"),
    # Services and entities.
    yaml("a service reads one more", "repeat_purchase_v1", "            - customer_products:times_bought",
         "            - customer_orders:last_order_usd\n            - customer_products:times_bought",
         ("compatible", "service repeat_purchase_v1", "features", REPEAT)),
    yaml("a service reads one less", "repeat_purchase_v1", "            - shop_days:orders_1d\n", "",
         ("breaking", "service repeat_purchase_v1", "features", REPEAT)),
    yaml("a service reads in another order", "repeat_purchase_v1",
         "            - customer_orders:orders_30d\n            - customer_orders:spend_30d_usd\n",
         "            - customer_orders:spend_30d_usd\n            - customer_orders:orders_30d\n",
         ("breaking", "service repeat_purchase_v1", "feature_order", REPEAT)),
    yaml("a service's owner", "repeat_purchase_v1", "Shop data science", "Shop ML",
         ("cosmetic", "service repeat_purchase_v1", "owner", REPEAT)),
    yaml("every request brings more", "repeat_purchase_v1", "          features:",
         "          request_columns: [{name: basket_usd, data_type: double}]\n          features:",
         ("breaking", "service repeat_purchase_v1", "request_columns", REPEAT)),
    yaml("a log", "repeat_purchase_v1", "          features:", "          logging: true\n          features:",
         ("compatible", "service repeat_purchase_v1", "logging", REPEAT)),
    yaml("a service has another name", "repeat_purchase_v1", "name: repeat_purchase_v1", "name: repeat_purchase_v2",
         ("breaking", "service repeat_purchase_v1", None, REPEAT),
         ("compatible", "service repeat_purchase_v2", None, ("repeat_purchase_v2",))),
    Edit(says="a view is gone, and its service reads it no longer",
         files={f"{FEATURES}/product_price.yml": ("        feature_view:\n          entities: [product]\n          valid_to: valid_to\n", "        team: shop\n"),
                "models/services/repeat_purchase_v1.yml": ("            - product_price:price_usd\n", "")},
         told=(of_view("breaking", "product_price", None, REPEAT), ("breaking", "service repeat_purchase_v1", "features", REPEAT))),
    Edit(says="an entity's description", files={"models/entities/customers.yml": ("join_keys: [customer_id]", "join_keys: [customer_id], description: Who pays.")},
         told=(("cosmetic", "entity customer", "description", BOTH),)),
)  # fmt: skip


def prepare(project: Path) -> None:
    """Add what the shop does not have."""
    for path, text in EXTRA.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)


def make_manifests(project: Path, folder: Path) -> None:
    """Make the manifest before, and of each edit; the project is as before in the end."""
    from dbt.cli.main import dbtRunner

    runner = dbtRunner()
    os.chdir(project)

    def make(name: str, *, is_sql: bool) -> None:
        done = runner.invoke(["--quiet", "compile" if is_sql else "parse"])
        assert done.success, (name, done.exception, done.result)
        shutil.copy(project / "target" / "manifest.json", folder / f"{name}.json")

    make("before", is_sql=True)
    for number, edit in enumerate(EDITS):
        before = {
            project / path: (project / path).read_text() for path, (old, _) in edit.files.items() if old is not None
        }
        for path, (old, new) in edit.files.items():
            text = new if old is None else before[project / path].replace(old, new, 1)
            assert text != before.get(project / path), (edit.says, path)
            (project / path).write_text(text)
        make(str(number), is_sql=edit.needs_compiled)
        for path, (old, _) in edit.files.items():
            (project / path).unlink() if old is None else (project / path).write_text(before[project / path])


if __name__ == "__main__":
    make_manifests(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
