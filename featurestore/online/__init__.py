"""Hold the newest row per key: row format, keys, one file per store."""
