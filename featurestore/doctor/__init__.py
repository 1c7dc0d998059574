"""Look at everything that must be right, one finding per check, each with what to do about it."""
