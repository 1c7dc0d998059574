"""The online store in Postgres."""
