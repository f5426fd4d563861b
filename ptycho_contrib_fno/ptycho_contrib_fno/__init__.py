"""Fourier neural operator generators for ptycho-host, on Torch."""
