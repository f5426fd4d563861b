"""Gradient clippers for ptycho-host."""
