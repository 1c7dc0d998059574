"""Registry documents in a bucket of S3, Google Cloud Storage or Azure: a document is an object, a folder a prefix.

An object is created on the condition that there is none (``If-None-Match: *``), which the store itself decides
(SEMANTICS R1). A store that ignores the condition would lose versions: it is refused before the first write.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from featurestore.buckets.connect import Patience, open_bucket
from featurestore.buckets.explain import NO_BUCKET, code_of, explained, has_answered
from featurestore.buckets.heard import heard
from featurestore.errors import ObjectStoreError, OperationError, RegistryUnavailableError
from featurestore.registry.files.protocol import MOST_BYTES, segments, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from featurestore.buckets.connect import Bucket

PATIENCE = Patience(timeout_s=15, retries=4, retry_timeout_s=15)
"""With it an outage is told within about 30 s, a refused connection at once."""

HASTE = Patience(timeout_s=5, retries=1, retry_timeout_s=5)
"""With it an outage is told within about 10 s; for those who have something to fall back on."""

PROOF = ".created-once"
"""The object whose creation is refused, but for the first one's: that proves that the store knows the condition."""

_PROOF_TEXT = b"A store that lets this object be created twice would lose versions of the registry. Leave it here.\n"
_QUOTE = '"'
_ATTEMPTS = 5
_PAUSE_S = 0.1


class ObjectFiles:
    """A prefix of a bucket; nothing is asked, and `obstore` is not loaded, before the first call.

    Args:
        bucket: the bucket.
        prefix: what names of its objects begin with; empty for the whole bucket.
        patience: how long answers are waited for.
    """

    def __init__(self, bucket: Bucket, prefix: str, patience: Patience = PATIENCE) -> None:
        self._bucket, self._prefix, self._patience = bucket, prefix, patience
        self._opened: ObjectStore | None = None
        self._is_proved = False
        self._stamps: dict[str, str] = {}

    @property
    def location(self) -> str:
        """The URI, without a slash at its end."""
        return f"{self._bucket.scheme}://{self._bucket.name}/{self._prefix}".rstrip("/")

    def names(self, folder: str = "") -> Sequence[str]:
        """Names of the objects in a folder, sorted; a thousand a request."""
        return _sorted_names(self._listed(folder)[0])

    def folders(self, folder: str = "") -> Sequence[str]:
        """Names of the folders in a folder, sorted."""
        return _sorted_names(self._listed(folder)[1])

    def read(self, name: str) -> bytes | None:
        """Read one object; None when there is none."""
        with self._told("read", name):
            return self._get(self._key(name))

    def stamp(self, name: str) -> str | None:
        """Its entity tag, as the last listing or else the store says."""
        key = self._key(name)
        if key in self._stamps:
            return self._stamps[key]
        with self._told("read", name):
            return self._head(key)

    def create(self, name: str, data: bytes) -> bool:
        """Create an object; False when there is one of other bytes. Our own, whose answer was lost, counts as created.

        Raises:
            OperationError: the store ignores conditions.
        """
        key = self._key(name)
        self._stamps.pop(key, None)
        with self._told("write", name):
            if not self._is_proved:
                self._prove()
                self._is_proved = True
            return self._create(key, data)

    def delete(self, name: str) -> bool:
        """Delete one object; False when there was none."""
        key = self._key(name)
        self._stamps.pop(key, None)
        with self._told("delete from", name):
            if self._head(key) is None:
                return False
            import obstore

            heard(lambda: obstore.delete(self._store(), key))
        return True

    def _prove(self) -> None:
        """Create an object that may be there, and have the store refuse it.

        That it is there proves nothing, it may have been copied from another store; the refusal does, and costs one
        request of a process that applies.
        """
        key = self._key_of((PROOF,))
        for _ in range(2):
            if not self._put(key, _PROOF_TEXT):
                return
        raise OperationError(
            "this store ignores the condition `If-None-Match: *`: of two appliers at once it would keep one",
            where=self.location,
            hint="take a store that has conditional writes (S3, Google Cloud Storage, Azure, MinIO do), or a directory",
        )

    def _create(self, key: str, data: bytes) -> bool:
        from obstore.exceptions import BaseError

        trouble: Exception | None = None
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE_S * (2**attempt - 1))
            try:
                if self._put(key, data):
                    return True
            except (BaseError, OSError) as error:
                if trouble is not None or has_answered(error):
                    raise
                trouble = error  # whether it was written is not known: what is there now says it
            found = self._get(key)
            if found is not None:
                return found == data
        raise RegistryUnavailableError(
            "cannot write the registry: the store says that the object is there, and that it is not",
            where=f"{self.location}/{key.rpartition('/')[2]}",
            hint="others write and delete at the same time; run the command again",
        ) from trouble

    def _put(self, key: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            heard(lambda: obstore.put(self._store(), key, data, mode="create", use_multipart=False))
        except AlreadyExistsError:
            return False
        return True

    def _get(self, key: str) -> bytes | None:
        import obstore

        try:
            found = heard(lambda: obstore.get(self._store(), key))
            if found.meta["size"] > MOST_BYTES:
                raise too_large(found.meta["size"], f"{self.location}/{key}")
            return bytes(heard(found.bytes))
        except FileNotFoundError as error:
            if code_of(error) in NO_BUCKET:
                raise
            return None

    def _head(self, key: str) -> str | None:
        import obstore

        try:
            return _stamp(heard(lambda: obstore.head(self._store(), key)))
        except FileNotFoundError:  # a missing bucket says no more here: the answer to HEAD has no body
            return None

    def _listed(self, folder: str) -> tuple[list[str], list[str]]:
        """Paths of the objects and of the folders directly in a folder."""
        with self._told("read", folder):
            import obstore

            prefix = self._key_of(segments(folder)) or None
            found = heard(lambda: obstore.list_with_delimiter(self._store(), prefix))
        self._stamps = {each["path"]: _stamp(each) for each in found["objects"]}
        return list(self._stamps), list(found["common_prefixes"])

    def _key(self, name: str) -> str:
        assert name, "expected a file's name, got none"
        return self._key_of(segments(name))

    def _key_of(self, parts: tuple[str, ...]) -> str:
        return "/".join((self._prefix, *parts) if self._prefix else parts)

    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = open_bucket(self._bucket, self._patience)
        return self._opened

    @contextmanager
    def _told(self, verb: str, name: str) -> Iterator[None]:
        """Say in our words what the store refused."""
        where = f"{self.location}/{name}".rstrip("/")
        try:
            self._store()
            from obstore.exceptions import BaseError
        except ObjectStoreError as error:
            raise RegistryUnavailableError(f"cannot {verb} the registry: {error.what}", hint=error.hint) from None
        try:
            yield
        except (BaseError, OSError) as error:
            what, hint = explained(error, scheme=self._bucket.scheme, bucket=self._bucket.name)
            if verb == "write" and not has_answered(error):
                hint = f"{hint} Whether this was written is not known: `featurestore plan` says what is there"
            raise RegistryUnavailableError(f"cannot {verb} the registry: {what}", where=where, hint=hint) from None


def _stamp(found: ObjectMeta) -> str:
    """Tag and size, without quotes and fractions of seconds: there a list differs from an answer about one object."""
    tag = found["e_tag"] or f"{found['last_modified'].timestamp():.0f}"
    return f"{tag.strip(_QUOTE)}-{found['size']}"


def _sorted_names(paths: list[str]) -> list[str]:
    names = (path.rstrip("/").rpartition("/")[2] for path in paths)
    return sorted(name for name in names if name and not name.startswith("."))
