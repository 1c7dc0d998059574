"""The command line with a registry in a bucket: as on disk, and what is said when the bucket is away."""

from __future__ import annotations

import pytest

from tests.cli.tiny import churn, labels, orders
from tests.moto_server import CREDENTIALS

pytestmark = pytest.mark.xdist_group("registry buckets")

URI = "s3://models/shop/registry"


def test_a_bucket_does_what_a_folder_does_and_reading_outlives_it(tiny, faults, tmp_path):
    with (tiny.folder / "featurestore.yml").open("a") as settings:
        settings.write(f"\nregistry: {{uri: {URI}, cache: 1h}}\n")
    cache = {"FEATURESTORE_CACHE_DIR": str(tmp_path / "cache")}
    planned, applied = tiny.run("plan", environ=cache), tiny.run("apply", environ=cache)
    assert planned.err == ""
    assert planned.lines[0] == f"Registry {URI}, empty"
    assert (planned.code, applied.code, applied.err) == (0, 0, "")
    assert tiny.run("list", "views", environ=cache).code == 0
    tiny.write_manifest(orders({"ttl": "31d"}), labels(), churn())
    assert tiny.run("apply", environ=cache).code == 0
    assert "version 2 in s3://models/shop/registry, as the manifest says" in tiny.run("doctor", environ=cache).out
    listed = tiny.run("list", "views", environ=cache)
    assert (listed.code, "31d" in listed.out) == (0, True), "what was applied is seen at once"
    faults.statuses["GET"] = ["always gone"]
    away = {**cache, "FEATURESTORE_REGISTRY_CACHE": "0s"}
    old = tiny.run_apart("list", "views", environ=away)
    assert (old.code, old.out) == (0, listed.out)
    assert old.err.startswith("Warning: version 2, as it was ")
    assert old.err.endswith(f" ago, is used: {URI}: cannot read the registry: the store cannot be reached\n")
    for command in ("plan", "apply"):
        refused = tiny.run_apart(command, environ=away)
        assert (refused.code, refused.out) == (4, "")
        assert refused.err == (
            f"Error: {URI}: cannot read the registry: the store cannot be reached\n"
            "  -> is the endpoint right, and the network there?\n"
        )
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "cache").rglob("*") if path.is_file()
    )
