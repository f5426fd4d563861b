"""Iterative ptychography: refiners that work on whole scans."""
