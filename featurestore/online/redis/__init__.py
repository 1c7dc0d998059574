"""The online store in Redis or Valkey: alone, with Sentinel, or as a Cluster."""
