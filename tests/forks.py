"""Processes that are forked from one that has loaded what is slow to load: that is most of what a short one costs."""

from __future__ import annotations

import multiprocessing

OF_DBT = ("dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres")
OF_SYNCS = ("pandas", "featurestore.online.sqlite.open", "featurestore.online.redis.open", "tests.faults.test_kill")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([*OF_DBT, *OF_SYNCS])  # what is not installed is left out
