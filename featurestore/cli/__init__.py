"""The command line: every command parses, calls the store, prints.

One module per command, loaded when it is used (`commands`). The result goes to stdout, talk to stderr. Exit codes:
0 done, 1 failed, 2 usage or definition error, 3 a check found problems, 4 a backend cannot be reached, 130 interrupted.
"""

from featurestore.cli.entry import main

__all__ = ["main"]
