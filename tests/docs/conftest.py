"""The built shop, for the snippets."""

from tests.shop import shop

__all__ = ["shop"]
