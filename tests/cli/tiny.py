"""A tiny dbt project on disk, and the command line run in it: DuckDB tables, a manifest written by hand, no dbt."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from featurestore.cli import main
from tests.manifest.manifests import columns, document, exposure, model
from tests.shop_in_memory import change_shop, make_shop

ORDER_TYPES = {
    "customer_id": "bigint",
    "placed_at": "timestamp",
    "loaded_at": "timestamp",
    "order_count": "bigint",
    "amount": "decimal(10,2)",
    "tags": "varchar[]",
}
VIEW = {"entities": ["customer"], "event_time": "placed_at", "created_at": "loaded_at", "ttl": "30d"}
OURS = ("DBT_", "FEATURESTORE_", "NO_COLOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Its result."""
        return json.loads(self.out)

    @property
    def lines(self):
        """Its result, line by line."""
        return self.out.splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny:
    """A tiny project in `folder`: the view `orders`, the service `churn`, the table `labels`."""

    folder: Path

    def run(self, *arguments, stdin="", environ=None):
        """Run one command in this process, from the project's folder."""
        out, err = io.StringIO(), io.StringIO()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with (
            contextlib.chdir(self.folder) if sys.version_info >= (3, 11) else _changed_to(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.dict(os.environ, {**kept, **(environ or {})}, clear=True),
            patch.object(sys, "stdin", _stdin(stdin)),
        ):
            code = main(arguments)
        return Ran(code=code, out=out.getvalue(), err=err.getvalue())

    def start(self, *arguments, **options):
        """Start one command in a process of its own."""
        return start(*arguments, cwd=self.folder, **options)

    def run_apart(self, *arguments, **options):
        """Run one command in a process of its own."""
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(timeout=600)
        return Ran(code=process.returncode, out=out, err=err)

    def sql(self, statement):
        """Change the warehouse."""
        change_shop(self.folder, statement)

    def write_manifest(self, *resources, **changes):
        """Replace dbt's manifest; `metadata` holds changes of its head."""
        metadata = changes.pop("metadata", {})
        made = document(*(resources or (orders(), labels(), churn())), **changes)
        made["metadata"] |= {"generated_at": "2026-06-06T08:00:00Z", **metadata}
        (self.folder / "target").mkdir(exist_ok=True)
        (self.folder / "target" / "manifest.json").write_text(json.dumps(made))

    def versions(self):
        """File names of the registry's versions."""
        return sorted(path.name for path in (self.folder / ".featurestore" / "registry").glob("v*.json"))


def start(*arguments, cwd, environ=None, **options):
    """Start ``python -m featurestore.cli`` with pipes for its output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return subprocess.Popen(
        [sys.executable, "-m", "featurestore.cli", *arguments],
        cwd=cwd,
        env={**kept, **(environ or {})},
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def _stdin(text):
    """Standard input as a process has it, bytes beneath the text."""
    return io.TextIOWrapper(io.BytesIO(text.encode(errors="surrogateescape")), "utf-8", "surrogateescape")


@contextlib.contextmanager
def _changed_to(folder):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def orders(view=None, **changes):
    """The dbt model `orders` as a feature view; `view` changes its metadata."""
    meta = {key: value for key, value in {**VIEW, **(view or {})}.items() if value is not None}
    usual = {"columns": columns(ORDER_TYPES), "description": "Orders so far. One row per order."}
    return model(
        "orders", meta={"feature_view": meta}, config={"contract": {"enforced": False}}, **{**usual, **changes}
    )


def labels():
    """The dbt model `labels`: examples, with a contract, so that its columns are known without the warehouse."""
    types = {"customer_id": "bigint", "label_at": "timestamp", "bought": "boolean"}
    return model("labels", meta={}, columns=columns(types))


def churn(*features):
    """The feature service `churn`."""
    wanted = list(features) or ["orders:order_count", "orders:amount"]
    return exposure(wanted, name="churn", depends_on={"nodes": ["model.shop.orders"]})


def make_tiny(folder):
    """Write the project; dbt seems to have built it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: '1.0'\n")
    (folder / "profiles.yml").write_text(
        "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main}\n"
        "    prod: {type: duckdb, path: prod.duckdb, schema: main}\n"
    )
    (folder / "featurestore.yml").write_text("entities:\n  - {name: customer, join_keys: [customer_id]}\n")
    make_shop(folder)
    tiny = Tiny(folder=folder)
    tiny.write_manifest()
    return tiny
