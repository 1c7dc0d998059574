"""The online side of a comparison: what lookups answer, and for keys that differ the stored rows themselves.

Answers come through the client that a service uses, so keys, codec, layouts, ages and statuses are compared with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.online.codec import instant
from featurestore.online.keys import key_prefix
from featurestore.operations.keys import online_key
from featurestore.serving.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.project import Project
    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.operations.keys import KeyValues
    from featurestore.serving.response import OnlineResponse

_KEYS_PER_READ = 2_000


class Served:
    """One view as it is served now; made anew for each pass, so that nothing remembered is in the way.

    Args:
        project, store: as a service has them.
        view: the definition.
        row_set: number of the set of rows that readers use (`online.state`).
    """

    def __init__(self, project: Project, store: OnlineStore, view: FeatureView, row_set: int) -> None:
        self._client = connect(project, store)
        self._store = store
        self._view = view
        self.prefix = key_prefix(project.name, view, row_set)

    def look_up(self, keys: Sequence[list[object]], at_us: int) -> OnlineResponse:
        """Answer for keys, given as one list per join key, as of a moment."""
        names = [column.name for column in self._view.join_keys]
        entities = dict(zip(names, keys, strict=True))
        return self._client.get_online_features(
            [self._view.reference], entities, full_feature_names=True, now=instant(at_us)
        )

    def key(self, values: KeyValues) -> bytes | None:
        """The online key of these values; None where they can have none."""
        return online_key(self.prefix, values, self._view.join_keys)

    def rows(self, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """The stored rows; None where there is none."""
        wanted = list({key: None for key in keys if key is not None})
        found: dict[bytes | None, bytes | None] = {}
        for start in range(0, len(wanted), _KEYS_PER_READ):
            chunk = wanted[start : start + _KEYS_PER_READ]
            found.update(zip(chunk, self._store.fetch(chunk), strict=True))
        return [found.get(key) for key in keys]

    def pages(self) -> Iterator[list[bytes]]:
        """Page through the online keys of the set."""
        return self._store.keys(self.prefix)
