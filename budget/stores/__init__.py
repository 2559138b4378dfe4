"""Where ledgers live, and what all durable stores share."""
