"""Values as JSON can hold them: what ``--json`` prints and the feature server answers."""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from featurestore.online.keys import without_numpy

if TYPE_CHECKING:
    from featurestore.definitions.views import Json

_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def json_value(value: object) -> Json:
    """Return a value as JSON: times ISO with Z, NaN, infinities, decimals and dates as text, bytes in base64."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NON_FINITE.get(value, "NaN")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return _json_text(without_numpy(value))


def iso(moment: datetime) -> str:
    """Write a moment in UTC with a Z; naive is UTC (P14)."""
    utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{utc.isoformat()}Z"


def _json_text(value: object) -> Json:
    if isinstance(value, (bool, int, float, str)):
        return json_value(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
