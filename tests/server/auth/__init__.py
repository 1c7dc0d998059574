"""Who may ask a feature server."""
