"""A training set as a notebook shows it: each column and what it is, and behind them the SQL.

Colours are the notebook's own, so that it is as legible on a dark ground; a wide table scrolls.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from featurestore.training.dataset import HistoricalFeatures

_STYLE = (
    ".fs-set th,.fs-set td{text-align:left!important;vertical-align:top;padding:2px 14px 2px 0}"
    ".fs-columns td:last-child{min-width:220px}"
    ".fs-set .scroll{overflow-x:auto}.fs-set pre{overflow-x:auto}"
)
_METHODS = (".to_df()", ".to_polars()", ".to_arrow()", ".to_parquet(path)", ".to_table(name)")


def training_set_html(job: HistoricalFeatures) -> str:
    """Write a training set for a notebook's cell: one ``<div>``; nothing is run."""
    features = {output.name: output for output in job.compiled.selection.outputs}
    rows = []
    for name in job.columns:
        output = features.get(name)
        about = _kind(job, name) if output is None else f"{output.use.name}:{output.feature.name}"
        says = "" if output is None else output.feature.description
        rows.append(((f"<code>{escape(name)}</code>", escape(about), escape(says)), ""))
    methods = ", ".join(f"<code>{method}</code>" for method in _METHODS)
    return (
        f'<div class="fs-set fs-columns"><b>Training set</b>, not run yet: {methods} run it.'
        f"{table_html(('column', 'what it is', 'description'), rows)}"
        f"<details><summary>SQL</summary><pre>{escape(job.sql)}</pre></details></div>"
    )


def table_html(header: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    """Write a table that scrolls where it is wide, with its style, for a ``<div class="fs-set">``.

    Args:
        header: the columns' names.
        rows: per row its cells, and what stands below them over the whole width; HTML already, or escaped.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = []
    for cells, below in rows:
        body.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        if below:
            body.append(f'<tr><td colspan="{len(header)}"><pre>{below}</pre></td></tr>')
    return (
        f'<style>{_STYLE}</style><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _kind(job: HistoricalFeatures, name: str) -> str:
    """What a column is that is no feature."""
    if name in job.label_columns:
        return "label" if job.request.labels is not None and name in job.request.labels.names else "about the labels"
    for use in job.compiled.selection.uses:
        if name == f"{use.name}__event_timestamp":
            return f"{use.name}: event time of its row"
        if name == f"{use.name}__found":
            return f"{use.name}: whether there was a row"
    return (
        "the examples' time" if name == job.time else "of the examples" if job.examples is not None else "key or time"
    )
