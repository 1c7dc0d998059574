"""Say what a change means: whose values change through the SQL, whom that hits, and what must be synced again."""
