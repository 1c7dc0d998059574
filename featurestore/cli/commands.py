"""The commands by name, loaded on use, so that ``featurestore --help`` costs next to nothing.

A command `some-name` is the `click.Command` called ``command`` in the module ``featurestore.cli.some_name``. Its short
help stands here too, because the list of commands is printed without loading any; a test compares the two.
"""

from __future__ import annotations

from importlib import import_module

import click

from featurestore import __version__
from featurestore.cli.options import example
from featurestore.errors import unknown_name

COMMANDS: dict[str, str] = {
    "init": "Make a new example project, or add the feature store to a dbt project.",
    "import": "Bring the definitions of another feature store into a dbt project.",
    "demo": "Run the whole loop once, in a folder of its own.",
    "doctor": "Check the installation, the dbt project, the warehouse and the online store.",
    "validate": "Check the definitions, and with --warehouse the data behind them.",
    "plan": "Show what apply would change in the registry.",
    "apply": "Make the dbt project's definitions the newest registry version.",
    "list": "List feature views, entities, feature services, features, streams or sources.",
    "search": "Find features, views, services, entities and streams by WORDS.",
    "show": "Show one feature view, feature, entity, feature service or stream.",
    "lineage": "Show what feature views are made of, and who reads them.",
    "docs": "Write the catalog as one HTML file.",
    "export": "Write the definitions for other tools: OpenLineage, JSON Schema, Feast.",
    "training-sql": "Print the SQL of a training set.",
    "training-set": "Make a training set: each example with the features known at its time.",
    "training-model": "Print a dbt model that makes the training set of SERVICE.",
    "explain-row": "Explain one example: which feature rows it got, and why not the next ones.",
    "materialize": "Copy the newest feature rows to the online store.",
    "push": "Write new rows of VIEW at once, without a sync.",
    "stream": "Read event streams into both stores, and see how they are doing.",
    "serve": "Serve features over HTTP.",
    "get-online": "Look up the newest feature values of entities.",
    "verify": "Compare what is served with the warehouse's point-in-time answer.",
    "log": "Load what feature servers served into the warehouse, or show what waits.",
    "freshness": "Show how old the newest features served are.",
    "online": "Look at the rows of the online store, or remove some.",
    "run": "Run dbt, then sync the feature views that it built.",
    "server-key": "Make a key with which NAME may ask the feature server.",
    "registry": "Look at the versions of the registry, go back to one, and give them names.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name. Raises UnknownNameError with near names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise unknown_name("command", name, COMMANDS, place="featurestore")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def load_command(name: str) -> click.Command:
    """Load the command called `name`."""
    loaded = vars(import_module(f"featurestore.cli.{name.replace('-', '_')}"))["command"]
    assert isinstance(loaded, click.Command), f"featurestore.cli: {name} is no command"
    return loaded


@click.group(
    epilog=example(
        "dbt build && featurestore apply",
        "featurestore training-set --spine labels.csv --features orders:amount_7d --output train.parquet",
        "featurestore materialize && featurestore get-online --features orders:amount_7d --entity customer_id=1",
    ),
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="featurestore %(version)s")
def featurestore() -> None:
    """The feature store that your dbt project already is."""
