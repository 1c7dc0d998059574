"""What dbt's last run says against serving a model: it failed, a test on it failed, or it rests on old data.

Only what was part of the run is judged: a model that dbt was not asked about keeps its good name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.manifest.artifacts import load_manifest, load_run_results, load_stale_sources
from featurestore.manifest.nodes import as_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from featurestore.manifest.artifacts import Manifest, RawNode, RunResults

_NAMED = 3
_JUDGING = frozenset(("build", "run", "test", "snapshot", "seed", "retry", "clone"))


def silent_command(target_dir: Path) -> str | None:
    """Name dbt's last command if its results judge no model, e.g. ``compile``; None if they do, or there are none.

    dbt keeps the results of its last command only, so what a build before it found is lost.
    """
    if not (target_dir / "run_results.json").is_file():
        return None
    command = load_run_results(target_dir).command
    if not command or command in _JUDGING:
        return None
    return "docs generate" if command == "generate" else command


def last_run(target_dir: Path) -> str:
    """Name dbt's last command, which may have rewritten models: another one has another name; empty if there is none.

    Raises:
        UsageError: its results cannot be read.
    """
    if not (target_dir / "run_results.json").is_file():
        return ""
    results = load_run_results(target_dir)
    return f"{results.invocation_id} {results.ended_at}"


def faults(unique_ids: Iterable[str], target_dir: Path) -> Mapping[str, str]:
    """Say why models should not be served, as dbt's artifacts have it.

    Args:
        unique_ids: of models and snapshots.
        target_dir: where dbt wrote manifest.json, run_results.json and sources.json.

    Returns:
        Reasons by unique id, only for those with one; none at all where dbt has left no results.

    Raises:
        UsageError: an artifact cannot be read.
    """
    if not (target_dir / "manifest.json").is_file():
        return {}
    has_results = (target_dir / "run_results.json").is_file()
    results = load_run_results(target_dir) if has_results else None
    stale = frozenset(load_stale_sources(target_dir))
    if results is None and not stale:
        return {}
    manifest = load_manifest(target_dir)
    found = {each: _fault(each, manifest, results, stale) for each in unique_ids}
    return {each: reason for each, reason in found.items() if reason is not None}


def _fault(unique_id: str, manifest: Manifest, results: RunResults | None, stale: frozenset[str]) -> str | None:
    if results is not None:
        when = _when(results)
        if unique_id in results.failed:
            return f"its model failed{when}"
        if unique_id in results.skipped:
            return f"its model was not built, since something before it failed{when}"
        tests = [each for each in results.failed if unique_id in _tested_by(each, manifest)]
        if tests:
            return f"{_named('its test', [_test_name(each, manifest) for each in tests])} failed{when}"
    old = sorted(stale.intersection(_above(unique_id, manifest)))
    if old:
        return (
            f"it rests on {_named('source', [each.partition('.')[2] for each in old])}, older than its freshness allows"
        )
    return None


def _when(results: RunResults) -> str:
    moment = f" of {results.ended_at[:19].replace('T', ' ')}" if results.ended_at else ""
    return f" (dbt {results.command or 'run'}{moment})"


def _tested_by(unique_id: str, manifest: Manifest) -> Iterator[str]:
    """Yield what a test is on: the node it stands under, else all it reads."""
    if unique_id.startswith("unit_test."):
        yield from _parents(manifest.unit_tests.get(unique_id))
    elif unique_id.startswith("test."):
        node = manifest.nodes.get(unique_id)
        attached = None if node is None else node.get("attached_node")
        yield from (str(attached),) if attached else _parents(node)


def _above(unique_id: str, manifest: Manifest) -> set[str]:
    """Everything that a node is made of, however far up."""
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        new = [each for each in _parents(manifest.nodes.get(waiting.pop())) if each not in found]
        found.update(new)
        waiting.extend(new)
    return found


def _parents(node: RawNode | None) -> list[str]:
    return [] if node is None else list(as_mapping(node.get("depends_on")).get("nodes") or ())


def _test_name(unique_id: str, manifest: Manifest) -> str:
    node = manifest.nodes.get(unique_id) or manifest.unit_tests.get(unique_id)
    return str((node or {}).get("name") or unique_id)


def _named(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMED])}{more}"
