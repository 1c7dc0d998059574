"""Real data that nobody here made, through the command line (MovieLens 100k)."""
