"""The options that every command has: where the dbt project, the registry and the online store are, and ``--json``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from featurestore.cli.output import warn
from featurestore.definitions.places import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.store import FeatureStore

Options = ParamSpec("Options")
_META = "featurestore.cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the common options say.

    Attributes:
        project_dir, profiles_dir, profile, target: dbt's, as given or as the environment has them.
        registry, online_store: URIs that win over `featurestore.yml`.
        registry_version: which version is read, likewise.
        as_json: whether the result is printed as JSON.
    """

    project_dir: str
    profiles_dir: str | None
    profile: str | None
    target: str | None
    registry: str | None
    registry_version: str | None
    online_store: str | None
    as_json: bool

    def store(self) -> FeatureStore:
        """Open the dbt project. Raises UsageError when there is none."""
        from featurestore.store import FeatureStore

        return FeatureStore(
            self.project_dir,
            target=self.target,
            profile=self.profile,
            profiles_dir=self.profiles_dir,
            registry=self.registry,
            registry_version=self.registry_version,
            online_store=self.online_store,
        )

    def warn(self, warnings: tuple[str, ...]) -> None:
        """Say each warning on stderr."""
        for each in warnings:
            warn(each)


def example(*lines: str) -> str:
    """Write the end of a command's help: an example, line by line."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that keeps an option's value out of the command's arguments; `kept` gets it back."""

    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
        context.meta[f"{_META}.{name}"] = value

    return callback


def kept(name: str) -> Any:  # noqa: ANN401  click's values have the types that their options say
    """Return the value of an option declared with `keep`."""
    return click.get_current_context().meta[f"{_META}.{name}"]


def _option(*flags: str, name: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(*flags, name, expose_value=False, callback=keep(name), **settings)


_COMMON = (
    _option(
        "--project-dir",
        name="project_dir",
        envvar="DBT_PROJECT_DIR",
        default=".",
        metavar="DIR",
        help="Folder of dbt_project.yml (DBT_PROJECT_DIR).",
    ),
    _option(
        "--profiles-dir",
        name="profiles_dir",
        envvar="DBT_PROFILES_DIR",
        metavar="DIR",
        help="Folder of profiles.yml (DBT_PROFILES_DIR).",
    ),
    _option("--profile", name="profile", envvar="DBT_PROFILE", help="The dbt profile (DBT_PROFILE)."),
    _option("-t", "--target", name="target", envvar="DBT_TARGET", help="The dbt target (DBT_TARGET)."),
    _option(
        "--registry",
        name="registry",
        envvar=ENVIRONMENT["registry"],
        metavar="URI",
        help="The registry (FEATURESTORE_REGISTRY); else as featurestore.yml says.",
    ),
    _option(
        "--registry-version",
        name="registry_version",
        envvar=ENVIRONMENT["registry_version"],
        metavar="VERSION",
        help="Its version, a number or a tag as @prod (FEATURESTORE_REGISTRY_VERSION); else as said there, the newest.",
    ),
    _option(
        "--online-store",
        name="online_store",
        envvar=ENVIRONMENT["online_store"],
        metavar="URI",
        help="The online store (FEATURESTORE_ONLINE_STORE); else as featurestore.yml says.",
    ),
    _option("--json", name="as_json", is_flag=True, help="Print the result as JSON."),
)


def common_options(command: Callable[Concatenate[Common, Options], None]) -> Callable[Options, None]:
    """Give a command the common options; it gets them as its first argument."""

    @functools.wraps(command)
    def with_common(*args: Options.args, **kwargs: Options.kwargs) -> None:
        common = Common(
            project_dir=kept("project_dir"),
            profiles_dir=kept("profiles_dir"),
            profile=kept("profile"),
            target=kept("target"),
            registry=kept("registry"),
            registry_version=kept("registry_version"),
            online_store=kept("online_store"),
            as_json=kept("as_json"),
        )
        command(common, *args, **kwargs)

    decorated: Callable[Options, None] = with_common
    for option in reversed(_COMMON):
        decorated = option(decorated)
    return decorated
