"""Move the newest rows from the warehouse to the online store."""
