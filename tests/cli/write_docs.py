"""Write the help of every command into docs/guides/cli.md: ``python -m tests.cli.write_docs``.

What stands between the two markers is written anew; everything around them is for people.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.commands import COMMANDS, load_command

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "cli.md"
BEGIN = "<!-- written by `python -m tests.cli.write_docs` -->\n"
END = "<!-- end -->\n"
WIDTH = 100


def rewritten(page: str) -> str:
    """The page with today's help texts."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(f"\n{section}" for section in sections()) + "\n" + END + after


def sections() -> Iterator[str]:
    """One section per command; a group's commands are sections of their own."""
    for name in COMMANDS:
        yield from _sections_of(name, load_command(name))


def _sections_of(name: str, command: click.Command) -> Iterator[str]:
    yield f"### {name}\n\n```text\n{help_of(name, command)}\n```\n"
    if isinstance(command, click.Group):
        for part, sub_command in command.commands.items():
            yield from _sections_of(f"{name} {part}", sub_command)


def help_of(name: str, command: click.Command) -> str:
    """The help as a terminal of `WIDTH` columns shows it."""
    settings = {"help_option_names": ["-h", "--help"]}
    context = click.Context(
        command, info_name=f"featurestore {name}", terminal_width=WIDTH, max_content_width=WIDTH, **settings
    )
    return command.get_help(context)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
