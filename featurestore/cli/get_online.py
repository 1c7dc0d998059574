"""``featurestore get-online``: the newest feature values of some entities, as they are served."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.lists import split_list
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.errors import UsageError
from featurestore.texts import age, aligned, cell, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.definitions.project import Project
    from featurestore.serving.response import OnlineResponse

_STDIN = "-"
_ENTITY_HINT = "e.g. --entity customer_id=1,code=x; where values hold commas, use --entities"
_HEADER = ("ENTITY", "FEATURE", "VALUE", "EVENT TIME", "AGE", "STATUS")


@click.command(
    "get-online",
    epilog=example("featurestore get-online --features orders:amount_7d --entity customer_id=1 --entity customer_id=2"),
)
@click.option("--features", multiple=True, metavar="REF,...", help="Features, e.g. `orders:amount_7d,profile`.")
@click.option("--service", metavar="NAME", help="A feature service, in place of --features.")
@click.option(
    "--entity",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="One entity, all its join keys; may be given several times.",
)
@click.option("--entities", metavar="FILE.jsonl|-", help="Entities from a file, one JSON object per line; - is stdin.")
@click.option("--full-feature-names", is_flag=True, help="Name features view__feature.")
@common_options
def command(
    common: Common,
    features: tuple[str, ...],
    service: str | None,
    entity: tuple[str, ...],
    entities: str | None,
    full_feature_names: bool,
) -> None:
    """Look up the newest feature values of entities.

    Each value has the time of its row and a status: PRESENT, NULL_VALUE, NOT_FOUND, or OUTSIDE_MAX_AGE when it has
    outlived its view's ttl. --json prints the response that Feast's server gives.
    """
    if bool(features) == (service is not None):
        got = "both" if features else "neither"
        raise UsageError(f"expected either --features or --service, got {got}", hint="e.g. --features view:feature")
    references = split_list(features, where="--features") if features else None
    rows = [*map(_parse_entity, entity), *(_read_entities(entities) if entities is not None else ())]
    if not rows and (entity or entities):
        raise UsageError("no entity is in it", where="--entities", hint='write one per line, e.g. {"customer_id": 1}')
    store = common.store()
    wanted = references or store.project.service(service or "").features
    typed = _typed(rows, store.project, wanted)
    response = store.get_online_features(wanted, typed, full_feature_names=full_feature_names)
    if common.as_json:
        result_json(response.to_feast())
    else:
        result(aligned([_HEADER, *_table(response)]))


def _parse_entity(text: str) -> dict[str, object]:
    row: dict[str, object] = {}
    for pair in text.split(","):
        key, separator, value = (part.strip() for part in pair.partition("="))
        if not (key and separator):
            raise UsageError(f"expected KEY=VALUE, got {pair!r}", where="--entity", hint=_ENTITY_HINT)
        if key in row:
            hint = "for another entity, write --entity once more"
            raise UsageError(f"the key '{key}' is given twice", where="--entity", hint=hint)
        row[key] = value
    return row


def _read_entities(place: str) -> list[dict[str, object]]:
    try:
        text = sys.stdin.read() if place == _STDIN else Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read {place}: {reason}", where="--entities") from error
    return [_parse_line(line, number) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _parse_line(line: str, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        hint = 'one per line, e.g. {"customer_id": 1}'
        raise UsageError(
            f"expected a JSON object, got {line.strip()[:60]!r}", where=f"--entities: line {number}", hint=hint
        )
    return {str(key): value for key, value in row.items()}


def _typed(
    rows: Sequence[Mapping[str, object]], project: Project, references: Sequence[str]
) -> list[dict[str, object]]:
    """Give whole numbers, written as text, the type of their join key; the store reads everything else as it is."""
    from featurestore.definitions.references import select
    from featurestore.definitions.types import INTEGERS

    selection = select(project, references, full_feature_names=True)
    if not rows and selection.spine_keys:
        keys = ",".join(f"{key}=..." for key in selection.spine_keys)
        raise UsageError("for which entities? expected --entity or --entities", hint=f"write --entity {keys}")
    whole = {
        spine_key
        for use in selection.uses
        for spine_key, key in zip(use.spine_keys, use.view.join_keys, strict=True)
        if key.type in INTEGERS
    }
    return [{key: _whole(value) if key in whole else value for key, value in row.items()} for row in rows or [{}]]


def _whole(value: object) -> object:
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    return value


def _table(response: OnlineResponse) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    now = datetime.now(timezone.utc)
    times = response.event_timestamps
    for position in range(len(response)):
        entity = ",".join(f"{column.name}={column.values[position]}" for column in response.entity_columns) or "-"
        for column in response.feature_columns:
            at = times[column.name][position]
            when = ("-", "-") if at is None else (moment(at), age((now - at).total_seconds()))
            value = "-" if column.values[position] is None else cell(column.values[position])
            lines.append((entity, column.name, value, *when, column.statuses[position]))
    return lines
