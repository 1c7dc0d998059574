"""Keep definitions as immutable numbered versions."""
