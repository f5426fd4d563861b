"""A third party's generators for ptycho-host."""
