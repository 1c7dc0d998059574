"""What of SQL can be followed: a parse tree is refused unless all that its queries are made of is known here.

So a clause that a new version of the parser learns of is refused, and not passed over.
"""

from __future__ import annotations

import hashlib

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.errors import SqlglotError

_QUERY = frozenset(("with_", "order", "limit", "offset", "locks"))
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: _QUERY
    | {"expressions", "hint", "distinct", "from_", "joins", "where", "group", "having", "qualify", "windows", "sample"},
    exp.Subquery: _QUERY | {"this", "alias"},
    exp.SetOperation: _QUERY | {"this", "expression", "distinct"},
    exp.With: frozenset(("expressions",)),
    exp.CTE: frozenset(("this", "alias", "materialized")),
    exp.TableAlias: frozenset(("this", "columns")),
    exp.Table: frozenset(("this", "db", "catalog", "alias")),
    exp.Join: frozenset(("this", "on", "using", "side", "kind", "method", "match_condition", "hint")),
    exp.Group: frozenset(("expressions", "all")),
    exp.Star: frozenset(("except_", "replace")),
    exp.Column: frozenset(("this", "table", "db", "catalog")),
}
"""Of each part of a query, what it may hold. Recursion, pivots, lateral joins, samples of tables are not there."""

_REFUSED = (exp.Columns, exp.PositionalColumn, exp.Comprehension, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Lateral)
_ROW_MAKERS = (exp.UDTF, exp.ExplodingGenerateSeries)
_ROW_MAKING_NAMES = frozenset(
    (
        "unnest",
        "explode",
        "explode_outer",
        "posexplode",
        "posexplode_outer",
        "inline",
        "inline_outer",
        "stack",
        "variant_explode",
        "variant_explode_outer",
        "generate_subscripts",
        "arrayjoin",
        "flatten",
        "json_tuple",
    )
)
_SPARK = frozenset(("spark", "databricks"))
_JOIN_KINDS = frozenset(("", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"))
_JOIN_METHODS = frozenset(("", "ASOF"))


class UntraceableError(Exception):
    """SQL of which nothing is known but its text."""


def parsed(sql: str, dialect: str) -> exp.Query:
    """Parse one SELECT whose parts can all be followed.

    Names that differ from another one in nothing but their case, where the warehouse tells them apart, are written so
    that they differ.

    Raises:
        UntraceableError: it is no SELECT, or holds what cannot be followed.
    """
    known = Dialect.get_or_raise(dialect)
    try:
        tokens = known.tokenize(sql)
        statements = known.parser().parse(tokens, sql)
    except (SqlglotError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UntraceableError("not SQL that can be read") from error
    trees = [each for each in statements if not isinstance(each, (exp.Semicolon, type(None)))]
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise UntraceableError("not one SELECT")
    texts = {each.text for each in tokens}
    if dialect in _SPARK and "array_size" in {each.casefold() for each in texts}:
        raise UntraceableError("cannot tell array_size() from size(), which gives -1 for NULL")
    for each in list(trees[0].walk()):
        _check_parts(each)
        _check_place(each)
        if isinstance(each, exp.Identifier):
            _tell_apart(each, known.normalization_strategy)
        elif isinstance(each.args.get("format"), exp.Literal):
            _as_written(each.args["format"], texts, dialect)
    return trees[0]


def _check_parts(tree: exp.Expr) -> None:
    for kind in type(tree).__mro__:
        parts = _PARTS.get(kind)
        others = [name for name, value in tree.args.items() if value and name not in parts] if parts else ()
        if others:
            raise UntraceableError(f"cannot follow {others[0]} of {tree.key}")


def _check_place(tree: exp.Expr) -> None:
    """Refuse what means more than it says: all columns of something, columns by number, functions that make rows."""
    if isinstance(tree, _REFUSED) or (isinstance(tree, _ROW_MAKERS) and not isinstance(tree.parent, exp.In)):
        raise UntraceableError(f"cannot follow {tree.key}")
    if isinstance(tree, exp.Anonymous) and tree.name.casefold() in _ROW_MAKING_NAMES:
        raise UntraceableError(f"cannot follow {tree.name}")
    if isinstance(tree, exp.Parameter) and tree.name.isdigit():
        raise UntraceableError("cannot follow a column by its number")
    if isinstance(tree, exp.Column) and not isinstance(tree.this, (exp.Identifier, exp.Star)):
        raise UntraceableError("cannot follow a column without a name")
    if isinstance(tree, exp.Star):
        place = tree.parent.parent if isinstance(tree.parent, exp.Column) else tree.parent
        is_counted = isinstance(place, exp.Count) and place is tree.parent and not any(tree.args.values())
        if not isinstance(place, exp.Select) and not is_counted:
            raise UntraceableError("cannot follow a * within an expression")
    if isinstance(tree, exp.Join):
        kind, method = tree.kind.upper(), (tree.method or "").upper()
        if kind not in _JOIN_KINDS or method not in _JOIN_METHODS:
            raise UntraceableError(f"cannot follow a {method or kind} join")


def _tell_apart(name: exp.Identifier, strategy: NormalizationStrategy) -> None:
    text = name.name
    if strategy is NormalizationStrategy.LOWERCASE:
        is_usual = not name.quoted or text == text.lower()
    elif strategy is NormalizationStrategy.UPPERCASE:
        is_usual = not name.quoted or text == text.upper()
    else:
        is_usual = strategy is not NormalizationStrategy.CASE_SENSITIVE or text == text.casefold()
    if is_usual:
        return
    if isinstance(name.parent, exp.Table) and name.parent.args.get("db"):
        return  # of a table that is asked for by its whole name
    if isinstance(name.parent, (exp.Table, exp.TableAlias)):
        raise UntraceableError("cannot follow names of tables that differ by their case")
    name.set("this", f"{text} {hashlib.sha256(text.encode()).hexdigest()[:8]}")


def _as_written(time_format: exp.Literal, texts: set[str], dialect: str) -> None:
    """Add how a format of times was written: the parser reads some as one (``Mon`` and ``MON``)."""
    known = Dialect.get_or_raise(dialect)
    written = sorted(each for each in texts if each != time_format.name and _converted(each, known) == time_format.name)
    if written:
        time_format.set("this", " ".join((time_format.name, *written)))


def _converted(text: str, dialect: Dialect) -> str | None:
    found = dialect.format_time(exp.Literal.string(text))
    return None if found is None else found.name
