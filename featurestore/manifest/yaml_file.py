"""Read a YAML file as plain values, with a line in every error.

Refused, where PyYAML would be silent: a key written twice (the last would win), a file whose aliases unfold into
more than `MOST_VALUES` values, aliases that contain themselves. Messages never quote the file: it may hold secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from featurestore.errors import UsageError
from featurestore.manifest.paths import shown_path

if TYPE_CHECKING:
    from pathlib import Path

MOST_VALUES = 100_000
_MERGE_TAG = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, *, unique_keys: bool = True) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Args:
        path: the file.
        unique_keys: refuse a key written twice; False for files that dbt reads, which lets the last one win.

    Returns:
        Its values; empty for an empty file, or one with comments only.

    Raises:
        UsageError: it cannot be read, is no YAML, holds no mapping, or something else that the module refuses.
    """
    place = shown_path(path)
    try:
        content = path.read_bytes()
        loader = yaml.SafeLoader(content)
        root = loader.get_single_node()
        if root is None:
            return {}
        _inspect(root, place=place, unique_keys=unique_keys)
        values = loader.construct_document(root)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=place) from error
    except RecursionError as error:
        raise UsageError("nested too deeply", where=place) from error
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8 text", where=place) from error
    except yaml.YAMLError as error:
        raise _unreadable(error, place) from None
    except (ValueError, AttributeError):  # what PyYAML lets through of a value that is not of its tag
        what = "a date, time or number in it is none, e.g. 2026-13-45"
        raise UsageError(what, where=place, hint="put such texts in quotes") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError("expected a mapping of keys at the top", where=place)
    return {str(key): value for key, value in values.items()}


def _unreadable(error: yaml.YAMLError, place: str) -> UsageError:
    """Say what is wrong and on which line; PyYAML quotes the file behind the first quote, which is cut off."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return UsageError("not YAML that can be read", where=place)
    line = error.problem_mark.line + 1
    problem = (error.problem or "").partition("'")[0].partition('"')[0].strip().removesuffix(", but found")
    hint = "put Jinja in quotes: \"{{ env_var('NAME') }}\"" if "unhashable" in problem else None
    return UsageError(
        f"not YAML that can be read{': ' if problem else ''}{problem}", where=f"{place}:{line}", hint=hint
    )


def _inspect(root: yaml.Node, *, place: str, unique_keys: bool) -> None:
    """Walk the node graph once, each node once however often it is aliased."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size_of(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise UsageError("an alias contains itself", where=f"{place}:{node.start_mark.line + 1}")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            if unique_keys and isinstance(node, yaml.MappingNode):
                _refuse_repeated_keys(node, place)
            sizes[id(node)] = 1 + sum(size_of(child) for child in _children(node))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    if size_of(root) > MOST_VALUES:
        raise UsageError(f"its aliases unfold into more than {MOST_VALUES:,} values", where=place)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_repeated_keys(node: yaml.MappingNode, place: str) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE_TAG:
            continue
        line = key.start_mark.line + 1
        if key.value in seen:
            what = f"the key '{key.value}' is written twice, first on line {seen[key.value]}"
            raise UsageError(what, where=f"{place}:{line}", hint="keep one of them")
        seen[key.value] = line
