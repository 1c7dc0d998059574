"""Prometheus' text format: families say what metrics are called, samples of several processes become one.

The rule: a metric that no family names is not shown. Base units, names as Prometheus asks for; labels have few values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Combine = Callable[[Iterable[float]], float]
Series = dict[tuple[str, ...], float]
"""Samples by their name and label values, in the order of their family's labels."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: with its prefix and unit.
        kind: Prometheus's type.
        help: one sentence.
        labels: their names, in the order of a sample's values; those of a histogram's buckets end with ``le``.
        combine: makes one number of what the processes have.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    combine: Combine = sum

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of its samples."""
        return tuple(self.name + part for part in _HISTOGRAM_PARTS) if self.kind == "histogram" else (self.name,)


def format_metrics(families: Iterable[Family], processes: Sequence[Series]) -> str:
    """Write samples in Prometheus' text format; those of one name and labels become one, as their family says."""
    values: dict[tuple[str, ...], list[float]] = {}
    for series in processes:
        for key, value in series.items():
            values.setdefault(key, []).append(value)
    by_name: dict[str, list[tuple[str, ...]]] = {}
    for key in values:
        by_name.setdefault(key[0], []).append(key)
    lines: list[str] = []
    for family in families:
        keys = [key for name in family.samples for key in sorted(by_name.get(name, ()), key=_in_order)]
        if keys:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{_sample(family, key)} {_number(family.combine(values[key]))}" for key in keys]
    return "\n".join([*lines, ""])


def _in_order(key: tuple[str, ...]) -> tuple[tuple[str, ...], float]:
    """Buckets stand in the order of their bounds."""
    if key[0].endswith("_bucket"):
        return key[:-1], float(key[-1])
    return key, 0


def _sample(family: Family, key: tuple[str, ...]) -> str:
    names = (*family.labels, "le") if key[0].endswith("_bucket") else family.labels
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, key[1:], strict=True))
    return f"{key[0]}{{{labels}}}" if labels else key[0]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
