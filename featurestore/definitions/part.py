"""A part of the examples: the first few, or a sample that is the same whenever it is drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from featurestore.errors import UsageError

_SAMPLE = re.compile(r"^\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<percent>%)?\s*$", re.ASCII)
_FORM = 'e.g. sample="10%" (a share of the examples) or sample=1000 (so many of them)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which examples are taken; exactly one of the three is given.

    Attributes:
        limit: so many: a frame's first, else the latest by time.
        sample_rows: so many, by a hash of the join keys, the time and the seed.
        sample_percent: each with this chance, by the same hash; above 0, at most 100.
        seed: another seed is another sample.
    """

    limit: int | None = None
    sample_rows: int | None = None
    sample_percent: Decimal | None = None
    seed: int = 0

    @property
    def sample(self) -> str | None:
        """The sample as it can be asked for again."""
        if self.sample_percent is not None:
            return f"{self.sample_percent}%"
        return None if self.sample_rows is None else str(self.sample_rows)


def read_part(*, limit: int | None = None, sample: int | str | None = None, seed: int = 0) -> Part | None:
    """Read which part of the examples a request wants; None for all of them.

    Raises:
        UsageError: both are given, or something that is no number of examples and no share.
    """
    if limit is not None and sample is not None:
        raise UsageError("expected either limit or sample, got both", hint="sample=N gives at most N examples too")
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise UsageError(f"expected a number of examples above zero, got {limit!r}", where="limit")
        return Part(limit=limit)
    if sample is None:
        return None
    match = _SAMPLE.match(str(sample)) if isinstance(sample, (int, str)) and not isinstance(sample, bool) else None
    if match is None:
        raise UsageError(f"expected a number of examples or a share, got {sample!r}", where="sample", hint=_FORM)
    number = Decimal(match["number"])
    if match["percent"]:
        if not 0 < number <= 100:
            raise UsageError(f"expected a share above 0% and at most 100%, got {sample}", where="sample")
        return Part(sample_percent=number, seed=seed)
    if number != int(number) or number < 1:
        raise UsageError(f"expected a whole number of examples above zero, got {sample}", where="sample", hint=_FORM)
    return Part(sample_rows=int(number), seed=seed)
