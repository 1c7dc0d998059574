"""The command line, run on a tiny project that no dbt has to build."""
