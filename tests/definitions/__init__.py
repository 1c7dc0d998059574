"""Definitions: references, durations and types, which everything else is made of."""
