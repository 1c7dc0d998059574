"""Jinja in YAML values, as in dbt's `profiles.yml`: a sandbox that knows `env_var` (and `var` with a default) only.

dbt's filters ``as_number as_bool as_native as_text`` set the type of a value that is nothing but one expression; every
other rendered value is text. A message never shows a rendered value or the template: both may hold a secret.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, filters, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONVERSIONS = ("as_number", "as_bool", "as_native", "as_text")
_KNOWN = frozenset(("env_var", "var"))
_VERBATIM_KEYS = frozenset(("password", "pass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Renders the values of one file.

    Attributes:
        place: the file, as messages call it.
        environ: the environment variables.
    """

    place: str
    environ: Mapping[str, str]

    def render(self, value: Any, key: str) -> Any:  # noqa: ANN401
        """Render the texts of a value, at any depth.

        Args:
            value: as YAML gave it.
            key: its path in the file, for messages.

        Returns:
            The same shape, rendered. Dates become ISO text, as in dbt.

        Raises:
            UsageError: a missing environment variable, or a template that cannot be rendered.
        """
        if isinstance(value, dict):
            return {name: self.render(item, f"{key}.{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, f"{key}[{position}]") for position, item in enumerate(value)]
        if isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value):
            return self._render_text(value, key)
        return value.isoformat() if isinstance(value, date) else value

    def _render_text(self, text: str, key: str) -> Any:  # noqa: ANN401
        where = f"{self.place}: {key}"
        environment = self._environment(where)
        try:
            template = environment.parse(text)
        except TemplateSyntaxError:
            if key.rpartition(".")[2] in _VERBATIM_KEYS:
                return text
            raise UsageError("expected a Jinja template, got one with a syntax error", where=where) from None
        strange = sorted(meta.find_undeclared_variables(template) - _KNOWN)
        if strange:
            raise UsageError(f"only env_var() and var() can be used here, got {', '.join(strange)}", where=where)
        try:
            rendered = environment.from_string(template).render()
            return _converted(rendered, _conversion(template))
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, SyntaxError):
            raise UsageError("the Jinja template cannot be rendered", where=where) from None

    def _environment(self, where: str) -> ImmutableSandboxedEnvironment:
        def env_var(name: str, default: object = None) -> str:
            value = self.environ.get(name, default)
            if value is None:
                hint = f"set it, or give a default: env_var('{name}', 'default')"
                raise UsageError(f"environment variable '{name}' is not set", where=where, hint=hint)
            return str(value)

        def var(name: str, default: object = None) -> str:
            if default is None:
                hint = f"use env_var(), or give a default: var('{name}', 'default')"
                raise UsageError(f"dbt variable '{name}' is not known outside dbt", where=where, hint=hint)
            return str(default)

        environment = _Sandbox(undefined=StrictUndefined, autoescape=False)
        environment.globals = {"env_var": env_var, "var": var}
        environment.filters = {
            **dict.fromkeys(_CONVERSIONS, str),
            "default": filters.do_default,
            "int": filters.do_int,
            "lower": filters.do_lower,
            "replace": filters.FILTERS["replace"],
            "trim": filters.do_trim,
            "upper": filters.do_upper,
        }
        return environment


class _Sandbox(ImmutableSandboxedEnvironment):
    """No product, power or text formatting either: ``'x' * 10**10`` would take all memory."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002
        raise SecurityError(f"operator {operator} is not available")


def _conversion(template: nodes.Template) -> str | None:
    """Name dbt's type filter if the template is one expression that ends in it."""
    output = template.body[0] if len(template.body) == 1 else None
    only = output.nodes[0] if isinstance(output, nodes.Output) and len(output.nodes) == 1 else None
    return only.name if isinstance(only, nodes.Filter) and only.name in _CONVERSIONS else None


def _converted(rendered: str, conversion: str | None) -> Any:  # noqa: ANN401
    """Give the text the type that the filter asks for; raises ValueError or SyntaxError if it has not that form."""
    if conversion == "as_number":
        return float(rendered) if any(sign in rendered for sign in ".eE") else int(rendered)
    if conversion == "as_bool":
        if rendered.strip().lower() not in {"true", "false"}:
            raise ValueError(conversion)
        return rendered.strip().lower() == "true"
    return ast.literal_eval(rendered) if conversion == "as_native" else rendered
