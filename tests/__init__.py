"""Tests, which read like the README: one sentence per name, the data in the test."""
