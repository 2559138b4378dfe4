"""Ledgers in an SQLite file."""
