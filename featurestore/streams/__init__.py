"""New rows that do not wait for a sync: pushes now, event streams later; one path into the stores for all of them."""
