"""How routes reason: each call on a context that was trimmed to what is affordable."""
