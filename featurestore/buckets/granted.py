"""With whose rights a bucket is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """With whose rights a bucket is reached, beyond what `obstore` finds in the environment by itself.

    Attributes:
        config: settings of `obstore`; not in the repr, it holds secrets.
        provider: gives credentials whenever they are asked for; None where `config` or the environment has them.
    """

    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    provider: Callable[[], Any] | None = None
