"""The TensorFlow engine, the physics it is built on, and the generators `pinn` and `baseline`."""
