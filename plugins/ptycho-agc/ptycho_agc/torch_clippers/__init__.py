"""The clippers on PyTorch parameters: they change `.grad` in place and wait for the device once a call."""
