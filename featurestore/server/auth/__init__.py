"""Who may ask for what: API keys and tokens of an identity provider."""
