"""Write SQL; pure: definitions in, text out."""
