"""Names and texts of other people in SQL, Jinja, YAML and Markdown: each comes out as the text it was."""

from __future__ import annotations

import re
from typing import Any

import yaml
from sqlglot import exp

from featurestore.definitions.names import name_problem
from featurestore.texts import one_line

_OPENS_JINJA = re.compile(r"\{(?=[{%#])")
_RESOURCE_NAME = re.compile(r"^\w[\w-]*$")
_WIDTH = 120
_LONGEST = 2_000


def in_jinja(text: str) -> str:
    """Write text so that Jinja renders it to itself."""
    return _OPENS_JINJA.sub('{{ "{" }}', text)


def rendered_values(value: Any) -> Any:  # noqa: ANN401  values of YAML
    """The same values with all texts, keys too, written for Jinja, as dbt renders YAML."""
    if isinstance(value, str):
        return in_jinja(value)
    if isinstance(value, dict):
        return {in_jinja(str(key)): rendered_values(each) for key, each in value.items()}
    return [rendered_values(each) for each in value] if isinstance(value, list) else value


def yaml_bytes(values: Any, *, head: str = "") -> bytes:  # noqa: ANN401
    """Write values as a YAML file below a comment."""
    text = yaml.dump(values, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return f"{head}{text}".encode()


def identifier(name: str, dialect: str) -> str:
    """A column's or table's name in the quotes of a warehouse, inside a file that Jinja renders."""
    return in_jinja(exp.to_identifier(name, quoted=True).sql(dialect=dialect))


def literal(text: str, dialect: str) -> str:
    """Text in the quotes of a warehouse; Jinja is not thought of."""
    return exp.Literal.string(text).sql(dialect=dialect)


def resource_problem(name: str) -> str | None:
    """Say why a dbt resource of ours cannot have this name; None if it can."""
    why = name_problem(name)
    if why is None and not _RESOURCE_NAME.match(name):
        return "holds other than letters, digits, _ and -, and a dbt resource is named as its file"
    return why


def slug(text: str, otherwise: str) -> str:
    """A name of lower-case letters, digits and underscores that resembles the text."""
    made = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return made if re.match(r"[a-z]", made) else f"{otherwise}_{made}".rstrip("_")


def markdown(text: str) -> str:
    """Text in one line of Markdown; names in backticks stay code, the rest is shown as it is."""
    parts = one_line(text, _LONGEST).split("`")
    if len(parts) % 2 == 0:  # a backtick without its other half opens nothing
        parts[-2:] = ["'".join(parts[-2:])]
    return "`".join(
        part if position % 2 else re.sub(r"([\\*_<>\[\]|#])", r"\\\1", part) for position, part in enumerate(parts)
    )


def code(text: str) -> str:
    """A name as code in Markdown, in one line."""
    return f"`{one_line(text, _LONGEST).replace('`', chr(39))}`"


class _Indented(yaml.SafeDumper):  # type: ignore[misc]  # there are no types for yaml
    """Lists stand two blanks in, as people write them, and nothing is an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True
