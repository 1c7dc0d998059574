"""Feast in an environment of its own, since its dependencies and ours need not agree.

``FEAST_PYTHON`` names an interpreter that has it; else ``.venv-feast`` is made beside the repository's files, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "0.67.0"
FOLDER = Path(__file__).parent.parent / ".venv-feast"


def feast_python() -> Path:
    """The interpreter that has Feast; the environment is made if there is none."""
    given = os.environ.get("FEAST_PYTHON")
    if given:
        return Path(given)
    python = FOLDER / "bin" / "python"
    if not python.exists():
        _make(python)
    return python


def _make(python: Path) -> None:
    package = f"feast[duckdb,redis]=={VERSION}"
    print(f"making {FOLDER.name} with {package} ...", file=sys.stderr)
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "--python", sys.executable, str(FOLDER)], check=True)
        subprocess.run(["uv", "pip", "install", "--python", str(python), package], check=True)
        return
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=True)


if __name__ == "__main__":
    print(feast_python())
