"""What a feature view of Feast can say that has no equal in a dbt model, and what keeps its model from being built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.scaffold.feast.notes import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.scaffold.feast.objects import FeastSource, FeastView

_NEWEST_WINS = "LAST_WRITE_WINS"
_STREAM = "see docs/guides/streams.md: declare the stream in featurestore.yml"


def waits_for(view: FeastView, *, has_rows: bool) -> str:
    """Say what the model's SELECT lacks; empty where it is whole."""
    if view.source is None:
        return "the view has no batch source"
    if not has_rows:
        return "nothing is known to select its rows from"
    if not view.source.timestamp_field:
        return "its source names no timestamp_field, so the YAML's `event_time` is missing"
    if view.kind == "batch feature view" and (view.is_transformed or view.is_aggregated):
        return "its features are made by code, and its source has the rows before that"
    return "" if view.enabled else "the view is not enabled in Feast"


def notes_of_view(view: FeastView, *, is_listed: bool) -> tuple[Note, ...]:
    """Say what of the view is not as it was; `is_listed` says whether the model lists its columns."""
    said = _all(view, is_listed=is_listed)
    return tuple(Note(kind=view.kind, name=view.name, what=what, hint=hint) for what, hint in said)


def _all(view: FeastView, *, is_listed: bool) -> Iterator[tuple[str, str]]:
    if not view.features and is_listed:
        hint = "see that they are what you want; a column that comes later is no feature until the model has it"
        yield "it has no schema, so all other columns of its file are features, as Feast would infer them", hint
    elif not view.features:
        hint = "list them in the model in place of `*`, so that a new column does not become a feature by itself"
        yield "it has no schema, so all columns of its source are features, as Feast would infer them", hint
    if view.is_transformed:
        mode = f" ({view.mode})" if view.mode else ""
        yield f"its transformation{mode} is code, and is not run here", "write it as SQL in the model"
    if view.is_aggregated:
        yield "its aggregations are not made here", "write them as SQL in the model, with a window over the event time"
    if view.derived_from:
        named = ", ".join(f"`{name}`" for name in view.derived_from)
        yield (
            f"it is derived from {named}; the model reads where Feast keeps its rows",
            "select from these models, by `ref()`",
        )
    if view.stream is not None:
        yield _stream_note(view, view.stream)
    yield from _in_use(view)


def _in_use(view: FeastView) -> Iterator[tuple[str, str]]:
    """What Feast does with the view besides keeping its rows."""
    texts = [f"`{each.name}`" for each in view.features if each.type == "JSON"]
    if texts:
        what = (
            f"JSON in {', '.join(texts)} is served as the table has it: text as text, which Feast parses, online only"
        )
        yield what, "parse it where the features are used, or cast it to the warehouse's JSON type in the model"
    vectors = [f"`{each.name}`" for each in view.features if each.vector]
    if vectors:
        what = f"its vector index on {', '.join(vectors)} has no equal: the values are served, similarity search is not"
        yield what, "keep a vector database for the search, and look the features of what it finds up here"
    if view.is_validated:
        hint = "add data_tests or a contract to the model's YAML, and run `featurestore validate --warehouse`"
        yield "its schema validation (enable_validation) is dbt's business", hint
    if view.version not in {"", "latest"}:
        hint = "write a dbt model version if the old rows are still needed; references then are `view@v2:feature`"
        yield f"its pin to version `{view.version}` is left out", hint
    if view.kind == "label view":
        policy = f" ({view.conflict_policy})" if view.conflict_policy else ""
        newest = "the newest label wins" if view.conflict_policy in {"", _NEWEST_WINS} else "here the newest label wins"
        hint = f"a training set's examples can be the model: `--spine {view.name}` (docs/guides/training-sets.md)"
        yield f"labels are a feature view here; of several of one entity and time {newest}{policy}", hint


def _stream_note(view: FeastView, stream: FeastSource) -> tuple[str, str]:
    """A source of pushes, which every view has here, or a stream."""
    if stream.kind == "PushSource":
        what = f"pushes go to the view itself, not to the source `{stream.name}`"
        hint = f"`featurestore push {view.name}`, or POST /push with `push_source_name: {view.name}`"
        return what, hint
    if stream.kind == "KafkaSource":
        where = f"kafka://{stream.servers or 'BROKER:9092'}"
        hint = f"{_STREAM}, url `{where}`, topic `{stream.topic}`, and add `stream:` to the view"
        return f"its Kafka stream `{stream.name}` is not read yet", hint
    if stream.kind == "KinesisSource":
        hint = f"{_STREAM}, url `kinesis://REGION`, topic `{stream.stream_name}`, and add `stream:` to the view"
        return f"its Kinesis stream `{stream.name}` is not read yet", hint
    return f"its stream `{stream.name}` ({stream.kind}) has no equal", _STREAM
