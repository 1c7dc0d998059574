"""The nouns: entities, feature views, services, spines, references; frozen and pure."""
