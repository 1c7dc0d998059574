"""Who changed the registry, from which commit: taken from git and from what CI systems say in the environment.

Names and hashes only: no host, no path, no address that holds credentials (SEMANTICS R3). Each fact has a shape, and
what has another one is left out: variables hold what somebody put there.
"""

from __future__ import annotations

import getpass
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_USERS = (
    "FEATURESTORE_USER",
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "DBT_CLOUD_USER_ID",
)
_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION", "DBT_CLOUD_GIT_SHA")
_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH", "DBT_CLOUD_GIT_BRANCH")
_JOBS = ("CI_JOB_URL", "BUILD_URL")
_GITHUB = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
_TIMEOUT_S = 5
_LONGEST = 200
_HASH = re.compile(r"[0-9A-Fa-f]{4,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote a document of the registry, and from what; unknown facts are empty.

    Attributes:
        user: FEATURESTORE_USER, else the user that the CI system names, else the one of this machine.
        git_commit: the commit that the dbt project was at.
        git_branch: its branch.
        is_dirty: whether the project's folder held changes that are in no commit.
        job: address of the CI job.
    """

    user: str = ""
    git_commit: str = ""
    git_branch: str = ""
    is_dirty: bool = False
    job: str = ""

    @property
    def commit(self) -> str:
        """The commit as people write it: ``1f2e3d4``, with a ``+`` where something was not committed."""
        return f"{self.git_commit[:7]}{'+' if self.is_dirty and self.git_commit else ''}"


def author_of(project_dir: Path, environ: Mapping[str, str]) -> Author:
    """Find out who is at work.

    Args:
        project_dir: the dbt project's folder; without git or a repository there, the environment alone counts.
        environ: environment variables.
    """
    status = _git(project_dir, "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".")
    head = {line.split(" ")[1]: line.split(" ", 2)[2] for line in status if line.startswith("# branch.")}
    commit = head.get("branch.oid", "")
    branch = head.get("branch.head", "")
    return Author(
        user=_first(environ, _USERS, _name) or _own_name(),
        git_commit=_hash(commit) or _first(environ, _COMMITS, _hash),
        git_branch=_first(environ, _BRANCHES, _name) or ("" if branch.startswith("(") else _name(branch)),
        is_dirty=any(not line.startswith("#") for line in status),
        job=_job(environ),
    )


def _git(project_dir: Path, *arguments: str) -> list[str]:
    try:
        found = subprocess.run(  # noqa: S603  our own arguments
            ["git", "--no-optional-locks", *arguments],  # noqa: S607  the git that the user has
            cwd=project_dir,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return found.stdout.splitlines() if found.returncode == 0 else []


def _job(environ: Mapping[str, str]) -> str:
    github = [environ.get(name, "") for name in _GITHUB]
    if all(github):
        return _address(f"{github[0]}/{github[1]}/actions/runs/{github[2]}")
    return _first(environ, _JOBS, _address)


def _first(environ: Mapping[str, str], names: tuple[str, ...], shaped: Callable[[str], str]) -> str:
    return next(filter(None, (shaped(environ.get(name, "")) for name in names)), "")


def _name(text: str) -> str:
    """Keep a name to one line of letters; an address is no name."""
    return "" if "://" in text else _line(text)[:_LONGEST]


def _hash(text: str) -> str:
    return text.strip() if _HASH.fullmatch(text.strip()) else ""


def _address(text: str) -> str:
    """Keep host and path of a web address, without user, password, query and fragment.

    Where an ``@`` comes after the host, that may be no host, but the start of a password with a slash in it.
    """
    try:
        parts = urlsplit(_line(text))
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its port is no number
        return ""
    if not is_web or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.partition(';')[0]}"[:_LONGEST]


def _line(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _own_name() -> str:
    try:
        return _name(getpass.getuser())
    except (OSError, KeyError, ImportError):  # no name for this user id
        return ""
