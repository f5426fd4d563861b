"""Training losses for ptycho-host."""
