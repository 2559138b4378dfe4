"""Documents split into passages on their structure."""
