"""What the text of a SELECT alone says of its parts: aggregates, what it groups by, names that can be no aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.lineage.followed import UntraceableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from featurestore.sql.lineage.names import Scope

MAKES_ROWS_BY_ANY_NAME = frozenset(("postgres",))
"""Dialects where a function that nobody knows may make several rows of one."""

_ALIASES_ANYWHERE = frozenset(("clickhouse", "snowflake"))
"""Dialects where a name may be that of a column further down the list."""


def is_star(tree: exp.Expr) -> bool:
    """Whether it is ``*`` or ``t.*``."""
    return isinstance(tree.this if isinstance(tree, exp.Column) else tree, exp.Star)


def counts_rows(tree: exp.Expr) -> bool:
    """Whether it is ``count(*)``, or ``count(1)``, which is the same."""
    return isinstance(tree, exp.Count) and isinstance(tree.this, (exp.Star, exp.Literal)) and not tree.expressions


def aggregates(tree: exp.Expr) -> set[type[exp.Expr]]:
    """Aggregates in an expression, outside windows and subqueries; and functions that may be one for all we know."""
    return {type(each) for each in _within(tree) if isinstance(each, (exp.AggFunc, exp.Anonymous))}


def unknown_functions(tree: exp.Expr) -> set[str]:
    """Names of functions of which nothing is known, outside windows and subqueries."""
    return {each.name.casefold() for each in _within(tree) if isinstance(each, exp.Anonymous)}


def has_plain_column(tree: exp.Expr) -> bool:
    """Whether it holds a column that is in no function which may be an aggregate: then there is one row for each."""
    stop = (exp.Window, exp.Query, exp.AggFunc, exp.Anonymous)
    return any(isinstance(each, (exp.Column, exp.Star)) for each in tree.walk(prune=lambda at: isinstance(at, stop)))


def grouped_by_all(tree: exp.Select) -> Iterator[exp.Expr]:
    """What GROUP BY ALL groups by: all that is made of a column outside an aggregate, and more where that is unclear.

    Raises:
        UntraceableError: it selects ``*``.
    """
    for each in tree.expressions:
        if is_star(each):
            raise UntraceableError("cannot follow GROUP BY ALL of *")
        certain = {kind for kind in aggregates(each) if issubclass(kind, exp.AggFunc)}
        if not certain or has_plain_column(each):
            yield each.unalias()


def names_of_sources(tree: exp.Select) -> Iterator[str]:
    """Names of aliases that columns of the FROM clause have as well: ``coalesce(a, 0) as a`` cannot be of itself."""
    aliases = [each for each in tree.expressions if isinstance(each, exp.Alias)]
    names = [each.alias.casefold() for each in aliases]
    for each, name in zip(aliases, names, strict=True):
        if names.count(name) == 1 and name in _unqualified(each.this):
            yield name


def early_aliases(tree: exp.Select, scope: Scope, dialect: str) -> bool:
    """Whether WHERE or a named window names what may be an alias of this SELECT, or a column of its FROM clause.

    Raises:
        UntraceableError: a column names an alias that is made after it, and the dialect lets it.
    """
    aliases = {each.alias.casefold(): each.this for each in tree.expressions if isinstance(each, exp.Alias)}
    clauses = [*(tree.args.get("windows") or ()), *([tree.args["where"]] if tree.args.get("where") else ())]
    early = {name for each in clauses for name in _unqualified(each)} & aliases.keys()
    later: set[str] = set()
    if dialect in _ALIASES_ANYWHERE:
        for number, each in enumerate(tree.expressions):
            later |= _unqualified(each) & {other.alias.casefold() for other in tree.expressions[number + 1 :]}
    for name in later | (early if dialect == "clickhouse" else set()):
        its = aliases.get(name)
        is_same = isinstance(its, exp.Column) and its.name.casefold() == name
        if not is_same and (dialect == "clickhouse" or not scope.knows(name)):
            raise UntraceableError("cannot tell whether a name is an alias")
    return any(not scope.knows(name) for name in early)


def finds_one_row(join: exp.Join, keys: Iterable[str] | None, name: str, others: frozenset[str]) -> bool:
    """Whether a join finds at most one row of a relation: its condition fixes the columns its rows are known by.

    Args:
        join: the join.
        keys: the columns; None if they are not known.
        name: of the relation.
        others: names of the relations before it.
    """
    if keys is None:
        return False
    using = {each.name.casefold() for each in join.args.get("using") or ()}
    return set(keys) <= using | set(_fixed(join.args.get("on"), name, others))


def _fixed(condition: exp.Expr | None, name: str, others: frozenset[str]) -> Iterable[str]:
    """Columns of the relation `name` that a conjunction sets equal to something of other ones."""
    if condition is None:
        return
    for part in condition.unnest().flatten() if isinstance(condition.unnest(), exp.And) else [condition.unnest()]:
        each = part.unnest()
        if not isinstance(each, exp.EQ):
            continue
        for own, other in ((each.this, each.expression), (each.expression, each.this)):
            is_own = isinstance(own, exp.Column) and own.table.casefold() == name and not own.args.get("db")
            tables = {column.parts[0].name.casefold() for column in other.find_all(exp.Column)}
            if is_own and tables <= others - {name} and other.find(exp.Query) is None:
                yield own.name.casefold()


def _within(tree: exp.Expr) -> Iterator[exp.Expr]:
    stop = (exp.Window, exp.Query)
    yield from (each for each in tree.walk(prune=lambda at: isinstance(at, stop)) if not isinstance(each, stop))


def _unqualified(tree: exp.Expr) -> set[str]:
    found = (each for each in tree.find_all(exp.Column) if not is_star(each))
    return {each.parts[0].name.casefold() for each in found}
