"""What each column of a SELECT is made of, as fingerprints: equal ones mean equal values, other ones may mean others.

A relation has one fingerprint for its rows (which rows there are) and one for each column (what its values are, given
the rows). Names, formatting, comments and the order of columns are in none of them. A change within one column's
expression changes that column alone; a change of a filter changes the rows, and so every column. Where nothing certain
can be said the fingerprint covers more, never less.

The order of rows counts within a query, where an aggregate or a LIMIT may ask for it, and not at its top: a table has
none. Text in, text out; no table is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.sql.lineage.followed import UntraceableError, parsed
from featurestore.sql.lineage.names import LEFT_OUT, Joined, Scope, Traced, fingerprint, opaque
from featurestore.sql.lineage.rows_apart import told_apart
from featurestore.sql.lineage.select_parts import (
    MAKES_ROWS_BY_ANY_NAME,
    aggregates,
    counts_rows,
    early_aliases,
    finds_one_row,
    grouped_by_all,
    has_plain_column,
    is_star,
    names_of_sources,
    unknown_functions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Traced", "UntraceableError", "fingerprint", "opaque", "trace"]


def trace(sql: str, *, dialect: str, tables: Callable[[str], Traced | None]) -> Traced:
    """Trace one SELECT.

    Args:
        sql: the text, without Jinja.
        dialect: sqlglot's name of its dialect.
        tables: what is known of a table, by its name as written (parts joined by dots, without quotes); None if nothing
            is, and then its name stands for it.

    Raises:
        UntraceableError: it is no SELECT, or holds what cannot be followed: recursion, lateral joins, pivots.
    """
    try:
        return _Tracer(dialect=dialect, tables=tables).query(parsed(sql, dialect), None, is_top=True)
    except RecursionError as error:
        raise UntraceableError("nested too deep") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    dialect: str
    tables: Callable[[str], Traced | None]

    def query(self, tree: exp.Expr, around: Scope | None, *, is_top: bool = False) -> Traced:
        """Trace a SELECT, a set operation, or one of them in brackets, with the CTEs in front of it."""
        scope = self._with_ctes(tree, around)
        if isinstance(tree, exp.Select):
            return self._select(tree, scope, is_top=is_top)
        if isinstance(tree, exp.Subquery):
            its = self.query(tree.this, scope, is_top=is_top)
            return self._cut(tree, its, scope, is_top=is_top)
        if isinstance(tree, exp.SetOperation):
            return self._cut(tree, self._set_operation(tree, scope), scope, is_top=is_top)
        raise UntraceableError(f"cannot follow {tree.key}")

    def _with_ctes(self, tree: exp.Expr, around: Scope | None) -> Scope:
        """A new scope within another one."""
        is_seen = around is not None and bool(around.sources or around.around)
        scope = Scope(
            ctes={} if around is None else around.ctes,
            around=around if is_seen else None,
            depth=around.depth + 1 if around is not None and is_seen else 0,
        )
        clause = tree.args.get("with_")
        for cte in () if clause is None else clause.expressions:
            its = _renamed(self.query(cte.this, scope), cte)
            scope = replace(scope, ctes={**scope.ctes, cte.alias.casefold(): its})
        return scope

    def _set_operation(self, tree: exp.SetOperation, around: Scope) -> Traced:
        left, right = self.query(tree.left, around), self.query(tree.right, around)
        kind = f"{tree.key} {tree.args.get('distinct')}"
        rows = fingerprint(kind, left.whole, right.whole)
        if left.rest is not None or right.rest is not None or len(left.columns) != len(right.columns):
            return Traced(rows=rows, rest=rows)
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        return Traced(rows=rows, columns={name: fingerprint(kind, one, other) for (name, one), other in pairs})

    def _select(self, tree: exp.Select, scope: Scope, *, is_top: bool) -> Traced:
        inner = self._from(tree, scope)
        inner = replace(inner, given=frozenset(names_of_sources(tree)))
        if early_aliases(tree, inner, self.dialect):
            inner = replace(inner, aliases=self._columns(tree, inner)[2])
        windows = [self._text(each, inner) for each in tree.args.get("windows") or ()]
        inner = replace(inner, windows=fingerprint(*windows) if windows else "")
        where = tree.args.get("where")
        if where is not None:
            inner = replace(inner, rows=fingerprint("where", inner.rows, self._text(where.this, inner)))
        columns, rest, aliases = self._columns(tree, inner)
        inner = replace(inner, aliases=aliases, is_mixed=True)
        traced = Traced(rows=inner.rows, columns=columns, rest=rest)
        if tree.args.get("group") is None:
            traced = told_apart(tree, traced, inner.sources, lambda each: self._text(each, inner))
        traced = self._grouped(tree, traced, inner)
        for clause in ("having", "qualify"):
            condition = tree.args.get(clause)
            if condition is not None:
                rows = fingerprint(clause, traced.rows, self._text(condition.this, inner))
                traced = replace(traced, rows=rows)
        distinct = tree.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            said = [traced.whole] if on is None else self._keys(on.expressions or [on], traced, inner)
            traced = replace(traced, rows=fingerprint("distinct", traced.rows, *said), keys=None)
            if on is not None:
                return self._cut(tree, traced, inner, is_top=False)
        return self._cut(tree, traced, inner, is_top=is_top)

    def _cut(self, tree: exp.Expr, traced: Traced, scope: Scope, *, is_top: bool) -> Traced:
        """Take account of LIMIT, with the order that it cuts; at the top an order alone changes no row."""
        cuts = [tree.args[each] for each in ("limit", "offset", "sample") if tree.args.get(each) is not None]
        rows = traced.rows
        if cuts:
            rows = fingerprint("cut", rows, *(self._text(each, scope) for each in cuts))
        order = tree.args.get("order")
        if order is not None and (cuts or not is_top):
            own = replace(scope, aliases={**scope.aliases, **traced.columns}, is_mixed=True)
            rows = fingerprint("order", rows, self._text(order, own), *self._keys(order.expressions, traced, own))
        return replace(traced, rows=rows)

    def _keys(self, keys: Iterable[exp.Expr], traced: Traced, scope: Scope) -> list[str]:
        """Fingerprints of what is grouped or ordered by: expressions, or columns of the result by their number."""
        found = []
        for each in keys:
            key = (each.this if isinstance(each, exp.Ordered) else each).unnest()
            if isinstance(key, exp.Var):  # ALL
                found.append(traced.whole)
            elif isinstance(key, exp.Literal) and not key.is_string:
                own = list(traced.columns.values())
                if traced.rest is not None or not key.is_int or not 0 < int(key.this) <= len(own):
                    raise UntraceableError("cannot follow a column by its number")
                found.append(own[int(key.this) - 1])
            elif isinstance(key, exp.Tuple) and any(isinstance(part.unnest(), exp.Literal) for part in key.expressions):
                raise UntraceableError("cannot follow columns by their numbers in brackets")
            else:
                found.append(self._text(key, scope))
        return found

    def _grouped(self, tree: exp.Select, traced: Traced, scope: Scope) -> Traced:
        group = tree.args.get("group")
        several = [
            each.unalias()
            for each in tree.expressions
            if self.dialect in MAKES_ROWS_BY_ANY_NAME and unknown_functions(each)
        ]
        if group is None:
            grouped = self._at_once(tree, traced)
        else:
            keys = self._keys(group.expressions, traced, scope)
            is_all = bool(group.args.get("all"))
            if is_all:
                keys += [self._text(each.unalias(), scope) for each in grouped_by_all(tree)]
            names = {text: name for name, text in traced.columns.items()}
            is_simple = bool(keys) and not is_all and all(text in names for text in keys)
            rows = fingerprint("group", scope.rows, str(is_all), *keys)
            grouped = replace(traced, rows=rows, keys=frozenset(names[text] for text in keys) if is_simple else None)
        if several:
            rows = fingerprint("several", grouped.rows, *(self._text(each, scope) for each in several))
            grouped = replace(grouped, rows=rows, keys=None, numbered={})
        return grouped

    def _at_once(self, tree: exp.Select, traced: Traced) -> Traced:
        """Without GROUP BY: an aggregate makes one row of all, and a function that nobody knows may be one."""
        clauses = [tree.args[each] for each in ("having", "qualify", "order") if tree.args.get(each) is not None]
        kinds = {kind for each in (*tree.expressions, *clauses) for kind in aggregates(each)}
        if tree.args.get("having") is not None or any(issubclass(kind, exp.AggFunc) for kind in kinds):
            return replace(traced, rows=fingerprint("one row", traced.rows), keys=frozenset(), numbered={})
        if not kinds or any(has_plain_column(each) for each in tree.expressions):
            return traced
        names = {name for each in (*tree.expressions, *clauses) for name in unknown_functions(each)}
        return replace(traced, rows=fingerprint("one row or all", traced.rows, *sorted(names)))

    def _from(self, tree: exp.Select, scope: Scope) -> Scope:
        """Bring in the relations of FROM and JOIN, each with what brought it in."""
        clause = tree.args.get("from_")
        if clause is None:
            return replace(scope, rows=fingerprint("one row"))
        first = self._source(clause.this, scope)
        inner = replace(scope, sources=(first,), rows=first.relation.rows)
        met = [first.relation.rows]
        for join in tree.args.get("joins") or ():
            other = self._source(join.this, inner)
            number = met.count(other.relation.rows)
            met.append(other.relation.rows)
            inner = self._join(join, inner, other, number)
        return inner

    def _join(self, join: exp.Join, scope: Scope, other: Joined, number: int) -> Scope:
        """Bring in one more relation, which is the `number`-th of the same rows."""
        if other.path and any(other.path[0] == each.name for each in scope.sources if len(other.path) > 1):
            raise UntraceableError("cannot follow a list of another relation in FROM")
        side, kind, method = join.side.upper(), join.kind.upper(), (join.method or "").upper()
        kind = "" if kind in {"OUTER", "INNER"} else kind
        asked = replace(other, relation=_brought_in(other.relation, f"asked {number}"))
        condition = self._condition(join, scope, asked)
        how = fingerprint(side, kind, method, condition, str(number))
        relation = _brought_in(other.relation, how)
        rows = scope.rows
        names = frozenset(each.name for each in scope.sources)
        if not (side == "LEFT" and not kind and finds_one_row(join, other.relation.keys, other.name, names)):
            rows = fingerprint("join", scope.rows, relation.rows)
        if kind in {"SEMI", "ANTI"}:
            if side == "RIGHT":
                raise UntraceableError("cannot follow a RIGHT SEMI join")
            return replace(scope, rows=rows)
        joined = scope.sources
        if side in {"RIGHT", "FULL"}:
            joined = tuple(replace(each, relation=_brought_in(each.relation, f"before {how}")) for each in joined)
        using = frozenset(each.name.casefold() for each in join.args.get("using") or ())
        brought = replace(other, relation=relation, hidden=using)
        return replace(scope, sources=(*joined, brought), using=scope.using | using, rows=rows)

    def _condition(self, join: exp.Join, scope: Scope, other: Joined) -> str:
        right = replace(scope, sources=(other,))
        both = replace(scope, sources=(*scope.sources, other))
        names = [exp.column(each.name) for each in join.args.get("using") or ()]
        said = [f"{scope.column(each)}={right.column(each)}" for each in names]
        given = (join.args.get("on"), join.args.get("match_condition"))
        return fingerprint(*said, *("" if each is None else self._text(each, both) for each in given))

    def _source(self, tree: exp.Expr, around: Scope) -> Joined:
        if isinstance(tree, exp.Subquery):
            return Joined(name=tree.alias.casefold(), relation=_renamed(self.query(tree, around), tree))
        if not isinstance(tree, exp.Table) or not all(isinstance(part, exp.Identifier) for part in tree.parts):
            raise UntraceableError(f"cannot follow {tree.key} in FROM")
        name = ".".join(part.name for part in tree.parts)
        path = () if tree.alias else tuple(part.name.casefold() for part in tree.parts)
        cte = around.ctes.get(name.casefold()) if len(tree.parts) == 1 else None
        exact = ".".join(part.name if part.args.get("quoted") else part.name.casefold() for part in tree.parts)
        known = cte or self.tables(name) or opaque("table", exact)
        return Joined(name=(tree.alias or tree.name).casefold(), relation=_renamed(known, tree), path=path)

    def _columns(self, tree: exp.Select, scope: Scope) -> tuple[dict[str, str], str | None, dict[str, str]]:
        """Fingerprints of the columns of a SELECT by name, of all others, and of those that were given names."""
        found: dict[str, str] = {}
        given: dict[str, str] = {}
        rest: str | None = None
        for number, each in enumerate(tree.expressions):
            if is_star(each):
                for relation in self._star(each, scope):
                    for name, its in relation.columns.items():
                        _add(found, name, its, rest)
                    if relation.rest is not None:
                        rest = relation.rest if rest is None else fingerprint(rest, relation.rest)
                continue
            its = self._text(each.unalias(), replace(scope, aliases=given))
            if isinstance(each, (exp.Alias, exp.Column)):
                _add(found, each.alias_or_name.casefold(), its, rest)
            else:  # what it is called depends on the warehouse
                found[f"column {number}"] = its
                rest = rest if rest is None else fingerprint(rest, its)
            if isinstance(each, exp.Alias):
                name = each.alias.casefold()
                given[name] = fingerprint("one of", given[name], its) if name in given else its
        return found, rest, given

    def _star(self, tree: exp.Expr, scope: Scope) -> Iterator[Traced]:
        """What a ``*`` or ``t.*`` stands for."""
        star = tree.this if isinstance(tree, exp.Column) else tree
        table = tree.table.casefold() if isinstance(tree, exp.Column) else ""
        asked = [each for each in scope.sources if not table or each.name == table]
        if not asked or (table and (len(asked) > 1 or tree.args.get("db"))) or not isinstance(star, exp.Star):
            raise UntraceableError(f"cannot follow {tree.sql()}")
        left_out = {each.name.casefold() for each in star.args.get("except_") or ()}
        replaced = {each.alias.casefold(): self._text(each.unalias(), scope) for each in star.args.get("replace") or ()}
        for joined in asked:
            its = joined.relation
            hidden = left_out if table else left_out | joined.hidden
            kept = {name: replaced.get(name, own) for name, own in its.columns.items() if name not in hidden and own}
            if its.rest is None:
                yield replace(its, columns=kept)
                continue
            more = {name: own for name, own in replaced.items() if name not in kept}
            out = dict.fromkeys((name for name, own in its.columns.items() if not own), LEFT_OUT)
            yield replace(its, columns={**kept, **more, **out, **dict.fromkeys(sorted(left_out), LEFT_OUT)})

    def _text(self, tree: exp.Expr, scope: Scope) -> str:
        """The fingerprint of an expression: its shape, with fingerprints in place of columns and subqueries."""
        if isinstance(tree, exp.Column):
            return scope.column(tree)
        kinds: set[type[exp.Expr]] = set()
        shape = self._shape(tree, scope, kinds)
        if not any(issubclass(kind, _OVER_ROWS) for kind in kinds):
            return fingerprint("is", shape)
        return fingerprint("is", shape, scope.rows, scope.windows if exp.Window in kinds else "")

    def _shape(self, tree: object, scope: Scope, kinds: set[type[exp.Expr]]) -> str:
        """Write an expression as a text, equal for equal ones whatever their layout; note its kinds of parts."""
        if not isinstance(tree, exp.Expr):
            return repr(tree) if isinstance(tree, str) else str(tree)
        if isinstance(tree, exp.Paren):
            return self._shape(tree.this, scope, kinds)
        if isinstance(tree, (exp.Column, exp.Query, exp.Identifier)):
            return self._meaning(tree, scope)
        if isinstance(tree, (exp.Connector, exp.EQ, exp.NEQ)):
            return self._in_any_order(tree, scope, kinds)
        kinds.add(type(tree))
        parts = [type(tree).__name__]
        for name, value in sorted(({"this": exp.Star()} if counts_rows(tree) else tree.args).items()):
            if isinstance(value, list):
                parts.append(f"{name}=[{','.join([self._shape(each, scope, kinds) for each in value])}]")
            elif value is not None and value is not False:
                parts.append(f"{name}={self._shape(value, scope, kinds)}")
        return f"({' '.join(parts)})"

    def _meaning(self, tree: exp.Column | exp.Query | exp.Identifier, scope: Scope) -> str:
        if isinstance(tree, exp.Column):
            return scope.column(tree)
        return repr(tree.name) if isinstance(tree, exp.Identifier) else self.query(tree, scope).whole

    def _in_any_order(self, tree: exp.Binary, scope: Scope, kinds: set[type[exp.Expr]]) -> str:
        """Write what means the same whichever side comes first."""
        parts = tree.flatten() if isinstance(tree, exp.Connector) else (tree.this, tree.expression)
        return f"({type(tree).__name__} {' '.join(sorted(self._shape(each, scope, kinds) for each in parts))})"


_OVER_ROWS = (exp.AggFunc, exp.Anonymous, exp.Window)
"""What may be made over more than its own row; a function that sqlglot does not know may be an aggregate."""


def _add(found: dict[str, str], name: str, its: str, rest: str | None) -> None:
    """Add a column to those before it, of which others may have the same name: the first of them is meant by it."""
    if found.get(name) and its:
        found[f"{name} ({len(found)})"] = its
    elif its and rest is not None and name not in found:
        found[name] = fingerprint("one of", fingerprint(rest, name), its)
    elif its or name not in found:
        found[name] = its


def _brought_in(relation: Traced, how: str) -> Traced:
    """A relation as a join gives it: its values depend on which of its rows is found, and how."""
    way = fingerprint(relation.rows, how)
    return replace(
        relation,
        rows=way,
        columns={name: its and fingerprint(way, its) for name, its in relation.columns.items()},
        rest=None if relation.rest is None else fingerprint(way, relation.rest),
        keys=None,
        numbered={},
    )


def _renamed(relation: Traced, tree: exp.Expr) -> Traced:
    """Apply the column names that an alias gives, as in ``with orders (id, total) as ...``."""
    alias = tree.args.get("alias")
    names = [each.name.casefold() for each in (alias.columns if isinstance(alias, exp.TableAlias) else ())]
    if not names:
        return relation
    if relation.rest is not None or len(names) > len(relation.columns):
        raise UntraceableError("cannot follow names given to unknown columns")
    own = list(relation.columns.items())
    renamed = {new: its for new, (_, its) in zip(names, own, strict=False)}
    return replace(relation, columns={**renamed, **dict(own[len(names) :])}, keys=None, numbered={})
