"""The built shop, and a tiny project with the command line."""

from tests.cli.conftest import applied, tiny
from tests.shop import shop

__all__ = ["applied", "shop", "tiny"]
