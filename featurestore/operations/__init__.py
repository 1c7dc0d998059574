"""Look after what is online: compare it with the warehouse, say how fresh and how large it is, remove rows."""
