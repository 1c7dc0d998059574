"""Names of Arrow types as a card has them, and values without the encoding that Arrow or Parquet chose for them.

What a file or a warehouse may change on the way is not in the name: dictionaries, 64-bit offsets, views, the unit of
a time, the spelling of a time zone.
"""

from __future__ import annotations

import pyarrow as pa

_UNITLESS = (
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (pa.types.is_duration, "duration"),
    (pa.types.is_boolean, "bool"),
    (pa.types.is_null, "null"),
)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


def type_name(arrow: pa.DataType) -> str:
    """Name a type, e.g. ``int64``, ``string``, ``decimal(10,2)``, ``timestamptz``, ``list<float64>``."""
    if isinstance(arrow, pa.BaseExtensionType):
        return type_name(arrow.storage_type)
    if pa.types.is_dictionary(arrow) or pa.types.is_run_end_encoded(arrow):
        return type_name(arrow.value_type)
    if is_list(arrow):
        return f"list<{type_name(arrow.value_type)}>"
    if pa.types.is_map(arrow):
        return f"map<{type_name(arrow.key_type)},{type_name(arrow.item_type)}>"
    if pa.types.is_struct(arrow):
        return f"struct<{','.join(f'{each.name}:{type_name(each.type)}' for each in arrow)}>"
    return _name_of_simple(arrow)


def _name_of_simple(arrow: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow):
        return "timestamp" if arrow.tz is None else "timestamptz"
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if is_text(arrow):
        return "string"
    if is_bytes(arrow):
        return "binary"
    for is_of, name in _UNITLESS:
        if is_of(arrow):
            return name
    return "interval" if arrow == pa.month_day_nano_interval() else _FLOATS.get(str(arrow), str(arrow))


def plain(values: pa.Array) -> pa.Array:
    """The values without dictionary, run lengths or extension type; lists with 64-bit offsets."""
    arrow = values.type
    if isinstance(arrow, pa.BaseExtensionType):
        return plain(values.storage)
    if pa.types.is_dictionary(arrow):
        return plain(_without_views(values.dictionary).take(values.indices))
    if pa.types.is_run_end_encoded(arrow):
        return plain(pa.compute.run_end_decode(values))
    return values


def _without_views(values: pa.Array) -> pa.Array:
    """Texts and bytes in one piece: Arrow cannot pick from views."""
    if pa.types.is_string_view(values.type):
        return values.cast(pa.large_string())
    return values.cast(pa.large_binary()) if pa.types.is_binary_view(values.type) else values


def is_text(arrow: pa.DataType) -> bool:
    """Whether values are text, however it is laid out."""
    return any(is_of(arrow) for is_of in _TEXTS)


def is_bytes(arrow: pa.DataType) -> bool:
    """Whether values are bytes, however they are laid out."""
    return any(is_of(arrow) for is_of in _BYTES)


def is_list(arrow: pa.DataType) -> bool:
    """Whether values are lists, however they are laid out."""
    return any(is_of(arrow) for is_of in _LISTS)
