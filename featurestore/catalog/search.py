"""Ranked search: what matches all words best, by name before tags, owner and entities, and those before descriptions.

A word matches a word of a text that is equal, begins with it, or is nearly it (one letter wrong, more in long words).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from featurestore.registry.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.project import Project

Kind = Literal["view", "feature", "service", "entity", "stream"]
KINDS: tuple[Kind, ...] = ("view", "feature", "service", "entity", "stream")
_WORD = re.compile(r"[^\W_]+")
_EQUAL, _BEGINS, _WITHIN, _NEARLY = 1.0, 0.75, 0.5, 0.4
_SHORT = 4
_ALIKE = 0.8
_WEIGHTS: Mapping[str, float] = {
    "name": 10,
    "view": 4,
    "tags": 5,
    "entities": 4,
    "owner": 4,
    "group": 4,
    "features": 2,
    "description": 2,
}
_KIND_BONUS: Mapping[Kind, float] = {"view": 0.4, "service": 0.3, "entity": 0.2, "feature": 0.1, "stream": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What can be found.

    Attributes:
        kind: what it is.
        reference: what to paste: ``view``, ``view:feature``, a name.
        type: of a feature; else empty.
        description: in one line.
        texts: what is searched, by field: ``name view tags entities owner group features description``.
        used_by: feature services that use it.
    """

    kind: Kind
    reference: str
    type: str = ""
    description: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlight:
    """A place that matched: the letters from `start` to before `end` of a field's text."""

    field: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found.

    Attributes:
        thing: what.
        score: how well it matches; only for comparing hits of one search.
        highlights: where, in the order of the fields.
        unmatched: words that match nothing in it, in lower case.
    """

    thing: Thing
    score: float
    highlights: tuple[Highlight, ...]
    unmatched: tuple[str, ...] = ()


def search(project: Project, words: Sequence[str], *, kinds: Sequence[Kind] = KINDS) -> tuple[Hit, ...]:
    """Find what matches.

    Args:
        project: the definitions.
        words: what to look for; each text may hold several words. Case, and what is neither letter nor digit, count for
            nothing.
        kinds: what to look among.

    Returns:
        Best first. All words match each hit; where nothing matches all, each matches as many as any does.
    """
    wanted = list(dict.fromkeys(word.casefold() for text in words for word in _WORD.findall(text)))
    known: dict[tuple[str, str], float] = {}
    found: list[tuple[int, Hit]] = []
    for thing in things(project):
        if thing.kind in kinds:
            matched, hit = _hit(thing, wanted, known)
            if matched:
                found.append((matched, hit))
    most = max((matched for matched, _ in found), default=0)
    best = [hit for matched, hit in found if matched == most]
    return tuple(sorted(best, key=lambda hit: (-hit.score, hit.thing.kind, hit.thing.reference)))


def things(project: Project) -> Iterator[Thing]:
    """Yield everything that can be found."""
    usage = usage_of((project,))
    for view in project.views:
        around = {
            "tags": " ".join(view.tags),
            "entities": " ".join((*view.entities, *(key.name for key in view.join_keys))),
            "owner": view.owner,
            "group": view.group,
        }
        yield Thing(
            kind="view",
            reference=view.reference,
            description=_folded(view.description),
            texts={"name": view.reference, **around, "description": _folded(view.description)},
            used_by=usage.of_view(view.reference),
        )
        for feature in view.features:
            own = {**around, "tags": " ".join((*feature.tags, *view.tags)), "description": _folded(feature.description)}
            yield Thing(
                kind="feature",
                reference=f"{view.reference}:{feature.name}",
                type=feature.type,
                description=_folded(feature.description),
                texts={"name": feature.name, "view": view.reference, **own},
                used_by=usage.of_feature(f"{view.reference}:{feature.name}"),
            )
    for service in project.services:
        texts = {"name": service.name, "tags": " ".join(service.tags), "owner": service.owner, "group": service.group}
        said = {"features": " ".join(service.features), "description": _folded(service.description)}
        yield Thing(kind="service", reference=service.name, description=said["description"], texts={**texts, **said})
    yield from _others(project)


def _others(project: Project) -> Iterator[Thing]:
    usage = usage_of((project,))
    for entity in project.entities:
        said = _folded(entity.description)
        texts = {"name": entity.name, "entities": " ".join(entity.join_keys), "description": said}
        used_by = usage.of_entity(entity.name)
        yield Thing(kind="entity", reference=entity.name, description=said, texts=texts, used_by=used_by)
    for stream in project.streams:
        said = _folded(stream.description)
        columns = " ".join(column.name for column in stream.columns)
        texts = {"name": stream.name, "features": columns, "description": said}
        used_by = usage.of_stream(stream.name)
        yield Thing(kind="stream", reference=stream.name, description=said, texts=texts, used_by=used_by)


def _hit(thing: Thing, wanted: Sequence[str], known: dict[tuple[str, str], float]) -> tuple[int, Hit]:
    """How many of the words match, and how; `known` keeps how alike two words are."""
    best: dict[str, float] = dict.fromkeys(wanted, 0.0)
    places: dict[tuple[str, int, int], None] = {}
    for name, text in thing.texts.items():
        for match in _WORD.finditer(text):
            own = match[0].casefold()
            for word in wanted:
                alike = known.get((word, own))
                if alike is None:
                    alike = known[word, own] = _alike(word, own)
                if alike:
                    best[word] = max(best[word], alike * _WEIGHTS[name])
                    places[name, match.start(), match.end()] = None
    is_whole = thing.texts["name"].partition("@v")[0].casefold() in {"_".join(wanted), *wanted}
    score = sum(best.values()) + (5 if is_whole else 0) + _KIND_BONUS[thing.kind]
    highlights = (Highlight(field=name, text=thing.texts[name], start=start, end=end) for name, start, end in places)
    unmatched = tuple(word for word, alike in best.items() if not alike)
    hit = Hit(thing=thing, score=round(score, 3), highlights=tuple(highlights), unmatched=unmatched)
    return len(best) - len(unmatched), hit


def _alike(word: str, own: str) -> float:
    """How well a word that is looked for matches a word of a text, from 0 to 1; both in lower case."""
    if word == own:
        return _EQUAL
    if own.startswith(word):
        return _BEGINS + 0.2 * len(word) / len(own)
    if len(word) < _SHORT or len(own) < _SHORT:
        return 0.0
    if word in own:
        return _WITHIN
    if abs(len(word) - len(own)) > 2:
        return 0.0
    ratio = difflib.SequenceMatcher(None, word, own, autojunk=False).ratio()
    return _NEARLY * ratio if ratio >= _ALIKE else 0.0


def _folded(text: str) -> str:
    return " ".join(text.split())
