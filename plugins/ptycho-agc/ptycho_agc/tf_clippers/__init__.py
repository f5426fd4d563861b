"""The clippers on TensorFlow gradients: they replace `.grad`, eagerly or traced into a compiled step."""
