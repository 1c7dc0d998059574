"""Commands that make a project, look at one, or run dbt in it."""
