"""A message with headers as one record of Kinesis, which has none: a JSON object that holds body, key and headers.

Shape: ``{"featurestore": "message", "headers": {...}, "key": BASE64 or null, "value": BASE64 or null}``.
The rule: a message without headers is its body, as ever.
"""

from __future__ import annotations

import msgspec

from featurestore.streams.source import Outgoing

_BEGINNING = b'{"featurestore":"message",'


class _Envelope(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="featurestore", tag="message"
):
    headers: dict[str, str]
    key: bytes | None
    value: bytes | None


def wrapped(message: Outgoing) -> bytes:
    """What is to be sent."""
    if not message.headers:
        return message.value or b""
    return msgspec.json.encode(_Envelope(headers=dict(message.headers), key=message.key, value=message.value))


def unwrapped(key: str, data: bytes) -> Outgoing:
    """What was sent, whoever did it; an empty record is a tombstone."""
    if data.startswith(_BEGINNING):
        try:
            found = msgspec.json.decode(data, type=_Envelope)
        except msgspec.DecodeError:
            pass
        else:
            return Outgoing(value=found.value, key=found.key, headers=tuple(found.headers.items()))
    return Outgoing(value=data or None, key=key.encode())
