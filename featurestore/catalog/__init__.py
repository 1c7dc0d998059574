"""What exists already: search, lineage, exports and pages over the definitions and the dbt graph around them."""
