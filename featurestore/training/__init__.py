"""Training sets: the examples in, point-in-time correct features out, and a small record of how."""
