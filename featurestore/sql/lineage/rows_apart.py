"""Which columns tell the rows of a SELECT apart that does not group: a filter keeps keys, and a row number makes them.

``row_number() over (partition by id ...) as n`` with ``where n = 1`` leaves one row of each id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.sql.lineage.names import Joined, Traced

Text = Callable[[exp.Expr], str]


def told_apart(tree: exp.Select, traced: Traced, sources: tuple[Joined, ...], text: Text) -> Traced:
    """Add what tells the rows of a SELECT apart.

    Args:
        tree: the SELECT; it has no GROUP BY.
        traced: what is known of its rows and columns.
        sources: the relations of its FROM clause.
        text: gives the fingerprint of an expression in it.

    Returns:
        `traced` with `keys` and `numbered`, as far as it selects those columns.
    """
    keys: frozenset[str] | None = None
    numbers: dict[str, frozenset[str]] = {}
    names = {its: name for name, its in traced.columns.items()}
    if len(sources) == 1 and not tree.args.get("joins"):
        relation = sources[0].relation
        keys, numbers = _of_source(relation)
        passed_on = {_its(relation, name): name for name in _names(relation)}  # by a *, say
        names |= {its: name for its, name in passed_on.items() if traced.column(name) == its}
    numbers |= {text(each): frozenset(map(text, each.args["partition_by"])) for each in _row_numbers(tree)}
    for clause in ("where", "qualify"):
        for each in _fixed(tree.args.get(clause)):
            keys = numbers.get(text(each), keys)
    return replace(
        traced,
        keys=None if keys is None else _named(keys, names),
        numbered={
            names[its]: named
            for its, parts in numbers.items()
            if its in names and (named := _named(parts, names)) is not None
        },
    )


def _of_source(relation: Traced) -> tuple[frozenset[str] | None, dict[str, frozenset[str]]]:
    """Keys and row numbers of a relation, as fingerprints."""
    numbers = {_its(relation, name): _all_of(relation, keys) for name, keys in relation.numbered.items()}
    return None if relation.keys is None else _all_of(relation, relation.keys), numbers


def _names(relation: Traced) -> set[str]:
    return {*(relation.keys or ()), *relation.numbered, *(name for its in relation.numbered.values() for name in its)}


def _all_of(relation: Traced, names: Iterable[str]) -> frozenset[str]:
    return frozenset(_its(relation, name) for name in names)


def _its(relation: Traced, name: str) -> str:
    found = relation.column(name)
    assert found is not None, name
    return found


def _row_numbers(tree: exp.Select) -> Iterator[exp.Expr]:
    """Each ``row_number() over (partition by ...)`` that is selected or filtered by."""
    qualify = tree.args.get("qualify")
    for each in (*(it.unalias() for it in tree.expressions), *_fixed(qualify)):
        if isinstance(each, exp.Window) and isinstance(each.this, exp.RowNumber) and each.args.get("partition_by"):
            yield each


def _fixed(clause: exp.Expr | None) -> Iterator[exp.Expr]:
    """What a WHERE or QUALIFY sets equal to a number."""
    condition = None if clause is None else clause.this.unnest()
    if condition is None:
        return
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        each = part.unnest()
        if isinstance(each, exp.EQ) and isinstance(each.expression, exp.Literal):
            yield each.this.unnest()


def _named(parts: frozenset[str], names: Mapping[str, str]) -> frozenset[str] | None:
    """Names of the columns with these fingerprints; None if one is not selected."""
    return frozenset(names[its] for its in parts) if parts <= names.keys() else None
