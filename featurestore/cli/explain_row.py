"""``featurestore explain-row``: why one example has the feature values it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.asking import asked_with
from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json, say
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.store import FeatureStore
    from featurestore.training.explain.explanation import Explanation

_NAMED = "e.g. --entity customer_id=7 --time 2026-06-10T12:00:00Z, or --spine labels.csv --row 3"
_TAKEN = "  >  "


def _option(flag: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(flag, expose_value=False, callback=keep(flag), **settings)


@click.command(
    "explain-row",
    epilog=example(
        "featurestore explain-row --service churn_v1 --entity customer_id=7 --time 2026-06-10T12:00:00Z",
        "featurestore explain-row --features orders:amount_7d --spine labels.csv --row 3 --html why.html",
    ),
)
@_option("--features", multiple=True, metavar="REF,...", help="Features, e.g. `orders:amount_7d,profile`.")
@_option("--service", metavar="NAME", help="A feature service, in place of --features.")
@_option("--entity", multiple=True, metavar="KEY=VALUE,...", help="The example's join keys.")
@_option(
    "--time",
    metavar="TIME|COLUMN",
    help="The example's time, UTC if it has no zone; with --spine, the examples' time column.",
)
@_option(
    "--spine",
    metavar="SQL|FILE|TABLE|MODEL|-",
    help="In place of --entity and --time: examples, as training-set takes them.",
)
@_option("--row", type=int, metavar="N", help="With --spine: which of them, counted from 0.")
@_option(
    "--as-of",
    type=click.Choice(["event", "knowledge"]),
    help="knowledge: use only rows that had been loaded by then.",
)
@_option(
    "--set",
    multiple=True,
    metavar="VIEW.KEY=VALUE",
    help="Another ttl, delay, boundary or as_of for a view, e.g. `orders.ttl=7d`; `none` lifts a ttl.",
)
@_option(
    "--limit", type=int, default=5, metavar="N", help="How many refused rows to show on each side of the time; else 5."
)
@_option("--html", metavar="FILE", help="Also draw it as a timeline into this file, which needs nothing else.")
@common_options
def command(common: Common) -> None:
    """Explain one example: which feature rows it got, and why not the next ones.

    Per feature view: the row that was taken, and the nearest rows that were refused, each with the rule that did it: in
    the future (P2), expired (P3), older or tied (P4), delayed (P7), not yet known (P8), no longer valid (P9).
    """
    html = kept("--html")
    if html is not None and not Path(html).parent.is_dir():
        raise UsageError(f"no folder {Path(html).parent}", where="--html", hint="make it first, or check the path")
    explanation = _explained(common.store())
    if html is not None:
        explanation.to_html(html)
    if common.as_json:
        result_json(_as_json(explanation))
    else:
        result("\n".join(map(_emphasized, str(explanation).splitlines())))
    if html is not None:
        say(f"Drawn in {html}.")


def _explained(store: FeatureStore) -> Explanation:
    from featurestore.definitions.moments import parse_moment
    from featurestore.training.explain.example import keys_from_text
    from featurestore.training.explain.run import explain_row

    entity, time, spine, row = (kept(flag) for flag in ("--entity", "--time", "--spine", "--row"))
    about = {name: kept(f"--{name.replace('_', '-')}") for name in ("features", "service", "as_of", "set")}
    if spine is not None:
        if entity or row is None:
            got = "--entity" if entity else "no --row"
            raise UsageError(f"with --spine, expected the number of one example, got {got}", hint=_NAMED)
        asked = asked_with({**about, "spine": spine, "time": time, "full_feature_names": True})
        return asked.ask(store).explain_row(row, limit=kept("--limit"))
    if row is not None:
        raise UsageError("--row counts in a spine, and there is none", hint="add --spine")
    if time is None:
        raise UsageError("which example? expected its keys and time, or a spine and a row", hint=_NAMED)
    texts = _pairs(entity)
    prepared = store.to_explain(asked_with(about).without_examples())
    keys = keys_from_text(prepared.selection, texts)
    return explain_row(prepared, keys=keys, time=parse_moment(time, where="--time"), limit=kept("--limit"))


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in (pair for text in texts for pair in text.split(",")):
        key, separator, value = (part.strip() for part in pair.partition("="))
        if not (key and separator):
            hint = "e.g. --entity customer_id=1,code=x; where values hold commas, use --spine"
            raise UsageError(f"expected KEY=VALUE, got {pair!r}", where="--entity", hint=hint)
        if key in pairs:
            raise UsageError(f"the key '{key}' is given twice", where="--entity", hint="one example has one value each")
        pairs[key] = value
    return pairs


def _emphasized(line: str) -> str:
    """The taken row stands out on a terminal; elsewhere click leaves the text as it is."""
    return click.style(line, fg="green", bold=True) if line.startswith(_TAKEN) else line


def _as_json(explanation: Explanation) -> dict[str, Any]:
    from featurestore.online.json_values import json_value

    made = explanation.to_dict()
    for view in made["views"]:
        for holder in (view, *view["candidates"]):
            holder["values"] = {name: json_value(value) for name, value in holder["values"].items()}
    return made
