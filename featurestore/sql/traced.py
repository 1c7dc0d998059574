"""What each column of a SELECT is made of, as fingerprints: equal ones mean equal values, other ones may mean others.

A relation has one fingerprint for its rows (which rows there are) and one for each column (what its values are, given
the rows). Names, formatting, comments and the order of columns are in none of them. A change within one column's
expression changes that column alone; a change of a filter changes the rows, and so every column. Where nothing certain
can be said the fingerprint covers more, never less.

Text in, text out; no table is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Fingerprints of a relation.

    Attributes:
        rows: of which rows it has.
        columns: of its columns, by name in lower case, in order.
        rest: of all columns that `columns` does not name; None if there are no others.
        keys: names of columns that no two of its rows have equal, as far as its grouping says it; None unless it does.
    """

    rows: str
    columns: Mapping[str, str] = field(default_factory=dict)
    rest: str | None = None
    keys: frozenset[str] | None = None

    def column(self, name: str) -> str | None:
        """The fingerprint of one column; None if it has none of that name."""
        known = self.columns.get(name.casefold())
        if known is None and self.rest is not None:
            return fingerprint(self.rest, name.casefold())
        return known

    @property
    def whole(self) -> str:
        """One fingerprint of everything."""
        pairs = (f"{name}={its}" for name, its in self.columns.items())
        return fingerprint(self.rows, self.rest or "", *pairs)


class UntraceableError(Exception):
    """SQL of which nothing is known but its text."""


def opaque(*parts: str) -> Traced:
    """A relation of which only these parts are known: all its rows and columns change with any of them."""
    whole = fingerprint(*parts)
    return Traced(rows=whole, rest=whole)


