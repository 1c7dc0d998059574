"""How events are written, beside JSON: one file each, loaded by the streams that need it."""
