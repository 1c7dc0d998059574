"""The wheel holds what a user needs, nothing that dbt built, and works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from featurestore import __version__
from tests.shop import REPOSITORY

pytestmark = pytest.mark.slow
pytest.importorskip("hatchling")
pytest.importorskip("pip")

PARTS = ("featurestore", "macros", "dbt_project", "profiles")
FILES = ("dbt_project.yml", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
BUILT = (
    "target/manifest.json",
    "logs/dbt.log",
    "shop.duckdb",
    "shop.duckdb.wal",
    "dbt_packages/x/macros/x.sql",
    ".user.yml",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a checkout in which dbt has worked."""
    checkout = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    for name in FILES:
        shutil.copy(REPOSITORY / name, checkout)
    for name in (*BUILT, ".featurestore/online.sqlite"):
        (checkout / "dbt_project" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "dbt_project" / name).write_text("built by dbt")
    (checkout / "featurestore" / "__pycache__").mkdir()
    (checkout / "featurestore" / "__pycache__" / "x.pyc").write_text("")
    dist = tmp_path_factory.mktemp("dist")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(dist), str(checkout))
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A new environment with the wheel, which sees this environment's packages behind its own."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = next(folder.glob("bin/python")) if os.name != "nt" else folder / "Scripts" / "python.exe"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    found = [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    found[0] = str(python)
    packages = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    (Path(packages) / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def pip(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_macros_example_profiles_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    macros = {
        f"featurestore/dbt/{path.relative_to(REPOSITORY).as_posix()}" for path in REPOSITORY.glob("macros/**/*.sql")
    }
    assert len(macros) > 20
    assert names >= macros
    assert names >= {
        "featurestore/py.typed",
        "featurestore/dbt/profiles/profiles.yml",
        "featurestore/dbt/example/dbt_project.yml",
        "featurestore/dbt/example/models/features/customer_orders.yml",
        "featurestore/dbt/example/seeds/raw_orders.csv",
    }


def test_the_wheel_holds_nothing_that_was_built_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    unwanted = ("/target/", "/logs/", "/dbt_packages/", ".duckdb", ".wal", ".user.yml", ".pyc", ".sqlite")
    assert [name for name in names if any(part in name for part in unwanted)] == []
    assert {name.split("/")[0] for name in names} == {"featurestore", f"featurestore-{__version__}.dist-info"}


def test_the_installed_wheel_makes_an_example_project(installed, tmp_path):
    def featurestore(*arguments):
        program = installed.with_name("featurestore")
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [str(program), *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    assert featurestore("--version").stdout == f"featurestore {__version__}\n"
    made = featurestore("init", "shop")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "shop" / "macros" / "featurestore" / "training_set.sql").read_bytes() == (
        REPOSITORY / "macros" / "training_set.sql"
    ).read_bytes()
    assert not (tmp_path / "shop" / "target").exists()
    place = "import featurestore; print(featurestore.__file__)"
    home = subprocess.run(
        [str(installed), "-c", place], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert Path(home.strip()).is_relative_to(installed.parent.parent)
