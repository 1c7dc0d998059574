"""A store in front of a real one that fails at its N-th call, before it does the work or after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import OnlineStore

Moment = Literal["before", "after"]


@dataclass(kw_only=True)
class FailingStore:
    """Everything goes to `store`; the N-th call is an error. One that fails afterwards did its work unacknowledged."""

    store: OnlineStore
    fails_at: int
    moment: Moment
    calls: int = 0

    def __getattr__(self, name):
        method = getattr(self.store, name)
        if not callable(method):
            return method

        def call(*args, **options):
            self.calls += 1
            number = self.calls
            if number == self.fails_at and self.moment == "before":
                raise OnlineStoreError(f"call {number}, {name}, failed before its work")
            answer = method(*args, **options)
            if number == self.fails_at:
                raise OnlineStoreError(f"call {number}, {name}, failed after its work")
            return answer

        return call
