"""TensorFlow and Keras, or one sentence that says how to get them. All modules here import them from this one."""

from __future__ import annotations

import os

# TensorFlow greets every process with lines about instruction sets; who wants them sets the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Keras reads its back-end once, when it is first imported, and may find another in the user's settings.
_chosen = os.environ.get("KERAS_BACKEND")
os.environ["KERAS_BACKEND"] = "tensorflow"
try:
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import ops
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "tensorflow":
        raise
    raise ModuleNotFoundError(
        "TensorFlow is not installed, and it comes in a build for CPUs (the extra [cpu]) and one for GPUs ([gpu])",
        name="ptycho-contrib-tf[cpu]",
    ) from error
finally:
    if _chosen is None:
        del os.environ["KERAS_BACKEND"]
    else:
        os.environ["KERAS_BACKEND"] = _chosen

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on '{keras.backend.backend()}' in this process; set the environment variable "
        "KERAS_BACKEND=tensorflow before anything imports keras"
    )

__all__ = ["keras", "ops", "tf"]
