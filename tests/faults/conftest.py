"""The servers of the online stores' own tests."""

from tests.online.conftest import moto, valkey

__all__ = ["moto", "valkey"]
