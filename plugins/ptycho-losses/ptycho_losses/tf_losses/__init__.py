"""The losses on TensorFlow tensors: the same functions as those on PyTorch tensors, eagerly and under XLA."""
