"""The registry: R1-R4, damaged documents, plans."""
