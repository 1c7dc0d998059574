"""The definitions in the words of other tools: OpenLineage events, JSON Schemas, a Feast repository. Text out."""
