"""The lookup client (SEMANTICS O3, O4, O8, O9)."""
