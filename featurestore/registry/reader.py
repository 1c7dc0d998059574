"""Readers of a registry: they look whether there is another version, and read what they do not have yet.

The rule: what was looked at within `cache` is not looked at again; a registry that is away is answered for by the last
version that was read here, and that is said. Who plans or applies asks `Registry` itself.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from featurestore.definitions.durations import SECOND, format_duration
from featurestore.definitions.places import is_in_bucket, place_of_registry
from featurestore.errors import RegistryUnavailableError
from featurestore.registry.cached.folder import Mark, cache_folder
from featurestore.registry.cached.form import pack, unpack
from featurestore.registry.document import decode_envelope
from featurestore.registry.files.open import open_files
from featurestore.registry.tags import tagged_version
from featurestore.registry.versions import Registry, document_name, nothing_applied, refuse_renamed

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.places import RegistryPlace
    from featurestore.registry.cached.folder import CacheFolder, Look
    from featurestore.registry.cached.form import KeptVersion

WORTH_KEEPING_BYTES = 256 * 1024
"""A document on disk that is smaller is read faster than it is kept."""


class Reader:
    """Reads one registry, as its place says.

    Args:
        place: the place, or its URI alone.
        base_dir: what a relative path is relative to.

    Raises:
        UsageError: a URI that cannot be read.
    """

    def __init__(self, place: RegistryPlace | str, base_dir: Path) -> None:
        self._place, self._base_dir = place_of_registry(place), base_dir
        self._registry = Registry(open_files(self._place, base_dir))
        self._is_far = is_in_bucket(self._place.uri)
        self._cache: CacheFolder | None = cache_folder(self.location, self._place.endpoint, os.environ)

    def look(self, *, at_once: bool = False) -> Mark:
        """Find out which version readers take; without asking, where that was asked within `cache`.

        Args:
            at_once: whether to ask whenever that was.

        An object store that does not answer is given up soon: who looks has a version already.

        Raises:
            UsageError: nothing was applied yet.
            UnknownNameError: the version that readers are pinned to is not there.
            RegistryUnavailableError: the place cannot be read.
        """
        last = self._last_look()
        if last is not None and self._is_fresh(last) and not at_once:
            return last.mark
        mark = self._look_now(self._registry_in_haste())
        if last is not None and last.mark == mark:
            self._note(mark)
        return mark

    def read(self) -> KeptVersion:
        """Read the version that readers take; where the registry is away, the last one read, with a warning.

        Raises:
            RegistryCorruptError: its document is damaged; an older one is never read in its place.
            UsageError, UnknownNameError, RegistryUnavailableError: as `look`.
        """
        last = self._last_look()
        old = self._kept(last.mark) if last is not None else None
        if last is None or old is None:
            return self.take(self._look_now(self._registry))
        if self._is_fresh(last):
            return old
        try:
            mark = self._look_now(self._registry_in_haste())
            if mark != last.mark:
                return self.take(mark)
            self._note(mark)
        except RegistryUnavailableError as problem:
            self._warn(last, problem)
        return old

    def forget_looks(self) -> None:
        """Have all readers of this user look again; what they have read is kept for when the registry is away."""
        if self._cache is not None and self._notes_looks:
            self._cache.end_looks()

    def take(self, mark: Mark) -> KeptVersion:
        """Read the version that a look has found: what is kept of it, else the document. Only then the look counts.

        Raises:
            RegistryCorruptError, RegistryUnavailableError: as `read`; nothing else is read in its place.
        """
        taken = self._kept(mark) or self._fetch(mark)
        self._note(mark)
        return taken

    def _fetch(self, mark: Mark) -> KeptVersion:
        where = self._where(mark)
        data = self._registry.data(mark.number)
        envelope = decode_envelope(data, where=where)
        refuse_renamed(envelope, mark.number, where)
        packed = pack(envelope, stamp=mark.stamp, where=where)
        if self._cache is not None and (self._notes_looks or len(data) >= WORTH_KEEPING_BYTES):
            self._cache.keep(mark.number, packed)
        fresh = unpack(packed, where=where)
        assert fresh is not None
        return fresh

    def _look_now(self, registry: Registry) -> Mark:
        number = self._number(registry)
        stamp = registry.files.stamp(document_name(number))
        if stamp is None:
            registry.version(number)  # raises: it is not there
        return Mark(number=number, stamp=stamp or "")

    def _note(self, mark: Mark) -> None:
        if self._cache is not None and self._notes_looks:
            self._cache.note_look(self._place.version, mark)

    def _number(self, registry: Registry) -> int:
        """Which version readers take."""
        version = self._place.version
        if version is None:
            numbers = registry.numbers()
            if not numbers:
                raise nothing_applied(self.location)
            return numbers[-1]
        return tagged_version(registry.files, version[1:]) if version.startswith("@") else int(version)

    def _last_look(self) -> Look | None:
        return self._cache.last_look(self._place.version) if self._cache is not None and self._notes_looks else None

    def _kept(self, mark: Mark) -> KeptVersion | None:
        return self._cache.load(mark, where=self._where(mark)) if self._cache is not None else None

    def _is_fresh(self, look: Look) -> bool:
        return not look.is_over and 0 <= time.time() - look.at < self._place.cache_s

    @property
    def _notes_looks(self) -> bool:
        return self._is_far or self._place.cache_s > 0

    def _registry_in_haste(self) -> Registry:
        """For a look that has something to fall back on."""
        return Registry(open_files(self._place, self._base_dir, in_haste=True))

    def _warn(self, last: Look, problem: RegistryUnavailableError) -> None:
        import logging

        age = format_duration(max(0, int(time.time() - last.at)) * SECOND)
        logging.getLogger("featurestore.registry").warning(
            "version %d, as it was %s ago, is used: %s", last.mark.number, age, problem.message
        )

    @property
    def location(self) -> str:
        """The place, for messages."""
        return self._registry.files.location

    def _where(self, mark: Mark) -> str:
        return f"{self.location}/{document_name(mark.number)}"
