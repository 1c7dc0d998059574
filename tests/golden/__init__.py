"""Golden SQL: one file per case, read in review, parsed, run, and compared with the oracle."""
