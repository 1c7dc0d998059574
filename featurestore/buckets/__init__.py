"""Buckets of object stores: how one is reached, with whose rights, and what its refusals mean in our words."""
