"""The scan contract: what a scan is, how it is checked, read, written and grouped."""
