"""Where rows of ours go, as YAML says it: the warehouse, a folder below the project, an object store's URI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from featurestore.definitions.names import is_path_of_a_machine

if TYPE_CHECKING:
    from featurestore.manifest.blocks import Block

SCHEMES = ("s3", "gs", "az")
_URI = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)$")


def check_destination(block: Block, key: str, text: str, hint: str) -> None:
    """Note what cannot stand in the registry, or leads nowhere: paths of a machine, passwords, unknown schemes (R3)."""
    uri, place = _URI.match(text), block.place(key)
    if uri is None:
        if is_path_of_a_machine(text):
            what = "expected a folder below the dbt project, got a path of this machine (SEMANTICS R3)"
            block.problems.error(what, where=place, hint=hint)
    elif uri["scheme"] not in SCHEMES or not uri["rest"].strip("/"):
        block.problems.error(f"expected one of {', '.join(SCHEMES)} with a bucket", where=place, hint=hint)
    elif "@" in uri["rest"] or "?" in uri["rest"]:
        what = "a URI with a password or options in it, and the registry holds no secrets (SEMANTICS R3)"
        block.problems.error(what, where=place, hint="leave it out; the environment of the server has it")
