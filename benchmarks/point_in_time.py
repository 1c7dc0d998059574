"""Training sets: ours, the best hand-written SQL, polars, pandas and Feast on the same files, in one run.

Each *work* is one line of the table in docs/benchmarks.md. No figure counts before its answer was compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import Case, Goal, Options, Recorder, compare, folder
from benchmarks.data import ensure
from benchmarks.question import DAY_S, Question
from benchmarks.sides import PARQUET, TABLES, OurWay, feast, ours, peer, slow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MEASURES = ("wall_s", "cpu_s", "process_cpu_s", "peak_mib")
OURS, OURS_PARQUET = "ours, tables", "ours, parquet"


def main(options: Options) -> None:
    """Measure the works asked for; by default all but those that take long, which ``slow`` adds."""
    has_time = options.slow or options.quick or bool(options.works)
    for name in options.chosen(WORKS):
        if name in LONG and not has_time:
            continue
        recorder = Recorder(name=f"point_in_time-{name}")
        with folder() as place:
            cases, goals = WORKS[name](place, options)
            compare(cases, recorder, options.rounds)
        recorder.summarize(MEASURES, ours=OURS, other="feast", goals=() if options.quick else goals)


Work = tuple["Sequence[Case]", "Sequence[Goal]"]


def medium(place: Path, options: Options) -> Work:
    """100k examples x 1M rows x 3 views, about 8 rows of a view within the ttl of an example."""
    question = Question(size=ensure("S" if options.quick else "M"))
    cases = [
        ours(place, question, OURS, TABLES),
        ours(place, question, OURS_PARQUET, PARQUET),
        ours(place, question, "ours, pandas examples", OurWay(arguments=("--examples", "frame"))),
        peer(place, question, "hand-written, tables", "hand_written"),
        peer(place, question, "hand-written, parquet", "hand_written", "--parquet"),
        peer(place, question, "hand-written, buckets, tables", "hand_written", "--buckets"),
        peer(place, question, "hand-written, buckets, parquet", "hand_written", "--buckets", "--parquet"),
        peer(place, question, "polars", "polars"),
        peer(place, question, "pandas", "pandas"),
        *_feast(place, question, options),
    ]
    goals = [
        *_both("feast", OURS, at_least=3.5),
        *_both("feast", OURS_PARQUET, at_least=3.5),
        *_both("polars", OURS_PARQUET, at_least=1.0),
        *_both(OURS, "hand-written, tables", at_most=1.15),
        *_both(OURS_PARQUET, "hand-written, parquet", at_most=1.15),
        *_both(OURS, "hand-written, buckets, tables", at_most=1.15),
        *_both(OURS_PARQUET, "hand-written, buckets, parquet", at_most=1.15),
        *_peaks(320),
    ]
    return cases, goals


def dense(place: Path, options: Options) -> Work:
    """The same with 2,000 rows per key: 152 candidates per example in 7 days, 1,000 in 90."""
    size = ensure("SD" if options.quick else "MD")
    week, quarter = Question(size=size, ttl_s=7 * DAY_S), Question(size=size, ttl_s=90 * DAY_S)
    cases = [
        ours(place, week, OURS, TABLES),
        ours(place, week, OURS_PARQUET, PARQUET),
        peer(place, week, "polars", "polars"),
        ours(place, quarter, "ours, tables, ttl 90 days", TABLES),
        peer(place, quarter, "polars, ttl 90 days", "polars"),
        slow(peer(place, week, "hand-written range join, tables", "hand_written")),
        *_feast(place, week, options, is_quick=False),
    ]
    goals = [
        *_both("feast", OURS_PARQUET, at_least=15),
        *_both(OURS_PARQUET, "polars", at_most=1.6),
        *_both("ours, tables, ttl 90 days", OURS, at_most=1.6),
    ]
    return cases, goals


def large(place: Path, options: Options) -> Work:
    """1M examples x 10M rows x 5 views; the peers once."""
    question = Question(size=ensure("S" if options.quick else "L5"), views=5)
    cases = [
        ours(place, question, OURS, TABLES),
        ours(place, question, OURS_PARQUET, PARQUET),
        slow(peer(place, question, "hand-written, parquet", "hand_written", "--parquet", "--staged")),
        slow(peer(place, question, "polars", "polars")),
        *map(slow, _feast(place, question, options, is_quick=False)),
    ]
    goals = [
        *_both("feast", OURS_PARQUET, at_least=2.5),
        *_both("polars", OURS_PARQUET, at_least=1.3),
        *_peaks(1500),
    ]
    return cases, goals


def limited(place: Path, options: Options) -> Work:
    """1M examples x 10M rows x 1 view into a Parquet file, DuckDB's memory limited to 256 MB and not."""
    question = Question(size=ensure("S" if options.quick else "L"), views=1)
    written = ("--to", "parquet")
    limit = OurWay(arguments=written, memory_limit="256MB")
    cases = [
        ours(place, question, OURS, OurWay(arguments=written)),
        ours(place, question, "ours, tables, 256 MB", limit),
        slow(peer(place, question, "hand-written, parquet", "hand_written", "--parquet")),
    ]
    return cases, _both("ours, tables, 256 MB", OURS, at_most=2.5)


def small_spine(place: Path, options: Options) -> Work:
    """10k examples x 10M rows x 1 view."""
    question = Question(size=ensure("S" if options.quick else "R10M"), views=1, spine="spine_tenth")
    cases = [
        ours(place, question, OURS, TABLES),
        ours(place, question, OURS_PARQUET, PARQUET),
        peer(place, question, "hand-written, tables", "hand_written"),
        peer(place, question, "hand-written, parquet", "hand_written", "--parquet"),
        slow(peer(place, question, "polars", "polars")),
        *map(slow, _feast(place, question, options, is_quick=False)),
    ]
    fast = [Goal(measure="wall_s", of=side, at_most=1.0) for side in (OURS, OURS_PARQUET)]
    return cases, [*fast, *_peaks(250)]


WORKS: dict[str, Callable[[Path, Options], Work]] = {
    "M": medium,
    "MD": dense,
    "small": small_spine,
    "L1": limited,
    "L5": large,
}
LONG = ("L5",)


def _feast(place: Path, question: Question, options: Options, *, is_quick: bool = True) -> list[Case]:
    """Feast's side, where it is wanted; its start takes many seconds, so that quick runs have it once."""
    return [feast(place, question)] if options.with_feast and (is_quick or not options.quick) else []


def _both(of: str, to: str, *, at_least: float = 0.0, at_most: float = float("inf")) -> list[Goal]:
    """One goal for the clock, and one for CPU seconds, which are steadier."""
    return [Goal(measure=measure, of=of, to=to, at_least=at_least, at_most=at_most) for measure in ("wall_s", "cpu_s")]


def _peaks(at_most: float) -> list[Goal]:
    """Memory on both kinds of tables; on DuckDB's own, what was read of the file stays in memory and counts too."""
    return [Goal(measure="peak_mib", of=side, at_most=at_most) for side in (OURS, OURS_PARQUET)]