def fingerprint(*parts: str) -> str:
    """Hash texts, each apart."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


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
        tree = sqlglot.parse_one(sql, dialect=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise UntraceableError("not SQL that can be read") from error
    if not isinstance(tree, exp.Query):
        raise UntraceableError("not a SELECT")
    try:
        return _Tracer(dialect=dialect, tables=tables).query(tree, _Scope())
    except RecursionError as error:
        raise UntraceableError("nested too deep") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """One relation of a FROM clause, by the name it has there."""

    name: str
    relation: Traced


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What names mean at one place of a query.

    Attributes:
        ctes: named queries, by name in lower case.
        sources: the relations of the FROM clause; those of the query around a subquery come last.
        aliases: fingerprints of the columns of this SELECT that were named before.
        windows: fingerprints of named windows.
        rows: of this SELECT's rows before grouping; what aggregates and windows are made over.
    """

    ctes: Mapping[str, Traced] = field(default_factory=dict)
    sources: tuple[_Joined, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    windows: str = ""
    rows: str = ""

    def column(self, column: exp.Column) -> str:
        """The fingerprint of a column as it is named here."""
        name, table = column.name.casefold(), column.table.casefold()
        asked = [joined for joined in self.sources if not table or joined.name == table]
        named = [joined.relation.columns[name] for joined in asked if name in joined.relation.columns]
        if named:
            return named[0] if len(set(named)) == 1 or table else fingerprint("one of", *sorted(set(named)))
        if not table and name in self.aliases:
            return self.aliases[name]
        others = [its for joined in asked if (its := joined.relation.column(name)) is not None]
        if not others and table and all(joined.name != table for joined in self.sources):
            return fingerprint("field", name, self.column(exp.column(column.table)))  # of a struct
        if not others:
            raise UntraceableError(f"no column {column.sql()}")
        return others[0] if len(others) == 1 else fingerprint("one of", *sorted(others))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    dialect: str
    tables: Callable[[str], Traced | None]

    def query(self, tree: exp.Expr, scope: _Scope) -> Traced:
        """Trace a SELECT, a set operation, or one of them in brackets, with the CTEs in front of it."""
        scope = self._with_ctes(tree, scope)
        if isinstance(tree, exp.Subquery):
            return self._cut(tree, self.query(tree.this, scope), scope)
        if isinstance(tree, exp.SetOperation):
            return self._cut(tree, self._set_operation(tree, scope), scope)
        if isinstance(tree, exp.Select):
            return self._select(tree, scope)
        raise UntraceableError(f"cannot follow {tree.key}")

    def _with_ctes(self, tree: exp.Expr, scope: _Scope) -> _Scope:
        clause = tree.args.get("with_") or tree.args.get("with")
        if clause is None:
            return scope
        if clause.args.get("recursive"):
            raise UntraceableError("cannot follow a recursive query")
        ctes = dict(scope.ctes)
        for cte in clause.expressions:
            ctes[cte.alias.casefold()] = _renamed(self.query(cte.this, replace(scope, ctes=ctes)), cte)
        return replace(scope, ctes=ctes)

    def _set_operation(self, tree: exp.SetOperation, scope: _Scope) -> Traced:
        if tree.args.get("by_name"):
            raise UntraceableError("cannot follow UNION BY NAME")
        left, right = self.query(tree.left, scope), self.query(tree.right, scope)
        kind = f"{tree.key} {tree.args.get('distinct')}"
        rows = fingerprint(kind, left.whole, right.whole)
        if left.rest is not None or right.rest is not None or len(left.columns) != len(right.columns):
            return Traced(rows=rows, rest=rows)
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        return Traced(rows=rows, columns={name: fingerprint(kind, one, other) for (name, one), other in pairs})

    def _select(self, tree: exp.Select, scope: _Scope) -> Traced:
        for unknown in ("laterals", "match", "connect", "pivots", "from_first"):
            if tree.args.get(unknown):
                raise UntraceableError(f"cannot follow {unknown}")
        inner = self._from(tree, scope)
        windows = [self._text(each, inner) for each in tree.args.get("windows") or ()]
        inner = replace(inner, windows=fingerprint(*windows) if windows else "")
        where = tree.args.get("where")
        if where is not None:
            inner = replace(inner, rows=fingerprint("where", inner.rows, self._text(where.this, inner)))
        columns, rest, aliases = self._columns(tree, inner)
        inner = replace(inner, aliases={**inner.aliases, **aliases})
        traced = self._grouped(tree, Traced(rows=inner.rows, columns=columns, rest=rest), inner)
        for clause in ("having", "qualify"):
            condition = tree.args.get(clause)
            if condition is not None:
                rows = fingerprint(clause, traced.rows, self._text(condition.this, inner))
                traced = replace(traced, rows=rows)
        distinct = tree.args.get("distinct")
        if distinct is not None:
            said = self._text(distinct, inner) if distinct.args.get("on") else traced.whole
            traced = replace(traced, rows=fingerprint("distinct", traced.rows, said), keys=None)
            if distinct.args.get("on"):
                traced = self._ordered(tree, traced, inner)
        return self._cut(tree, traced, inner)

    def _cut(self, tree: exp.Expr, traced: Traced, scope: _Scope) -> Traced:
        """Take account of LIMIT, with the order that it cuts; an order alone changes no row."""
        cuts = [tree.args[each] for each in ("limit", "offset", "sample") if tree.args.get(each) is not None]
        if not cuts:
            return traced
        texts = [each.sql(self.dialect, comments=False) for each in cuts]
        return self._ordered(tree, replace(traced, rows=fingerprint("cut", traced.rows, *texts)), scope)

    def _ordered(self, tree: exp.Expr, traced: Traced, scope: _Scope) -> Traced:
        order = tree.args.get("order")
        if order is None:
            return traced
        own = replace(scope, aliases={**scope.aliases, **traced.columns})
        return replace(traced, rows=fingerprint("order", traced.rows, self._text(order, own)))

    def _grouped(self, tree: exp.Select, traced: Traced, scope: _Scope) -> Traced:
        group = tree.args.get("group")
        if group is None:
            kinds = {kind for each in tree.expressions for kind in _over_all_rows(each)}
            if not kinds:
                return traced
            is_certain = any(issubclass(kind, exp.AggFunc) for kind in kinds)
            return replace(traced, rows=fingerprint("one row", scope.rows), keys=frozenset() if is_certain else None)
        special = [name for name, value in group.args.items() if value and name != "expressions"]
        texts = [self._group_key(each, tree, scope) for each in group.expressions]
        rows = fingerprint("group", scope.rows, *texts, *special)
        names = {text: name for name, text in traced.columns.items()}
        is_simple = not special and bool(texts) and all(text in names for text in texts)
        return replace(traced, rows=rows, keys=frozenset(names[text] for text in texts) if is_simple else None)

    def _group_key(self, key: exp.Expr, tree: exp.Select, scope: _Scope) -> str:
        if isinstance(key, exp.Literal) and key.is_int and 0 < int(key.this) <= len(tree.expressions):
            key = tree.expressions[int(key.this) - 1].unalias()
        return self._text(key, scope)

    def _from(self, tree: exp.Select, scope: _Scope) -> _Scope:
        """Bring in the relations of FROM and JOIN, each with what brought it in."""
        clause = tree.args.get("from_") or tree.args.get("from")
        if clause is None:
            return replace(scope, rows=fingerprint("one row"), sources=scope.sources, aliases={})
        first = self._source(clause.this, scope)
        around = scope.sources
        inner = replace(scope, sources=(first, *around), rows=first.relation.rows, aliases={})
        joined = [first]
        for join in tree.args.get("joins") or ():
            other = self._source(join.this, scope)
            asked = replace(inner, sources=(*joined, other, *around))
            condition = self._condition(join, asked, joined, other)
            how = fingerprint(join.side, join.kind, join.method or "", condition)
            relation = _brought_in(other.relation, how)
            rows = inner.rows
            if not (join.side.upper() == "LEFT" and not join.kind and _finds_one_row(join, other)):
                rows = fingerprint("join", inner.rows, relation.rows)
            if join.side.upper() in {"RIGHT", "FULL"}:
                joined = [replace(each, relation=_brought_in(each.relation, how)) for each in joined]
            joined.append(replace(other, relation=relation))
            inner = replace(inner, sources=(*joined, *around), rows=rows)
        return inner

    def _condition(self, join: exp.Join, scope: _Scope, joined: list[_Joined], other: _Joined) -> str:
        on, using = join.args.get("on"), join.args.get("using")
        if using:
            left = replace(scope, sources=tuple(joined))
            right = replace(scope, sources=(other,))
            names = [exp.column(each.name) for each in using]
            return fingerprint("using", *(f"{left.column(each)}={right.column(each)}" for each in names))
        return "" if on is None else self._text(on, scope)

    def _source(self, tree: exp.Expr, scope: _Scope) -> _Joined:
        if tree.args.get("pivots") or tree.args.get("sample") or tree.args.get("joins") or tree.args.get("laterals"):
            raise UntraceableError("cannot follow a pivot, a sample or a bracketed join")
        if isinstance(tree, exp.Subquery):
            return _Joined(name=tree.alias.casefold(), relation=_renamed(self.query(tree, scope), tree))
        if not isinstance(tree, exp.Table) or not isinstance(tree.this, exp.Identifier):
            raise UntraceableError(f"cannot follow {tree.key} in FROM")
        name = ".".join(part.name for part in tree.parts)
        known = scope.ctes.get(name.casefold()) or self.tables(name) or opaque("table", name.casefold())
        return _Joined(name=(tree.alias or tree.name).casefold(), relation=_renamed(known, tree))

    def _columns(self, tree: exp.Select, scope: _Scope) -> tuple[dict[str, str], str | None, dict[str, str]]:
        """Fingerprints of the columns of a SELECT by name, of all others, and of those that were given names."""
        found: dict[str, str] = {}
        given: dict[str, str] = {}
        rest: str | None = None
        for number, each in enumerate(tree.expressions):
            stars = list(self._star(each, scope))
            if stars:
                for relation in stars:
                    found.update({name: its for name, its in relation.columns.items() if name not in found})
                    if relation.rest is not None:
                        rest = relation.rest if rest is None else fingerprint(rest, relation.rest)
                continue
            name = (each.alias_or_name or f"column {number}").casefold()
            found[name] = self._text(each.unalias(), replace(scope, aliases={**scope.aliases, **given}))
            if isinstance(each, exp.Alias):
                given[name] = found[name]
        return found, rest, given

    def _star(self, tree: exp.Expr, scope: _Scope) -> Iterator[Traced]:
        """What a ``*`` or ``t.*`` stands for; nothing for any other expression."""
        star = tree.this if isinstance(tree, exp.Column) and isinstance(tree.this, exp.Star) else tree
        if not isinstance(star, exp.Star):
            return
        table = tree.table.casefold() if isinstance(tree, exp.Column) else ""
        left_out = {each.name.casefold() for each in star.args.get("except_") or star.args.get("except") or ()}
        if star.args.get("rename"):
            raise UntraceableError("cannot follow * RENAME")
        replaced = {each.alias.casefold(): self._text(each.unalias(), scope) for each in star.args.get("replace") or ()}
        for joined in scope.sources:
            if not table or joined.name == table:
                its = joined.relation
                kept = {name: replaced.get(name, own) for name, own in its.columns.items() if name not in left_out}
                more = {name: own for name, own in replaced.items() if name not in kept and its.rest is not None}
                yield replace(its, columns={**kept, **more})

    def _text(self, tree: exp.Expr, scope: _Scope) -> str:
        """The fingerprint of an expression: its shape, with fingerprints in place of columns and subqueries."""
        if isinstance(tree, exp.Column) and not isinstance(tree.this, exp.Star):
            return scope.column(tree)
        kinds: set[type[exp.Expr]] = set()
        shape = self._shape(tree, scope, kinds)
        if not any(issubclass(kind, _OVER_ROWS) for kind in kinds):
            return fingerprint("is", shape)
        return fingerprint("is", shape, scope.rows, scope.windows if exp.Window in kinds else "")

    def _shape(self, tree: object, scope: _Scope, kinds: set[type[exp.Expr]]) -> str:
        """Write an expression as a text, equal for equal ones whatever their layout; note its kinds of parts."""
        if not isinstance(tree, exp.Expr):
            return str(tree)
        if isinstance(tree, exp.Paren):
            return self._shape(tree.this, scope, kinds)
        if isinstance(tree, exp.Column) and not isinstance(tree.this, exp.Star):
            return scope.column(tree)
        if isinstance(tree, exp.Query):
            return self.query(tree, replace(scope, aliases={})).whole
        if isinstance(tree, exp.Identifier):
            return tree.name.casefold()
        kinds.add(type(tree))
        parts = [type(tree).__name__]
        for name, value in sorted(tree.args.items()):
            if isinstance(value, list):
                parts.append(f"{name}=[{','.join([self._shape(each, scope, kinds) for each in value])}]")
            elif value is not None and value is not False:
                parts.append(f"{name}={self._shape(value, scope, kinds)}")
        return f"({' '.join(parts)})"


_OVER_ROWS = (exp.AggFunc, exp.AnonymousAggFunc, exp.Anonymous, exp.Window, exp.Star)
"""What may be made over more than its own row; a function that sqlglot does not know may be an aggregate."""


def _over_all_rows(tree: exp.Expr) -> set[type[exp.Expr]]:
    """Aggregates in an expression, outside windows and subqueries; and functions that may be one for all we know."""
    if isinstance(tree, (exp.Window, exp.Query)):
        return set()
    own = {type(tree)} if isinstance(tree, (exp.AggFunc, exp.AnonymousAggFunc, exp.Anonymous)) else set()
    return own.union(*(_over_all_rows(each) for each in tree.iter_expressions()))


def _brought_in(relation: Traced, how: str) -> Traced:
    """A relation as a join gives it: its values depend on which of its rows is found, and how."""
    way = fingerprint(relation.rows, how)
    return replace(
        relation,
        rows=way,
        columns={name: fingerprint(way, its) for name, its in relation.columns.items()},
        rest=None if relation.rest is None else fingerprint(way, relation.rest),
        keys=None,
    )


def _finds_one_row(join: exp.Join, other: _Joined) -> bool:
    """Whether a join finds at most one row of the other relation: its condition fixes what its rows are known by."""
    if other.relation.keys is None:
        return False
    using = {each.name.casefold() for each in join.args.get("using") or ()}
    return other.relation.keys <= using | set(_fixed(join.args.get("on"), other.name))


def _fixed(condition: exp.Expr | None, name: str) -> Iterable[str]:
    """Columns of the relation `name` that a conjunction sets equal to something of another one."""
    if condition is None:
        return
    for part in condition.unnest().flatten() if isinstance(condition.unnest(), exp.And) else [condition.unnest()]:
        each = part.unnest()
        if not isinstance(each, exp.EQ):
            continue
        for own, other in ((each.this, each.expression), (each.expression, each.this)):
            is_own = isinstance(own, exp.Column) and own.table.casefold() == name
            tables = {column.table.casefold() for column in other.find_all(exp.Column)}
            if is_own and not tables & {"", name}:
                yield own.name.casefold()


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
    return replace(relation, columns={**renamed, **dict(own[len(names) :])}, keys=None)
