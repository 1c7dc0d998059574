"""``featurestore training-model``: a feature service as a dbt model, printed or written into the project."""

from __future__ import annotations

from pathlib import Path

import click

from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json
from featurestore.errors import UsageError


@click.command(
    "training-model",
    epilog=example("featurestore training-model churn_v1 --spine labels --write models/churn_v1_training.sql"),
)
@click.argument("service")
@click.option("--spine", required=True, metavar="MODEL", help="The examples: a dbt model, seed, snapshot or source.")
@click.option("--time", metavar="COLUMN", help="The examples' time column; else as for training-set.")
@click.option(
    "--full-feature-names",
    is_flag=True,
    expose_value=False,
    callback=keep("full_feature_names"),
    help="Name the columns view__feature.",
)
@click.option(
    "--event-timestamps",
    is_flag=True,
    expose_value=False,
    callback=keep("event_timestamps"),
    help="Add <view>__event_timestamp and <view>__found.",
)
@click.option("--as-of", type=click.Choice(["event", "knowledge"]), help="As for training-set.")
@click.option(
    "--write", "path", metavar="FILE.sql", help="Write it to this file, which must be new, and print its name."
)
@common_options
def command(common: Common, service: str, spine: str, time: str | None, as_of: str | None, path: str | None) -> None:
    """Print a dbt model that makes the training set of SERVICE.

    It calls the macro `training_set`, so that dbt knows what it reads, builds it after that, and tests it.
    """
    from featurestore.training.dbt_model import training_model
    from featurestore.training.request import Question

    if path is not None and not path.endswith(".sql"):
        raise UsageError(f"expected a file ending in .sql, got {path}", where="--write")
    store = common.store()
    question = Question(
        feature_service=service,
        spine=spine,
        time=time,
        as_of="knowledge" if as_of == "knowledge" else "event" if as_of == "event" else None,
        full_feature_names=kept("full_feature_names"),
        event_timestamps=kept("event_timestamps"),
    )
    text = training_model(question, ask=store.ask, manifest=store.workspace.manifest(), dialect=store.workspace.dialect)
    if path is not None:
        _write(Path(path), text)
    if common.as_json:
        result_json({"sql": text, "path": path})
    else:
        result(text.rstrip("\n") if path is None else path)


def _write(path: Path, text: str) -> None:
    """Write a new file; one that is there with the same text is left alone."""
    from featurestore.storage.places import write_whole

    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}", where="--write", hint="make it first, or check the path")
    if path.exists():
        if path.is_file() and path.read_bytes() == text.encode():
            return
        raise UsageError(f"{path} is there already, and is another", where="--write", hint="give another name")
    write_whole(path, text.encode())
