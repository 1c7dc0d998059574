"""The online stores, their keys and their rows (SEMANTICS O1-O9)."""
