"""The programmatic API: plain functions that the command line calls too."""
