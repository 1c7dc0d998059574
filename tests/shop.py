"""The example shop, built by real dbt once per test session and shared by everything that needs a whole project.

`shop` is a session fixture; import it into a conftest. The folder it gives is a copy of the repository's dbt package
with the example inside, as after ``dbt deps && dbt build``. It is shared: open shop.duckdb read-only, and write only
into a copy of your own (`copy_of`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.forks import FORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
BUILT_BY_DBT = shutil.ignore_patterns(
    "target", "logs", "dbt_packages", "package-lock.yml", ".user.yml", "*.duckdb", "*.duckdb.wal", ".featurestore"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A copy of the example on disk.

    Attributes:
        project_dir: the dbt project.
        profiles_dir: where its profiles.yml is.
    """

    project_dir: Path
    profiles_dir: Path

    @property
    def manifest(self) -> Path:
        """dbt's manifest.json."""
        return self.project_dir / "target" / "manifest.json"

    @property
    def database(self) -> Path:
        """The DuckDB file that dbt built."""
        return self.project_dir / "shop.duckdb"

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a dbt command in the project."""
        return run_dbt(self.project_dir, *arguments, environ={"DBT_PROFILES_DIR": str(self.profiles_dir)})


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The built example; the first worker that asks builds it, the others wait."""
    folder = built_once(shared_folder(tmp_path_factory) / "shop", _build)
    return Shop(project_dir=folder / "dbt_project", profiles_dir=folder / "profiles")


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session that all xdist workers see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def built_once(folder: Path, build: Callable[[Path], object]) -> Path:
    """Call ``build(folder)``, unless another process of this session has done so; the folder does not exist then."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_built = folder.with_suffix(".built")
        if not is_built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            is_built.touch()
    return folder


def _build(folder: Path) -> None:
    shop = unbuilt_shop(folder)
    for command in ("deps", "build"):
        done = shop.dbt(command)
        assert done.returncode == 0, done.stdout + done.stderr
    (folder / "build.log").write_text(done.stdout)


def unbuilt_shop(folder: Path) -> Shop:
    """Copy the dbt package with the example and its profiles into `folder`; nothing is installed or built."""
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / "dbt_project.yml", folder)
    for part in ("macros", "profiles", "dbt_project"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=BUILT_BY_DBT)
    return Shop(project_dir=folder / "dbt_project", profiles_dir=folder / "profiles")


def copy_of(shop: Shop, folder: Path) -> Shop:
    """Copy a built shop, to write into it."""
    shutil.copytree(shop.project_dir.parent, folder, symlinks=True)
    return Shop(project_dir=folder / "dbt_project", profiles_dir=folder / "profiles")


def run_dbt(
    project_dir: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run dbt's own program in a process of its own, without this process's dbt settings.

    The process is forked from one that has loaded dbt: loading is most of what a command costs.
    """
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_", "FEATURESTORE_"))
    }
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false", "DBT_VERSION_CHECK": "true"}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("out", "err")]
        process = FORKS.Process(target=_dbt, args=(project_dir, arguments, {**kept, **quiet, **(environ or {})}, files))
        process.start()
        process.join(600)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"dbt {arguments} in {project_dir}")
        out, err = (file.read_text() for file in files)
    assert process.exitcode is not None
    return subprocess.CompletedProcess(["dbt", *arguments], process.exitcode, out, err)


def _dbt(project_dir: Path, arguments: tuple[str, ...], environ: dict[str, str], files: list[Path]) -> None:
    """Be the program ``dbt``."""
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(project_dir)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv = ["dbt", *arguments]
    from dbt.cli.main import cli

    cli()
