"""A dbt model's SQL without its Jinja, so that it can be traced: references become names of tables.

Where the Jinja holds nothing but references, configuration and ``is_incremental()`` blocks, the text as written is
used (as of a full refresh), whatever target dbt ran for, and what is only done between full refreshes counts beside
it. Other Jinja needs the text that dbt compiled.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.graph import GraphNode

_NOTHING = re.compile(
    r"""\{\#.*?\#\}                                                   # comments
      | \{%-?\s*(?:snapshot\s+\w+|endsnapshot)\s*-?%\}
      | \{%-?\s*if\s+is_incremental\(\)\s*-?%\}(?P<increment>(?:(?!\{%).)*?)\{%-?\s*endif\s*-?%\}
      | \{\{-?\s*(?P<call>(?:config|order_by_entity_time|featurestore\.order_by_entity_time)\([^{}]*\))\s*-?\}\}
    """,
    re.DOTALL | re.VERBOSE,
)
_REFERENCE = re.compile(r"(?<![\w.\"'`\[])\{\{-?\s*((?:ref|source)\([^{}]*\))\s*-?\}\}(?![\w.\"'`\]{])")
_TRIMMED_BLANKS = re.compile(r"\s+(?=\{[{%\#]-)|(?<=-[}%\#]\})\s+")
_BRANCH = re.compile(r"\{[{%][^{}]*\b(?:if|elif|else|target|flags|execute)\b")
_SETTING = re.compile(
    r"\b(?:(?:pre|post)[_-]hook|sql_header|begin|event_time|lookback|batch_size|strategy|check_cols|updated_at"
    r"|hard_deletes|invalidate_hard_deletes|dbt_valid_to_current|unique_key|full_refresh|on_schema_change"
    r"|(?:incremental|merge)_\w+)\b"
)
_TABLE = "featurestore_node_"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSql:
    """SQL without Jinja.

    Attributes:
        text: the SQL.
        tables: which nodes its tables are: unique ids by name in lower case.
        beside: what else of the text as written decides which rows there are: settings as hooks and the strategy of a
            snapshot, how an incremental model grows, and branches that dbt did not take when it compiled it.
    """

    text: str
    tables: Mapping[str, str]
    beside: str = ""


def plain_sql(node: GraphNode, parents: Sequence[GraphNode], *, dialect: str) -> PlainSql | None:
    """Take the Jinja out of a model's SQL.

    Args:
        node: the model or snapshot.
        parents: what it reads.
        dialect: sqlglot's name of the warehouse.

    Returns:
        None where the SQL as written holds other Jinja, and dbt has not compiled it.
    """
    settings: list[str] = []

    def nothing(match: re.Match[str]) -> str:
        call = match["call"]
        if call is not None and not _is_one_call(call):
            return match[0]
        if call is not None and call.startswith("config"):
            settings.extend(_settings(call, is_snapshot=node.kind == "snapshot"))
        elif match["increment"] is not None:
            settings.append(" ".join(match["increment"].split()))
        return ""

    found: dict[str, str] = {}

    def table(match: re.Match[str]) -> str:
        parent = _referred(match[1], parents)
        if parent is None:
            return match[0]
        name = _TABLE + hashlib.sha256(parent.unique_id.encode()).hexdigest()[:16]
        found[name] = parent.unique_id
        return name

    text = _NOTHING.sub(nothing, _TRIMMED_BLANKS.sub("", node.sql))
    text = _REFERENCE.sub(table, text)
    is_overridden = bool(node.macros) and "order_by_entity_time" not in node.sql  # ref() is the project's own, say
    if node.sql and "{{" not in text and "{%" not in text and not is_overridden:
        return PlainSql(text=text, tables=found, beside="\n".join(settings))
    if not node.compiled:
        return None
    names = {dotted(parent.relation, dialect): parent.unique_id for parent in parents if parent.relation}
    is_more = bool(_BRANCH.search(text) or _SETTING.search(text))
    return PlainSql(text=node.compiled, tables=names, beside=node.sql if is_more else "\n".join(settings))


def _is_one_call(text: str) -> bool:
    try:
        return isinstance(ast.parse(text.strip(), mode="eval").body, ast.Call)
    except (SyntaxError, ValueError):
        return False


def _settings(call: str, *, is_snapshot: bool) -> Iterator[str]:
    """What of ``config(...)`` decides which rows there are, however it is laid out."""
    tree = ast.parse(call.strip(), mode="eval").body
    assert isinstance(tree, ast.Call)
    yield from (ast.unparse(each) for each in tree.args)
    for each in tree.keywords:
        is_growing = each.arg == "materialized" and "incremental" in ast.unparse(each.value)
        if is_snapshot or is_growing or each.arg is None or _SETTING.fullmatch(each.arg):
            yield ast.unparse(each)


def _referred(call: str, parents: Sequence[GraphNode]) -> GraphNode | None:
    """The parent that ``ref(...)`` or ``source(...)`` names; None if that is not plain."""
    try:
        tree = ast.parse(call.strip(), mode="eval").body
        assert isinstance(tree, ast.Call)
        assert isinstance(tree.func, ast.Name)
        texts = [str(ast.literal_eval(each)) for each in tree.args]
        named = {each.arg: str(ast.literal_eval(each.value)) for each in tree.keywords}
    except (SyntaxError, ValueError, AssertionError):
        return None
    is_meant: Callable[[GraphNode], bool]
    if tree.func.id == "source":
        is_meant = lambda node: node.kind == "source" and node.name == ".".join(texts)  # noqa: E731
    else:
        version = named.get("v", named.get("version"))
        is_meant = lambda node: _is_ref(node, texts, version)  # noqa: E731
    found = [each for each in parents if is_meant(each)]
    return found[0] if len(found) == 1 else None


def _is_ref(node: GraphNode, texts: Sequence[str], version: str | None) -> bool:
    name, _, own_version = node.name.partition("@v")
    package = node.unique_id.split(".")[1]
    return (
        node.kind != "source"
        and bool(texts)
        and name == texts[-1]
        and (len(texts) == 1 or package == texts[0])
        and (version is None or own_version == version)
    )


def dotted(relation: str, dialect: str) -> str:
    """Write a table's name without quotes, in lower case."""
    try:
        return ".".join(part.name for part in exp.to_table(relation, dialect=dialect).parts).casefold()
    except sqlglot.errors.SqlglotError:
        return relation.casefold()
