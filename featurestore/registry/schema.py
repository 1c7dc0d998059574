"""The JSON Schema of registry documents, generated from the types that write them."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from featurestore.registry.document import FORMAT, Document


def document_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every registry document of this format satisfies."""
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Document)))
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"featurestore registry document, format {FORMAT}",
        **schema,
    }
