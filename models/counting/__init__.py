"""How many tokens a prompt is, before it is sent."""
