"""Read dbt's files into definitions; every error names the YAML file and key."""
