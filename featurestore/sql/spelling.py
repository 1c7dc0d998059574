"""What sqlglot would print otherwise than it is meant, put into words before it prints.

The rule: nothing inherits from sqlglot's printers. Where ``sqlglot[c]`` is installed these are compiled, and refuse it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Say = Callable[[exp.Expression], str]
    Spelling = Callable[[exp.Expression, Say], exp.Expression | None]
    """Makes what is printed in place of a node, None where sqlglot has it right; `Say` prints what is in the node."""


def spelled(query: exp.Expression, spellings: Mapping[type[exp.Expression], Spelling], say: Say) -> exp.Expression:
    """Put in place of nodes what is to be printed of them, inner ones first; the query is used up."""
    if not spellings:
        return query
    for node in reversed(list(query.find_all(*spellings))):
        made = spellings[type(node)](node, say)
        if made is not None:
            node.replace(made)
    return query


def verbatim(text: str) -> exp.Expression:
    """A node that is printed as this text."""
    return exp.Var(this=text)


def timestamps_as(text: str) -> Mapping[type[exp.Expression], Spelling]:
    """A naive TIMESTAMP is called by this name."""

    def named(node: exp.Expression, _: Say) -> exp.Expression | None:
        if node.this not in {exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ}:
            return None
        return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=text)

    return {exp.DataType: named}


def order_in_full(node: exp.Expression, say: Say) -> exp.Expression:
    """``x DESC NULLS LAST``, whatever the defaults are."""
    nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
    return verbatim(f"{say(node.this)} {direction(node)} NULLS {nulls}")


def direction(ordered: exp.Expression) -> str:
    """``DESC`` or ``ASC``."""
    return "DESC" if ordered.args.get("desc") else "ASC"
