"""Which set of rows of each view is read, as the store's notes say; they are asked for with the rows, once a second.

The rules: a store without a generation was emptied or never filled (SEMANTICS O8); a sync turns readers to another
set of rows by one note (`online.state`), and the old rows stay for minutes, so that a second of lag does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError
from featurestore.online.keys import key_prefix
from featurestore.online.layouts import GENERATION
from featurestore.online.state import FIRST_SET, parse_state, state_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.state import ViewState
    from featurestore.serving.cache import RowCache

NOTES_TRUSTED_S = 1.0
NOTES_FOLLOWED_S = 300.0
"""How long rows are read by notes that can no longer be asked: half of what old rows outlive their set."""
NOW = float("-inf")
"""A time that has come."""


class KnownNotes:
    """What one client knows from the notes; shared by its plans and threads."""

    def __init__(self, project: str, cache: RowCache | None = None) -> None:
        self.project = project
        self.cache = cache
        self._generation: bytes | None = None
        self._numbers: dict[str, int] = {}

    def number(self, view: FeatureView) -> int:
        """The set of rows in use, as far as is known."""
        return self._numbers.get(view.reference, FIRST_SET)

    def learn(self, generation: bytes | None, numbers: dict[str, int]) -> None:
        """Keep what was read; rows that were kept from before another generation or set are forgotten."""
        known = {reference: self._numbers.get(reference, FIRST_SET) for reference in numbers}
        has_changed = generation != self._generation or numbers != known
        self._generation = generation
        self._numbers.update(numbers)
        if has_changed and self.cache is not None:
            self.cache.clear()


class RowSets:
    """Where the rows of a plan's views are read.

    Attributes:
        views: of each use.
        notes: names of the notes that say so, the generation's first.
        prefixes: what the keys of each use's rows begin with; replaced as a whole when a set changes.
        is_filled: False when the store had no generation at the last look (O8).
        unsynced: of the views, those of which the store knew nothing then: never synced, or lost when it was emptied.
        learned_at: when the notes were last read, monotonic seconds.
        due_at: when the notes are to be read again, monotonic seconds.
        are_apart: True since they could not be read with the rows, until they can be again.
    """

    def __init__(self, views: Sequence[FeatureView], known: KnownNotes) -> None:
        self.views = tuple(views)
        self._distinct = tuple({view.reference: view for view in views}.values())
        self._known = known
        self.notes = (GENERATION, *map(state_note, self._distinct))
        self.prefixes = self._prefixes()
        self.is_filled = True
        self.unsynced: tuple[FeatureView, ...] = ()
        self.learned_at = NOW
        self.due_at = NOW
        self.are_apart = False

    def are_followed(self, now: float) -> bool:
        """Whether the notes were read lately enough to go on by them while they cannot be asked."""
        return now - self.learned_at < NOTES_FOLLOWED_S

    def learn(self, noted: Sequence[bytes | None], *, now: float) -> None:
        """Take the notes as the store has them now.

        Args:
            noted: the contents of `notes`.
            now: when they were asked for, monotonic seconds.

        Raises:
            OnlineStoreError: a view's rows are kept by other join keys than its definition has here.
        """
        generation, *states = noted
        numbers = {
            view.reference: _number(view, parse_state(state))
            for view, state in zip(self._distinct, states, strict=True)
        }
        self._known.learn(generation, numbers)
        prefixes = self._prefixes()
        if prefixes != self.prefixes:
            self.prefixes = prefixes
        self.learned_at = now
        self.is_filled = generation is not None
        self.unsynced = tuple(view for view, state in zip(self._distinct, states, strict=True) if state is None)
        self.due_at = now + NOTES_TRUSTED_S if self.is_filled else NOW
        self.are_apart = False

    def postpone(self, *, now: float) -> None:
        """Leave the notes alone for a while, and the rows without them: they could not be read."""
        self.due_at = now + NOTES_TRUSTED_S
        self.are_apart = True

    def _prefixes(self) -> tuple[bytes, ...]:
        return tuple(key_prefix(self._known.project, view, self._known.number(view)) for view in self.views)


def _number(view: FeatureView, state: ViewState) -> int:
    number = state.set_for(view)
    if number is None:
        raise OnlineStoreError(
            f"the online rows of feature view {view.reference} are kept by {_written(state.sets[0].join_keys)},"
            f" and these definitions ask by {_written([(key.name, key.type) for key in view.join_keys])}",
            hint="open the client again to read the newest definitions; if they are, run featurestore materialize",
        )
    return number


def _written(join_keys: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({value_type})" for name, value_type in join_keys) or "no key"
