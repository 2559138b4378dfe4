"""Ledgers in a Redis or Valkey server."""
