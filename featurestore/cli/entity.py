"""One entity as an option's text: ``customer_id=1,code=x``, or a JSON object where values hold commas."""

from __future__ import annotations

import json

from featurestore.errors import UsageError

_FORMS = """e.g. customer_id=1,code=x; where values hold commas, '{"customer_id": 1, "code": "a,b"}'"""


def parse_entity(text: str) -> dict[str, object]:
    """Read an entity; values stay text, which the online store reads by each key's type.

    Raises:
        UsageError: a pair that is none, or a key given twice.
    """
    if text.lstrip().startswith("{"):
        return _parse_object(text)
    row: dict[str, object] = {}
    for pair in text.split(","):
        key, separator, value = (part.strip() for part in pair.partition("="))
        if not (key and separator):
            raise UsageError(f"expected KEY=VALUE, got {pair!r}", where="--entity", hint=_FORMS)
        if key in row:
            raise UsageError(f"the key '{key}' is given twice", where="--entity", hint="one entity at a time")
        row[key] = value
    return row


def _parse_object(text: str) -> dict[str, object]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise UsageError(f"expected a JSON object, got {text[:60]!r}", where="--entity", hint=_FORMS) from error
    return {str(key): value for key, value in row.items()}
