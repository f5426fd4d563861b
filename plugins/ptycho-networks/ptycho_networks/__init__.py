"""Trained networks that travel with a distribution, so that `ptycho reconstruct NAME scan.npz` works anywhere."""
