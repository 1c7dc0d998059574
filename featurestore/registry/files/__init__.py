"""Where registry documents lie: one file per kind of place."""
