"""What names and texts of a definition may hold: the parts of a reference, a folder, an output column, a terminal.

The rule: a name shows as it is. Characters that nobody sees and terminals obey, such as ESC or a right-to-left mark,
are in no name, wherever it comes from.
"""

from __future__ import annotations

import re

LONGEST_NAME_BYTES = 63
_UNUSABLE = re.compile(r"[\s:@\[\]]")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_PART = r"""(?:\w[\w$]*|"(?:[^"]|"")+"|`(?:[^`]|``)+`)"""
_RELATION = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
_FILE = re.compile(r"\.(?:avro|csv|tsv|feather|gz|ipc|jsonl?|ndjson|orc|parquet|txt|xlsx|zst)$", re.IGNORECASE)
_FILE_OF_SPARK = re.compile(
    r"[`\"]?(?:avro|binaryfile|csv|delta|iceberg|json|orc|parquet|text)[`\"]?\.[`\"].*\..*[`\"]", re.IGNORECASE
)
_PUSHED = re.compile(r"[^\s.\"'`;]+(?:\.[^\s.\"'`;]+)?")


def unseen_problem(text: str) -> str | None:
    """Say that a text holds a character that nobody sees; None if it holds none."""
    found = None if text.isprintable() else _UNSEEN.search(text)
    return None if found is None else f"holds the invisible character U+{ord(found[0]):04X}"


def name_problem(name: str) -> str | None:
    """Say why a view, feature or service cannot have this name; None if it can."""
    if not name:
        return "is empty"
    unseen = unseen_problem(name)
    if unseen is not None:
        return unseen
    if _UNUSABLE.search(name):
        return "contains a space or one of : @ [ ], which separate the parts of a reference"
    if name.startswith("__"):
        return "starts with __, which is kept for columns that queries add"
    if len(name.encode()) > LONGEST_NAME_BYTES:
        return f"has {len(name.encode())} bytes; a name may have at most {LONGEST_NAME_BYTES}"
    return None


def folder_name_problem(name: str) -> str | None:
    """The same of a view, service or stream, which folders are named after."""
    if "/" in name or "\\" in name:
        return f"contains a {'/' if '/' in name else chr(92)}"
    return "is a folder of its own kind" if name in {".", ".."} else name_problem(name)


def relation_problem(text: str, dialect: str) -> str | None:
    """Say why a text is not one table's name as dbt renders it for a warehouse; None if it is.

    A name that a warehouse would read as a file, e.g. DuckDB's ``"/etc/x.csv"``, is none.

    Args:
        text: words, or names in quotes, with dots between them.
        dialect: sqlglot's name of the warehouse.
    """
    if not _RELATION.fullmatch(text) or unseen_problem(text) is not None:
        return "is not the name of one table"
    is_spark = dialect in {"spark", "databricks"}
    if set(text) & {"/", "\\"} or _FILE.search(text.rstrip('"`')) or (is_spark and _FILE_OF_SPARK.fullmatch(text)):
        return "is the name of a file"
    return None


def is_pushed_table(text: str) -> bool:
    """Whether a text is a table as NAME or SCHEMA.NAME, without quotes."""
    return _PUSHED.fullmatch(text) is not None and unseen_problem(text) is None


def is_path_of_a_machine(text: str) -> bool:
    """Whether a path leads out of the dbt project (SEMANTICS R3)."""
    return text.startswith(("/", "\\", "~")) or text[1:2] == ":" or ".." in re.split(r"[/\\]", text)
