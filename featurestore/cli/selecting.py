"""``--select`` and ``--exclude``, in dbt's syntax (`definitions.selection`), for commands that show a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec

import click

from featurestore.cli.output import warn
from featurestore.errors import UsageError, format_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.definitions.graph import Graph
    from featurestore.definitions.project import Project

Options = ParamSpec("Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the two options say.

    Attributes:
        select, exclude: as given; each may be given several times.
    """

    select: tuple[str, ...]
    exclude: tuple[str, ...]

    @property
    def is_everything(self) -> bool:
        """Whether neither was given."""
        return not self.select and not self.exclude

    def found(self, graph: Graph, project: Project) -> frozenset[str]:
        """Find the nodes; says which parts match nothing. Raises UsageError for what cannot be read."""
        from featurestore.definitions.selection import Selectable, near_parts, select_nodes

        among = Selectable(graph=graph, project=project)
        selected = select_nodes(among, select=self.select, exclude=self.exclude)
        for part in selected.unmatched:
            near = near_parts(among, part)
            hint = f"did you mean {' or '.join(near)}?" if near else None
            warn(format_problem(f"the selection '{part}' matches nothing", hint=hint))
        return selected.unique_ids

    def nothing(self, what: str) -> UsageError:
        """The error for a selection that is empty."""
        given = [f"--select {text}" for text in self.select] + [f"--exclude {text}" for text in self.exclude]
        return UsageError(
            f"no {what} selected",
            where=" ".join(given),
            hint="look at `featurestore list` without it; `name+` adds what is below, `+name` what is above",
        )


def selecting_options(command: Callable[Options, None]) -> Callable[Options, None]:
    """Give a command the two options, `select` and `exclude`."""
    select = click.option(
        "-s",
        "--select",
        multiple=True,
        metavar="EXPR",
        help="Only these, in dbt's selection syntax, e.g. tag:core,+churn_v1; also by owner:, entity: and service:.",
    )
    exclude = click.option("--exclude", multiple=True, metavar="EXPR", help="All but these, in the same syntax.")
    return select(exclude(command))
