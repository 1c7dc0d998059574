"""Compare what is served with the warehouse's point-in-time answer (SEMANTICS P17), also while rows move.

Shape: ``all keys, or a sample with keys of the store and keys that nobody has -> suspects -> looked at again, at most
three times, each time against the watermark of that moment``. A fault is what stands still and differs.
"""

from __future__ import annotations

import random
from array import array
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic, sleep
from typing import TYPE_CHECKING

from featurestore.errors import OnlineStoreError, QueryError, UsageError
from featurestore.materialize.window import SyncRequest, choose_window, utc_now
from featurestore.online.codec import instant, microseconds
from featurestore.online.state import ViewState
from featurestore.operations.comparison import Pass
from featurestore.operations.keys import absent_keys, fitting_keys, key_arrays, values_of
from featurestore.operations.offline import count_keys, of_all_keys, of_these_keys
from featurestore.operations.results import Tally, ViewVerification
from featurestore.operations.served import Served
from featurestore.operations.sides import SYNC, state_to_compare, unsynced
from featurestore.operations.verdicts import Judge, settled_at
from featurestore.warehouse.memory import with_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import numpy as np

    from featurestore.definitions.part import Part
    from featurestore.definitions.views import FeatureView
    from featurestore.operations.keys import KeyValues
    from featurestore.operations.offline import Answers
    from featurestore.operations.sides import Sides
    from featurestore.warehouse.protocol import Warehouse

    Hashes = np.ndarray[tuple[int], np.dtype[np.int64]]

