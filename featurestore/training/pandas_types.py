"""Which pandas type holds an Arrow column without losing NULLs (SEMANTICS P13)."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa


def nullable_type(arrow: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
    """Return the nullable type of integers and booleans; None leaves the choice to pandas."""
    if pa.types.is_boolean(arrow):
        return pd.BooleanDtype()
    if not pa.types.is_integer(arrow):
        return None
    signed = {8: pd.Int8Dtype(), 16: pd.Int16Dtype(), 32: pd.Int32Dtype(), 64: pd.Int64Dtype()}
    unsigned = {8: pd.UInt8Dtype(), 16: pd.UInt16Dtype(), 32: pd.UInt32Dtype(), 64: pd.UInt64Dtype()}
    return (signed if pa.types.is_signed_integer(arrow) else unsigned)[arrow.bit_width]
