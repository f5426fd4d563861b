"""The losses on PyTorch tensors."""
