"""What names mean at one place of a query: columns of its FROM clause, its own aliases, the queries around it.

Where a name may mean one of several things its fingerprint holds all of them, in the order they are asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from featurestore.sql.lineage.followed import UntraceableError

LEFT_OUT = ""
"""In place of the fingerprint of a column that a relation does not have, among others that are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Fingerprints of a relation.

    Attributes:
        rows: of which rows it has.
        columns: of its columns, by name in lower case, in order.
        rest: of all columns that `columns` does not name; None if there are no others.
        keys: names of columns that no two of its rows have equal, as far as its SQL says it; None unless it does.
        numbered: names of columns that count the rows of each key; by name, the names of the key's columns.
    """

    rows: str
    columns: Mapping[str, str] = field(default_factory=dict)
    rest: str | None = None
    keys: frozenset[str] | None = None
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def column(self, name: str) -> str | None:
        """The fingerprint of one column; None if it is not known to have one of that name."""
        known = self.columns.get(name.casefold())
        if known is None and self.rest is not None:
            return fingerprint(self.rest, name.casefold())
        return known or None

    @property
    def whole(self) -> str:
        """One fingerprint of everything."""
        pairs = (f"{name}={its}" for name, its in self.columns.items())
        return fingerprint(self.rows, self.rest or "", *pairs)


def opaque(*parts: str) -> Traced:
    """A relation of which only these parts are known: all its rows and columns change with any of them."""
    whole = fingerprint(*parts)
    return Traced(rows=whole, rest=whole)


def fingerprint(*parts: str) -> str:
    """Hash texts, each apart."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """One relation of a FROM clause.

    Attributes:
        name: that it has there, in lower case.
        relation: what is known of it.
        path: its name with schema and database, where no alias hides that.
        hidden: columns that ``*`` does not repeat, since USING joins by them.
    """

    name: str
    relation: Traced
    path: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What names mean at one place of a query.

    Attributes:
        ctes: named queries, by name in lower case.
        around: the query around this one; None at the top.
        depth: how many are around it.
        sources: the relations of the FROM clause.
        using: columns that USING joins by.
        aliases: fingerprints of columns of this SELECT that have names.
        given: names among `aliases` that can be no others: the relations have columns of these names.
        is_mixed: whether an alias may stand before a column of the FROM clause, as in ORDER BY.
        windows: fingerprints of named windows.
        rows: of this SELECT's rows before grouping; what aggregates and windows are made over.
    """

    ctes: Mapping[str, Traced] = field(default_factory=dict)
    around: Scope | None = None
    depth: int = 0
    sources: tuple[Joined, ...] = ()
    using: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    is_mixed: bool = False
    windows: str = ""
    rows: str = ""

    def column(self, column: exp.Column) -> str:
        """The fingerprint of a column, or of a field of one, as it is named here.

        Raises:
            UntraceableError: nothing has that name.
        """
        names = [part.name for part in column.parts]
        return self._of_table(names) or self._field(self._named(names[0].casefold()), names[1:])

    def knows(self, name: str) -> bool:
        """Whether a relation of the FROM clause has a column of that name for certain."""
        return name in self.given or any(joined.relation.columns.get(name) for joined in self.sources)

    def _of_table(self, names: list[str]) -> str | None:
        """A column whose table is named; None if the first of the names is no table."""
        folded = tuple(name.casefold() for name in names)
        for size in range(len(folded) - 1, 0, -1):
            path = folded[:size]
            asked = [each for each in self.sources if (each.name,) == path or (size > 1 and each.path[-size:] == path)]
            if not asked:
                continue
            its = asked[0].relation.column(folded[size])
            if len(asked) > 1 or its is None:
                raise UntraceableError(f"no one column {'.'.join(names)}")
            return self._field(its, names[size + 1 :])
        found = None if self.around is None else self.around._of_table(names)  # noqa: SLF001  the same class
        return None if found is None or self.around is None else self.around.seen_within(found)

    def _field(self, its: str, names: list[str]) -> str:
        return fingerprint("field", its, *names) if names else its

    def _named(self, name: str) -> str:
        found = list(dict.fromkeys(self._meanings(name)))
        if not found:
            raise UntraceableError(f"no column {name}")
        return found[0] if len(found) == 1 else fingerprint("one of", *found)

    def _meanings(self, name: str) -> list[str]:
        """All that a name without a table may mean, here and around."""
        alias = self.aliases.get(name)
        known = [its for each in self.sources if (its := each.relation.columns.get(name))]
        asked = [its for each in self.sources if (its := each.relation.column(name)) is not None]
        if known and name not in self.using:
            asked = known
        is_certain = bool(known) or (name in self.given and self.around is None)
        if alias is not None and (self.is_mixed or not is_certain):
            asked.append(alias)
        if is_certain:
            return asked
        rows = [fingerprint("row", each.relation.whole) for each in self.sources if each.name == name]
        outer = [] if self.around is None else self.around._meanings(name)  # noqa: SLF001  the same class
        return [*asked, *rows, *(self.around.seen_within(its) for its in outer if self.around is not None)]

    def seen_within(self, its: str) -> str:
        """A column of this scope as a query within it sees it: not the column of its own that is made of the same."""
        return fingerprint("around", str(self.depth), its)