WAREHOUSE_MEMORY_BYTES = 256 * 2**20
"""What an engine inside this process may use at first; what does not fit is spilled to disk."""
ABSENT_KEYS = 1_000
ROUNDS = 3
MOMENT_S = 0.3
"""How long a suspect is given to move before it is looked at again."""
PAGED_KEYS = 200_000
"""How many of the store's keys a sample looks at."""
_KEYS_PER_QUESTION = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What is to be compared.

    Attributes:
        part: a sample of the model's keys; None for all, and for all keys of the store.
        at: the moment, UTC; None takes the moment at which all that was synced is usable.
        seed: of the sample of the store's keys and of the keys that nobody has.
    """

    part: Part | None
    at: datetime | None = None
    seed: int = 0


def verify_view(
    view: FeatureView, request: VerifyRequest, sides: Sides, *, on_rows: Callable[[int], None] | None = None
) -> ViewVerification:
    """Compare one view.

    Args:
        view: the definition.
        request: which keys, at which moment.
        sides: warehouse and store.
        on_rows: told how many keys were compared so far; raises to stop the work.

    Raises:
        WarehouseError, OnlineStoreError: one of them cannot be reached.
    """
    started = monotonic()
    try:
        found = with_enough_memory(
            lambda size_bytes: _Verifier(view, request, _with_memory(sides, size_bytes), on_rows).run(),
            first_bytes=WAREHOUSE_MEMORY_BYTES,
        )
    except (QueryError, UsageError) as error:
        found = ViewVerification(view=view.reference, problem=error.message, hint=error.hint)
    return replace(found, seconds=monotonic() - started)


def _with_memory(sides: Sides, size_bytes: int) -> Sides:
    def open_one() -> Warehouse:
        warehouse = sides.open_warehouse()
        warehouse.limit_memory(size_bytes)
        return warehouse

    return replace(sides, open_warehouse=open_one)


class _Verifier:
    """The comparison of one view."""

    def __init__(
        self, view: FeatureView, request: VerifyRequest, sides: Sides, on_rows: Callable[[int], None] | None
    ) -> None:
        self._view = view
        self._request = request
        self._sides = sides
        self._on_rows = on_rows
        self._tally = Tally(view)
        self._compared = 0
        self._model_keys = 0
        self._online_keys: int | None = 0
        self._keys = array("q")
        self._more: set[int] = set()

    def run(self) -> ViewVerification:
        """Compare, and look at suspects again."""
        state = state_to_compare(self._view, self._sides.store)
        problem = unsynced(self._view, state)
        if problem is not None:
            if state.watermark is None and self._is_empty():
                return ViewVerification(view=self._view.reference)
            return ViewVerification(view=self._view.reference, problem=problem, hint=SYNC)
        try:
            return self._rounds()
        except OnlineStoreError:
            self._look()  # A lookup refuses a view whose rows were dropped meanwhile; this says so of verify.
            raise

    def _rounds(self) -> ViewVerification:
        first = look = self._look()
        self._everything(look)
        for _ in range(ROUNDS):
            if not look.suspects.keys:
                break
            sleep(MOMENT_S)
            look, before = self._look(look.suspects.seen), look
            self._ask(look, before.suspects.keys)
        self._tally.add("unsettled", len(look.suspects.keys))
        return self._tally.result(
            ViewVerification(
                view=self._view.reference,
                at=instant(first.judge.at_us),
                model_keys=self._model_keys,
                online_keys=self._online_keys,
            )
        )

    def _is_empty(self) -> bool:
        """Whether the model has no row that a sync would take."""
        from featurestore.materialize.seen import seen_in

        window = choose_window(self._view, SyncRequest(), ViewState(), utc_now())
        with closing(self._sides.open_warehouse()) as warehouse:
            return not seen_in(self._view, window.rows, warehouse).rows

    def _look(self, before: dict[int, int] | None = None) -> Pass:
        """Begin a pass: against the watermark and the set of rows of now."""
        sides, view = self._sides, self._view
        state = state_to_compare(view, sides.store)
        row_set = state.set_for(view)
        if state.watermark is None or row_set is None:
            raise UsageError("its rows were dropped or redefined while they were compared", hint="verify it again")
        return Pass(
            view=view,
            judge=Judge(
                view=view,
                at_us=settled_at(view, state.watermark, self._request.at),
                watermark=state.watermark,
                now_us=microseconds(utc_now()),
            ),
            served=Served(sides.project, sides.store, view, row_set),
            tally=self._tally,
            before=before or {},
        )

    def _everything(self, look: Pass) -> None:
        """Compare the model's keys, then keys of the store and keys that nobody has."""
        rng = random.Random(self._request.seed)  # noqa: S311 -- no secret is drawn
        with closing(self._sides.open_warehouse()) as warehouse:
            if self._request.part is not None:
                self._model_keys = count_keys(self._view, warehouse)
            for answers in of_all_keys(self._view, instant(look.judge.at_us), self._request.part, warehouse):
                self._compare(look, answers)
                self._keys.extend(map(hash, _online_keys(look.served, answers)))
        if self._request.part is None:
            self._model_keys = self._compared
        if not self._view.join_keys:
            self._online_keys = sum(map(len, look.served.pages()))
            return
        known = _sorted(self._keys)
        online = self._online(look, known)
        self._ask_online(look, online if self._request.part is None else self._sampled(online, rng))
        absent = {look.served.key(values): values for values in absent_keys(self._view, ABSENT_KEYS, rng)}
        drawn = self._new([key for key in absent if key is not None], known)
        self._ask(look, [absent[key] for key in drawn], are_drawn=True)

    def _online(self, look: Pass, known: Hashes) -> Iterator[bytes]:
        """The store's keys that were not compared yet; counts all of them on the way."""
        count, self._online_keys = 0, None
        for page in look.served.pages():
            count += len(page)
            yield from self._new(page, known)
        self._online_keys = count

    def _new(self, keys: Sequence[bytes], known: Hashes) -> list[bytes]:
        """Those that were not compared yet. Two keys of one hash of 64 bits would only hide one."""
        new = [key for key in _not_in(keys, known) if hash(key) not in self._more]
        self._more.update(map(hash, new))
        return new

    def _sampled(self, keys: Iterator[bytes], rng: random.Random) -> Iterator[bytes]:
        """As many keys of the store as of the model, drawn from the first pages."""
        wanted = max(ABSENT_KEYS, self._compared)
        kept: list[bytes] = []
        for seen, key in enumerate(islice(keys, PAGED_KEYS)):
            if len(kept) < wanted:
                kept.append(key)
            elif (place := rng.randrange(seen + 1)) < wanted:
                kept[place] = key
        return iter(kept)

    def _ask_online(self, look: Pass, keys: Iterator[bytes]) -> None:
        """Compare keys of the store, whatever the model has for them."""
        columns, prefix = self._view.join_keys, look.served.prefix
        while chunk := list(islice(keys, _KEYS_PER_QUESTION)):
            read = {key: values_of(key, prefix, columns) for key in chunk}
            fitting = fitting_keys([values for values in read.values() if values is not None], columns)
            self._ask(look, fitting)
            if len(fitting) < len(read):
                known = set(fitting)
                look.unreadable([key for key, values in read.items() if values not in known])

    def _ask(self, look: Pass, keys: Sequence[KeyValues], *, are_drawn: bool = False) -> None:
        """Compare given keys; `are_drawn` at random, so that hardly anybody has them."""
        if not keys:
            return
        at = instant(look.judge.at_us)
        with closing(self._sides.open_warehouse()) as warehouse:
            if self._view.join_keys:
                found = of_these_keys(self._view, at, key_arrays(keys, self._view.join_keys), warehouse)
            else:
                found = of_all_keys(self._view, at, None, warehouse)
            for answers in found:
                self._compare(look, answers, are_drawn=are_drawn)

    def _compare(self, look: Pass, answers: Answers, *, are_drawn: bool = False) -> None:
        look.compare(answers, are_drawn=are_drawn)
        self._compared += len(answers)
        if self._on_rows is not None:
            self._on_rows(self._compared)


def _online_keys(served: Served, answers: Answers) -> Iterator[bytes | None]:
    return map(served.key, zip(*answers.keys, strict=True))


def _sorted(hashes: array[int]) -> Hashes:
    import numpy as np

    return np.sort(np.frombuffer(hashes, dtype=np.int64)) if hashes else np.empty(0, dtype=np.int64)


def _not_in(keys: Sequence[bytes], known: Hashes) -> list[bytes]:
    import numpy as np

    hashes = np.fromiter(map(hash, keys), dtype=np.int64, count=len(keys))
    places = np.minimum(np.searchsorted(known, hashes), max(0, len(known) - 1))
    is_known = known[places] == hashes if len(known) else np.zeros(len(keys), dtype=bool)
    return [keys[place] for place in np.flatnonzero(~is_known).tolist()]
