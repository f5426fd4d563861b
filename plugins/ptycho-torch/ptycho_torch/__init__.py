"""The PyTorch engine: group-consistent training, streamed prediction, and the physics both are built on."""
