"""The dbt package and the example project, run by real dbt."""
