"""Texts that `featurestore init` writes or says."""

from __future__ import annotations

SETTINGS = """\
# What is not metadata of a dbt resource. Every key is optional; what is commented out are the defaults or examples.
# Values may use "{{ env_var('NAME') }}", as in profiles.yml.

# Where the compiled definitions are kept: a folder, from this file on. The variable FEATURESTORE_REGISTRY wins.
# registry: .featurestore/registry/

# Where the newest rows are served from: sqlite:PATH, redis://host:port/db or memory:
# The variable FEATURESTORE_ONLINE_STORE wins.
# online_store: sqlite:.featurestore/online.sqlite

# Entities that have no dbt model of their own. (One with a model is declared there: config.meta.feature_entity.)
# entities:
#   - name: session
#     join_keys: [session_id]
#     description: A visit to the site.

# Streams of events that feature views are fed by (featurestore stream run); a view names one: `stream: clicks`.
# streams:
#   clicks:
#     url: kafka://broker.example:9092
#     columns: {user_id: bigint, page: varchar, sent_at: timestamp}

# Who may ask the feature server (featurestore serve); `featurestore server-key` makes a key and says what to write.
# server:
#   keys:
#     - {name: web-shop, sha256: "{{ env_var('WEB_SHOP_KEY_SHA256') }}", scopes: ["read:*"]}

# Other values for a dbt target.
# targets:
#   prod:
#     registry: /srv/featurestore/registry
#     online_store: "redis://:{{ env_var('REDIS_PASSWORD') }}@redis.example:6379/0"
"""

STATE_IGNORED = (".featurestore/",)
"""What git should not keep of ours."""

EXAMPLE_IGNORED = (
    ".featurestore/",
    "target/",
    "logs/",
    "dbt_packages/",
    ".user.yml",
    "*.duckdb",
    "*.duckdb.wal",
)
"""What git should not keep of the example."""

METADATA = """\
models:
  - name: customer_orders              # a model of yours: one row per customer and moment
    config:
      event_time: ordered_at           # since when a row is true
      meta:
        feature_view:
          entities: [customer_id]      # the columns to look it up by
          ttl: 30d                     # optional: how long a value may be used"""
"""What makes a dbt model a feature view; shown, not written."""
