"""``featurestore search``: find features, views, services, entities and streams by words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import fitted, result, result_json, say
from featurestore.errors import UsageError
from featurestore.texts import aligned, one_line

if TYPE_CHECKING:
    from featurestore.catalog.search import Hit

_KINDS = ("view", "feature", "service", "entity", "stream")
_ELSEWHERE = ("tags", "owner", "group", "entities", "features")


@click.command(
    "search", epilog=example("featurestore search spend 30 days", "featurestore search churn --kind service")
)
@click.argument("words", nargs=-1, required=True)
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many are shown.")
@common_options
def command(common: Common, words: tuple[str, ...], kinds: tuple[str, ...], limit: int) -> None:
    """Find features, views, services, entities and streams by WORDS.

    Names, descriptions, tags, owners and entities are searched, the best matches come first, and a letter may be wrong.
    The first column is what to paste into --features, or into code.
    """
    from featurestore.catalog.search import KINDS, search

    if not any(letter.isalnum() for word in words for letter in word):
        raise UsageError("expected words of letters or digits, got none", where="WORDS")
    hits = search(common.store().project, words, kinds=[kind for kind in KINDS if not kinds or kind in kinds])
    if common.as_json:
        result_json({"count": len(hits), "hits": [_as_json(hit) for hit in hits[:limit]]})
        return
    if not hits:
        say(f"Nothing matches {' '.join(words)}.")
        return
    rows = fitted([_row(hit) for hit in hits[:limit]])
    for hit, line in zip(hits, aligned(rows).split("\n"), strict=False):
        result(_marked(hit, line))
    more = f", the first {limit} are shown" if len(hits) > limit else ""
    missing = {word for hit in hits for word in hit.unmatched}
    part = f" of a part of the words: nothing has all of them ({', '.join(sorted(missing))})" if missing else ""
    say(f"{'1 match' if len(hits) == 1 else f'{len(hits):,} matches'}{part}{more}.")


def _row(hit: Hit) -> list[str]:
    thing = hit.thing
    elsewhere = dict.fromkeys(
        f"{place.field}: {place.text[place.start : place.end]}" for place in hit.highlights if place.field in _ELSEWHERE
    )
    found = f"[{', '.join(list(elsewhere)[:3])}] " if elsewhere else ""
    return [thing.reference, thing.type or thing.kind, one_line(found + thing.description, 90)]


def _marked(hit: Hit, line: str) -> str:
    """Mark in a line what matched; nothing changes where stdout is no terminal."""
    words = {place.text[place.start : place.end] for place in hit.highlights}
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<![^\W_])(?:{either})(?![^\W_])", lambda found: click.style(found[0], bold=True), line)


def _as_json(hit: Hit) -> dict[str, object]:
    thing = hit.thing
    return {
        "kind": thing.kind,
        "reference": thing.reference,
        "type": thing.type or None,
        "description": thing.description,
        "used_by": thing.used_by,
        "score": hit.score,
        "highlights": hit.highlights,
        "unmatched": hit.unmatched,
    }
