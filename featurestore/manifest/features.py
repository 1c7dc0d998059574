"""Which columns of a view are features, and what their YAML says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.definitions.names import name_problem
from featurestore.definitions.types import INTEGERS, family_of, is_servable
from featurestore.definitions.views import Feature
from featurestore.errors import did_you_mean
from featurestore.manifest.blocks import open_block
from featurestore.manifest.columns import UNTYPED, label
from featurestore.manifest.nodes import FEATURE_KEY, as_texts, warn_of_near_misses
from featurestore.manifest.options import PATH
from featurestore.manifest.times import bookkeeping_columns

if TYPE_CHECKING:
    from featurestore.definitions.views import Column, Json
    from featurestore.manifest.columns import Table
    from featurestore.manifest.nodes import YamlColumn
    from featurestore.manifest.options import ViewOptions
    from featurestore.manifest.problems import Problems

FEATURE_KEYS = ("default", "description", "tags")


def read_features(options: ViewOptions, table: Table, taken: dict[str, str], problems: Problems) -> tuple[Feature, ...]:
    """Read the features of a view.

    Args:
        options: its YAML; without ``features`` all other columns are features, in table order.
        table: its columns.
        taken: what each join key and time column is, by name.
        problems: gets a note for each feature that cannot be one.
    """
    described = {column.name.casefold(): column for column in table.node.columns}
    _check_descriptions(table, taken, problems)
    features = []
    where = table.node.place(f"{PATH}.features")
    for column in _feature_columns(options, table, taken, problems):
        why = name_problem(column.name)
        if why is not None:
            hint = "rename the column in the model, or leave it out of `features`"
            problems.error(f"column '{column.name}' {why}", where=where, hint=hint)
            continue
        if options.online and not is_servable(column.type):
            what = f"column '{column.name}' of type {column.type} cannot be served online"
            problems.error(what, where=where, hint="leave it out of `features`, cast it, or write `online: false`")
        features.append(_feature(column, described.get(column.name.casefold()), table, problems))
    return tuple(features)


def _feature_columns(
    options: ViewOptions, table: Table, taken: dict[str, str], problems: Problems
) -> tuple[Column, ...]:
    where = table.node.place(f"{PATH}.features")
    if options.features is None:
        left_out = {name.casefold() for name in (*taken, *bookkeeping_columns(table.node).values())}
        chosen = tuple(column for column in table.columns if column.name.casefold() not in left_out)
    else:
        found = [table.find(name, where=where, problems=problems) for name in options.features]
        chosen = tuple(dict.fromkeys(column for column in found if column is not None))
        for column in chosen:
            if column.name in taken:
                what = f"column '{column.name}' is {taken[column.name]}, so it cannot be a feature"
                problems.error(what, where=where, hint="leave it out, or select it a second time under another name")
    if options.features == ():
        hint = "name at least one column, or remove the key to take all that are no join key and no time"
        problems.error("no features: the list is empty", where=where, hint=hint)
    elif not chosen and options.features is None:
        what = f"no features: {label(table.node)} has no column besides its join keys and times"
        problems.error(what, where=where, hint="add a column to the model")
    return chosen


def _feature(column: Column, described: YamlColumn | None, table: Table, problems: Problems) -> Feature:
    if described is None:
        return Feature(name=column.name, type=column.type)
    description, tags, default = described.description, described.tags, None
    if described.meta.get(FEATURE_KEY) is not None:
        path = f"columns.{described.name}.config.meta.{FEATURE_KEY}"
        values = described.meta[FEATURE_KEY]
        block = open_block(values, file=table.node.file, path=path, known=FEATURE_KEYS, problems=problems)
        if block is not None:
            description = block.text("description") or description
            tags = as_texts([*tags, *(block.names("tags") or ())])
            default = block.values.get("default")
            if default is not None and not _fits(default, column.type):
                block.refuse("default", f"a value of type {column.type}")
    return Feature(name=column.name, type=column.type, description=description.strip(), tags=tags, default=default)


def _fits(default: Json, value_type: str) -> bool:
    """Say whether a default can be a value of this type; types without a JSON form take anything."""
    if value_type == UNTYPED:
        return True
    if value_type in INTEGERS:
        return isinstance(default, int) and not isinstance(default, bool)
    if value_type.startswith("list<"):
        return isinstance(default, list)
    allowed: dict[str, tuple[type, ...]] = {
        "number": (int, float),
        "string": (str,),
        "time": (str,),
        "boolean": (bool,),
    }
    family = family_of(value_type)
    is_bool = isinstance(default, bool)
    return family not in allowed or (isinstance(default, allowed[family]) and is_bool == (family == "boolean"))


def _check_descriptions(table: Table, taken: dict[str, str], problems: Problems) -> None:
    """Note feature metadata on columns that are not there, or that are join keys or times, and misspelled keys."""
    for column in table.node.columns:
        meta_place = table.node.place(f"columns.{column.name}.config.meta")
        warn_of_near_misses(column.meta, (FEATURE_KEY,), where=meta_place, problems=problems)
        if FEATURE_KEY not in column.meta:
            continue
        where = f"{meta_place}.{FEATURE_KEY}"
        found = table.match(column.name)
        if found is None:
            hint = did_you_mean(column.name, [known.name for known in table.columns])
            problems.error(f"no column '{column.name}' in {label(table.node)}", where=where, hint=hint)
        elif found.name in taken:
            what = f"column '{column.name}' is {taken[found.name]}, so it cannot be a feature"
            problems.error(what, where=where, hint=f"remove the key `{FEATURE_KEY}`")
