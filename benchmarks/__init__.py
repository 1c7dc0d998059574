"""Speed and memory, ours and Feast's on the same data; run with ``python -m benchmarks``."""
