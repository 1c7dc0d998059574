"""Where events and pushed rows are kept for training: a table, files, an Iceberg table; each batch all or nothing."""
